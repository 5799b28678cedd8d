"""Who may import whom in the client, read off the source of every module."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import synap_sdk

ROOT = Path(synap_sdk.__file__).parent

OUTSIDE_THE_CORE = {
    "httpx",
    "asyncio",
    "trio",
    "anyio",
    "time",
    "random",
    "secrets",
    "socket",
    "threading",
    "os",
    "ssl",
}
"""What deciding does not need: waiting, clocks, chance, the network."""

FRAMEWORKS = {
    "starlette": {"starlette", "fastapi"},
    "flask": {"flask", "werkzeug"},
    "django": {"django"},
}
"""The module of ``synap_sdk.sessions`` for a framework, and what it may import; no other module does."""

MAX_LINES = 300
MAX_FUNCTION_LINES = 30


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def imported(module: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def roots(module: str) -> set[str]:
    return {name.partition(".")[0] for name in imported(module)}


@pytest.mark.parametrize("module", SOURCES)
def test_nothing_of_the_server_and_no_library_but_httpx(module: str) -> None:
    assert not roots(module) & {"synap", "trio", "anyio", "httpcore", "msgspec"}


@pytest.mark.parametrize("module", [name for name in SOURCES if "._core" in name])
def test_the_core_decides_and_does_nothing(module: str) -> None:
    assert not roots(module) & OUTSIDE_THE_CORE
    assert not {name for name in imported(module) if name.startswith("synap_sdk._shells")}


@pytest.mark.parametrize("module", SOURCES)
def test_a_framework_is_known_to_its_module_alone(module: str) -> None:
    for name, packages in FRAMEWORKS.items():
        if not f"{module}.".startswith(f"synap_sdk.sessions.{name}."):
            assert not roots(module) & packages


@pytest.mark.parametrize("module", [name for name in SOURCES if "sessions" not in name])
def test_the_client_knows_nothing_of_sessions(module: str) -> None:
    assert not {name for name in imported(module) if name.startswith("synap_sdk.sessions")}


@pytest.mark.parametrize("module", ["synap_sdk", "synap_sdk.sessions"])
def test_no_framework_is_loaded_unasked(module: str) -> None:
    packages = sorted(set.union(*FRAMEWORKS.values()))
    script = f"import sys, {module}; print([name for name in {packages} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603  # ours
    assert shown.stdout == "[]\n"


def test_errors_know_nothing_but_the_line_of_a_request() -> None:
    ours = {name for name in imported("synap_sdk.errors") if name.startswith("synap_sdk")}
    assert ours == {"synap_sdk._core.line.RequestLine"}


@pytest.mark.parametrize("package", ["_core", "_shells", "sessions._core"])
def test_the_map_of_a_package_is_complete(package: str) -> None:
    text = ast.get_docstring(TREES[f"synap_sdk.{package}"]) or ""
    modules = {path.stem for path in (ROOT / package.replace(".", "/")).glob("*.py")} - {"__init__"}
    assert {name for name in modules if f"``{name}``" not in text} == set()


@pytest.mark.parametrize("module", SOURCES)
def test_how_a_module_looks(module: str) -> None:
    assert ast.get_docstring(TREES[module])
    assert len(SOURCES[module].read_text(encoding="utf-8").splitlines()) <= MAX_LINES
    functions = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [each.name for each in functions if (each.end_lineno or 0) - each.lineno >= MAX_FUNCTION_LINES] == []
