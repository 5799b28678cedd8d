"""Who a request says it comes from: Authorization (RFC 9110, 11.6.2) and X-API-Key, as a value.

=================================  ===============================================
``Authorization: Bearer KEY``      an API key (RFC 6750)
``X-API-Key: KEY``                 the same
``Authorization: Basic BASE64``    a user name and a password (RFC 7617), in UTF-8
=================================  ===============================================

What is malformed is refused, never passed over: a request that tried to say who it comes from must not be taken for one
that did not. So is one that says two things, because whoever sits in front of the server may have looked at the other
one. No sentence here quotes what was sent, and neither does any ``repr``. Nothing is taken from the query: addresses
end up in logs.
"""

import base64
import binascii
import re
from typing import TypeAlias

import msgspec

from synap.accounts import API_KEY_MAX_BYTES, PASSWORD_MAX_BYTES
from synap.errors import NotAuthenticatedError
from synap.protocol.http.message import Headers

_API_KEY = re.compile(rb"[!-~]{1,%d}" % API_KEY_MAX_BYTES)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BASE64_MAX_BYTES = 1024
"""More than the longest user name and password there can be."""


class ApiKey(msgspec.Struct, frozen=True):
    """A key that is all the proof there is."""

    key: bytes

    def __repr__(self) -> str:
        return "ApiKey(...)"


class Login(msgspec.Struct, frozen=True):
    """A user name and the password that shall prove it."""

    username: str
    password: bytes

    def __repr__(self) -> str:
        return "Login(...)"


Credentials: TypeAlias = ApiKey | Login


def read_credentials(headers: Headers) -> Credentials | None:
    """What the headers say; None where they say nothing. Raises ``NotAuthenticatedError``."""
    said: Credentials | None = None
    for name, value in headers:
        if name == b"authorization":
            found: Credentials = _of_authorization(value)
        elif name == b"x-api-key":
            found = _api_key(value.strip(b" \t"), "X-API-Key")
        else:
            continue
        if said is not None and found != said:
            raise NotAuthenticatedError("malformed", "two different credentials were sent; expected one")
        said = found
    return said


def _of_authorization(value: bytes) -> Credentials:
    scheme, _, rest = value.strip(b" \t").partition(b" ")
    match scheme.lower():
        case b"bearer":
            return _api_key(rest.strip(b" "), "Authorization: Bearer")
        case b"basic":
            return _login(rest.strip(b" "))
    raise NotAuthenticatedError("malformed", "Authorization: expected Bearer and an API key, or Basic and a login")


def _api_key(key: bytes, place: str) -> ApiKey:
    if _API_KEY.fullmatch(key) is None:
        raise NotAuthenticatedError(
            "malformed", f"{place}: expected an API key of 1 to {API_KEY_MAX_BYTES} ASCII characters without spaces"
        )
    return ApiKey(key)


def _login(encoded: bytes) -> Login:
    try:
        decoded = base64.b64decode(encoded, validate=True) if len(encoded) <= _BASE64_MAX_BYTES else b""
        username, colon, password = decoded.decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = username = password = ""
    if not colon or _CONTROL.search(username + password):
        raise NotAuthenticatedError(
            "malformed", "Authorization: Basic: expected base64 of USERNAME:PASSWORD in UTF-8, of no excessive length"
        )
    secret = password.encode()
    if len(secret) > PASSWORD_MAX_BYTES:
        raise NotAuthenticatedError(
            "malformed", f"Authorization: Basic: no password has over {PASSWORD_MAX_BYTES} bytes here"
        )
    return Login(username, secret)
