"""Accounts in the settings: what one can be, what is refused in which words, and that no secret is shown."""

import hashlib
from datetime import date
from ipaddress import ip_network
from itertools import count

import bcrypt
import msgspec
import pytest

from synap.accounts import (
    AuthenticationSettings,
    digest_of,
    hash_password,
    new_api_key,
)
from synap.errors import ConfigError

SECRET_HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


def user(**fields: object) -> dict[str, object]:
    return {"username": "alice", "password_hash": SECRET_HASH, "role": "reader", **fields}


def key(**fields: object) -> dict[str, object]:
    return {"name": "app", "role": "reader", "key": "SECRET-KEY", **fields}


def refused(**sections: object) -> str:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(sections, AuthenticationSettings, strict=False)
    sentence = str(caught.value)
    assert "SECRET-KEY" not in sentence
    return sentence


def accepted(**sections: object) -> AuthenticationSettings:
    return msgspec.convert(sections, AuthenticationSettings, strict=False)


def test_nobody_is_asked_by_default() -> None:
    assert AuthenticationSettings() == accepted()
    assert not AuthenticationSettings().enabled


@pytest.mark.parametrize("variant", ["$2a$", "$2b$", "$2y$"])
def test_users(variant: str) -> None:
    [alice] = accepted(users=[user(password_hash=variant + SECRET_HASH[4:])]).users
    assert (alice.username, alice.role, alice.cost) == ("alice", "reader", 4)


@pytest.mark.parametrize(
    "not_bcrypt",
    ["secret", "", "$2b$04$short", "$1$04$" + SECRET_HASH[7:], SECRET_HASH + "x", SECRET_HASH[:-1] + "!"]
    + [f"$2b${cost}${SECRET_HASH[7:]}" for cost in ("03", "17", "31", "99")]
    + ["$2b$04$" + "z" * 53, SECRET_HASH[:28] + "z" + SECRET_HASH[29:], SECRET_HASH[:-1] + "z"],
    # The hash is another one each time, and so would the names of these tests be.
    ids=count(),
)
def test_a_hash_that_is_no_bcrypt(not_bcrypt: str) -> None:
    sentence = refused(users=[user(password_hash=not_bcrypt)])
    assert "password_hash of alice: expected a bcrypt ($2b$...) of a cost from 4 to 16" in sentence
    assert "users[0]" in sentence
    assert not not_bcrypt or not_bcrypt not in sentence


@pytest.mark.parametrize("username", ["", "a:b", "a\nb", "a" * 65, "\0"])
def test_usernames_that_nobody_could_send(username: str) -> None:
    assert "username: expected 1 to 64 characters, no colon" in refused(users=[user(username=username)])


@pytest.mark.parametrize("section", [{"users": [user(role="boss")]}, {"api_keys": [key(role="")]}])
def test_a_role_that_there_is_not(section: dict[str, object]) -> None:
    assert "Invalid enum value" in refused(**section)


def test_keys() -> None:
    digest = hashlib.sha256(b"SECRET-KEY").digest()
    assert accepted(api_keys=[key()]).api_keys[0].digest == digest
    for text in (digest.hex(), digest.hex().upper()):
        [hashed] = accepted(api_keys=[{"name": "app", "role": "admin", "key_hash": text}]).api_keys
        assert hashed.digest == digest


@pytest.mark.parametrize("cost", [4, 5])
def test_every_hash_of_bcrypt_is_one(cost: int) -> None:
    for _ in range(16):
        made = bcrypt.hashpw(b"secret", bcrypt.gensalt(cost)).decode()
        assert accepted(users=[user(password_hash=made)]).users[0].cost == cost


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("10.0.0.7", "10.0.0.7/32"),
        ("::ffff:10.0.0.7", "10.0.0.7/32"),
        ("::ffff:127.0.0.0/104", "127.0.0.0/8"),
        ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
        ("fd00::/8", "fd00::/8"),
        ("::/0", "::/0"),
    ],
)
def test_networks(written: str, meant: str) -> None:
    """Addresses of IPv4 are compared as such, also where the socket or the settings wrap them."""
    [app] = accepted(api_keys=[key(allowed_ips=[written])]).api_keys
    assert app.networks == (ip_network(meant),)


def test_a_key_with_everything() -> None:
    [app] = accepted(
        api_keys=[
            key(prefixes=["a:", "é"], created="2026-11-24", expires_days=7, allowed_ips=["10.0.0.7", "fd00::/8"]),
        ]
    ).api_keys
    assert (app.prefixes, app.created, app.expires_days) == (("a:", "é"), date(2026, 11, 24), 7)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"key": None}, "app: expected either key or key_hash"),
        ({"key_hash": "00" * 32}, "app: expected either key or key_hash"),
        ({"key": ""}, "key of app: expected 1 to 512 ASCII characters"),
        ({"key": "a b"}, "key of app: expected 1 to 512 ASCII characters"),
        ({"key": "é"}, "key of app: expected 1 to 512 ASCII characters"),
        ({"key": None, "key_hash": "00" * 31}, "key_hash of app: expected a SHA-256 in hexadecimal"),
        ({"key": None, "key_hash": "zz" * 32}, "key_hash of app: expected a SHA-256 in hexadecimal"),
        ({"prefixes": [""]}, "Expected `str` of length >= 1"),
        ({"expires_days": 7}, "app: expires_days counts from the day in created"),
        ({"created": "2026-11-24"}, "app: expires_days counts from the day in created"),
        ({"created": "2026-13-24", "expires_days": 7}, "date"),
        ({"created": "2026-11-24", "expires_days": 0}, "Expected `int` >= 1"),
        ({"allowed_ips": ["localhost"]}, "allowed_ips of app: expected an address or a network"),
        ({"allowed_ips": ["10.0.0.7/8"]}, "got '10.0.0.7/8'"),
        ({"allowed_ips": [""]}, "Expected `str` of length >= 1"),
        ({"name": ""}, "Expected `str` of length >= 1"),
        ({"colour": "green"}, "unknown field `colour`"),
    ],
)
def test_keys_that_cannot_be(fields: dict[str, object], said: str) -> None:
    assert said in refused(api_keys=[key(**fields)])


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"users": [user(), user(role="admin")]}, "there are two with the username alice"),
        ({"api_keys": [key(), key(key="other")]}, "there are two with the name app"),
        ({"api_keys": [key(), key(name="web")]}, "app and web have the same key"),
        (
            {"api_keys": [key(), {"name": "web", "role": "admin", "key_hash": digest_of(b"SECRET-KEY").hex()}]},
            "app and web have the same key",
        ),
    ],
)
def test_two_of_one(sections: dict[str, object], said: str) -> None:
    assert said in refused(**sections)


def test_no_secret_is_shown() -> None:
    settings = accepted(users=[user()], api_keys=[key()])
    assert "SECRET" not in repr(settings)
    assert SECRET_HASH not in repr(settings)
    assert "alice" in repr(settings)
    assert "app" in repr(settings)


# --- making them -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["secret", "p" * 72, "é" * 36, "with spaces:and colons"])
def test_a_hash_that_is_made_is_accepted(password: str) -> None:
    made = hash_password(password)
    assert bcrypt.checkpw(password.encode(), made.encode())
    assert accepted(users=[user(password_hash=made)]).users[0].cost == 12


@pytest.mark.parametrize("password", ["", "p" * 73, "é" * 37, "a\0b", "a\nb"])
def test_passwords_that_cannot_be(password: str) -> None:
    with pytest.raises(ConfigError, match="1 to 72 bytes"):
        hash_password(password)


def test_a_key_that_is_made_is_accepted_and_another_each_time() -> None:
    keys = {new_api_key() for _ in range(10)}
    assert len(keys) == 10
    assert all(len(made) == 43 for made in keys)
    accepted(api_keys=[key(name=made, key=made) for made in keys])
