"""Tests that start the real server as a process of its own, and hurt it.

=================  ===========================================================================
``harness``        a server process and its end; an HTTP client; a disk of a few MiB
``expectation``    what a client may expect of the store: the checker of all random tests
``clients``        those clients at work, until the server dies
``saboteur``       servers with one protection taken out, which the checkers must catch
``driver``         the store without HTTP, one process for each crash
``forks``          the other end of ``driver``
``cases``          what the store there goes through, and what must be left of it
``folds``          the child processes in which a server makes its snapshots
``tracing``        strace: faults in the system calls of a process
``shim``           faults in the file calls of all threads of a process, and in the bytes
``disks``          real file systems that lose their power, hang, or cannot keep what they took
``wall_clock``     the wall clock of one server, to be set while it runs
``memory``         limits to the memory of a process
=================  ===========================================================================
"""
