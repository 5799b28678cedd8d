"""The command endpoint: every operation through one address, as published Synap clients ask for them.

A request is an *envelope*, and so is its answer::

    {"command": "kv.get", "request_id": "1", "payload": {"key": "a"}}
    {"success": true, "request_id": "1", "payload": "v", "error": null}

The wish that a payload comes down to is the same ``Command`` as on the REST routes, read by the same shapes and refused
for the same reasons; only the answer is written otherwise, as those clients expect it. Permissions are checked on the
wish, outside.

============  ==============================================================================
``envelope``  what is around a payload, both ways, and where an error belongs
``payload``   the shapes of payloads that no REST route has
``asked``     a payload made a wish, and how its result is shown
``entries``   set, get, del, exists, dbsize, flush
``deadlines`` expire, persist, ttl
``numbers``   incr, decr
``text``      append, getrange, setrange, strlen, getset
``batches``   mset, msetnx, mget, mdel
``listings``  keys, scan
``names``     type, exists, randomkey, rename, renamenx, copy, memory usage
``server``    stats, info, slowlog
``values``    values as these clients read them
``table``     the names of all commands
============  ==============================================================================
"""
