"""The command line: where options may stand, what goes to whom, and every directory that cannot be looked at."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from synap import cli as whole
from synap.datadir import pack_store_file, read_store_file
from synap.errors import DataDirectoryUnusableError
from synap.fs import RealFile, RealFileSystem
from synap.replay import cli
from synap.replay.invocation import Invocation
from tests.process import harness

from .build import SNAPSHOT, DataDir, contents, put
from .conftest import Run

LOOKING: tuple[tuple[str, ...], ...] = (
    (),
    ("summary",),
    ("events",),
    ("state",),
    ("get", "a"),
    ("history", "a"),
    ("why", "a"),
    ("diff", "2", "3"),
)
"""A run of every command that only looks; the first is the one that nobody named."""


@pytest.fixture
def full(data: DataDir) -> DataDir:
    data.live(put("a"), put("b"), SNAPSHOT, put("c"))
    return data


# --- where things stand ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("D", "D"),
        ("D events", "D events"),
        ("--json D events --key k", "--json D events --key k"),
        ("D --json events --key k", "--json D events --key k"),
        ("D --json", "--json D"),
        ("D --wal-dir W --json events", "--wal-dir W --json D events"),
        ("--no-color D --wal-dir=W events --json", "--no-color --wal-dir=W D events --json"),
        ("--wal-dir W D --snapshot-dir S get -- --key", "--wal-dir W --snapshot-dir S D get -- --key"),
        ("D --help", "--help D"),
        ("D diff -2h now", "D diff -2h now"),
        ("-- D events", "-- D events"),
        ("", ""),
        ("--json", "--json"),
    ],
)
def test_options_between_directory_and_command(given: str, understood: str) -> None:
    assert cli._options_first(given.split()) == understood.split()


@pytest.mark.parametrize("command", LOOKING)
def test_json_before_and_behind(run: Run, full: DataDir, command: tuple[str, ...]) -> None:
    for arguments in (("--json", *command), (*command, "--json")):
        outcome = run(*arguments)
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.records


def test_what_a_command_is_given(full: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options before the command and behind it add up; the one behind wins."""
    seen: list[Invocation] = []

    def look(invocation: Invocation, *, word: str = "x") -> int:
        """Look."""
        seen.append(invocation)
        return 3 if word == "x" else 4

    app = typer.Typer(cls=cli._Group)
    monkeypatch.setattr(cli, "app", app)
    app.callback(invoke_without_command=True)(cli._root)
    cli._register(cli.Command(look, aliases=("gaze",)))
    runner = CliRunner()
    assert runner.invoke(app, ["D", "--wal-dir", "W", "look", "--json", "--snapshot-dir", "S"]).exit_code == 3
    assert runner.invoke(app, ["--json", "D", "gaze", "--word", "y", "--wal-dir", "V", "--no-color"]).exit_code == 4
    assert [(each.data_dir, each.places.wal, each.places.snapshot) for each in seen] == [
        (Path("D"), Path("W"), Path("S")),
        (Path("D"), Path("V"), None),
    ]
    assert [(each.as_json, each.no_color) for each in seen] == [(True, False), (True, True)]


# --- help ------------------------------------------------------------------------------------------------


def test_help_shows_every_command(run: Run) -> None:
    for arguments in (("--help",), ("events", "--help")):
        code, out, _ = run(*arguments)
        assert code == 0
        assert "--json" in out
    _, out, _ = run("--help")
    commands = {line.split()[0] for line in out.partition("Commands:")[2].splitlines() if line.strip()}
    assert commands >= {"summary", "events", "state", "get", "history", "diff"}
    for said in ("DATA_DIR", "--wal-dir", "2026-11-24T10:00:00Z"):
        assert said in out
    assert "why" not in commands, "another name is no other command"


@pytest.mark.parametrize("command", [command for command in cli.COMMANDS if command.function.__module__ != __name__])
def test_every_command_says_what_it_does(run: Run, command: cli.Command) -> None:
    name = command.function.__name__.strip("_")
    code, out, _ = run(name, "--help")
    assert code == 0
    assert (command.function.__doc__ or "").split(".", maxsplit=1)[0].split()[0] in out


def test_without_anything_there_is_help(capfd: pytest.CaptureFixture[str]) -> None:
    result = CliRunner().invoke(cli.app, [])
    assert "Usage:" in result.output
    assert result.exit_code == 2


@pytest.mark.parametrize("arguments", [("evnets",), ("--bogus",), ("get",), ("state", "extra")])
def test_what_was_mistyped(run: Run, full: DataDir, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("Error: ")


def test_the_same_from_the_whole_command_line(full: DataDir, run: Run) -> None:
    result = CliRunner().invoke(whole.app, ["replay", str(full.path), "--json", "events", "--key", "a"])
    assert result.exit_code == 0
    assert result.stdout == run("events", "--key", "a", "--json").out


# --- directories that cannot be looked at ----------------------------------------------------------------


def newer(data: DataDir) -> None:
    """Make a store of the next major version."""
    data.live()
    store = data.path / "STORE"
    content = store.read_bytes()
    body = content[:8] + struct.pack("<H", 2) + content[10:-4]
    store.write_bytes(body + struct.pack("<I", zlib.crc32(body)))


def nowhere(data: DataDir) -> None:
    assert not data.path.exists()


def foreign(data: DataDir) -> None:
    data.path.mkdir()
    data.path.joinpath("notes.txt").touch()


def cut_short(data: DataDir) -> None:
    """Stop the first start before the first segment."""
    data.live()
    store = read_store_file(RealFileSystem(), data.path / "STORE")
    assert store is not None
    for path in (*data.segments, data.path / "STORE"):
        path.unlink()
    data.path.joinpath("STORE.tmp").write_bytes(pack_store_file(store))


UNUSABLE: dict[str, tuple[Callable[[DataDir], None], int, str]] = {
    "not there": (nowhere, 73, "there is no directory"),
    "a file": (lambda data: data.path.touch(), 73, "is not a directory"),
    "empty": (lambda data: data.path.mkdir(), 66, "there is no file STORE in it"),
    "foreign": (foreign, 66, "no data directory of Synap"),
    "first start cut short": (cut_short, 66, "its first start was cut short"),
    "newer": (newer, 76, "has format 2.0"),
}


@pytest.mark.parametrize("case", UNUSABLE)
@pytest.mark.parametrize("command", LOOKING)
def test_what_cannot_be_looked_at(run: Run, data: DataDir, command: tuple[str, ...], case: str) -> None:
    make, expected, said = UNUSABLE[case]
    make(data)
    before = contents(data.path.parent)
    code, out, err = run(*command)
    assert (code, out) == (expected, "")
    assert err.startswith("synap: ")
    assert said in err
    assert err.count("\n") == 1
    assert contents(data.path.parent) == before


class ForbiddingFileSystem(RealFileSystem):
    """Lets nobody read a segment."""

    def open(self, path: Path, *, writable: bool = False) -> RealFile:
        if path.suffix == ".wal":
            raise PermissionError(13, "Permission denied", str(path))
        return super().open(path, writable=writable)


@pytest.mark.parametrize("command", LOOKING)
def test_what_may_not_be_read(full: DataDir, command: tuple[str, ...]) -> None:
    function = next(
        each.function for each in cli.COMMANDS if not command or command[0] in {each.function.__name__, *each.aliases}
    )
    options = {"get": {"key": "a"}, "history": {"key": "a"}, "diff": {"first": "2", "second": "3"}}
    invocation = Invocation(full.path, fs=ForbiddingFileSystem())
    with pytest.raises(DataDirectoryUnusableError, match="Permission denied") as caught:
        invocation.carry_out(function, **options.get(function.__name__, {}))
    assert caught.value.exit_code == 77


# --- nothing is changed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", LOOKING)
def test_nothing_is_changed(run: Run, full: DataDir, command: tuple[str, ...]) -> None:
    (full.path / "LOCK").unlink()
    before = contents(full.path)
    assert run(*command).code == 0
    assert contents(full.path) == before


def test_a_file_system_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    with harness.small_disk(tmp_path / "disk", "16m") as disk:
        data = DataDir(disk / "data")
        data.live(put("a"), put("b"), SNAPSHOT, put("c"))
        assert run("--json", path=data.path).code == 0
        remount(disk)
        for command in LOOKING:
            outcome = run(*command, path=data.path)
            assert (outcome.code, outcome.err) == (0, "")


def remount(disk: Path) -> None:
    """Let nothing be written there any more."""
    assert harness.run(["mount", "-o", "remount,ro", str(disk)]).returncode == 0
