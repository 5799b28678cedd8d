"""Whatever a payload holds, a command is a wish or is refused with a sentence; nothing falls through."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from synap.errors import ClientError
from synap.protocol.http.command.table import COMMANDS
from tests.protocol.http.command.support import failed
from tests.protocol.http.support import request, resolve

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    [
        *("key", "keys", "value", "ttl", "pairs", "amount", "offset", "start", "end", "pattern", "prefix", "cursor"),
        *("limit", "destination", "replace", "section", "count", "nx", "xx", "expiry", "if_version", "get", "keepttl"),
    ]
)
LIKELY = st.fixed_dictionaries(
    {},
    optional={
        "key": st.text(max_size=3) | VALUES,
        "keys": st.lists(st.text(max_size=3), max_size=3) | VALUES,
        "pairs": st.lists(st.tuples(st.text(max_size=3), VALUES), max_size=3) | VALUES,
        "value": VALUES,
        "ttl": VALUES,
        "destination": st.text(max_size=3),
        "offset": st.integers(),
    },
)


@settings(max_examples=1000)
@given(
    st.sampled_from(sorted(COMMANDS)) | st.text(max_size=5),
    LIKELY | st.dictionaries(FIELDS, VALUES, max_size=5) | VALUES,
    st.none() | st.text(max_size=3) | st.integers(-(2**63), 2**63 - 1),
)
def test_any_payload(name: str, payload: object, request_id: object) -> None:
    sent = request("POST", "/api/v1/command", {"command": name, "request_id": request_id, "payload": payload})
    try:
        resolve(sent)
    except ClientError as error:
        status, told = failed(sent, error)
        assert (status, told["payload"]) == (200, None)
        assert told["request_id"] == request_id
        assert isinstance(told["error"], str)
        json.dumps(told)
