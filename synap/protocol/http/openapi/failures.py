"""Which errors a route can answer with: those of everything, those of what it takes, and those it names itself.

The statuses and names are those of the table in ``errors``; what is said of each is the first sentence of the error's
own docstring.
"""

import inspect

import msgspec

from synap import errors
from synap.protocol.http.errors import TABLE
from synap.protocol.http.permission import PUBLIC_PATTERNS
from synap.protocol.http.precondition import IF_MATCH
from synap.protocol.http.router import Route

_ErrorTypes = tuple[type[BaseException], ...]

_EVERYWHERE: _ErrorTypes = (
    errors.MalformedRequestError,
    errors.CrossOriginError,
    errors.ForeignHostError,
    errors.RequestTimeoutError,
    errors.TooLargeError,
    errors.HeadersTooLargeError,
    errors.NotReadyError,
    errors.OverloadedError,
    errors.UnavailableError,
    BaseException,
)
"""A path that does not parse, a body that nobody asked for, a server that is starting or stopping."""

_WITH_CREDENTIALS: _ErrorTypes = (
    errors.NotAuthenticatedError,
    errors.NotPermittedError,
    errors.TooManyFailuresError,
)
_WITH_A_QUERY: _ErrorTypes = (errors.InvalidParameterError,)
_WITH_KEYS: _ErrorTypes = (errors.InvalidKeyError,)
_WITH_A_BODY: _ErrorTypes = (errors.UnsupportedMediaTypeError, errors.WrongShapeError)
_WITH_CONDITIONS: _ErrorTypes = (errors.VersionMismatchError, errors.InvalidParameterError)
_WITH_A_COMMAND: _ErrorTypes = (errors.InvalidValueError, errors.InvalidTtlError)
_TRY_AGAIN: _ErrorTypes = (errors.UnavailableError, errors.TooManyFailuresError, errors.LogConflictError)
_WITH_A_WRITE: _ErrorTypes = (
    errors.DiskFullError,
    errors.MemoryLimitError,
    errors.LogConflictError,
    errors.LogFailedError,
)


class Failure(msgspec.Struct, frozen=True):
    """One of the errors of a route. ``everywhere``: all routes have it, or all that ask for credentials."""

    status: int
    type: str
    about: str
    everywhere: bool
    retry_after: bool


def failures_of(route: Route) -> list[Failure]:
    """All errors that a route can answer with, by status."""
    found = {TABLE[each].type: _failure(each) for each in _error_types(route)}
    return sorted(found.values(), key=lambda failure: (failure.status, failure.type))


def _error_types(route: Route) -> list[type[BaseException]]:
    said = route.endpoint.description
    of_keys = "{key}" in route.pattern or said.body is not None
    parts = (
        (_EVERYWHERE, True),
        (_WITH_CREDENTIALS, route.pattern not in PUBLIC_PATTERNS),
        (_WITH_A_QUERY, bool(said.query)),
        (_WITH_KEYS, of_keys or bool(said.query)),
        (_WITH_A_COMMAND, said.writes or bool(said.query)),
        (_WITH_A_BODY, said.body is not None),
        (_WITH_CONDITIONS, IF_MATCH in said.fields),
        (_WITH_A_WRITE, said.writes),
        (said.errors, True),
    )
    return [each for errors_of_part, applies in parts if applies for each in errors_of_part]


def _failure(error: type[BaseException]) -> Failure:
    shown = TABLE[error]
    about = shown.sentence or inspect.cleandoc(error.__doc__ or "").partition("\n\n")[0]
    about = " ".join(about.split()).partition(". ")[0].replace("``", "`").removesuffix(".")
    return Failure(
        shown.status,
        shown.type,
        about[:1].upper() + about[1:] + ".",
        everywhere=error in {*_EVERYWHERE, *_WITH_CREDENTIALS},
        retry_after=issubclass(error, _TRY_AGAIN),
    )
