"""Values that stand inside JSON documents, and versions; what goes out and in whole is in ``cases``."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synap_sdk._core.message import Response
from synap_sdk._core.values import Json, embedded, etag_version, read_value, to_json

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text('aé"\\\n'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab"), inner),
)


@given(DOCUMENTS)
def test_what_was_set_is_what_is_read(document: Json) -> None:
    response = Response(200, {"content-type": "application/json; charset=utf-8"}, to_json(document))
    assert read_value(response) == document


def test_json_is_sent_short_and_as_it_is() -> None:
    assert to_json({"name": "Zoë", "roles": [1, 2]}) == '{"name":"Zoë","roles":[1,2]}'.encode()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ({"base64": "AP8="}, b"\x00\xff"),
        ({"base64": ""}, b""),
        ({"base64": "not base 64"}, {"base64": "not base 64"}),
        ({"base64": 1}, {"base64": 1}),
        ({"base64": "AP8=", "more": 1}, {"base64": "AP8=", "more": 1}),
        (["AP8="], ["AP8="]),
        (None, None),
    ],
)
def test_octets_inside_a_document(member: Json, value: object) -> None:
    assert embedded(json.loads(json.dumps(member))) == value


@pytest.mark.parametrize(
    ("etag", "version"), [('"12"', 12), ("", None), ('W/"12"', None), ('"65a-x"', None), ('"²"', None)]
)
def test_the_version_in_an_etag(etag: str, version: int | None) -> None:
    assert etag_version(Response(200, {"etag": etag}, b"")) == version


def test_octets_of_any_type_have_a_version() -> None:
    assert read_value(Response(200, {"content-type": "image/png", "etag": '"3"'}, b"\x89PNG")) == b"\x89PNG"
