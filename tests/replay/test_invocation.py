"""What a command is given."""

import time
from pathlib import Path

import pytest

from synap.errors import DataDirectoryUnusableError, NotOursError
from synap.replay.exits import EXIT_BROKEN_PIPE
from synap.replay.invocation import Invocation
from synap.replay.points import SeqPoint, TimePoint

from .build import DataDir, flip, put


def test_the_time_is_that_of_the_start() -> None:
    before_ms = time.time_ns() // 1_000_000
    invocation = Invocation(Path("nowhere"))
    assert before_ms <= invocation.now_ms <= time.time_ns() // 1_000_000
    assert invocation.point("now") == TimePoint(invocation.now_ms)
    assert invocation.point("7") == SeqPoint(7)


def test_the_directory_is_opened_when_it_is_asked_for() -> None:
    invocation = Invocation(Path("nowhere"))
    with pytest.raises(DataDirectoryUnusableError):
        invocation.source()


def test_a_remark_where_the_store_file_is_damaged(data: DataDir, capfd: pytest.CaptureFixture[str]) -> None:
    data.live(put("a"))
    flip(data.path / "STORE", 20)
    Invocation(data.path).source(expect_damage=True)
    assert capfd.readouterr().err == ""
    Invocation(data.path).source()
    assert capfd.readouterr().err.endswith("its checksum is wrong; going by the log alone\n")


def test_how_a_command_ends(data: DataDir) -> None:
    invocation = Invocation(data.path)

    def ending(_: Invocation, error: BaseException | None) -> int:
        if error is not None:
            raise error
        return 7

    assert invocation.carry_out(ending, None) == 7
    assert invocation.carry_out(ending, BrokenPipeError()) == EXIT_BROKEN_PIPE
    with pytest.raises(DataDirectoryUnusableError, match="cannot be used: Input/output error"):
        invocation.carry_out(ending, OSError(5, "Input/output error"))
    with pytest.raises(NotOursError):
        invocation.carry_out(ending, NotOursError(data.path, ""))
    with pytest.raises(KeyboardInterrupt):
        invocation.carry_out(ending, KeyboardInterrupt())
