"""One function per route: what a request wishes, and how the result is rendered.

Each takes the request and the key of its path, and gives a ``Call``. Nothing here can fail except by a
``ClientError``; nothing here waits.

============  ==============================================================================
``entries``   set, get, delete, exists
``deadlines`` expire, persist, ttl
``numbers``   incr, decr, incrby, decrby
``text``      append, getrange, setrange, strlen, getset, getdel
``names``     type, exists, rename, renamenx, copy, randomkey, memory usage
``values``    values as bodies of their own: PUT, GET, DELETE
``batches``   mset, msetnx, mget, mdel
``listings``  keys, scan, count, and the deletion of all under a prefix
``server``    the server itself: health, readiness, metrics, stats, snapshots, backup
============  ==============================================================================
"""
