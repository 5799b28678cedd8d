"""Synap beside others, figure by figure: webdis, Redis, hypercorn alone, a dict. ``python -m benchmarks.beside``.

=================  ================================================================================
``reads``          GET over REST: beside webdis in front of Redis, and beside hypercorn alone
``writes``         SET over REST, in the modes ``always`` and ``periodic``
``round_trips``    one client that waits for each answer
``in_process``     a read without any network, of one key and of a thousand
``memory``         what a session occupies
``loading``        a start with all the sessions
``mixed``          reads while others write; ``paced`` makes that load
``figure``         one figure: the runs of both sides, and what is to be reached
``report``         the table, the plots, the page; ``machine`` says where all that was measured
``bench``          what a case is given; ``generators`` load servers, ``peers`` are what we compare with
=================  ================================================================================

The servers have one core and whatever loads them another; both sides of a figure take turns, run by run, so that a slow
moment of the machine meets both.
"""
