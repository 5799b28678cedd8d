import pytest

from synap.errors import InvalidParameterError
from synap.protocol.http.message import Request
from synap.protocol.http.precondition import expected_version, is_known, refuse_condition


def asked(*headers: tuple[bytes, bytes]) -> Request:
    return Request("DELETE", b"/kv/del/a", b"", headers, b"")


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ((), None),
        (((b"if-match", b'"17"'),), 17),
        (((b"if-match", b' "0" '),), 0),
        (((b"if-none-match", b"*"),), 0),
    ],
)
def test_conditions(headers: tuple[tuple[bytes, bytes], ...], version: int | None) -> None:
    assert expected_version(asked(*headers)) == version


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        (((b"if-match", b"*"),), "if-match"),
        (((b"if-match", b"17"),), "if-match"),
        (((b"if-match", b'W/"17"'),), "if-match"),
        (((b"if-match", b'"17", "18"'),), "if-match"),
        (((b"if-match", b'"-1"'),), "if-match"),
        (((b"if-match", b""),), "if-match"),
        (((b"if-none-match", b'"17"'),), "if-none-match"),
        (((b"if-match", b'"17"'), (b"if-none-match", b"*")), "if-match"),
    ],
)
def test_what_cannot_be_granted_is_refused(headers: tuple[tuple[bytes, bytes], ...], field: str) -> None:
    with pytest.raises(InvalidParameterError) as refusal:
        expected_version(asked(*headers))
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("known", "answer"),
    [
        (None, False),
        (b'"17"', True),
        (b'W/"17"', True),
        (b' "16" , W/"17"', True),
        (b"*", True),
        (b'"16", *', True),
        (b'"16"', False),
        (b'"117"', False),
        (b"17", False),
        (b"", False),
        (b'"gzip-17", nonsense', False),
    ],
)
def test_what_a_reader_has_already(known: bytes | None, answer: bool) -> None:
    headers = () if known is None else ((b"if-none-match", known),)
    assert is_known(asked(*headers), 17) is answer


def test_many_keys_have_no_condition() -> None:
    refuse_condition(asked())
    with pytest.raises(InvalidParameterError):
        refuse_condition(asked((b"if-none-match", b"*")))
