"""The headers that a response gets: ``Set-Cookie`` (RFC 6265bis), ``Vary`` and ``Cache-Control``."""

from synap_sdk.sessions._core.finish import Verdict
from synap_sdk.sessions._core.options import SessionOptions


def set_cookie(verdict: Verdict, options: SessionOptions) -> str | None:
    """The value of ``Set-Cookie``; None where there is nothing to say."""
    if verdict.session_id is not None:
        return _rendered(verdict.session_id, f"Max-Age={options.max_age_s}", options)
    if verdict.forget:
        return _rendered("", "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT", options)
    return None


def _rendered(value: str, lifetime: str, options: SessionOptions) -> str:
    parts = [f"{options.cookie}={value}", lifetime, f"Path={options.path}"]
    if options.domain is not None:
        parts.append(f"Domain={options.domain}")
    if options.secure:
        parts.append("Secure")
    return "; ".join([*parts, "HttpOnly", f"SameSite={options.same_site}"])


def cache_control(verdict: Verdict, chosen: str | None) -> str | None:
    """The value of ``Cache-Control`` where the application ``chosen`` this one; None to leave it so.

    A cookie that a shared cache keeps logs everybody in as somebody, so that is not the application's to choose.
    """
    if verdict.session_id is not None or verdict.forget:
        return None if chosen is not None and _keeps_private(chosen) else "no-store"
    return "private" if verdict.accessed and chosen is None else None


def _keeps_private(cache_control: str) -> bool:
    directives = {part.strip().lower() for part in cache_control.split(",")}
    return bool(directives & {"no-store", "private"})
