"""Tests that start the real server as a process of its own, and hurt it.

=================  ===========================================================================
``harness``        a server process and its end; an HTTP client; a disk of a few MiB
``tracing``        strace: faults in the system calls of a process
``expectation``    what a client may expect of the store: the checker of all random tests
``saboteur``       servers with one protection taken out, which the checkers must catch
``driver``         the store without HTTP, one process for each crash
=================  ===========================================================================
"""
