"""The tests of all that is compiled again, in builds in which no wrong use of memory goes unnoticed.

Checked: every block is one of malloc, and an address sanitizer looks on. Restless: all blocks move whenever one is
taken, and a pointer into where they were is fatal. Python's own objects come from malloc, too, so that reading past
the end of a key is seen. It takes minutes, and so is part of ``make soak`` only.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("Cython", reason="the compiled tree cannot be built without Cython")

ROOT = Path(__file__).parents[2]
PARTS = ("synap", "setup.py", "pyproject.toml", "README.md", "LICENSE")
TESTS = ("__init__.py", "conftest.py", "radix", "test_rows.py", "keyspace", "test_cbor.py", "fuzz", "snapshot", "wal")

BUILDS = {
    "checked": "-DSYNAP_RADIX_CHECKED",
    "restless": "-DSYNAP_RADIX_RESTLESS",
}


def sanitizer() -> str | None:
    """The library that has to be there before all others; None where there is none, or no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    named = subprocess.run(  # noqa: S603 - the system's compiler
        [compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    # What it does not know it names without a path.
    return named if Path(named).is_absolute() else None


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("build", BUILDS)
def test_nothing_is_read_or_written_that_is_not_ones_own(
    build: str, tmp_path: Path, pytestconfig: pytest.Config, seed: int
) -> None:
    if pytestconfig.getoption("--soak") == 1:
        pytest.skip("takes minutes: only with --soak, see `make soak`")
    library = sanitizer()
    if library is None:
        pytest.skip("needs a C compiler with an address sanitizer")
    environment = {
        **os.environ,
        "CC": "cc",
        "CFLAGS": f"-g -O1 -fno-omit-frame-pointer -fsanitize=address {BUILDS[build]}",
        "LDFLAGS": "-fsanitize=address",
    }
    copy_of_the_tree(tmp_path)
    run([sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"], tmp_path, environment)
    # The interpreter itself leaves things behind when it ends; what a tree leaves, the tests themselves see.
    checked = {
        **os.environ,
        "LD_PRELOAD": library,
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "PYTHONMALLOC": "malloc",
        "SYNAP_RADIX": "c",
        "PYTHONPATH": str(tmp_path),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"--seed={seed}", "--timeout=3000"]
    # An address space that is limited leaves no room for the sanitizer's own.
    twins = ["tests/test_rows.py", "tests/keyspace/test_digest_twin.py"]
    selected = ["-k", "not may_not_have_more_memory", "tests/radix/test_compiled.py", *twins]
    said = run([*command, *selected], tmp_path, checked)
    assert " passed" in said
    assert "skipped" not in said


def copy_of_the_tree(place: Path) -> None:
    """The sources and the tests alone, so that nothing built before is found."""
    ignored = shutil.ignore_patterns("*.so", "__pycache__")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, place / part, ignore=ignored)
        else:
            shutil.copy(ROOT / part, place / part)
    for part in TESTS:
        if (ROOT / "tests" / part).is_dir():
            shutil.copytree(ROOT / "tests" / part, place / "tests" / part, ignore=ignored)
        else:
            (place / "tests").mkdir(exist_ok=True)
            shutil.copy(ROOT / "tests" / part, place / "tests" / part)


def run(command: list[str], place: Path, environment: dict[str, str]) -> str:
    """Run a program to its end, which must be a good one; return what it said."""
    done = subprocess.run(  # noqa: S603 - the commands above
        command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
