"""Where the server is, and who asks: the base URL and the credentials, checked once."""

import base64
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from synap_sdk._core.message import Pairs, Request
from synap_sdk.errors import InvalidArgument
from synap_sdk.version import __version__

USER_AGENT = f"synap-sdk/{__version__} (python)"


@dataclass(frozen=True, slots=True)
class Target:
    """A server as seen by one client: ``url`` has no slash at its end; ``headers`` go with every request."""

    url: str
    headers: Pairs = field(repr=False)

    @property
    def is_encrypted(self) -> bool:
        """Whether it is spoken to over TLS."""
        return self.url.startswith("https:")

    def url_of(self, request: Request) -> str:
        """The whole URL of a request."""
        return self.url + request.target


def target(base_url: str, *, api_key: str | None, username: str | None, password: str | None) -> Target:
    """Check what a client was made with. Raises ``InvalidArgument``."""
    credentials = _authorization(api_key, username, password)
    headers: Pairs = (("user-agent", USER_AGENT),)
    if credentials is not None:
        headers += (("authorization", credentials),)
    return Target(_checked(base_url).rstrip("/"), headers)


def _checked(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError as cause:
        raise InvalidArgument("base_url: host or port cannot be") from cause
    if parts.scheme not in {"http", "https"} or not host or " " in base_url or not base_url.isprintable():
        raise InvalidArgument('base_url: expected one like "http://localhost:15500"')
    if "@" in parts.netloc:
        raise InvalidArgument("base_url: credentials go into api_key, or username and password")
    if parts.query or parts.fragment:
        raise InvalidArgument("base_url: has no query and no fragment")
    return base_url


def _authorization(api_key: str | None, username: str | None, password: str | None) -> str | None:
    """The header of the credentials; None where there are none."""
    if api_key is not None:
        if username is not None or password is not None:
            raise InvalidArgument("api_key: not together with username and password")
        if not (api_key and api_key.isascii() and api_key.isprintable() and " " not in api_key):
            raise InvalidArgument("api_key: expected printable ASCII without spaces")
        return f"Bearer {api_key}"
    if username is None and password is None:
        return None
    if username is None or password is None or ":" in username:
        raise InvalidArgument("username: expected one without a colon, and a password")
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"
