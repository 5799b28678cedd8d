import pytest

from synap.errors import InvalidParameterError, InvalidTtlError, MalformedRequestError
from synap.protocol.http.query import Choice, Flag, Integer, RequiredText, Seconds, Text, parse


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


# --- declared parameters ---------------------------------------------------------------------------------

LIMIT = Integer("limit", "How many.", low=1, high=10, default=7)
START = Integer("start", "From where.", low=-9, high=9, default=None)


def test_integers() -> None:
    assert LIMIT.of({}) == 7
    assert LIMIT.of({"limit": "10"}) == 10
    assert START.of({}) is None
    assert LIMIT.schema() == {"type": "integer", "minimum": 1, "maximum": 10, "default": 7}
    assert START.schema() == {"type": "integer", "minimum": -9, "maximum": 9}


@pytest.mark.parametrize("given", ["0", "11", "-1", "1.0", "", " 1", "1e1", "٣", "²", "9" * 5000])
def test_integers_out_of_range(given: str) -> None:
    with pytest.raises(InvalidParameterError, match="limit: expected an integer from 1 to 10") as caught:
        LIMIT.of({"limit": given})
    assert caught.value.field == "limit"


def test_integers_below_0() -> None:
    for given in ("-9", "-1", "-0", "0", "9"):
        assert START.of({"start": given}) == int(given)
    for given in ("-10", "--1", "-", "- 1", "-٣"):
        with pytest.raises(InvalidParameterError, match="start: expected an integer from -9 to 9"):
            START.of({"start": given})


def test_required_text() -> None:
    prefix = RequiredText("prefix", "Under what.")
    assert prefix.required
    assert prefix.of({"prefix": "a"}) == "a"
    for without in ({}, {"prefix": ""}):
        with pytest.raises(InvalidParameterError, match="prefix: a query parameter is needed"):
            prefix.of(without)
    assert prefix.schema() == {"type": "string", "minLength": 1}


def test_text() -> None:
    pattern = Text("pattern", "Which.", default="*")
    assert (pattern.of({}), pattern.of({"pattern": ""})) == ("*", "")
    assert pattern.schema() == {"type": "string", "default": "*"}
    assert Text("cursor", "Where.", default=None).of({}) is None


def test_choices() -> None:
    section = Choice("section", "Which part.", choices=("a", "b"), default="a")
    assert (section.of({}), section.of({"section": "b"})) == ("a", "b")
    assert section.schema() == {"type": "string", "enum": ["a", "b"], "default": "a"}
    for given in ("", "A", "a,b"):
        with pytest.raises(InvalidParameterError, match="section: expected one of a, b"):
            section.of({"section": given})


def test_flags() -> None:
    values = Flag("values", "Whether.")
    assert not values.of({})
    assert values.of({"values": "true"})
    assert not values.of({"values": "false"})
    for given in ("", "1", "True", "yes"):
        with pytest.raises(InvalidParameterError, match="values: expected true or false"):
            values.of({"values": given})


def test_seconds() -> None:
    ttl = Seconds("ttl", "How long.")
    assert ttl.of({}) is None
    assert ttl.of({"ttl": "1.5"}) == 1500
    with pytest.raises(InvalidTtlError, match="ttl: must be greater than 0"):
        ttl.of({"ttl": "0"})
    with pytest.raises(InvalidParameterError, match="ttl: expected a positive number of seconds"):
        ttl.of({"ttl": "soon"})
