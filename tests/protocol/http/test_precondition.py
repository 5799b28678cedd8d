import pytest

from synap.errors import InvalidParameterError
from synap.protocol.http.message import Request
from synap.protocol.http.precondition import expected_version, refuse_condition


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


def test_many_keys_have_no_condition() -> None:
    refuse_condition(asked())
    with pytest.raises(InvalidParameterError):
        refuse_condition(asked((b"if-none-match", b"*")))
