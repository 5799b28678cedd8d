"""The offline tool: how the data came to be, on a copy, on a live directory or on a damaged one.

It reads without the lock and changes nothing where it only looks. A server may append, rotate, take snapshots and trim
meanwhile: a file that goes away while it is read is no damage.

==================  ==========================================================================
``cli``             the command line, ``python -m synap.replay``: a table of commands
``invocation``      what a command is given: where to look, how to show it
``exits``           how a run ends: one line and an exit code

``source``          a data directory, opened to look at: store, segments, snapshots
``follow``          the log, read as it grows
``points``          points of time or of the log, as they are typed
``asof``            the data as of a point
``extent``          from where to where there is anything to show

``text``            keys, values, times and sizes as text that any terminal may be shown
``render``          output as JSON lines or as columns; progress
``records``         events and entries as they become JSON
``lines``           events and entries as columns

``summary``         the command; ``survey`` and ``census`` find, ``summary_record`` is the JSON
``events``          the command; ``browse`` and ``selection`` find
``state``, ``get``  the commands
``history``         the command; ``chronicle`` and ``life`` find
``diff``            the command; ``comparison`` finds

``checking``        the command ``verify``; ``verify``, ``verify_log``, ``verify_file`` find, ``findings`` is what
``mending``         the command ``repair``
``copying``         the command ``backup``, which is ``synap backup`` only
``moving``          the commands ``restore``, ``export``, ``import``; ``restore`` and ``transfer`` do it
==================  ==========================================================================
"""
