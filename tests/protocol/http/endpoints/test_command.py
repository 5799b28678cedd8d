"""The route of the command endpoint, and what is said of it; each command: ``tests/protocol/http/command``."""

import re

from synap.commands import Get
from synap.protocol.http.command.table import COMMANDS
from synap.protocol.http.endpoints.command import carry_out
from tests.protocol.http.support import answered, wish

BODY = {"command": "kv.get", "request_id": "1", "payload": {"key": "a"}}


def test_a_command_is_the_wish_of_its_route() -> None:
    assert wish("POST", "/api/v1/command", BODY) == Get(b"a")
    assert answered("POST", "/api/v1/command", None, BODY) == {
        "success": True,
        "request_id": "1",
        "payload": None,
        "error": None,
    }


def test_its_description_has_a_row_for_every_command() -> None:
    rows = re.findall(r"^\| (`[^|]*) \|", carry_out.description.text, re.MULTILINE)
    named = re.findall(r"`([^`]*)`", " ".join(rows))
    assert sorted(named) == sorted(COMMANDS)
