"""The parser of server-sent events: whole, byte by byte, and torn anywhere."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap_sdk._core import sse
from synap_sdk._core.sse import Block, Parser
from synap_sdk._core.values import MalformedAnswerError

CASES = [
    (b"data: one\n\n", [Block(None, "one")]),
    (b"id: 7\ndata: one\n\n", [Block("7", "one")]),
    (b"data: one\nid: 7\n\n", [Block("7", "one")]),
    (b"data:one\n\ndata:  two\n\n", [Block(None, "one"), Block(None, " two")]),
    (b"data: one\ndata: two\n\n", [Block(None, "one\ntwo")]),
    (b"data\n\n", [Block(None, "")]),
    (b"id: 9\n\n", [Block("9", None)]),
    (b": heartbeat\n\n", []),
    (b": heartbeat\ndata: one\n: another\n\n", [Block(None, "one")]),
    (b"event: change\nretry: 1000\nunknown\n\n", []),
    (b"data: one\r\n\r\ndata: two\r\n\r\n", [Block(None, "one"), Block(None, "two")]),
    (b"data: one\r\rdata: two\r\r:", [Block(None, "one"), Block(None, "two")]),
    (b"data: a: b\n\n", [Block(None, "a: b")]),
    ("data: é\n\n".encode(), [Block(None, "é")]),
    (b"id: 7\ndata: one\n\ndata: two\n\n", [Block("7", "one"), Block(None, "two")]),
    (b"data: not the end\n", []),
    (b"\n\n\n", []),
]


@pytest.mark.parametrize(("stream", "blocks"), CASES)
def test_a_stream(stream: bytes, blocks: list[Block]) -> None:
    assert Parser().feed(stream) == blocks


@pytest.mark.parametrize(("stream", "blocks"), CASES)
def test_a_stream_byte_by_byte(stream: bytes, blocks: list[Block]) -> None:
    parser = Parser()
    assert [block for at in range(len(stream)) for block in parser.feed(stream[at : at + 1])] == blocks


@given(st.lists(st.sampled_from(CASES)), st.lists(st.integers(0, 400)))
def test_a_stream_torn_anywhere(parts: list[tuple[bytes, list[Block]]], cuts: list[int]) -> None:
    stream = b"".join(part for part, _ in parts)
    whole = Parser().feed(stream)
    parser, places = Parser(), sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    torn = [stream[start:end] for start, end in pairwise(places)]
    assert [block for chunk in torn for block in parser.feed(chunk)] == whole


def test_what_is_not_utf_8() -> None:
    with pytest.raises(MalformedAnswerError, match="UTF-8"):
        Parser().feed(b"data: \xff\n\n")


@pytest.mark.parametrize("line", [b"data: xxxx\n", b"x"])
def test_a_block_without_an_end(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "BLOCK_MAX_BYTES", 100)
    with pytest.raises(MalformedAnswerError, match="more than 100 bytes"):
        list(map(Parser().feed, [line] * 101))


def test_heartbeats_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "BLOCK_MAX_BYTES", 100)
    parser = Parser()
    for _ in range(1000):
        assert parser.feed(b": heartbeat\n\n") == []
