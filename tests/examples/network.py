"""A network of the tests' own, for an example that has its port written down.

In a network namespace (see ``network_namespaces(7)``) every port is free, and nobody outside sees who listens.
"""

import array
import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# From linux/sched.h, linux/sockios.h and linux/if.h.
_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_INTERFACE = struct.Struct("16sH14x")

_THREAD_NETWORK = Path("/proc/thread-self/ns/net")


@contextmanager
def own_network() -> Iterator[None]:
    """A network with nothing but loopback, for this thread and for what it starts. Skips where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open(_THREAD_NETWORK, os.O_RDONLY)
    try:
        if libc.unshare(_CLONE_NEWNET) != 0:
            reason = os.strerror(ctypes.get_errno())
            pytest.skip(f"no network namespace can be made here (it takes root): {reason}")
        try:
            _bring_up("lo")
            yield
        finally:
            assert libc.setns(before, _CLONE_NEWNET) == 0, "there is no way back to the network of the machine"
    finally:
        os.close(before)


def _bring_up(interface: str) -> None:
    """See ``netdevice(7)``."""
    name = interface.encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = array.array("B", _INTERFACE.pack(name, 0))
        fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request)
        _, flags = _INTERFACE.unpack(request.tobytes())
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, _INTERFACE.pack(name, flags | _IFF_UP))
