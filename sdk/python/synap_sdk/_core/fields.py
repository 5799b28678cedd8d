"""Readers: from a response to a result. Each raises ``MalformedAnswerError`` where the answer lacks what it needs."""

from collections.abc import Callable
from typing import TypeVar

from synap_sdk._core.message import Response
from synap_sdk._core.values import Json, MalformedAnswerError, Value, embedded, read_json

R = TypeVar("R")

Reader = Callable[[Response], R]


def body(response: Response) -> dict[str, Json]:
    """The JSON object that a response is."""
    document = read_json(response)
    if not isinstance(document, dict):
        raise MalformedAnswerError("expected a JSON object")
    return document


def nothing(response: Response) -> None:
    """It was done, and that is all."""
    body(response)


def boolean(name: str) -> Reader[bool]:
    """Reads a flag."""

    def read(response: Response) -> bool:
        found = body(response).get(name)
        if not isinstance(found, bool):
            raise MalformedAnswerError(f"{name}: expected a boolean")
        return found

    return read


def integer(name: str) -> Reader[int]:
    """Reads a whole number."""
    return lambda response: whole_number(body(response), name)


def whole_number(document: dict[str, Json], name: str) -> int:
    """A whole number in a document."""
    found = document.get(name)
    if not isinstance(found, int) or isinstance(found, bool):
        raise MalformedAnswerError(f"{name}: expected an integer")
    return found


def whole_number_or_none(document: dict[str, Json], name: str) -> int | None:
    """A whole number in a document, or None where it is null or not there."""
    return None if document.get(name) is None else whole_number(document, name)


def text(document: dict[str, Json], name: str) -> str:
    """A text in a document."""
    found = document.get(name)
    if not isinstance(found, str):
        raise MalformedAnswerError(f"{name}: expected a string")
    return found


def text_or_none(document: dict[str, Json], name: str) -> str | None:
    """A text in a document, or None where it is null or not there."""
    return None if document.get(name) is None else text(document, name)


def texts(document: dict[str, Json], name: str) -> tuple[str, ...]:
    """An array of texts in a document."""
    found = document.get(name)
    if not isinstance(found, list):
        raise MalformedAnswerError(f"{name}: expected an array of strings")
    strings = tuple(each for each in found if isinstance(each, str))
    if len(strings) < len(found):
        raise MalformedAnswerError(f"{name}: expected an array of strings")
    return strings


def values(response: Response) -> list[Value]:
    """The values of a batch read, in the order asked."""
    found = body(response).get("values")
    if not isinstance(found, list):
        raise MalformedAnswerError("values: expected an array")
    return [embedded(each) for each in found]
