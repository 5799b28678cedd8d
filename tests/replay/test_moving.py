"""``restore``, ``export`` and ``import`` as commands: what they say, what they leave, and how they end."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from synap.commands import Delete, Expire, Kind
from synap.fs import RealFileSystem
from synap.replay.verify import verify

from .build import HOUR_MS, MINUTE_MS, SNAPSHOT, T0, T0_MS, DataDir, Step, contents, flip, put
from .conftest import Run

STEPS: tuple[Step, ...] = (
    put("user:1", "Grüße"),
    put("user:2", b"\x00\xff"),
    SNAPSHOT,
    put("user:3", '{"n": 1.10}', kind=Kind.JSON),
    1000,
    put("other", "x", MINUTE_MS),
    Expire(b"user:1", HOUR_MS),
    Delete(b"user:2"),
)
"""Six events; the last three a second later."""


@pytest.fixture(autouse=True)
def _full(data: DataDir) -> None:
    data.live(*STEPS)


def digest_of(path: Path) -> str:
    findings = verify(RealFileSystem(), path)
    assert findings.found == []
    assert findings.digest is not None
    return findings.digest.to_bytes(16).hex()


# --- restore ---------------------------------------------------------------------------------------------


def test_restore_says_what_is_there_and_what_is_not(run: Run, data: DataDir, tmp_path: Path) -> None:
    to = tmp_path / "restored"
    outcome = run("restore", "--at", "3", "--to", str(to))
    assert outcome.code == 0
    first, second, third = outcome.out.splitlines()
    assert first.startswith(f"{to} is a store of its own, ")
    assert second == f"3 entries as of seq 3 ({T0})"
    assert third == f"digest of the state {digest_of(to)}"
    assert "not in it: how its entries came to be, and all that happened after seq 3" in outcome.err
    assert "has seq 0 " in outcome.err
    assert "to seq 6 " in outcome.err


def test_restore_as_json(run: Run, tmp_path: Path) -> None:
    to = tmp_path / "restored"
    outcome = run("--json", "restore", "--at", "6", "--to", str(to))
    [record] = outcome.records
    assert (record["path"], record["seq"], record["entries"], record["due"]) == (str(to), 6, 3, 2)
    assert (record["time_ms"], record["digest"]) == (T0_MS + 1000, digest_of(to))


def test_who_has_ended_by_now_is_counted(run: Run, tmp_path: Path) -> None:
    outcome = run("restore", "--at", "6", "--to", str(tmp_path / "restored"))
    assert "3 entries as of seq 6 (2025-11-24T16:00:01.000Z), of which 2 have ended by now" in outcome.out


def test_restore_into_what_is_full(run: Run, data: DataDir, tmp_path: Path) -> None:
    before = contents(data.path)
    outcome = run("restore", "--at", "3", "--to", str(data.path))
    assert (outcome.code, outcome.out) == (73, "")
    assert "is not empty (STORE" in outcome.err
    assert contents(data.path) == before


@pytest.mark.parametrize(("at", "code"), [("7", 64), ("yesterday", 64), ("-1x", 64)])
def test_restore_to_no_point(run: Run, tmp_path: Path, at: str, code: int) -> None:
    outcome = run("restore", "--at", at, "--to", str(tmp_path / "restored"))
    assert outcome.code == code
    assert not (tmp_path / "restored").exists()


def test_restore_needs_both(run: Run, tmp_path: Path) -> None:
    assert run("restore", "--at", "3").code == 2
    assert run("restore", "--to", str(tmp_path / "x")).code == 2


# --- export and import -----------------------------------------------------------------------------------


def test_there_and_back_the_state_is_the_same(run: Run, data: DataDir, tmp_path: Path) -> None:
    file, new = tmp_path / "all.jsonl", tmp_path / "new"
    outcome = run("export", "--output", str(file))
    assert (outcome.code, outcome.out) == (0, "")
    assert f"3 entries as of seq 6 (2025-11-24T16:00:01.000Z) are in {file}" in outcome.err
    outcome = run("import", str(file), path=new)
    assert outcome.code == 0
    assert "3 entries as of seq 6 (2025-11-24T16:00:01.000Z), of which 2 have ended by now" in outcome.out
    assert digest_of(new) == digest_of(data.path)
    assert run("import", str(file), path=new).code == 73
    again = run("export", path=new)
    lines, others = file.read_text(encoding="utf-8").splitlines(), again.out.splitlines()
    assert lines[1:] == others[1:]
    assert json.loads(lines[0])["store_id"] != json.loads(others[0])["store_id"]


def test_only_the_owner_may_read_what_was_exported(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    file.write_text("old")
    file.chmod(0o644)
    assert run("export", "--output", str(file)).code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(tmp_path.iterdir()) == [file, tmp_path / "data"]


def test_export_of_some_keys_as_of_then(run: Run) -> None:
    outcome = run("export", "--at", "3", "--prefix", "user:")
    head, *entries, tail = outcome.records
    assert (head["seq"], head["prefix"], head["entries"]) == (3, "user:", 3)
    assert [(line["key"], line["kind"], line["value"], line["version"]) for line in entries] == [
        ("user:1", "text", "Grüße", 1),
        ("user:2", "bytes", "AP8=", 2),
        ("user:3", "json", '{"n": 1.10}', 3),
    ]
    assert tail["total"]["entries"] == 3


def test_what_stands_on_a_terminal_can_do_it_nothing(run: Run, data: DataDir) -> None:
    data.live(put("evil", "\x1b[2J\x7f\u202e"))
    out = run("export", "--prefix", "evil").out
    assert out.isascii()
    assert out.replace("\n", "").isprintable()
    assert json.loads(out.splitlines()[1])["value"] == "\x1b[2J\x7f\u202e"


def test_import_of_standard_input(run: Run, data: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported = run("export").out.encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(exported)))
    outcome = run("import", "-", "--json", path=tmp_path / "new")
    [record] = outcome.records
    assert (record["seq"], record["entries"], record["digest"]) == (6, 3, digest_of(data.path))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(exported[:-10])))
    outcome = run("import", "-", path=tmp_path / "other")
    assert (outcome.code, outcome.out) == (65, "")
    assert outcome.err.startswith("synap: standard input, line 5: ")


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (lambda text: text.replace("1.10", "1.11"), 65, "line 5: the entries have another digest"),
        (lambda text: text.replace('"version":3', '"version":8'), 65, "line 4: version 8 is later than seq 6"),
        (lambda text: text[:-30], 65, "line 5"),
        (lambda text: text[:0], 66, "is no export of Synap"),
        (lambda text: text.replace('"format_version":1', '"format_version":2'), 76, "has format 2"),
    ],
)
def test_nothing_is_left_of_an_import_that_fails(
    run: Run, tmp_path: Path, spoil: Callable[[str], str], code: int, said: str
) -> None:
    file, new = tmp_path / "all.jsonl", tmp_path / "new"
    file.write_text(spoil(run("export").out), encoding="utf-8")
    outcome = run("import", str(file), path=new)
    assert (outcome.code, outcome.out) == (code, "")
    assert said in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert not new.exists()


def test_import_of_no_file(run: Run, tmp_path: Path) -> None:
    outcome = run("import", str(tmp_path / "nothing.jsonl"), path=tmp_path / "new")
    assert outcome.code == 64
    assert outcome.err == f"synap: {tmp_path}/nothing.jsonl cannot be read: No such file or directory\n"


def test_import_of_large_values(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    run("export", "--output", str(file))
    outcome = run("import", str(file), "--max-value-bytes", "10", path=tmp_path / "new")
    assert (outcome.code, "the limit is 10" in outcome.err) == (65, True)


def test_an_import_goes_where_data_dir_says(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    run("export", "--output", str(file))
    outcome = run("import", str(file), "--wal-dir", str(tmp_path / "wal"), path=tmp_path / "new")
    assert outcome.code == 64
    assert not (tmp_path / "new").exists()


def test_export_of_a_damaged_log(run: Run, data: DataDir, tmp_path: Path) -> None:
    flip(data.segments[-1], 200)
    file = tmp_path / "all.jsonl"
    assert run("export", "--output", str(file)).code == 65
    assert not file.exists()
    assert run("export", "--at", "2", "--output", str(file)).code == 0


def test_a_file_that_cannot_be_made(run: Run, tmp_path: Path) -> None:
    outcome = run("export", "--output", str(tmp_path / "no" / "where"))
    assert outcome.code == 73
    assert outcome.err.startswith(f"synap: {tmp_path}/no/where cannot be used: No such file or directory")


def test_a_reader_who_has_gone(data: DataDir) -> None:
    """As ``| head``: no traceback."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        ended = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "synap.replay", str(data.path), "export"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    assert (ended.returncode, ended.stderr) == (141, b"")
