"""The server itself: numbers, what an operator wants to know, and what was slow."""

from msgspec import UnsetType

from synap.errors import InvalidParameterError
from synap.protocol.http import answers
from synap.protocol.http.command import payload
from synap.protocol.http.command.asked import Asked, asked, unchanged
from synap.protocol.http.endpoints.server import SECTION, SLOWLOG_MAX
from synap.protocol.http.info import only
from synap.protocol.http.service import Errand, Question, Role


def stats(_: payload.Nothing) -> Asked:
    """kv.stats."""
    return asked(Question(lambda service: service.stats(), Role.READER), unchanged)


def info(given: payload.Section) -> Asked:
    """The command ``info``."""
    section = SECTION.of({} if isinstance(given.section, UnsetType) else {"section": given.section})
    return asked(Question(lambda service: service.info()), lambda told: only(section, told))


def slowlog(given: payload.Count) -> Asked:
    """slowlog.get."""
    count = SLOWLOG_MAX if isinstance(given.count, UnsetType) else given.count
    if not 1 <= count <= SLOWLOG_MAX:
        raise InvalidParameterError(f"count: expected an integer from 1 to {SLOWLOG_MAX:,}", field="count")
    return asked(Question(lambda service: service.slowlog(count)), unchanged)


def clear_slowlog(_: payload.Nothing) -> Asked:
    """slowlog.reset."""
    return asked(
        Errand(lambda service: service.clear_slowlog()),
        lambda cleared: answers.SlowlogCleared(success=True, cleared=cleared),
    )
