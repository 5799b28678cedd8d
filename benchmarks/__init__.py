"""Measurements, each a program of its own; ``README.md`` has what they found, and what limits it.

===============  ==========================================================================
``beside``       every figure that has a goal, beside webdis, Redis, hypercorn alone, a dict
``commits``      group commit, in process
``recovery``     recovery from the log alone, and the memory of a session
``startup``      starts from a snapshot and from the log; with ``redis_server``, beside Redis
``snapshots``    what a snapshot costs those who read and write meanwhile, under a ``load``
``replay``       the offline tool on the log of a day, which ``churn`` makes up
``tree``         the tree alone, beside Redis and beside a dict
``sessions``     what all of them store; ``processes`` starts servers, ``figures`` shows results;
                 ``plots`` draws them
===============  ==========================================================================
"""
