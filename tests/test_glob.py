r"""Patterns of keys: as Redis has them, but for an unclosed ``[``, and against a matcher that is slow and simple."""

import re
from collections.abc import Callable
from typing import TypeAlias

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from synap import glob
from synap.glob import compile_glob, literal_prefix


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("", [""], ["a"]),
        ("abc", ["abc"], ["", "ab", "abcd", "xabc", "ABC"]),
        ("*", ["", "a", "a\nb", "\0", "ü😀"], []),
        ("**", ["", "a", "abc"], []),
        ("a*", ["a", "ab", "a*"], ["", "ba"]),
        ("*a", ["a", "ba", "aa"], ["", "ab"]),
        ("*a*", ["a", "bab"], ["", "b"]),
        ("a*b*c", ["abc", "aXbXc", "abcbc"], ["ab", "acb", "abcX"]),
        ("a**c", ["ac", "abc"], ["a", "c"]),
        ("?", ["a", "ü", "😀", "\n"], ["", "aa"]),
        ("a??", ["abc"], ["ab", "abcd"]),
        ("*??", ["ab", "abc"], ["", "a"]),
        ("?*?", ["ab", "abc"], ["", "a"]),
        ("session:[0-9]", ["session:0", "session:9"], ["session:", "session:a", "session:10"]),
        ("[a-z]", ["a", "m", "z"], ["A", "", "ab", "-"]),
        ("[z-a]", ["a", "m", "z"], ["A", "-"]),
        ("[abc]", ["a", "b", "c"], ["d", ""]),
        ("[^x]", ["a", "^", "\n"], ["x", ""]),
        ("[^a-c]", ["d", "-"], ["a", "b", "c"]),
        ("[x^]", ["x", "^"], ["a"]),
        ("[!x]", ["!", "x"], ["a"]),
        ("[]", [], ["", "]", "[", "[]"]),
        ("[^]", ["a", "]", "^"], ["", "ab"]),
        ("[]a]", [], ["a", "]", "]a]"]),
        ("[a-]", ["a", "-"], ["b", "]"]),
        ("[-a]", ["-", "a"], ["b"]),
        (r"[\]]", ["]"], ["\\", r"\]"]),
        (r"[\^]", ["^"], ["\\", "a"]),
        (r"[a\-c]", ["a", "-", "c"], ["b", "\\"]),
        (r"[\a-c]", ["a", "b", "c"], ["\\"]),
        ("[*?]", ["*", "?"], ["a", ""]),
        ("[ä-ü]", ["ä", "ö", "ü"], ["a"]),
        ("[", ["["], ["", "a"]),
        ("[abc", ["[abc"], ["a", "b"]),
        ("a[", ["a["], ["a"]),
        ("[a*", ["[a", "[ab"], ["a"]),
        (r"[a\]", ["[a]"], ["a", r"[a\]"]),
        ("a]", ["a]"], ["a"]),
        (r"\*", ["*"], ["a", r"\*"]),
        (r"\?", ["?"], ["a"]),
        (r"\[a]", ["[a]"], ["a"]),
        (r"\a", ["a"], [r"\a"]),
        (r"\\", ["\\"], [r"\\"]),
        ("a\\", ["a\\"], ["a"]),
        ("\\", ["\\"], [""]),
        (r"*\*", ["*", "a*"], ["a"]),
        # What means something to a regular expression means itself here.
        ("a.c", ["a.c"], ["abc"]),
        ("(a|b)+$", ["(a|b)+$"], ["a", "ab"]),
        ("a{2}", ["a{2}"], ["aa"]),
        ("#a b", ["#a b"], []),
        ("[a&&b~~c||d]", ["a", "&", "~", "|"], ["x"]),
    ],
)
def test_patterns(pattern: str, matching: list[str], others: list[str]) -> None:
    matches = compile_glob(pattern).fullmatch
    assert [text for text in matching if not matches(text)] == []
    assert [text for text in others if matches(text)] == []


# --- the slow and simple matcher -------------------------------------------------------------------------

Part: TypeAlias = Callable[[str], bool] | None
"""Whether a character fits; None is a star."""


def parts_of(pattern: str) -> list[Part]:
    """The pattern as characters and stars."""
    parts: list[Part] = []
    while pattern:
        special, rest = pattern[0], pattern[1:]
        if special == "*":
            parts.append(None)
        elif special == "?":
            parts.append(lambda _: True)
        elif special == "\\" and rest:
            parts.append(rest[0].__eq__)
            rest = rest[1:]
        elif special == "[" and (found := set_of(rest)) is not None:
            fits, rest = found
            parts.append(fits)
        else:
            parts.append(special.__eq__)
        pattern = rest
    return parts


def set_of(pattern: str) -> tuple[Callable[[str], bool], str] | None:
    """What the set that begins here contains, and what follows it; None where it has no end."""
    negated = pattern.startswith("^")
    rest = pattern[negated:]
    members: list[tuple[str, bool]] = []
    while rest and rest[0] != "]":
        quoted = rest[0] == "\\" and len(rest) > 1
        members.append((rest[quoted], quoted))
        rest = rest[1 + quoted :]
    if not rest:
        return None
    ranges: list[tuple[str, str]] = []
    while members:
        low = high = members.pop(0)[0]
        if len(members) > 1 and members[0] == ("-", False):
            high = members[1][0]
            del members[:2]
        ranges.append((min(low, high), max(low, high)))
    return (lambda character: any(low <= character <= high for low, high in ranges) != negated), rest[1:]


def fits_slowly(parts: list[Part], text: str) -> bool:
    """Try every way, keeping for each part how far the text may have been matched by then."""
    ends = {0}
    for part in parts:
        if part is None:
            ends = set(range(min(ends, default=len(text) + 1), len(text) + 1))
        else:
            ends = {end + 1 for end in ends if end < len(text) and part(text[end])}
    return len(text) in ends


@settings(deadline=None)
@given(st.text(r"ab*?[]^-\c", max_size=10), st.lists(st.text(r"abc[]^-\*", max_size=8), max_size=8))
@example(r"[\]-a]*", ["]", "^", "_", "a", "b"])
@example("*a*ab", ["aab", "ab", "aabab"])
def test_as_the_slow_matcher_says(pattern: str, texts: list[str]) -> None:
    matches = compile_glob(pattern).fullmatch
    parts = parts_of(pattern)
    for text in (*texts, pattern):
        assert (matches(text) is not None) == fits_slowly(parts, text), text


@settings(deadline=None)
@given(st.text(r"ab*?[]\ü", max_size=8), st.text("ab[]?*ü", max_size=8))
def test_the_literal_prefix_begins_every_match(pattern: str, text: str) -> None:
    prefix = literal_prefix(pattern)
    assert pattern.startswith(prefix)
    if compile_glob(pattern).fullmatch(text):
        assert text.startswith(prefix)


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("", ""),
        ("*", ""),
        ("session:*", "session:"),
        ("session:?:*", "session:"),
        ("user[12]*", "user"),
        (r"a\*b", "a"),
        ("exact\nkey", "exact\nkey"),
        ("ends]", "ends]"),
    ],
)
def test_the_literal_prefix_is_as_long_as_it_can_be(pattern: str, prefix: str) -> None:
    assert literal_prefix(pattern) == prefix


# --- no pattern takes long -------------------------------------------------------------------------------


def test_a_star_that_was_satisfied_is_not_tried_again() -> None:
    """With backtracking this would take 5,000 to the fifth steps."""
    pattern = compile_glob("*a*a*a*a*a*b")
    assert pattern.pattern == "(?>.*?a)" * 5 + ".*b"
    assert not pattern.fullmatch("a" * 5000)
    assert pattern.fullmatch("a" * 5000 + "b")


class CountingSet:
    """Counts the characters that the search for the ends of sets may look at."""

    def __init__(self, expression: re.Pattern[str]) -> None:
        self.expression = expression
        self.visits = 0

    def match(self, text: str, at: int) -> re.Match[str] | None:
        found = self.expression.match(text, at)
        self.visits += (len(text) if found is None else found.end()) - at
        return found


@pytest.mark.parametrize(
    "pattern", ["[" * 5000, "[" * 5000 + r"\]", "[" * 5000 + "]", "[a]" * 2000, "[a]" + "[" * 5000]
)
def test_the_end_of_a_set_is_looked_for_once(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = CountingSet(glob._SET)
    monkeypatch.setattr(glob, "_SET", counting)
    compile_glob(pattern)
    assert counting.visits <= len(pattern)
