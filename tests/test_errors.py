"""The tree of errors is the one that is drawn, and each carries its data."""

import errno
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import synap
from synap import errors
from synap.errors import (
    AddressInUseError,
    CommandError,
    DamagedError,
    DataDirectoryLockedError,
    DataDirectoryUnusableError,
    HeadersTooLargeError,
    InvalidKeyError,
    InvalidTtlError,
    InvalidValueError,
    LogConflictError,
    LogFailedError,
    MethodNotAllowedError,
    RequestTimeoutError,
    SynapError,
    TooLargeError,
    UnavailableError,
    VersionMismatchError,
    WrongShapeError,
)

DATA = Path("/data")
_DRAWN = re.compile(r"^    (?P<indent>(?:│   |    )*)(?:├── |└── )?(?P<name>[A-Z][A-Za-z]+Error)\b", re.MULTILINE)


def drawn_tree() -> dict[str, str]:
    """Each class of the drawing and the one it hangs on."""
    above: list[str] = []
    parents = {}
    for found in _DRAWN.finditer(errors.__doc__ or ""):
        depth = len(found["indent"]) // 4 + (found[0].lstrip(" │")[0] in "├└")
        del above[depth:]
        parents[found["name"]] = above[-1] if above else "Exception"
        above.append(found["name"])
    return parents


def our_errors() -> list[type[SynapError]]:
    found: list[type[SynapError]] = [each for each in vars(errors).values() if isinstance(each, type) and is_ours(each)]
    return found


def is_ours(each: type) -> bool:
    return each.__module__ == errors.__name__


def test_the_drawing_is_the_tree() -> None:
    parents = {each.__name__: [parent.__name__ for parent in each.__bases__] for each in our_errors()}
    assert {name: [parent] for name, parent in drawn_tree().items()} == parents


def test_every_error_of_synap_is_in_this_file() -> None:
    """Private ones aside, which are caught where they are raised."""
    for module in pkgutil.walk_packages(synap.__path__, "synap."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

    def below(kind: type[BaseException]) -> list[type[BaseException]]:
        return [kind, *(each for part in kind.__subclasses__() for each in below(part))]

    strangers = [each for each in below(SynapError) if each.__module__.startswith("synap.") and not is_ours(each)]
    assert strangers == []


def test_every_error_says_whose_fault_it_is() -> None:
    assert [each for each in our_errors() if not each.__doc__] == []


# --- exit codes ------------------------------------------------------------------------------------------


def test_every_error_that_ends_a_process_has_its_exit_code() -> None:
    codes = {each.__name__: vars(each)["exit_code"] for each in our_errors() if "exit_code" in vars(each)}
    assert codes == {
        "RepairError": 64,
        "ReplayError": 64,
        "DamagedError": 65,
        "ImportFileError": 65,
        "NotOursError": 66,
        "AddressInUseError": 69,
        "DataDirectoryError": 73,
        "LogFailedError": 74,
        "DataDirectoryLockedError": 75,
        "NewerFormatError": 76,
        "ConfigError": 78,
    }
    assert DataDirectoryUnusableError(DATA, "").exit_code == 73
    assert DataDirectoryUnusableError(DATA, "", 71).exit_code == 71


# --- what they carry -------------------------------------------------------------------------------------


def test_the_field_that_was_wrong() -> None:
    assert CommandError("no").field is None
    assert CommandError("no", field="limit").field == "limit"
    assert InvalidKeyError("empty").field == "key"
    assert InvalidKeyError("empty", field="destination").field == "destination"
    assert InvalidTtlError("zero").field == "ttl"
    assert InvalidValueError("odd").field is None
    assert RequestTimeoutError(30).field == "body"
    assert CommandError.field is None


@pytest.mark.parametrize(
    ("error", "text", "data"),
    [
        (
            TooLargeError("body", 12_345, 10_000),
            "body is too large: 12,345 bytes, the limit is 10,000",
            {"what": "body", "field": "body", "size": 12_345, "limit": 10_000, "unit": "bytes"},
        ),
        (TooLargeError("batch", 2, 1, "keys"), "batch is too large: 2 keys, the limit is 1", {"unit": "keys"}),
        (
            VersionMismatchError(3, 5),
            "version does not match: expected version 3, it is at version 5",
            {"expected": 3, "current": 5},
        ),
        (
            VersionMismatchError(3, None),
            "version does not match: expected version 3, the key is missing",
            {"current": None},
        ),
        (
            MethodNotAllowedError("PUT", ("GET", "HEAD")),
            "PUT is not allowed here; allowed: GET, HEAD",
            {"method": "PUT", "allowed": ("GET", "HEAD")},
        ),
        (RequestTimeoutError(2.5), "the body did not arrive within 2.5 seconds", {"limit_s": 2.5}),
        (
            WrongShapeError("ttl", "a number", "got a list"),
            "ttl: expected a number, got a list",
            {"field": "ttl", "expected": "a number"},
        ),
        (
            HeadersTooLargeError(70_000, 65_536),
            "the header fields are too large: 70,000 bytes, the limit is 65,536",
            {"size": 70_000, "limit": 65_536},
        ),
        (
            LogConflictError(3, 5),
            "the batch was decided after seq 3, but the log is at seq 5",
            {"expected_seq": 3, "last_seq": 5},
        ),
        (
            LogFailedError("write", DATA, OSError(errno.EIO, "Input/output error")),
            "write of /data failed: Input/output error",
            {"call": "write", "path": DATA, "errno": errno.EIO},
        ),
        (LogFailedError("write", DATA, OSError("odd")), "write of /data failed: odd", {"errno": None}),
        (
            DataDirectoryLockedError(DATA, 42),
            "/data is in use by the server with pid 42; stop it, or choose another data directory",
            {"path": DATA, "pid": 42},
        ),
        (
            DataDirectoryLockedError(DATA, None),
            "/data is in use by another process; stop it, or choose another data directory",
            {"pid": None},
        ),
        (
            DamagedError(DATA, "its checksum is wrong", seq=7, offset=128),
            "damaged at seq 7 (/data, byte 128): its checksum is wrong",
            {"path": DATA, "seq": 7, "offset": 128, "reason": "its checksum is wrong"},
        ),
        (DamagedError(DATA, "it is missing", seq=7), "damaged at seq 7 (/data): it is missing", {"offset": None}),
        (
            AddressInUseError("127.0.0.1", 15_500, "Address already in use"),
            "cannot listen on 127.0.0.1:15500: Address already in use",
            {"host": "127.0.0.1", "port": 15_500},
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, SynapError) else "",
)
def test_data_and_sentence(error: SynapError, text: str, data: dict[str, object]) -> None:
    assert str(error) == text
    assert {name: getattr(error, name) for name in data} == data


def test_how_soon_to_try_again() -> None:
    kinds = [each for each in our_errors() if issubclass(each, UnavailableError)]
    assert len(kinds) == 5
    assert all(kind.retry_after_s >= 1 for kind in kinds)
