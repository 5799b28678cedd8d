"""Bodies of writes of a value, made of parts that may stand in them and of parts that may not."""

from hypothesis import strategies as st

MADE_BYTES = 1500
"""To which every body is filled up with blanks, so that the header fields are the same."""

_PARTS = {
    "key": ['"a"', '"b"', r'"Zo\u00eb"', '"Zoë"', r'"\n\"\u0000"', '""', "1", "null", f'"{"k" * 1000}"'],
    "value": ["1", '""', '"text"', r'"\ud83d\ude00 \\"', r'"\ud83d"', "null", "[1, {}]", "1.10", "01", '{"n":1,"n":2}'],
    "ttl": [
        "86400",
        "86400.0",
        "864e2",
        "999999999",
        "1000000000",
        "315360000",
        "315360001",
        "3600.0004",
        "1e400",
        "0",
        "-0",
        "-1",
        "0.0001",
        '"5"',
        "null",
        "true",
        "[]",
        "1" * 70,
    ],
    "expiry": ['{"type":"seconds","value":9000}', '{"type":"unix_seconds","value":1}', '{"type":"x","value":1}', "{}"],
    "nx": ["true", "false", "null"],
    "xx": ["true", "false", '"yes"'],
    "keepttl": ["true", "false", "1"],
    "get": ["true", "false"],
    "if_version": ["0", "1", "2", "3", "9223372036854775808", "-1", "1.0", "null"],
    "other": ["1", "[[]]"],
}
"""The first of each is good, and comes more often. No deadline is so near that it is met on the way."""

_MORE = [name for name in _PARTS if name not in {"key", "value"}] + ["ttl"] * 5
"""As a client mostly wants no more than a time to live."""


@st.composite
def made_bodies(draw: st.DrawFn) -> bytes:
    """Mostly of a key and a value, with a few options; and now and then with bytes that are wrong."""
    names = ["key", "value"] if draw(st.integers(0, 9)) else [draw(st.sampled_from(["key", "value"]))]
    names += draw(st.lists(st.sampled_from(_MORE), max_size=draw(st.sampled_from([0, 1, 1, 3]))))
    parts = [(name, draw(st.one_of(st.just(_PARTS[name][0]), st.sampled_from(_PARTS[name])))) for name in names]
    made = b"{%b}" % ",".join(f'"{name}": {part}' for name, part in draw(st.permutations(parts))).encode()
    if not draw(st.integers(0, 9)):
        at = draw(st.integers(0, len(made) - 1))
        made = made[:at] + draw(st.sampled_from([b"", b"\xff", b"\0", b",", b'"'])) + made[at + 1 :]
    return made.ljust(MADE_BYTES)
