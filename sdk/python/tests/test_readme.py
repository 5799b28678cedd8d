"""README's examples run as they are written, but for the port."""

import re
from pathlib import Path
from typing import Any

import pytest

import synap_sdk
from synap_sdk._shells.kv import KV, Operation
from synap_sdk._shells.options import Options

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.process
def test_the_examples(url: str) -> None:
    """One after the other, as somebody types them."""
    defined: dict[str, Any] = {}
    for block in BLOCKS:
        exec(compile(block.replace("http://localhost:15500", url), "README.md", "exec"), defined)  # noqa: S102
    client = defined["client"]
    assert client.kv.get("session:123") is None
    assert client.kv.get("cart:7") == ["apple", "pear"]
    assert client.kv.get("logins") == 2
    client.kv.set("session:123", "v")
    assert defined["session_of"]("123") == "v"
    assert defined["log_out"]("123") is True
    client.close()
    assert defined["session_of"]("123") is None


def test_every_operation_is_named() -> None:
    operations = {name for name, each in vars(KV).items() if isinstance(each, Operation)} | {"scan"}
    (table,) = re.findall(r"(\| one key .*?)\n\n", README, re.DOTALL)
    assert set(re.findall(r"`(\w+)", table)) == operations


def test_every_option_is_named() -> None:
    table = README.split("## Options")[1]
    assert {name for name in Options.__annotations__ if f"`{name}" not in table} == {"clock"}


def test_every_name_is_there() -> None:
    imported = re.findall(r"from synap_sdk import (.*)", README)
    assert {name for line in imported for name in line.split(", ")} <= set(synap_sdk.__all__)
