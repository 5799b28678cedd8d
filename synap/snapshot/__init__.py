"""Snapshots: every entry as of a sequence number, in a file that counts only if it is whole.

============  ==========================================================================
``format``    the bytes of a snapshot (and nowhere else)
``writer``    one snapshot, written in key order
``reader``    one snapshot, read and checked; the snapshots of a directory
``fold``      the program that makes the next snapshot of the one before and the log since
============  ==========================================================================

``fold`` is a program of its own (``python -m synap.snapshot.fold``): it ties log, events and snapshots together and
belongs to the engine. The others know no events and no keyspace.
"""
