"""The runbooks help: for each way not to start, something is broken, the section is followed, and it starts."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from synap.errors import SynapError
from synap.wal.format import FRAME_HEADER_BYTES, FRAME_MAGIC
from tests.docs.asking import ask
from tests.docs.markdown import DOCS, blocks, read
from tests.docs.reader import Reader
from tests.process.harness import StartError, run

RUNBOOKS = DOCS / "operations" / "runbooks.md"

pytestmark = [pytest.mark.process]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with Reader(tmp_path / "reader") as reader:
        reader.start()
        yield reader


def subclasses(kind: type[SynapError]) -> Iterator[type[SynapError]]:
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


def test_every_exit_code_has_a_section() -> None:
    codes = {each.exit_code for each in subclasses(SynapError) if hasattr(each, "exit_code")}
    headings = re.findall(r"^### ([^:\n]*)", read(RUNBOOKS), re.MULTILINE)
    told = {int(code) for heading in headings for code in re.findall(r"\b\d+\b", heading)}
    assert codes | {1, 2, 70, 71, 77, 130, 137} == told


def test_every_obstacle_is_explained() -> None:
    """The words that readiness has, from the source of what says them."""
    source = "".join(read(DOCS.parent / "synap" / path) for path in ("store.py", "server/service.py"))
    words = set(re.findall(r'f?"([a-z ]+: )[^"]*"', source)) & {
        "recovery: ", "draining: ", "disk full: ", "disk stalled: ", "log failed: ",
    }  # fmt: skip
    assert len(words) == 5
    assert all(f"| `{word}" in read(RUNBOOKS) for word in words)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_what_can_be_typed_at_any_time(reader: Reader) -> None:
    for block in blocks(RUNBOOKS):
        if block.language == "sh" and block.heading != "65: damage":
            reader.follow(block)


def test_damage(reader: Reader) -> None:
    """Event 3 of a log is damaged; the section is followed."""
    assert reader.server is not None
    for number in range(1, 6):
        status, _ = ask(reader.server.port, "POST", "/kv/set", {"key": f"session:{number}", "value": "x" * 30})
        assert status == 200
    reader.stop()
    segment = min((reader.data / "wal").glob("*.wal"))
    content = bytearray(segment.read_bytes())
    # Not the third frame: on a busy machine there are ticks between the events.
    frame = content.rindex(FRAME_MAGIC, 0, content.index(b"session:3"))
    content[frame + FRAME_HEADER_BYTES] ^= 1
    segment.write_bytes(content)
    with pytest.raises(StartError, match="--truncate-at 3"):
        reader.start()
    assert reader.server.exit_code() == 65
    for block in blocks(RUNBOOKS):
        if block.heading == "65: damage":
            reader.follow(block)
    assert ask(reader.server.port, "GET", "/kv/count?prefix=session:")[1] == '{"count":2}'


def test_the_unit_does_not_try_again_what_a_start_cannot_heal() -> None:
    unit = read(DOCS / "operations" / "synap.service")
    (codes,) = re.findall(r"^RestartPreventExitStatus=(.*)$", unit, re.MULTILINE)
    assert {int(code) for code in codes.split()} == {2, 64, 65, 66, 73, 75, 76, 77, 78}


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "synap.service"
    unit.write_text(read(DOCS / "operations" / "synap.service").replace("/opt/synap/.venv/bin/synap", "/bin/true"))
    checked = run(["systemd-analyze", "verify", str(unit)])
    assert (checked.returncode, checked.stderr) == (0, "")
