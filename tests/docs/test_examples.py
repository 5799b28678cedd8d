"""What the documents show is typed as it stands, from the first line to the last, and prints what they say."""

import ast
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.asking import ask
from tests.docs.markdown import DOCS, Block, blocks, documents
from tests.docs.reader import Reader, wait_a_moment
from tests.docs.shell import agrees, steps
from tests.process.harness import Server, run

pytestmark = [pytest.mark.process]

RUNNABLE = {"sh", "python"}

LANGUAGES = RUNNABLE | {"yaml", "json", "text", "dockerfile", "http", "javascript", "java", ""}
"""``console`` is for what takes root, or a machine of its own; it stands in few places, each with its reason."""

ON_OTHER_MACHINES = {
    "operations/install.md": 1,  # makes a user, and a service
}

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with Reader(tmp_path / "reader") as reader:
        reader.start()
        yield reader


def type_all(reader: Reader, name: str) -> int:
    """Every block of a document that can be run; how many."""
    found = [block for block in blocks(DOCS / name) if block.language in RUNNABLE]
    for block in found:
        reader.follow(block)
    return len(found)


@needs_curl
def test_the_guide(reader: Reader) -> None:
    assert type_all(reader, "guide.md") > 10


@needs_curl
def test_installing(reader: Reader) -> None:
    assert type_all(reader, "operations/install.md") > 1


@needs_curl
def test_monitoring(reader: Reader) -> None:
    assert type_all(reader, "operations/monitoring.md") > 0


@needs_curl
def test_backups(reader: Reader, tmp_path: Path) -> None:
    """Each way back brings the session of the beginning back, although it was deleted."""
    with Server(tmp_path / "new") as new:
        reader.replaced["http://new.example.com:15500"] = f"http://localhost:{new.port}"
        go_back_and_forth(reader)
        assert ask(new.port, "GET", "/kv/exists/session:user-123")[1] == '{"exists":true}'


def go_back_and_forth(reader: Reader) -> None:
    put(reader, "session:user-123")
    wait_a_moment()
    reader.replaced["-2h"] = moment()
    wait_a_moment()
    for block in blocks(DOCS / "operations/backups.md"):
        if block.heading == "Restore a backup":
            take_away(reader, "session:user-123")
        if block.heading == "Go back two hours" and "mv" not in block.text:
            take_away(reader, "session:user-123")
        if block.language in RUNNABLE:
            reader.follow(block)
        if block.heading in {"Restore a backup", "Go back two hours"} and "start synap" in block.text:
            assert is_there(reader, "session:user-123"), block


def moment() -> str:
    """The time, as a point of the log."""
    return f"@{time.time():.3f}"


def put(reader: Reader, key: str) -> None:
    assert reader.server is not None
    status, _ = ask(reader.server.port, "POST", "/kv/set", {"key": key, "value": "v", "ttl": 3600})
    assert status == 200


def take_away(reader: Reader, key: str) -> None:
    assert reader.server is not None
    assert ask(reader.server.port, "DELETE", f"/kv/del/{key}")[0] == 200


def is_there(reader: Reader, key: str) -> bool:
    assert reader.server is not None
    return ask(reader.server.port, "GET", f"/kv/exists/{key}")[1] == '{"exists":true}'


# --- every block -----------------------------------------------------------------------------------------

ALL_BLOCKS = [block for document in documents() for block in blocks(document)]


@pytest.mark.parametrize("block", ALL_BLOCKS, ids=str)
def test_every_block_says_what_it_is(block: Block) -> None:
    name = str(block.document.relative_to(DOCS))
    assert block.language in LANGUAGES | ({"console"} if name in ON_OTHER_MACHINES else set())
    if block.language == "python":
        ast.parse(block.text)
    if block.language == "sh":
        assert all(run(["sh", "-n", "-c", step.script]).returncode == 0 for step in steps(block.text))


def test_what_cannot_be_run_is_known() -> None:
    found = [str(block.document.relative_to(DOCS)) for block in ALL_BLOCKS if block.language == "console"]
    assert {name: found.count(name) for name in found} == ON_OTHER_MACHINES


# --- the rules of the game -------------------------------------------------------------------------------


def test_a_step_is_what_is_typed_and_what_is_printed() -> None:
    text = "# A remark\ncurl a \\\n  -d b\n# printed\n# twice\ncurl c\n\n# Another remark\ncurl d\n"
    assert [tuple(step) for step in steps(text)] == [
        ("curl a \\\n  -d b", "printed\ntwice"),
        ("curl c", None),
        ("curl d", None),
    ]


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("abc", "abc\n", True),
        ("abc", "abd", False),
        ("a...c", "a, b and c", True),
        ("a...c", "a, b", False),
        ("a\n...", "a\nb\nc", True),
        ("a.c", "abc", False),
    ],
)
def test_what_is_shown_is_what_is_printed(shown: str, printed: str, same: bool) -> None:
    assert agrees(shown, printed) is same


@needs_curl
def test_an_example_that_is_wrong_is_found(reader: Reader) -> None:
    block = Block(DOCS / "guide.md", 1, "", "sh", "curl -s http://localhost:15500/ready\n# {}\n")
    with pytest.raises(AssertionError, match="--- shown"):
        reader.follow(block)
    block = block._replace(language="python", text="1 + 1  # 3\n")
    with pytest.raises(AssertionError, match="--- it is"):
        reader.follow(block)
    block = block._replace(language="sh", text="false\n")
    with pytest.raises(AssertionError, match="exit code 1"):
        reader.follow(block)
