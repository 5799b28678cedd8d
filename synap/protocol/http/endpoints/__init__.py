"""One function per route: what a request wishes, and how the result is rendered.

Each takes the request and the key of its path, and gives a ``Call``. Nothing here can fail except by a
``ClientError``; nothing here waits. Its docstring is written for clients: with what the decorator says, it is what
OpenAPI, /docs and docs/rest.md tell of the route.

============  ==============================================================================
``entries``   set, get, delete, exists
``deadlines`` expire, persist, ttl
``numbers``   incr, decr, incrby, decrby
``text``      append, getrange, setrange, strlen, getset, getdel
``names``     type, exists, rename, renamenx, copy, randomkey, memory usage
``values``    values as bodies of their own: PUT, GET, DELETE
``batches``   mset, msetnx, mget, mdel
``listings``  keys, scan, count, and the deletion of all under a prefix
``events``    watching: what happens to keys, as it happens
``server``    the server itself: health, readiness, metrics, stats, snapshots, backup
============  ==============================================================================
"""
