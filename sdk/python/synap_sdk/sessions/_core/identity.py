"""Ids of sessions, and the keys that they are stored under.

An id is 256 bits that the server drew, as 43 characters of base64url; where the session has an owner (a user that is
logged in), the owner's tag and a dot stand before them. It is a password for as long as the session lives. So the store
never sees one: **the key holds its SHA-256**. Whoever reads a backup, a log, a list of keys or a feed of events
cannot come in with what is written there; and how long the store takes to find a key says nothing about the ids that
there are. Salt is for passwords that can be guessed; 256 bits cannot.

::

    cookie                   key in the store
    -----------------------  -------------------------------------------
    Zr8…  (43 characters)    session:{sha256 of the cookie}
    {tag}.Zr8…               session:{tag}:{sha256 of the cookie}

Whoever has the cookie of a user who asks for help finds the session: ``key_of(cookie)``, or in a shell
``printf %s "$COOKIE" | sha256sum``. All sessions of an owner lie under one prefix, ``owner_prefix(owner)``, so that one
step ends them all. The tag is a hash as well: of one length, so that no owner's prefix begins another's, and free of
what may not stand in a cookie.
"""

import hashlib
import re

from synap_sdk.errors import InvalidArgument

TOKEN_BYTES = 32
"""256 bits: not to be guessed, however many sessions there are and however long somebody tries."""

PREFIX = "session:"
"""Where sessions lie in the store, unless an application says otherwise."""

_TAG_CHARACTERS = 32
"""128 bits: no two owners of this world have the same by chance."""

_ID = re.compile(rf"(?:([0-9a-f]{{{_TAG_CHARACTERS}}})\.)?[A-Za-z0-9_-]{{43}}")


def is_id(text: str | None) -> bool:
    """Whether a text has the form of an id. What has not is nobody's, and is not looked for."""
    return text is not None and _ID.fullmatch(text) is not None


def make_id(token: str, tag: str | None) -> str:
    """The id with this token, which was drawn at random."""
    session_id = token if tag is None else f"{tag}.{token}"
    assert is_id(session_id)
    return session_id


def tag_in(session_id: str) -> str | None:
    """The tag of the owner; None where there is none."""
    found = _ID.fullmatch(session_id)
    return None if found is None else found[1]


def tag_of(owner: str) -> str:
    """What stands for an owner in ids and keys."""
    return hashlib.sha256(owner.encode(errors="surrogatepass")).hexdigest()[:_TAG_CHARACTERS]


def key_of(session_id: str, prefix: str = PREFIX) -> str:
    """The key that a session is stored under. Raises ``InvalidArgument`` for what is no id."""
    found = _ID.fullmatch(session_id)
    if found is None:
        raise InvalidArgument("session_id: expected the value of a session cookie")
    group = "" if found[1] is None else f"{found[1]}:"
    return f"{prefix}{group}{hashlib.sha256(session_id.encode()).hexdigest()}"


def owner_prefix(owner: str, prefix: str = PREFIX) -> str:
    """What the keys of all sessions of an owner begin with, and no others."""
    return f"{prefix}{tag_of(owner)}:"
