"""Deciders: for each write, what it does to the keyspace.

A decider looks at the overlay, refuses with a ``CommandError`` *before* it records anything, and otherwise records the
events that make its result true. It reads no clock and no chance: the overlay says what time it is.

============  ==============================================================================
``look``      what all of them begin with: the entry under a key, at the version expected
``values``    whole values: set, one or several
``text``      parts of values: append, setrange
``numbers``   incr and decr
``names``     rename, copy
``deadlines`` touch, expire, persist
``removals``  deleting, one, several or all under a prefix, and purging what is due
============  ==============================================================================

``keyspace/decide.py`` is the table that says which command is whose.
"""
