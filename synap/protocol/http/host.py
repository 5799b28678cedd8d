"""Under which name a server may be asked for, where nothing but the name keeps web pages out (DNS rebinding).

A page of evil.example may let that name stand for 127.0.0.1. To the browser, a server on this machine is then of the
page's own origin: the page may read from it, and its requests look like those of the server's own pages. Only the name
in their Host gives them away. So where anybody on the machine may come in, names are refused that somebody else may
own: all but addresses, ``localhost`` and what ends in it, names without a dot, and those that are configured.
"""

from functools import lru_cache
from ipaddress import ip_address

from synap.errors import ForeignHostError
from synap.protocol.http.message import Headers, header

_REMEMBERED = 256


def check_host(headers: Headers, allowed: frozenset[str]) -> None:
    """Raises ``ForeignHostError``. A browser always sends a Host, so whoever sends none may."""
    host = header(headers, b"host")
    if host is not None and not _is_ours(host, allowed):
        raise ForeignHostError


@lru_cache(_REMEMBERED)
def _is_ours(host: bytes, allowed: frozenset[str]) -> bool:
    name = _without_port(host.decode("latin-1").lower()).removesuffix(".")
    return "." not in name or name.endswith(".localhost") or name in allowed or _is_address(name)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
