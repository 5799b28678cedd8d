import pytest

from synap.errors import InvalidParameterError, MalformedRequestError
from synap.protocol.http.query import integer, parse, required


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        (b"", {}),
        (b"&&", {}),
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a", {"a": ""}),
        (b"a=", {"a": ""}),
        (b"a==b", {"a": "=b"}),
        (b"prefix=a+b%2Bc", {"prefix": "a b+c"}),
        ("prefix=😀".encode(), {"prefix": "😀"}),
    ],
)
def test_parameters(query: bytes, parameters: dict[str, str]) -> None:
    assert parse(query) == parameters


@pytest.mark.parametrize(
    ("query", "field", "sentence"),
    [
        (b"a=%zz", "a", "percent escape"),
        (b"%=1", "query", "percent escape"),
        (b"a=%ff", "a", "not UTF-8 at byte 0"),
        (b"%ff=a", "query", "not UTF-8"),
    ],
)
def test_what_does_not_parse(query: bytes, field: str, sentence: str) -> None:
    with pytest.raises(MalformedRequestError, match=sentence) as caught:
        parse(query)
    assert caught.value.field == field


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="more than once") as caught:
        parse(b"prefix=a&prefix=b")
    assert caught.value.field == "prefix"


def test_integers() -> None:
    assert integer({}, "limit", default=7, low=1, high=10) == 7
    assert integer({"limit": "10"}, "limit", default=7, low=1, high=10) == 10


@pytest.mark.parametrize("given", ["0", "11", "-1", "1.0", "", " 1", "1e1", "٣", "²", "9" * 5000])
def test_integers_out_of_range(given: str) -> None:
    with pytest.raises(InvalidParameterError, match="limit: expected an integer from 1 to 10"):
        integer({"limit": given}, "limit", default=7, low=1, high=10)


def test_integers_below_0() -> None:
    for given in ("-9", "-1", "-0", "0", "9"):
        assert integer({"start": given}, "start", default=7, low=-9, high=9) == int(given)
    for given in ("-10", "--1", "-", "- 1", "-٣"):
        with pytest.raises(InvalidParameterError, match="start: expected an integer from -9 to 9"):
            integer({"start": given}, "start", default=7, low=-9, high=9)


def test_required() -> None:
    assert required({"prefix": "a"}, "prefix") == "a"
    for without in ({}, {"prefix": ""}):
        with pytest.raises(InvalidParameterError, match="prefix: a query parameter is needed"):
            required(without, "prefix")
