"""Measurements, each a program of its own; ``README.md`` has what they found, and what limits it.

===============  ==========================================================================
``commits``      group commit, in process
``recovery``     recovery from the log alone, and the memory of a session
``startup``      starts from a snapshot and from the log; with ``redis_server``, beside Redis
``snapshots``    what a snapshot costs those who read and write meanwhile, under a ``load``
``replay``       the offline tool on the log of a day, which ``churn`` makes up
``sessions``     what all of them store; ``processes`` starts servers, ``figures`` shows results
===============  ==========================================================================
"""
