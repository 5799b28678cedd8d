"""What an application decides about its sessions, checked once."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from synap_sdk._core.lifetime import Ttl, seconds
from synap_sdk.errors import InvalidArgument
from synap_sdk.sessions._core.identity import PREFIX

SLACK_PARTS = 10
"""A session is extended when a tenth of its time has passed, so that not every request is a write ..."""

SLACK_MAX_S = 60.0
"""... or a minute, whichever comes first: the same that the store itself takes for worth an event."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ATTRIBUTE = re.compile(r"[ -:<-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """How sessions live, and what their cookie looks like. Raises ``InvalidArgument`` for what does not fit together.

    ``ttl`` is how long a session lives after its last use; every request that uses it lets it live so long again. The
    cookie lives as long. ``prefix`` is where sessions lie in the store.

    The cookie is ``HttpOnly`` always. It is ``Secure``, which browsers send over HTTPS, and over HTTP to localhost
    only; ``SameSite=Lax`` keeps it from requests that other sites make, but for links. A ``cookie`` whose name begins
    with ``__Host-`` can be set by this host only, not by its neighbours under the same domain.

    ``when_away`` is what happens while the store does not answer. ``"fail"``: whatever uses its session raises
    ``SessionUnavailable``, and is answered with 503 if nobody catches that. ``"anonymous"``: everybody is nobody, as
    without a cookie, but keeps the cookie; and only what would change a session fails.
    """

    ttl: Ttl = 3600
    prefix: str = PREFIX
    cookie: str = "session_id"
    path: str = "/"
    domain: str | None = None
    secure: bool = True
    same_site: Literal["Lax", "Strict", "None"] = "Lax"
    when_away: Literal["fail", "anonymous"] = "fail"

    def __post_init__(self) -> None:
        if self.ttl_s < 1:
            raise InvalidArgument("ttl: expected a second or more")
        if not self.prefix:
            raise InvalidArgument("prefix: expected one, so that sessions can be told from other keys")
        if not _TOKEN.fullmatch(self.cookie):
            raise InvalidArgument("cookie: expected a name of letters, digits, and - or _")
        if not all(_ATTRIBUTE.fullmatch(each) for each in (self.path, self.domain) if each is not None):
            raise InvalidArgument("path, domain: expected printable ASCII without a semicolon")
        self._check_choices()

    def _check_choices(self) -> None:
        if self.same_site not in {"Lax", "Strict", "None"}:
            raise InvalidArgument('same_site: expected "Lax", "Strict" or "None"')
        if self.when_away not in {"fail", "anonymous"}:
            raise InvalidArgument('when_away: expected "fail" or "anonymous"')
        if self.same_site == "None" and not self.secure:
            raise InvalidArgument("secure: browsers want it where same_site is None")
        if self.cookie.startswith("__Host-") and (self.domain is not None or self.path != "/" or not self.secure):
            raise InvalidArgument("cookie: __Host- goes with secure, the path / and no domain")

    @property
    def ttl_s(self) -> float:
        """``ttl`` in seconds."""
        return seconds(self.ttl) if not isinstance(self.ttl, timedelta) else self.ttl.total_seconds()

    @property
    def max_age_s(self) -> int:
        """How long the cookie lives, in whole seconds: as long as the session, and not longer."""
        return int(self.ttl_s)

    def is_due(self, left_s: int) -> bool:
        """See ``is_due``, with the ``ttl`` of these."""
        return is_due(left_s, self.ttl_s)


def is_due(left_s: int, ttl_s: float) -> bool:
    """Whether a session that has so long to live (-1: for ever) is to be extended, or cut, to ``ttl_s``."""
    return left_s > ttl_s or ttl_s - left_s > min(ttl_s / SLACK_PARTS, SLACK_MAX_S)
