"""The command line: what it offers, what it makes of options, and one line and an exit code for whatever goes wrong."""

import hashlib
import importlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import bcrypt
import pytest
import trio

import synap
from synap import __main__ as entry
from synap import cli
from synap.clock import SystemClock
from synap.commands import Kind, Set
from synap.config import Settings
from synap.datadir import open_data_directory
from synap.errors import (
    AddressInUseError,
    DamagedError,
    DataDirectoryLockedError,
    LogFailedError,
    NewerFormatError,
    SynapError,
)
from synap.fs import RealFileSystem
from synap.store import FsyncMode, Limits, LogOptions, open_store
from synap.telemetry import Metrics

HERE = Path("here")


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in this process, on a terminal of 100 columns, without Synap's variables."""
    for name in [name for name in os.environ if name.startswith("SYNAP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["synap", *arguments])
        with pytest.raises(SystemExit) as caught:
            entry.main()
        code = caught.value.code
        assert code is None or isinstance(code, int)
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Outcome(code or 0, out, err)

    return run


class Served:
    """Stands for the server: keeps the settings it was started with, and ends as it is told to."""

    def __init__(self) -> None:
        self.settings: list[Settings] = []
        self.logging: list[tuple[str, str]] = []
        self.error: BaseException | None = None

    async def serve(self, settings: Settings) -> None:
        await trio.lowlevel.checkpoint()
        self.settings.append(settings)
        if self.error is not None:
            raise self.error


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    served = Served()
    monkeypatch.setattr("synap.server.run.serve", served.serve)
    # The real one changes the logging of this whole process.
    monkeypatch.setattr("synap.telemetry.configure_logging", lambda *said: served.logging.append(said))
    return served


# --- what it offers --------------------------------------------------------------------------------------


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"synap {synap.__version__}\n", "")


def test_help_shows_every_command(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for said in (
        "Usage: synap",
        "--version",
        "serve ",
        "Serve the store over HTTP",
        "repair ",
        "verify ",
        "backup ",
        "replay ",
        "SYNAP_PORT",
    ):
        assert said in out


def test_without_a_command_there_is_help(run: Run) -> None:
    code, out, err = run()
    assert code == 2
    assert "Commands:" in out + err


def test_help_of_serve_shows_every_default(run: Run) -> None:
    code, out, _ = run("serve", "--help")
    assert code == 0
    settings = Settings()
    shown = " ".join(out.split())
    for option, default in (
        ("--host ADDRESS", settings.server.host),
        ("--port PORT", str(settings.server.port)),
        ("--data-dir DIRECTORY", settings.persistence.directory),
        ("--fsync <always|periodic|never>", settings.persistence.wal.fsync_mode),
    ):
        assert option in shown
        assert f"[default: ({default})" in shown
    assert "--config FILE" in shown


def test_help_of_repair_says_what_happens_to_the_data(run: Run) -> None:
    code, out, _ = run("repair", "--help")
    assert code == 0
    for said in ("DIRECTORY", "--truncate-at SEQ", "required", "Nothing is deleted"):
        assert said in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--bogus"], "--bogus"),
        (["sevre"], "No such command 'sevre'"),
        (["serve", "--prot", "1"], "No such option: --prot"),
        (["serve", "--port", "http"], "Invalid value for '--port'"),
        (["serve", "--port", "65536"], "less than or equal to 65535"),
        (["serve", "--port", "-1"], "greater than or equal to 0"),
        (["serve", "--fsync", "sometimes"], "Invalid value for '--fsync'"),
        (["serve", "--port"], "--port"),
        (["serve", "data"], "data"),
        (["repair"], "Missing argument 'DIRECTORY'"),
        (["repair", "data"], "Missing option '--truncate-at'"),
        (["repair", "data", "--truncate-at", "0"], "greater than or equal to 1"),
    ],
)
def test_what_was_mistyped_is_named(run: Run, arguments: list[str], said: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.splitlines()[-1].startswith("Error: ")


# --- serve -----------------------------------------------------------------------------------------------


def test_without_options_serve_takes_the_defaults(run: Run, served: Served) -> None:
    assert run("serve") == (0, "", "")
    assert served.settings == [Settings()]
    assert served.logging == [("info", "auto")]


def test_options_win(run: Run, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "synap.yml"
    file.write_text("server: {port: 1, host: a, max_connections: 5}\nlogging: {level: trace, format: json}\n")
    monkeypatch.setenv("SYNAP_PORT", "2")
    options = ("--port", "3", "--host", "b", "--data-dir", "d", "--fsync", "never")
    assert run("serve", "--config", str(file), *options).code == 0
    [settings] = served.settings
    assert (settings.server.port, settings.server.host, settings.server.max_connections) == (3, "b", 5)
    assert (settings.persistence.directory, settings.persistence.wal.fsync_mode) == ("d", "never")
    assert served.logging == [("debug", "json")]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AddressInUseError("127.0.0.1", 15_500, "Address already in use"), 69),
        (DataDirectoryLockedError(HERE, 7), 75),
        (NewerFormatError(HERE, "it is newer"), 76),
        (LogFailedError("fdatasync", HERE, OSError(5, "Input/output error")), 74),
        (DamagedError(HERE, "its checksum is wrong", seq=0), 65),
        (SynapError("nobody foresaw this"), 70),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(run: Run, served: Served, error: SynapError, code: int) -> None:
    served.error = error
    assert run("serve") == (code, "", f"synap: {error}\n")


def test_wrong_settings_are_an_error_as_well(run: Run, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAP_PORT", "http")
    code, out, err = run("serve")
    assert (code, out) == (78, "")
    assert err == "synap: environment variable SYNAP_PORT: server.port: expected int, got str\n"
    assert run("serve", "--config", "/nowhere.yml").code == 78
    assert served.settings == []


def test_an_interrupted_start(run: Run, served: Served) -> None:
    served.error = KeyboardInterrupt()
    assert run("serve") == (130, "", "")


# --- damage and repair -----------------------------------------------------------------------------------


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A data directory with three events, of which the second is no longer what it was."""
    path = tmp_path / "data"
    clock = SystemClock()
    directory = open_data_directory(RealFileSystem(), path, now_ms=clock.wall_ms())
    options = LogOptions(FsyncMode.ALWAYS, 10, 1024 * 1024)
    store, _ = open_store(directory, clock, options=options, limits=Limits(), metrics=Metrics())

    async def write() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.run)
            for value in (b"first", b"second", b"third"):
                await store.execute(Set(key=value, kind=Kind.TEXT, value=value))
            nursery.cancel_scope.cancel()
        await store.close()

    trio.run(write)
    directory.close()
    segment = path / "wal" / "00000000000000000001.wal"
    content = segment.read_bytes()
    at = content.index(b"second")
    segment.write_bytes(content[:at] + b"S" + content[at + 1 :])
    return path


def contents(path: Path) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in path.rglob("*") if each.is_file() and each.name != "LOCK"}


def test_who_finds_damage_is_told_what_to_do(run: Run, damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synap.telemetry.configure_logging", lambda *_: None)
    before = contents(damaged)
    code, _, err = run("serve", "--data-dir", str(damaged), "--port", "0")
    assert code == 65
    assert err.startswith("synap: damaged at seq 2 (")
    assert "Nothing was changed" in err
    assert f"    synap repair {damaged} --truncate-at 2\n" in err
    assert contents(damaged) == before


def test_repair_asks_first(run: Run, damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    before = contents(damaged)
    code, out, _ = run("repair", str(damaged), "--truncate-at", "2")
    assert code == 1
    assert "every event after seq 1 is given up" in out
    assert "Go on?" in out
    assert contents(damaged) == before


def test_repair(run: Run, damaged: Path) -> None:
    code, out, err = run("repair", str(damaged), "--truncate-at", "2", "--yes")
    assert (code, err) == (0, "")
    assert "The log now ends at seq 1." in out
    [kept] = (damaged / "quarantine").iterdir()
    assert f"kept {kept}" in out
    assert b"third" in kept.read_bytes()
    directory = open_data_directory(RealFileSystem(), damaged, now_ms=0)
    options = LogOptions(FsyncMode.ALWAYS, 10, 1024 * 1024)
    store, report = open_store(directory, SystemClock(), options=options, limits=Limits(), metrics=Metrics())
    assert (report.events, store.keyspace.seq) == (1, 1)
    directory.close()


@pytest.mark.parametrize("seq", ["3", "9"])
def test_repair_of_what_cannot_be_repaired(run: Run, damaged: Path, seq: str) -> None:
    code, _, err = run("repair", str(damaged), "--truncate-at", seq, "--yes")
    assert code == 64
    assert err.startswith(f"synap: the log is damaged before seq {seq} already")


def test_repair_can_give_up_everything(run: Run, damaged: Path) -> None:
    code, out, _ = run("repair", str(damaged), "--truncate-at", "1", "--yes")
    assert code == 0
    assert "every event is given up, and the store will be empty: seq 1, and whatever came after" in out
    assert "The store is now empty." in out
    assert run("verify", str(damaged)).code == 0


def test_repair_makes_no_store(run: Run, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        code, _, err = run("repair", str(path), "--truncate-at", "2", "--yes")
        assert (code, err) == (66, f"synap: {path} is no data directory of Synap: there is no file STORE in it\n")
    assert list(tmp_path.iterdir()) == []


def test_repair_without_a_log(run: Run, damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAP_PERSISTENCE__WAL__ENABLED", "false")
    code, _, err = run("repair", str(damaged), "--truncate-at", "2", "--yes")
    assert (code, err) == (78, "synap: persistence.wal.enabled is false: there is no log to repair\n")


@pytest.mark.parametrize("seq", [0, 9])
def test_no_advice_is_given_that_would_not_help(run: Run, served: Served, damaged: Path, seq: int) -> None:
    served.error = DamagedError(HERE, "something is missing", seq=seq)
    assert run("serve", "--data-dir", str(damaged)) == (65, "", f"synap: {served.error}\n")


def test_no_advice_is_given_where_the_directory_cannot_be_opened(run: Run, served: Served, tmp_path: Path) -> None:
    tmp_path.joinpath("data").touch()
    served.error = DamagedError(HERE, "it is damaged", seq=2)
    assert run("serve", "--data-dir", str(tmp_path / "data")) == (65, "", f"synap: {served.error}\n")


# --- replay ----------------------------------------------------------------------------------------------


def test_replay_takes_everything_behind_the_word(run: Run, damaged: Path) -> None:
    code, out, err = run("replay", str(damaged), "--json", "events", "--key", "first")
    assert code == 65
    assert '"key":"first"' in out
    assert err.startswith("synap: damaged at seq 2 (")
    assert run("replay", str(damaged), "events", "--help").out.startswith("Usage: synap replay {DATA_DIR} events")


def test_damage_from_the_first_event_on_leaves_an_empty_store(
    run: Run, damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synap.telemetry.configure_logging", lambda *_: None)
    segment = damaged / "wal" / "00000000000000000001.wal"
    segment.write_bytes(segment.read_bytes().replace(b"first", b"First"))
    _, _, err = run("serve", "--data-dir", str(damaged), "--port", "0")
    assert "every event is given up, and the store will be empty" in err
    assert f"    synap repair {damaged} --truncate-at 1\n" in err
    assert run("repair", str(damaged), "--truncate-at", "1", "--yes").code == 0
    assert run("verify", str(damaged)).code == 0


# --- verify and backup -----------------------------------------------------------------------------------


def test_verify(run: Run, damaged: Path) -> None:
    code, out, err = run("verify", str(damaged))
    assert (code, err) == (2, "")
    assert "wal/00000000000000000001.wal" in out
    assert run("verify", str(damaged / "STORE")).code == 0
    code, out, _ = run("verify", "--json", str(damaged))
    assert (code, json.loads(out.splitlines()[-1])["total"]["verdict"]) == (2, "damaged")
    assert run("verify", str(damaged / "nowhere")).code == 73


def test_verify_finds_a_log_in_another_place(
    run: Run, damaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (damaged / "wal").rename(tmp_path / "log")
    file = tmp_path / "synap.yml"
    file.write_text(f"persistence: {{wal: {{path: {tmp_path / 'log'}}}}}")
    assert "00000000000000000001.wal" in run("verify", str(damaged), "--config", str(file)).out
    assert "there is no segment" in run("verify", str(damaged)).out
    monkeypatch.setenv("SYNAP_PERSISTENCE__WAL__PATH", str(tmp_path / "log"))
    assert "there is no segment" in run("verify", str(damaged)).out, "another directory's log is not this one's"
    monkeypatch.setenv("SYNAP_DATA_DIR", str(damaged))
    assert "00000000000000000001.wal" in run("verify", str(damaged)).out


def test_backup(run: Run, damaged: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    code, out, err = run("backup", str(damaged), str(copy))
    assert (code, out) == (65, "")
    assert err.startswith("synap: damaged at seq 2 (")
    assert not (copy / "STORE").exists()
    run("repair", str(damaged), "--truncate-at", "2", "--yes")
    code, out, err = run("backup", str(damaged), str(copy))
    assert (code, err) == (0, "")
    assert f"{copy} is a copy of the store" in out
    assert run("verify", str(copy)).code == 0
    code, out, err = run("backup", str(damaged), str(copy))
    assert (code, out) == (73, "")
    assert "is not empty" in err
    assert run("backup", str(tmp_path / "nowhere"), str(tmp_path / "other")).code == 73
    assert not (tmp_path / "other").exists()


# --- accounts --------------------------------------------------------------------------------------------


def test_a_password_from_the_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("pässword\nand more\n"))
    code, out, err = run("hash-password")
    assert (code, err) == (0, "")
    assert bcrypt.checkpw("pässword".encode(), out.strip().encode())
    assert out.startswith("$2b$12$")


def test_a_password_that_cannot_be(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for password in ("", "SECRET" * 13):
        monkeypatch.setattr(sys, "stdin", io.StringIO(password))
        code, out, err = run("hash-password")
        assert (code, out) == (78, "")
        assert err == "synap: a password has 1 to 72 bytes in UTF-8 and no control characters\n"


def test_a_new_key(run: Run) -> None:
    code, out, err = run("new-api-key")
    assert (code, err) == (0, "")
    key, key_hash = (line.partition(": ")[2] for line in out.splitlines())
    assert hashlib.sha256(key.encode()).hexdigest() == key_hash
    assert run("new-api-key").out != out


# --- before there is a command line ----------------------------------------------------------------------


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(  # noqa: S603
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_as_a_module() -> None:
    done = python("-m", "synap", "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"synap {synap.__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--version"], ["serve"]])
def test_a_tree_that_there_is_not(arguments: list[str]) -> None:
    done = python("-m", "synap", *arguments, SYNAP_RADIX="red-black")
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == (
        "synap: SYNAP_RADIX is 'red-black'; it may be 'py', 'c', or unset for the best one there is\n"
    )


def test_help_does_not_wait_for_the_server_to_be_imported() -> None:
    code = "import sys, synap.cli; print({'trio', 'hypercorn', 'structlog'} & set(sys.modules))"
    assert python("-c", code).stdout == "set()\n"


def test_an_interrupted_import(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: str) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib, "import_module", interrupted)
    assert run("serve") == (130, "", "")


def test_an_absent_tree(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> object:
        raise ImportError(f"{name} was not built")

    monkeypatch.setattr(importlib, "import_module", absent)
    assert run("serve") == (78, "", "synap: synap.radix was not built\n")


def test_the_command_is_the_module() -> None:
    assert cli.app.info.help
    project = Path(__file__).parents[1] / "pyproject.toml"
    assert 'synap = "synap.__main__:main"' in project.read_text(encoding="utf-8")
