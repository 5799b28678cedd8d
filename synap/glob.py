r"""Patterns of keys, as Redis has them.

``*`` stands for any characters, ``?`` for one, ``[a-z]`` and ``[^x]`` for one of a set, and ``\`` quotes the next.

A pattern is compiled to a regular expression whose stars are atomic groups: matching never goes back behind a star that
was satisfied, so no pattern takes exponential time.
"""

import re


def literal_prefix(pattern: str) -> str:
    """What every matching key begins with: the pattern up to its first special character."""
    match = re.match(r"[^*?\[\\]*", pattern)
    return "" if match is None else match.group()


def compile_glob(pattern: str) -> re.Pattern[str]:
    r"""An expression whose ``fullmatch`` tells whether a key matches the pattern.

    Nothing is an error: an unclosed ``[`` and a trailing ``\`` stand for themselves.
    """
    # Between two stars, the first place where the literal part fits is as good as any later one.
    first, *rest = _split_at_stars(pattern)
    if not rest:
        return re.compile(first, re.DOTALL)
    *middle, last = rest
    stars = "".join(f"(?>.*?{part})" for part in middle)
    return re.compile(f"{first}{stars}.*{last}", re.DOTALL)


def _split_at_stars(pattern: str) -> list[str]:
    """The expressions of the parts between stars."""
    parts = [""]
    at = 0
    last_close = _last_close(pattern)
    while at < len(pattern):
        if pattern[at] == "*":
            parts.append("")
            at += 1
        else:
            expression, at = _one_character(pattern, at, last_close)
            parts[-1] += expression
    return parts


def _last_close(pattern: str) -> int:
    r"""Where the last ``]`` is that no ``\`` quotes; -1 where there is none.

    Looking for the end of a set only before it keeps a pattern of many unclosed ``[`` from taking quadratic time.
    """
    closes = [found.start() for found in _CHARACTER.finditer(pattern) if found.group() == "]"]
    return closes[-1] if closes else -1


def _one_character(pattern: str, at: int, last_close: int) -> tuple[str, int]:
    """The expression for the one character that the pattern describes at ``at``, and where it goes on."""
    special = pattern[at]
    if special == "?":
        return ".", at + 1
    if special == "\\" and at + 1 < len(pattern):
        return re.escape(pattern[at + 1]), at + 2
    if special == "[" and at < last_close and (found := _SET.match(pattern, at)):
        return _set_expression(found["body"], negated=bool(found["not"])), found.end()
    return re.escape(special), at + 1


_SET = re.compile(r"\[(?P<not>\^?)(?P<body>(?:\\.|[^\]\\])*)\]", re.DOTALL)
_CHARACTER = re.compile(r"\\.|.", re.DOTALL)
_MEMBER = re.compile(r"(?P<low>\\.|.)(?:-(?P<high>\\.|.))?", re.DOTALL)


def _set_expression(body: str, *, negated: bool) -> str:
    members = []
    for found in _MEMBER.finditer(body):
        low = found["low"][-1]
        high = (found["high"] or low)[-1]
        low, high = min(low, high), max(low, high)
        members.append(f"{re.escape(low)}-{re.escape(high)}")
    if not members:
        # No character is in an empty set; every one is outside of it.
        return "." if negated else r"(?!)"
    return f"[{'^' if negated else ''}{''.join(members)}]"
