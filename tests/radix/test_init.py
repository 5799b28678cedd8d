import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

import synap.radix
from synap.radix.tree import PurePythonTree

COMPILED = "synap.radix._radix_c"


def test_the_compiled_tree_was_built_where_it_can_be() -> None:
    """The install forgives a compiler that fails, so something has to notice."""
    if find_spec(COMPILED) is None:
        compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
        if shutil.which(compiler.split()[0]) is None:
            pytest.skip("there is no C compiler")
        if not Path(sysconfig.get_path("include"), "Python.h").exists():
            pytest.skip("there are no headers of Python to compile with")
        pytest.fail("there is a C compiler, but no compiled tree: see `pip install --verbose --no-deps --editable .`")
    forced = imported_with("c")
    assert (forced.stdout, forced.stderr) == ("c CompiledTree\n", "")
    assert imported_with("").stdout == "c CompiledTree\n"


class FakeCompiledTree(PurePythonTree):
    pass


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType(COMPILED)
    vars(module)["CompiledTree"] = FakeCompiledTree
    monkeypatch.setitem(sys.modules, COMPILED, module)


@pytest.fixture
def not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    # None is how the import system is told that a module does not exist.
    monkeypatch.setitem(sys.modules, COMPILED, None)


@pytest.mark.usefixtures("compiled")
def test_the_compiled_tree_is_chosen_unless_the_pure_one_is_forced() -> None:
    assert synap.radix._choose("") == ("c", FakeCompiledTree)
    assert synap.radix._choose("c") == ("c", FakeCompiledTree)
    assert synap.radix._choose("py") == ("py", PurePythonTree)


@pytest.mark.usefixtures("not_compiled")
def test_the_pure_tree_stands_in_unless_the_compiled_one_is_forced() -> None:
    assert synap.radix._choose("") == ("py", PurePythonTree)
    assert synap.radix._choose("py") == ("py", PurePythonTree)
    with pytest.raises(ImportError, match="SYNAP_RADIX is 'c', but the compiled tree was not built"):
        synap.radix._choose("c")


@pytest.mark.parametrize("wanted", ["C", "python", "0", " py"])
def test_any_other_name_is_refused(wanted: str) -> None:
    with pytest.raises(ValueError, match=f"SYNAP_RADIX is '{wanted}'"):
        synap.radix._choose(wanted)


@pytest.mark.parametrize("wanted", ["", "c"])
def test_a_compiled_tree_that_does_not_load_is_not_passed_over(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    def lacking_something_else(_name: str) -> ModuleType:
        raise ModuleNotFoundError("No module named 'elsewhere'", name="elsewhere")

    monkeypatch.setattr("importlib.import_module", lacking_something_else)
    with pytest.raises(ModuleNotFoundError, match="elsewhere"):
        synap.radix._choose(wanted)


def imported_with(value: str) -> subprocess.CompletedProcess[str]:
    program = "import synap.radix as r; print(r.IMPLEMENTATION, type(r.new_tree()).__name__)"
    environment = {**os.environ, "SYNAP_RADIX": value}
    return subprocess.run(  # noqa: S603 - the program is the line above
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_the_environment_is_read_at_import() -> None:
    assert imported_with("py").stdout == "py PurePythonTree\n"
    refused = imported_with("rust")
    assert refused.returncode != 0
    assert "SYNAP_RADIX is 'rust'" in refused.stderr


def test_a_new_tree_is_empty_and_ones_own() -> None:
    one, other = synap.radix.new_tree(), synap.radix.new_tree()
    one.put(b"k", 0, b"", None, 1)
    assert (len(one), len(other)) == (1, 0)
