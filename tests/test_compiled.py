"""Which modules serve: the compiled ones where they were built, unless the environment says otherwise."""

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import pytest

from synap.compiled import twin

NAME = "synap._made_for_a_test_c"

TWINS = ("synap._rows_c", "synap.keyspace._digest_c", "synap.server.lane._heads_c")


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType(NAME)
    monkeypatch.setitem(sys.modules, NAME, module)
    return module


@pytest.mark.parametrize(("wanted", "serves"), [("", True), ("c", True), ("py", False)])
def test_a_twin_serves_unless_the_reference_is_forced(
    built: ModuleType, monkeypatch: pytest.MonkeyPatch, wanted: str, *, serves: bool
) -> None:
    monkeypatch.setenv("SYNAP_RADIX", wanted)
    assert twin(NAME) is (built if serves else None)


def test_the_reference_stands_in_unless_the_twin_is_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYNAP_RADIX", raising=False)
    assert twin(NAME) is None
    monkeypatch.setenv("SYNAP_RADIX", "py")
    assert twin(NAME) is None
    monkeypatch.setenv("SYNAP_RADIX", "c")
    with pytest.raises(ImportError, match=f"SYNAP_RADIX is 'c', but {NAME} was not built"):
        twin(NAME)


def test_a_twin_that_does_not_load_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking_something_else(_name: str) -> ModuleType:
        raise ModuleNotFoundError("No module named 'elsewhere'", name="elsewhere")

    monkeypatch.delenv("SYNAP_RADIX", raising=False)
    monkeypatch.setattr("importlib.import_module", lacking_something_else)
    with pytest.raises(ModuleNotFoundError, match="elsewhere"):
        twin(NAME)


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_was_built_where_the_tree_was(name: str) -> None:
    """The install forgives a compiler that fails; ``radix/test_init.py`` says where it must not."""
    if find_spec("synap.radix._radix_c") is None:
        pytest.skip("nothing was compiled")
    assert import_module(name).__file__
