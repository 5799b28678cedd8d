"""Every exception Synap raises on purpose, and whose fault each one is.

::

    SynapError
    ├── ClientError             the client's: nothing was written; ``field`` names what was wrong
    │   ├── CommandError            the command is refused
    │   │   ├── InvalidKeyError         400  empty, not UTF-8
    │   │   ├── InvalidValueError       400  a value or a parameter that no state could accept
    │   │   ├── InvalidTtlError         400  zero, in the past, or over ten years
    │   │   ├── TooLargeError           413  key, value, body or batch over its limit
    │   │   ├── MissingKeyError         404  there is no such key, and the command needs one
    │   │   ├── KeyExistsError          409  there is such a key, and the command must not overwrite it
    │   │   ├── VersionMismatchError    412  compare-and-set lost the race
    │   │   └── FlushOffError           403  removing everything is not allowed
    │   └── RequestError            the request means no command
    │       ├── MalformedRequestError   400  bytes that do not parse
    │       ├── InvalidParameterError   400  a parameter that cannot be, or two that exclude each other
    │       ├── NotAuthenticatedError   401  no credentials, or wrong ones
    │       ├── NotPermittedError       403  whoever asks may not do that
    │       ├── CrossOriginError        403  a web page of another origin may not write
    │       ├── UnknownRouteError       404  nothing is there
    │       ├── MethodNotAllowedError   405  something is there, for other methods
    │       ├── RequestTimeoutError     408  the body did not come in time
    │       ├── TrimmedError            410  what was asked for is no longer in the log
    │       ├── ForeignHostError        421  asked for under a name that may be somebody else's
    │       ├── UnsupportedMediaTypeError 415  not JSON, or encoded
    │       ├── WrongShapeError         422  JSON, but not of the expected shape
    │       │   └── MissingFieldError       422  a field that must be there is not
    │       ├── UnknownCommandError     400  the command endpoint has no such command
    │       ├── TooManyFailuresError    429  too many wrong credentials from one address
    │       ├── StreamVersionError      505  a stream, over another version of HTTP than 1
    │       └── HeadersTooLargeError    431  header fields over their limit
    ├── UnavailableError        nobody's: try again; the write surely did not happen
    │   ├── NotReadyError           503  loading or draining
    │   ├── OverloadedError         503  the write queue is full
    │   ├── DiskFullError           507  no room for the batch; reads go on
    │   └── MemoryLimitError        507  no memory left that the store may take; reads go on
    ├── SnapshotError           no snapshot was taken; the log has everything
    │   ├── SnapshotsOffError       409  the store is told to take none
    │   ├── SnapshotNoRoomError     507  the disk is full
    │   └── SnapshotFailedError     500  the fold failed, or made something else than was to be made
    ├── LogConflictError        somebody else appended to the log first; nothing was written
    ├── LogFailedError          the disk's: the outcome of the write is unknown, the process must end
    ├── DataDirectoryError      the operator's: the directory cannot be used as it is
    │   ├── DataDirectoryUnusableError   a file, missing parents, no permission, read-only, full
    │   ├── DataDirectoryLockedError     another server has it
    │   ├── NotOursError            it belongs to another program
    │   ├── NewerFormatError        it was written by a newer version
    │   └── DamagedError            bytes that were durable have changed
    ├── RepairError             the operator's: the log cannot be cut there
    ├── ReplayError             the operator's: what was asked of the offline tool cannot be shown or made
    │   ├── TrimmedAwayError        the log begins only later
    │   └── ImportFileError         a line of the file is not what an export writes
    ├── CodecError              an event or a frame's payload does not mean anything
    │   └── UnknownEventError       it means something to a newer version
    ├── ConfigError             the operator's: a wrong name or value, and where it stands
    └── AddressInUseError       the operator's: somebody else listens there

An error carries its data as attributes; ``str(error)`` is one sentence for a person. Errors of a command
know nothing of HTTP (the table in ``protocol/http/errors.py`` gives each its status); errors that end the
process carry ``exit_code``, after BSD's ``sysexits.h``.
"""

from pathlib import Path


class SynapError(Exception):
    """Base of everything below."""


# --- a command was refused -------------------------------------------------------------------------------


class ClientError(SynapError):
    """What the client sent cannot be carried out; no event was written.

    ``field`` names the part of it that was wrong, as the client spells it; None where it is no single one.
    """

    field: str | None = None

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        if field is not None:
            self.field = field


class CommandError(ClientError):
    """The command cannot be carried out, whatever door it came through."""


class InvalidKeyError(CommandError):
    """The key is empty or not UTF-8."""

    field = "key"


class InvalidValueError(CommandError):
    """A value or a parameter that no state of the keyspace could accept."""


class InvalidTtlError(CommandError):
    """A time to live that is zero, lies in the past, or is longer than ten years."""

    field = "ttl"


class TooLargeError(CommandError):
    """Something is over its limit. ``what`` names it; ``size`` and ``limit`` are in ``unit``."""

    def __init__(self, what: str, size: int, limit: int, unit: str = "bytes") -> None:
        super().__init__(f"{what} is too large: {size:,} {unit}, the limit is {limit:,}", field=what)
        self.what, self.size, self.limit, self.unit = what, size, limit, unit


class MissingKeyError(CommandError):
    """There is no such key, and one is needed. ``key`` is told where only the sentence reaches a client."""

    field = "key"

    def __init__(self, key: str | None = None) -> None:
        super().__init__("there is no such key" if key is None else f"Key not found: {key}")


class KeyExistsError(CommandError):
    """There is a key already where the command was told to overwrite none."""

    field = "destination"

    def __init__(self) -> None:
        super().__init__("there is such a key already, and it was not overwritten")


class VersionMismatchError(CommandError):
    """The entry is not at the expected version. ``current`` is None where the key is missing."""

    def __init__(self, expected: int, current: int | None) -> None:
        wanted = f"version {expected}" if expected else "no such key"
        found = "the key is missing" if current is None else f"it is at version {current}"
        super().__init__(f"version does not match: expected {wanted}, {found}")
        self.expected, self.current = expected, current


class FlushOffError(CommandError):
    """Everything should be removed at once, and the operator does not allow that."""

    def __init__(self) -> None:
        super().__init__("removing all keys is off; the operator allows it with kv_store.allow_flush_commands")


# --- a request means no command --------------------------------------------------------------------------


class RequestError(ClientError):
    """What was sent is no request that means anything."""


class MalformedRequestError(RequestError):
    """Bytes that do not parse: a body that is not JSON, text that is not UTF-8, a broken percent escape or cursor."""


class InvalidParameterError(RequestError):
    """A parameter outside of what it can be, or two that exclude each other."""


class NotAuthenticatedError(RequestError):
    """Nobody knows who asks. ``reason`` is one word for the metrics; the sentence quotes nothing of what was sent."""

    field = "authorization"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotPermittedError(RequestError):
    """It is known who asks, and they may not. ``needs`` is what would be needed: a role, "prefix" or "address"."""

    def __init__(self, needs: str, message: str) -> None:
        super().__init__(message)
        self.needs = needs


class TooManyFailuresError(RequestError):
    """So many wrong credentials came from an address that none is looked at for ``retry_after_s`` seconds."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many wrong credentials came from this address; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class CrossOriginError(RequestError):
    """A write that a browser sends for a web page that is not this server's."""

    field = "origin"


class ForeignHostError(RequestError):
    """Asked for under a name that may be somebody else's, where only this machine should ask."""

    field = "host"

    def __init__(self) -> None:
        super().__init__(
            "this server is for its own machine only, and not under that name; the operator may add the name to "
            "server.allowed_hosts, or enable authentication"
        )


class UnknownRouteError(RequestError):
    """There is nothing at this path."""


class MethodNotAllowedError(RequestError):
    """The path exists, but not for this method. ``allowed`` are those it exists for."""

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"{method} is not allowed here; allowed: {', '.join(allowed)}")
        self.method, self.allowed = method, allowed


class RequestTimeoutError(RequestError):
    """The body did not arrive within ``limit_s`` seconds."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"the body did not arrive within {limit_s:g} seconds", field="body")
        self.limit_s = limit_s


class TrimmedError(RequestError):
    """The events after ``after_seq`` are no longer all there; the first that is, is ``earliest_seq``."""

    field = "after"

    def __init__(self, after_seq: int, earliest_seq: int) -> None:
        super().__init__(
            f"the log no longer has what happened right after seq {after_seq}; it begins at {earliest_seq}"
        )
        self.after_seq, self.earliest_seq = after_seq, earliest_seq


class UnsupportedMediaTypeError(RequestError):
    """The body is not declared as UTF-8 JSON, or it is compressed. ``field`` is the header that says so."""


class WrongShapeError(RequestError):
    """The body is JSON, but a field is missing or of the wrong type. ``expected`` says what would be right."""

    def __init__(self, field: str, expected: str, found: str) -> None:
        super().__init__(f"{field}: expected {expected}, {found}", field=field)
        self.expected = expected


class MissingFieldError(WrongShapeError):
    """A field is missing that must be there."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(field, expected, "the field is missing")


class UnknownCommandError(RequestError):
    """There is no command of that name."""

    field = "command"


class StreamVersionError(RequestError):
    """A body that comes piece by piece is asked for over a version of HTTP over which it is not sent."""

    def __init__(self, version: str) -> None:
        super().__init__(f"this is sent over HTTP/1.1 only, not over HTTP/{version}")


class HeadersTooLargeError(RequestError):
    """The header fields together are over ``limit`` bytes."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"the header fields are too large: {size:,} bytes, the limit is {limit:,}")
        self.size, self.limit = size, limit


# --- not now ---------------------------------------------------------------------------------------------


class UnavailableError(SynapError):
    """The command was not carried out and may be sent again after ``retry_after_s`` seconds."""

    retry_after_s = 1


class NotReadyError(UnavailableError):
    """The store is still loading, or already draining."""


class OverloadedError(UnavailableError):
    """The write queue is full: the disk is slower than the writers."""


class DiskFullError(UnavailableError):
    """There was no room for the batch. The log was cut back to its last whole frame; reads go on."""

    retry_after_s = 5


class MemoryLimitError(UnavailableError):
    """The write needs more memory than is left of ``limit_bytes``, or alone takes more: ``needed_bytes``.

    What can be evicted would not make room for it, and so nothing was. Reads and removals go on.
    """

    retry_after_s = 5

    def __init__(self, needed_bytes: int, limit_bytes: int, reason: str) -> None:
        super().__init__(
            f"the memory limit of {limit_bytes:,} bytes leaves no room for {needed_bytes:,} more, and {reason};"
            " nothing was written"
        )
        self.needed_bytes, self.limit_bytes = needed_bytes, limit_bytes


# --- snapshots -------------------------------------------------------------------------------------------


class SnapshotError(SynapError):
    """A snapshot was not taken. Nothing is lost: the log stays as long as no snapshot covers it."""


class SnapshotsOffError(SnapshotError):
    """The store keeps nothing on disk, or is told to take no snapshots."""


class SnapshotNoRoomError(SnapshotError):
    """There is no room for it on the disk."""


class SnapshotFailedError(SnapshotError):
    """The process that makes it was killed or gave up, or what it made is not the state it should be."""


# --- the log ---------------------------------------------------------------------------------------------


class LogConflictError(SynapError):
    """The log is not at the sequence number the batch was decided against; nothing was appended."""

    def __init__(self, expected_seq: int, last_seq: int) -> None:
        super().__init__(f"the batch was decided after seq {expected_seq}, but the log is at seq {last_seq}")
        self.expected_seq, self.last_seq = expected_seq, last_seq


class LogFailedError(SynapError):
    """The disk gave an error after which nothing is known about the last writes.

    Never retried: after a failed fsync the page cache may show data that the disk does not have. The
    process must end, and recovery reads what the disk really holds.
    """

    exit_code = 74

    def __init__(self, call: str, path: Path, cause: OSError) -> None:
        super().__init__(f"{call} of {path} failed: {cause.strerror or cause}")
        self.call, self.path, self.errno = call, path, cause.errno


# --- the data directory ----------------------------------------------------------------------------------


class DataDirectoryError(SynapError):
    """The data directory ``path`` cannot be used; the sentence says why and what to do."""

    exit_code = 73

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


class DataDirectoryUnusableError(DataDirectoryError):
    """It is a file, cannot be created, read or written, or its disk is full."""

    def __init__(self, path: Path, message: str, exit_code: int = 73) -> None:
        super().__init__(path, message)
        self.exit_code = exit_code


class DataDirectoryLockedError(DataDirectoryError):
    """Another server has the directory. ``pid`` is None where the holder did not say."""

    exit_code = 75

    def __init__(self, path: Path, pid: int | None) -> None:
        holder = "another process" if pid is None else f"the server with pid {pid}"
        super().__init__(path, f"{path} is in use by {holder}; stop it, or choose another data directory")
        self.pid = pid


class NotOursError(DataDirectoryError):
    """The directory or file was not written by Synap."""

    exit_code = 66


class NewerFormatError(DataDirectoryError):
    """The file is Synap's, in a format that this version does not know."""

    exit_code = 76


class DamagedError(DataDirectoryError):
    """Bytes that were durable have changed, or files that must be there are not.

    ``offset`` is a byte position in ``path`` (None where the whole file is meant) and ``seq`` the first
    sequence number that is affected.
    """

    exit_code = 65

    def __init__(self, path: Path, reason: str, *, seq: int, offset: int | None = None) -> None:
        place = str(path) if offset is None else f"{path}, byte {offset}"
        super().__init__(path, f"damaged at seq {seq} ({place}): {reason}")
        self.reason, self.offset, self.seq = reason, offset, seq


class RepairError(SynapError):
    """The log cannot be cut where the operator wishes; nothing was changed."""

    exit_code = 64


class ReplayError(SynapError):
    """What was asked for cannot be shown: the operator's to ask for something else. The sentence says what there is."""

    exit_code = 64


class TrimmedAwayError(ReplayError):
    """The events from ``seq`` on are not there any more; the log begins at ``first_seq``."""

    def __init__(self, seq: int, first_seq: int) -> None:
        super().__init__(f"events {seq} to {first_seq - 1} are not there any more: the log begins at seq {first_seq}")
        self.seq, self.first_seq = seq, first_seq


class ImportFileError(ReplayError):
    """The file cannot be imported: ``line`` of it (from 1) is not what it must be. Nothing was made."""

    exit_code = 65

    def __init__(self, name: str, line: int, reason: str) -> None:
        super().__init__(f"{name}, line {line}: {reason}")
        self.name, self.line, self.reason = name, line, reason


class CodecError(SynapError):
    """Bytes that passed their checksum do not decode to events: wrong type, shape or field."""


class UnknownEventError(CodecError):
    """The event at this ``index`` of its batch (from 0) has a ``type_number`` that this version does not know."""

    def __init__(self, index: int, type_number: int) -> None:
        super().__init__(f"events of type {type_number} are of a newer version of Synap")
        self.index, self.type_number = index, type_number


# --- starting up -----------------------------------------------------------------------------------------


class ConfigError(SynapError):
    """A setting has a wrong name or value; the sentence says which, where, and what was expected."""

    exit_code = 78


class AddressInUseError(SynapError):
    """The address cannot be listened on."""

    exit_code = 69

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"cannot listen on {host}:{port}: {reason}")
        self.host, self.port = host, port
