"""Who may import whom. The folders are the architecture; this is what keeps them so.

The rules are read off the source of every module, imports within functions included.
"""

import ast
import importlib
import re
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

import synap

ROOT = Path(synap.__file__).parent

LAYERS: tuple[tuple[str, ...], ...] = (
    ("", "errors", "clock", "fs", "compiled", "accounts", "config", "tally", "telemetry"),
    ("commands", "results", "events", "cbor", "rows", "codec", "glob"),
    ("radix", "keyspace"),
    ("wal", "snapshot", "datadir", "quarantine", "wholeness", "founding", "backup", "repair", "archive"),
    (
        *("tasks", "recovery", "snapshot.fold", "fold_process", "snapshotter", "feed", "committer", "expirer"),
        *("evictor", "walks", "counts", "slowlog", "store"),
    ),
    ("protocol",),
    ("server",),
    ("replay", "cli", "__main__"),
)
"""Each layer may import from itself and from those before it; "" is the package itself, with the version."""

PROGRAMS = {"snapshot.fold"}
"""Modules that are started as processes, and stand where they are looked for, not in the folder of their layer."""

BESIDE = {"testing": {"fs"}}
"""What stands beside the layers, and all it may import; nobody imports it."""

FORBIDDEN: dict[str, set[str]] = {
    "radix": {unit for layer in LAYERS for unit in layer} - {"radix"},
    "keyspace": {"clock", "fs", "config", "telemetry", "codec"},
    "wal": {
        "clock",
        "config",
        "commands",
        "results",
        "events",
        "cbor",
        "rows",
        "codec",
        "radix",
        "keyspace",
        "snapshot",
    }
    | {"datadir", "repair"},
    "snapshot": {"clock", "config", "commands", "results", "events", "codec", "radix", "keyspace", "wal", "datadir"},
    "datadir": {"clock", "config", "commands", "results", "events", "codec", "radix", "keyspace"},
    "repair": {"clock", "config", "commands", "results", "events", "codec", "radix"},
    "founding": {"clock", "config", "commands", "results", "events", "codec", "radix"},
    "wholeness": {"clock", "config", "commands", "results", "events", "codec", "radix", "wal", "datadir"},
    "backup": {"clock", "config", "commands", "results", "events", "codec", "radix", "keyspace"},
    "archive": {"clock", "config", "commands", "results", "events", "codec", "radix", "keyspace"},
    "protocol": {"clock", "fs", "config", "telemetry", "events", "codec", "radix", "keyspace", "wal", "datadir"}
    | {"snapshot", "tasks", "recovery", "snapshotter", "committer", "expirer", "evictor", "walks", "counts", "slowlog"}
    | {"store"},
    "server": {"events", "codec", "keyspace", "wal", "snapshot", "snapshotter", "committer", "expirer", "evictor"},
    "replay": {"config", "telemetry", "tasks", "fold_process", "snapshotter", "feed", "committer", "expirer", "store"}
    | {"evictor", "walks", "counts", "slowlog", "protocol", "server"},
}
"""What a unit must not know, though it lies below."""

TRIO = {
    "tasks",
    "fold_process",
    "snapshotter",
    "feed",
    "committer",
    "expirer",
    "evictor",
    "walks",
    "store",
    "wal.local",
    "wal.memory",
    "wal.thread",
    "server",
    "cli",
}
"""Who may know that there is an event loop: the engine's tasks, the logs, the shells, and who starts the loop."""

PURE = {"radix", "keyspace", "commands", "results", "events", "codec", "protocol", "errors"}
IMPURE = {"trio", "time", "random", "secrets", "socket", "threading", "subprocess", "asyncio", "datetime"}
"""What pure units must not import: waiting, clocks, chance, the outside."""

MAX_LINES = 500
MAX_FUNCTION_LINES = 60
MAX_LINE_CHARACTERS = 120


def name_of(path: Path) -> str:
    """The dotted name within synap; "" for the package itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def unit_of(module: str) -> str:
    return module if module in PROGRAMS else module.partition(".")[0]


def imported(module: str) -> set[str]:
    """The full names that a module imports; of a package the modules, where that is what is taken from it."""
    found: set[str] = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            source = node.module or ""
            parts = {f"{source}.{alias.name}" for alias in node.names}
            modules = {part for part in parts if part.removeprefix("synap.") in SOURCES}
            found |= modules
            if len(modules) < len(parts):
                found.add(source)
    return found


def own_imports(module: str) -> set[str]:
    """The modules of synap that a module imports."""
    names = {name for name in imported(module) if name.partition(".")[0] == "synap"}
    return {name.removeprefix("synap").removeprefix(".") for name in names}


def rank(unit: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if unit in layer)


def test_every_module_has_its_place() -> None:
    known = {unit for layer in LAYERS for unit in layer} | BESIDE.keys()
    assert {unit_of(module) for module in SOURCES} == known


@pytest.mark.parametrize("module", SOURCES)
def test_imports_point_down(module: str) -> None:
    unit = unit_of(module)
    others = {unit_of(name) for name in own_imports(module)} - {unit}
    if unit in BESIDE:
        assert others <= BESIDE[unit]
        return
    assert not others & BESIDE.keys(), "what is for tests only"
    assert {other for other in others if rank(other) > rank(unit)} == set()
    assert others & FORBIDDEN.get(unit, set()) == set()


def test_the_package_itself_is_light() -> None:
    """Whoever imports any module imports it first."""
    assert imported("") <= {"importlib.metadata", "typing"}


def test_nobody_waits_who_should_not() -> None:
    users = {module for module in SOURCES if any(name.partition(".")[0] == "trio" for name in imported(module))}
    assert {module for module in users if module not in TRIO and unit_of(module) not in TRIO} == set()


@pytest.mark.parametrize("module", [module for module in SOURCES if unit_of(module) in PURE])
def test_what_is_pure_stays_pure(module: str) -> None:
    assert {name.partition(".")[0] for name in imported(module)} & IMPURE == set()


def test_the_server_reaches_into_no_store() -> None:
    """It asks the store; what the store is made of is not its business."""
    reached = {
        (module, node.attr)
        for module, tree in TREES.items()
        if unit_of(module) == "server"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"keyspace", "tree", "log"}
    }
    assert reached == set()


def test_there_are_no_cycles() -> None:
    graph = {module: own_imports(module) - {module} for module in SOURCES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as cycle:
        pytest.fail(f"imports go in a circle: {' -> '.join(cycle.args[1])}")


# --- how a module looks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_opens_with_what_it_is(module: str) -> None:
    assert ast.get_docstring(TREES[module])


@pytest.mark.parametrize("module", SOURCES)
def test_no_file_gets_away(module: str) -> None:
    assert len(SOURCES[module].read_text(encoding="utf-8").splitlines()) <= MAX_LINES
    functions = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [each.name for each in functions if (each.end_lineno or 0) - each.lineno >= MAX_FUNCTION_LINES] == []


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.p[xy][xdi]")), ids=lambda path: path.name)
def test_no_compiled_file_gets_away(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MAX_LINES
    assert max(map(len, lines)) <= MAX_LINE_CHARACTERS
    assert lines[0].startswith("# ") or path.suffix == ".pyi", "it opens with what it is"
    # A function ends, at the latest, where the next thing of a file or class begins.
    begins = re.compile(r"(cdef|def|class|include|@)\b|@| {4}(def |cdef [^=]*\()")
    starts = [number for number, line in enumerate([*lines, "cdef"]) if begins.match(line)]
    assert [lines[start] for start, end in pairwise(starts) if end - start >= MAX_FUNCTION_LINES] == []


@pytest.mark.parametrize("module", [module for module in SOURCES if module != "__main__"])
def test_what_is_exported_exists(module: str) -> None:
    loaded = importlib.import_module(f"synap.{module}".rstrip("."))
    exported: list[str] = getattr(loaded, "__all__", [])
    assert [name for name in exported if not hasattr(loaded, name)] == []
    assert len(exported) == len(set(exported))
