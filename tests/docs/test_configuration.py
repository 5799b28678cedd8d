"""The reference of settings has every setting with its default, and none that there is not."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import msgspec
import pytest
import yaml

from synap.config import Settings, load_settings
from tests.docs.markdown import DOCS, Block, blocks, documents, read, rows

REFERENCE = DOCS / "operations" / "configuration.md"


def settings_of(shape: type[msgspec.Struct], path: str = "") -> Iterator[tuple[str, object]]:
    """The name and the default of each setting; lists of records are one setting."""
    defaults = shape()
    for name, declared in get_type_hints(shape).items():
        here = f"{path}.{name}".removeprefix(".")
        if isinstance(declared, type) and issubclass(declared, msgspec.Struct):
            yield from settings_of(declared, here)
        else:
            default = getattr(defaults, name)
            yield here, list(default) if isinstance(default, tuple) else default


def documented() -> dict[str, object]:
    """The name and the default in each row of the reference."""
    found = {}
    for name, default, *_ in rows(read(REFERENCE)):
        if re.fullmatch(r"`[a-z_]+(\.[a-z_]+)+`", name):
            found[name.strip("`")] = yaml.safe_load(default.strip("`"))
    return found


def test_every_setting_stands_there_with_its_default() -> None:
    assert documented() == dict(settings_of(Settings))


def test_each_has_an_explanation() -> None:
    explained = [row for row in rows(read(REFERENCE)) if row[0].strip("`") in documented()]
    assert [row for row in explained if len(row) != 3 or len(row[2]) < 10] == []


YAML_BLOCKS = [block for document in documents() for block in blocks(document) if block.language == "yaml"]


@pytest.mark.parametrize("block", YAML_BLOCKS, ids=str)
def test_each_file_that_is_shown_can_be_used(block: Block, tmp_path: Path) -> None:
    """As Synap's settings, where it has a section of theirs; else it has to be YAML at least."""
    shown = yaml.safe_load(block.text)
    assert isinstance(shown, dict)
    if shown.keys() & set(Settings.__struct_fields__):
        file = tmp_path / "synap.yml"
        file.write_text(block.text, encoding="utf-8")
        load_settings(file, {})
