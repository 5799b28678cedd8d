"""The accounts in the settings: who may come in, with which proof, and what cannot be an account.

A user has a password, of which the settings hold the bcrypt. An API key stands there itself, or as the SHA-256 of it,
in hexadecimal; the key is random and long, so that a slow digest would add nothing. What is wrong is refused with a
sentence that names the setting and quotes no secret; no ``repr`` shows one either.
"""

import hashlib
import re
import secrets
from datetime import date
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal, TypeAlias

import msgspec

from synap.errors import ConfigError

Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]

_NotEmpty = Annotated[str, msgspec.Meta(min_length=1)]

RoleName: TypeAlias = Literal["reader", "writer", "admin"]
"""``reader`` may look, ``writer`` may also change, ``admin`` may also do what whoever runs the server does."""

API_KEY_MAX_BYTES = 512
"""Ours have 43; there is room for tokens that were made elsewhere."""

PASSWORD_MAX_BYTES = 72
"""What bcrypt looks at. No account has a longer password: cut off, it would be another one."""

USERNAME_MAX_CHARS = 64

COST_MAX = 16
"""The cost of a bcrypt; each step doubles the time. At 16 a check takes four seconds, at 31 a day and a half."""

_BCRYPT = re.compile(r"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]")
"""128 bits of salt are 22 characters, 184 bits of hash are 31, six bits each, and what is left over in the last one of
either is zero. Another salt bcrypt does not even read, and another hash it never makes: no password would fit."""

_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_API_KEY = re.compile(rf"[!-~]{{1,{API_KEY_MAX_BYTES}}}")
_USERNAME = re.compile(rf"[^:\x00-\x1f\x7f]{{1,{USERNAME_MAX_CHARS}}}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_COST_MIN = 4
_COST = 12
"""About a quarter of a second. Whoever stole the settings tries four passwords a second and core."""

_API_KEY_BYTES = 32
"""256 bits: as many as SHA-256 has, and nobody guesses a hundred."""

_MAPPED_BITS = 96
"""What stands before an address of IPv4 in one of IPv6 that wraps it (``::ffff:10.0.0.7``)."""

_LONG_CHARS = 32
"""In hexadecimal 128 bits. What is shorter, somebody may have made up, and somebody else may guess it."""


class UserSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody with a password (HTTP Basic)."""

    username: str
    password_hash: str
    role: RoleName

    def __post_init__(self) -> None:
        if _USERNAME.fullmatch(self.username) is None:
            raise ValueError(f"username: expected 1 to {USERNAME_MAX_CHARS} characters, no colon among them")
        if _BCRYPT.fullmatch(self.password_hash) is None or not _COST_MIN <= self.cost <= COST_MAX:
            raise ValueError(
                f"password_hash of {self.username}: expected a bcrypt ($2b$...) of a cost from {_COST_MIN} to "
                f"{COST_MAX}, as synap hash-password prints it"
            )

    @property
    def cost(self) -> int:
        """The logarithm of how often the hash is computed."""
        return int(self.password_hash[4:6])

    def __repr__(self) -> str:
        return f"UserSettings({self.username!r}, ..., {self.role!r})"


class ApiKeySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key for a program: for keys under its ``prefixes`` only, from ``allowed_ips`` only, where there are any.

    It is good from the day ``created`` for ``expires_days``, in UTC; without these, for ever.
    """

    name: _NotEmpty
    role: RoleName
    key: str | None = None
    key_hash: str | None = None
    prefixes: tuple[_NotEmpty, ...] = ()
    created: date | None = None
    expires_days: Annotated[int, msgspec.Meta(ge=1, le=36_500)] | None = None
    allowed_ips: tuple[_NotEmpty, ...] = ()

    def __post_init__(self) -> None:
        if (self.key is None) == (self.key_hash is None):
            raise ValueError(f"{self.name}: expected either key or key_hash")
        if self.key is not None and _API_KEY.fullmatch(self.key) is None:
            raise ValueError(f"key of {self.name}: expected 1 to {API_KEY_MAX_BYTES} ASCII characters without spaces")
        if self.key_hash is not None and _SHA256.fullmatch(self.key_hash) is None:
            raise ValueError(
                f"key_hash of {self.name}: expected a SHA-256 in hexadecimal, as synap new-api-key prints it"
            )
        if (self.created is None) != (self.expires_days is None):
            raise ValueError(
                f"{self.name}: expires_days counts from the day in created (2026-11-24, say); expected both or neither"
            )
        for address in self.allowed_ips:
            _network(self.name, address)

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the key."""
        if self.key_hash is not None:
            return bytes.fromhex(self.key_hash)
        return digest_of((self.key or "").encode())

    @property
    def networks(self) -> Networks:
        """What ``allowed_ips`` names; where IPv6 wraps addresses of IPv4, those."""
        return tuple([_network(self.name, address) for address in self.allowed_ips])

    @property
    def is_long(self) -> bool:
        """Whether nobody guesses it; of a key that only its digest tells of, that is taken for granted."""
        return self.key is None or len(self.key) >= _LONG_CHARS

    def __repr__(self) -> str:
        return f"ApiKeySettings({self.name!r}, {self.role!r}, ...)"


class AuthenticationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may come in. Where it is not ``enabled``, everybody may do everything."""

    enabled: bool = False
    users: tuple[UserSettings, ...] = ()
    api_keys: tuple[ApiKeySettings, ...] = ()

    def __post_init__(self) -> None:
        if (name := _twice([user.username for user in self.users])) is not None:
            raise ValueError(f"users: there are two with the username {name}")
        if (name := _twice([key.name for key in self.api_keys])) is not None:
            raise ValueError(f"api_keys: there are two with the name {name}")
        names = {key.digest: key.name for key in self.api_keys}
        for key in self.api_keys:
            if names[key.digest] != key.name:
                raise ValueError(f"api_keys: {key.name} and {names[key.digest]} have the same key")


def digest_of(key: bytes) -> bytes:
    """What is kept of an API key."""
    return hashlib.sha256(key).digest()


def new_api_key() -> str:
    """A key that nobody guesses, in base64url."""
    return secrets.token_urlsafe(_API_KEY_BYTES)


def hash_password(password: str) -> str:
    """The bcrypt of a password, which takes a while. Raises ``ConfigError`` where it cannot be one."""
    import bcrypt  # noqa: PLC0415  # the settings are read by programs that need none of it

    secret = password.encode("utf-8", "surrogateescape")
    if not 0 < len(secret) <= PASSWORD_MAX_BYTES or _CONTROL.search(password):
        raise ConfigError(f"a password has 1 to {PASSWORD_MAX_BYTES} bytes in UTF-8 and no control characters")
    return bcrypt.hashpw(secret, bcrypt.gensalt(_COST)).decode()


def _twice(names: list[str]) -> str | None:
    """The first name that comes again."""
    return next((name for at, name in enumerate(names) if name in names[:at]), None)


def _network(name: str, address: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(address)
    except ValueError:
        raise ValueError(
            f"allowed_ips of {name}: expected an address or a network (10.0.0.7, 10.0.0.0/8, fd00::/8), got {address!r}"
        ) from None
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
