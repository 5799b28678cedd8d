"""A block of shell as somebody types it: what to run, and what the document says is printed.

A comment right below a command is what the command prints; ``...`` in it stands for anything. A comment at the
beginning, or after an empty line, is a remark. What is printed but not shown may be anything.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple


class Step(NamedTuple):
    """Lines of shell, and the output below them; None where none is shown."""

    script: str
    output: str | None


def steps(text: str) -> Iterator[Step]:
    """The steps of a block, in their order."""
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        script: list[str] = []
        output: list[str] = []
        for line in paragraph.splitlines():
            is_comment = line.startswith("#")
            if is_comment and script:
                output.append(line.removeprefix("#").removeprefix(" "))
            elif not is_comment:
                if output:
                    yield Step("\n".join(script), "\n".join(output))
                    script, output = [], []
                script.append(line)
        if script:
            yield Step("\n".join(script), "\n".join(output) if output else None)


def agrees(shown: str, printed: str) -> bool:
    """Whether what was printed is what is shown, but for spaces at the ends of lines."""
    pattern = ".*?".join(re.escape(part) for part in re.split(r"\.\.\.", _trimmed(shown)))
    return re.fullmatch(pattern, _trimmed(printed), re.DOTALL) is not None


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
