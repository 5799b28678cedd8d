"""Headers to credentials: what they say, and what is no way to say it."""

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from synap.errors import NotAuthenticatedError
from synap.protocol.http.credentials import ApiKey, Credentials, Login, read_credentials

KEY = b"k-0123456789"


def basic(login: bytes) -> tuple[bytes, bytes]:
    return b"authorization", b"Basic " + base64.b64encode(login)


def refused(*headers: tuple[bytes, bytes]) -> str:
    with pytest.raises(NotAuthenticatedError) as caught:
        read_credentials(headers)
    assert caught.value.reason == "malformed"
    return str(caught.value)


@pytest.mark.parametrize(
    ("header", "credentials"),
    [
        ((b"authorization", b"Bearer " + KEY), ApiKey(KEY)),
        ((b"authorization", b"bearer   " + KEY), ApiKey(KEY)),
        ((b"authorization", b"BEARER " + KEY + b" "), ApiKey(KEY)),
        ((b"x-api-key", KEY), ApiKey(KEY)),
        ((b"x-api-key", b"!" * 512), ApiKey(b"!" * 512)),
        (basic(b"alice:secret"), Login("alice", b"secret")),
        (basic(b"alice:with:colons:"), Login("alice", b"with:colons:")),
        (basic(b":"), Login("", b"")),
        (basic("ålice:pässword".encode()), Login("ålice", "pässword".encode())),
        (basic(b"alice:" + b"p" * 72), Login("alice", b"p" * 72)),
        ((b"authorization", b"basic " + base64.b64encode(b"a:b")), Login("a", b"b")),
    ],
)
def test_what_is_said(header: tuple[bytes, bytes], credentials: Credentials) -> None:
    assert read_credentials((header,)) == credentials
    assert read_credentials(((b"host", b"a"), header, header)) == credentials, "said twice, it is the same"


def test_nothing_is_said() -> None:
    assert read_credentials(()) is None
    assert read_credentials(((b"host", b"a"), (b"cookie", b"authorization=x"))) is None


@pytest.mark.parametrize(
    "value",
    [b"", b" ", b"Bearer", b"Bearer ", b"Basic", KEY, b"Digest a=b", b"Negotiate abc", b"Bearer\t" + KEY, b"ApiKey a"],
)
def test_an_authorization_that_says_nothing(value: bytes) -> None:
    assert "expected" in refused((b"authorization", value))


@pytest.mark.parametrize("key", [b"", b"a b", "é".encode(), b"a\x7f", b"\0", b"a" * 513])
def test_keys_that_cannot_be(key: bytes) -> None:
    for header in ((b"x-api-key", key), (b"authorization", b"Bearer " + key)):
        assert "expected an API key of 1 to 512 ASCII characters without spaces" in refused(header)


@pytest.mark.parametrize(
    "value",
    [
        b"YTpi!",  # not of the alphabet
        b"YTpiYw",  # no padding
        b"YTpiYw==x",
        b"YT pi",
        base64.b64encode(b"no colon"),
        base64.b64encode(b"\xff:\xff"),
        base64.b64encode(b"a:b\0c"),
        base64.b64encode(b"a\n:b"),
        base64.b64encode(b"a" * 1000 + b":b"),
        b"",
    ],
)
def test_logins_that_cannot_be(value: bytes) -> None:
    assert "base64 of USERNAME:PASSWORD" in refused((b"authorization", b"Basic " + value))


def test_a_password_that_bcrypt_would_cut() -> None:
    assert refused(basic(b"alice:" + b"p" * 73)).endswith("no password has over 72 bytes here")


@pytest.mark.parametrize(
    "other", [(b"x-api-key", b"another"), (b"authorization", b"Bearer another"), basic(b"alice:secret")]
)
def test_two_different_things_are_said(other: tuple[bytes, bytes]) -> None:
    for headers in (((b"authorization", b"Bearer " + KEY), other), (other, (b"x-api-key", KEY))):
        assert "two different credentials" in refused(*headers)


def test_the_same_key_both_ways() -> None:
    assert read_credentials(((b"authorization", b"Bearer " + KEY), (b"x-api-key", KEY))) == ApiKey(KEY)


def test_no_secret_is_shown() -> None:
    for credentials in (ApiKey(b"SECRET"), Login("alice", b"SECRET")):
        assert "SECRET" not in repr(credentials) + str(credentials) + f"{credentials!r}" + repr([credentials])


names = st.sampled_from([b"authorization", b"x-api-key"])
schemes = st.sampled_from([b"Basic ", b"basic", b"Bearer ", b"bearer  ", b""])
values = st.builds(bytes.__add__, schemes, st.binary() | st.binary().map(base64.b64encode))


@given(st.lists(st.tuples(names, values), min_size=1))
@example([(b"authorization", b"Basic " + base64.b64encode(b"\xed\xa0\x80:"))])
def test_any_headers_are_credentials_or_an_error(headers: list[tuple[bytes, bytes]]) -> None:
    try:
        credentials = read_credentials(headers)
    except NotAuthenticatedError:
        return
    assert isinstance(credentials, ApiKey | Login), "whoever tried to say something is not taken for nobody"


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=":"), max_size=64),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=18),
)
def test_any_login_round_trips(username: str, password: str) -> None:
    header = basic(f"{username}:{password}".encode())
    assert read_credentials((header,)) == Login(username, password.encode())
