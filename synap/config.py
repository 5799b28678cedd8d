"""Configuration, typed: defaults, then a file, then the environment, then the command line; later ones win.

A setting has one name, its path in the file (``persistence.wal.fsync_mode``), from which the environment's follows
(``SYNAP_PERSISTENCE__WAL__FSYNC_MODE``). An unknown name or a wrong value is refused, with the place it stands.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, cast, get_args, get_type_hints

import msgspec
import yaml

from synap.errors import ConfigError

_MIB = 1024 * 1024
Tree: TypeAlias = dict[str, "Tree | object"]
"""Settings as they are read: sections are dicts, values anything."""


class ServerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where and how the server listens. Port 0 takes any free one."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 15_500
    max_connections: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    max_body_size_bytes: Annotated[int, msgspec.Meta(ge=1024, le=32 * _MIB)] = 10 * _MIB


class KvStoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be stored."""

    max_value_size_bytes: Annotated[int, msgspec.Meta(ge=1, le=32 * _MIB)] = 8 * _MIB


class WalSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the log is written. ``path`` None means ``wal`` in the data directory."""

    enabled: bool = True
    path: str | None = None
    fsync_mode: Literal["always", "periodic", "never"] = "always"
    fsync_interval_ms: Annotated[int, msgspec.Meta(ge=1, le=60_000)] = 10
    max_size_mb: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 64

    @property
    def directory(self) -> Path | None:
        """The log's directory; a path that names a file means the directory it would be in."""
        if self.path is None:
            return None
        path = Path(self.path)
        return path.parent if path.suffix else path


class PersistenceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the data lives. Without persistence (or without its log) everything ends with the process."""

    enabled: bool = True
    directory: str = "./data"
    wal: WalSettings = WalSettings()


class LoggingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the program says. ``auto`` is text on a terminal and JSON elsewhere."""

    level: Literal["trace", "debug", "info", "warn", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"


class ReplicationSettings(msgspec.Struct, frozen=True):
    """Accepted while off, whatever else it says: files of other deployments have it."""

    enabled: bool = False


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set."""

    server: ServerSettings = ServerSettings()
    kv_store: KvStoreSettings = KvStoreSettings()
    persistence: PersistenceSettings = PersistenceSettings()
    logging: LoggingSettings = LoggingSettings()
    replication: ReplicationSettings = ReplicationSettings()


_SHORT_NAMES = {
    "SYNAP_HOST": "SYNAP_SERVER__HOST",
    "SYNAP_PORT": "SYNAP_SERVER__PORT",
    "SYNAP_DATA_DIR": "SYNAP_PERSISTENCE__DIRECTORY",
}
_NOT_SETTINGS = frozenset({"SYNAP_RADIX"})


def load_settings(
    file: Path | None = None, environment: Mapping[str, str] = os.environ, options: Mapping[str, object] | None = None
) -> Settings:
    """The settings in force; ``options`` maps names such as ``server.port`` to what the command line says.

    Raises ``ConfigError``.
    """
    sources: list[_Source] = []
    if file is not None:
        sources.append(_Source.from_file(file))
    sources += [_Source.from_variable(name, value) for name, value in _variables(environment)]
    sources += [_Source.from_option(name, value) for name, value in (options or {}).items() if value is not None]
    merged: Tree = {}
    for source in sources:
        merged = _merge(merged, source.settings)
    try:
        # Not strict: the environment has only text, from which numbers and flags are made.
        settings = msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as cause:
        raise ConfigError(_explain(str(cause), sources)) from None
    if settings.replication.enabled:
        place = _place("$.replication.enabled", sources)
        raise ConfigError(f"{place}: replication is not available; a store has one server. Set it to false")
    return settings


class _Source(msgspec.Struct, frozen=True):
    """Settings from one place, whose name stands in errors."""

    place: str
    settings: Tree

    @staticmethod
    def from_file(path: Path) -> "_Source":
        try:
            content = yaml.safe_load(path.read_bytes())
        except OSError as cause:
            raise ConfigError(f"{path} cannot be read: {cause.strerror}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as cause:
            raise ConfigError(f"{path} is not YAML: {' '.join(str(cause).split())}") from None
        if content is not None and not isinstance(content, dict):
            raise ConfigError(f"{path} must hold sections with settings, such as server: {{port: 15500}}")
        return _Source(str(path), content or {})

    @staticmethod
    def from_variable(name: str, value: str) -> "_Source":
        path = _SHORT_NAMES.get(name, name).removeprefix("SYNAP_").lower().split("__")
        return _Source(f"environment variable {name}", _nested(path, value))

    @staticmethod
    def from_option(name: str, value: object) -> "_Source":
        return _Source(f"command line ({name})", _nested(name.split("."), value))

    def has(self, path: list[str]) -> bool:
        """Whether this place says something about the setting or section."""
        node: object = self.settings
        for name in path:
            if not isinstance(node, dict) or name not in node:
                return False
            node = node[name]
        return True


def _variables(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """Our variables; the short names last, since they say the same more plainly."""
    ours = [name for name in environment if name.startswith("SYNAP_") and name not in _NOT_SETTINGS]
    return [(name, environment[name]) for name in sorted(ours, key=lambda name: (name in _SHORT_NAMES, name))]


def _nested(path: list[str], value: object) -> Tree:
    for name in reversed(path):
        value = {name: value}
    return cast("Tree", value)


def _merge(base: Tree, over: Tree) -> Tree:
    merged = dict(base)
    for name, value in over.items():
        before = merged.get(name)
        merged[name] = _merge(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def _explain(message: str, sources: list[_Source]) -> str:
    """A sentence with place and setting, from msgspec's (``Expected `int`, got `str` - at `$.server.port```)."""
    found = re.fullmatch(r"(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?", message, re.DOTALL)
    assert found is not None
    path = found["path"] or "$"
    if unknown := re.search(r"unknown field `(.*)`", found["what"]):
        known = ", ".join(get_type_hints(_type_at(path)))
        path = f"{path}.{unknown[1]}"
        return f"{_place(path, sources)}: there is no setting {path.removeprefix('$.')}; there are: {known}"
    what = found["what"][:1].lower() + found["what"][1:].replace("`", "")
    if what.startswith("invalid enum value"):
        what += f", expected one of: {', '.join(get_args(_type_at(path)))}"
    return f"{_place(path, sources)}: {path.removeprefix('$.')}: {what}"


def _type_at(path: str) -> Any:
    """The declared type of a setting or section."""
    declared: Any = Settings
    for name in path.removeprefix("$").removeprefix(".").split("."):
        if name:
            declared = get_type_hints(declared)[name]
    return declared


def _place(path: str, sources: list[_Source]) -> str:
    """The place that has the last word on the setting."""
    names = path.removeprefix("$").removeprefix(".").split(".")
    return next((source.place for source in reversed(sources) if source.has(names)), "settings")
