"""How large and how long anything in the keyspace may be, and the checks that say so."""

import msgspec

from synap.errors import InvalidKeyError, InvalidTtlError, TooLargeError

MAX_TTL_MS = 10 * 365 * 24 * 60 * 60 * 1000
"""Ten years. A longer time to live is a mistake of units more often than a wish."""


PATTERN_MAX_BYTES = 1024
"""Of a glob pattern. Matching takes time in proportion to pattern and key, and the pattern is the caller's."""


class Limits(msgspec.Struct, frozen=True):
    """Sizes in bytes, and what is not to be done at all."""

    key_max_bytes: int = 64 * 1024
    """Room for any identifier; small enough that a key fits a request line even with every byte escaped."""

    value_max_bytes: int = 8 * 1024 * 1024
    """Far over any session, and a few of them still fit one batch of the log."""

    flush_allowed: bool = False
    """Whether one command may remove everything. Nobody needs that in production, and it cannot be taken back."""

    def check_key(self, key: bytes, field: str = "key") -> None:
        """Refuse a key that is empty, not UTF-8 or too long; ``field`` is what the client calls it."""
        if not key:
            raise InvalidKeyError(f"{field} must not be empty", field=field)
        if len(key) > self.key_max_bytes:
            raise TooLargeError(field, len(key), self.key_max_bytes)
        if key.isascii():
            return
        try:
            key.decode()
        except UnicodeDecodeError as cause:
            raise InvalidKeyError(f"{field} must be UTF-8; byte {cause.start} is not", field=field) from cause

    def check_value(self, value: bytes) -> None:
        """Refuse a value that is too large."""
        self.check_value_size(len(value))

    def check_value_size(self, size_bytes: int) -> None:
        """Refuse a value that would be too large, before it is made."""
        if size_bytes > self.value_max_bytes:
            raise TooLargeError("value", size_bytes, self.value_max_bytes)


def deadline_after(now_ms: int, ttl_ms: int) -> int:
    """The deadline of something that lives ``ttl_ms`` (more than 0) from now on."""
    if ttl_ms <= 0:
        raise InvalidTtlError("ttl must be greater than 0")
    if ttl_ms > MAX_TTL_MS:
        raise InvalidTtlError(f"ttl must not be over ten years ({MAX_TTL_MS // 1000:,} seconds)")
    return now_ms + ttl_ms


def checked_deadline(now_ms: int, deadline_ms: int) -> int:
    """``deadline_ms`` itself, if it lies ahead and not too far."""
    if deadline_ms <= now_ms:
        raise InvalidTtlError("expiry must lie in the future")
    return deadline_after(now_ms, deadline_ms - now_ms)
