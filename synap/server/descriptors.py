"""File descriptors: every connection takes one, and so does every file of the log.

Where they run out, the log cannot begin its next segment, and that ends the server. So connections leave room.
"""

import resource

RESERVED = 256
"""For everything but connections: the log, the event loop, listening sockets, connections that are being refused."""


def room_for_connections(wanted: int) -> int:
    """Raise the process's limit if need be, as far as it may be; return how many connections fit under it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return max(min(wanted, limit - RESERVED), 1)
