"""Configuration, typed: defaults, then a file, then the environment, then the command line; later ones win.

A setting has one name, its path in the file (``persistence.wal.fsync_mode``), from which the environment's follows
(``SYNAP_PERSISTENCE__WAL__FSYNC_MODE``). An unknown name or a wrong value is refused, with the place it stands, also
where a later place would override it. What is there but empty (a section of the file, a variable) says nothing.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, cast, get_args, get_origin, get_type_hints

import msgspec
import yaml

from synap.accounts import AuthenticationSettings
from synap.errors import ConfigError

_MIB = 1024 * 1024
_NotEmpty = Annotated[str, msgspec.Meta(min_length=1)]
_ORIGIN = re.compile(r"(http(?!.*:80$)|https(?!.*:443$))://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?")
Tree: TypeAlias = dict[str, "Tree | object"]
"""Settings as they are read: sections are dicts, values anything."""


class ServerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where and how the server listens. Port 0 takes any free one.

    Web pages of ``cors_origins`` may use it; by default none of another origin may. ``allowed_hosts`` are the names
    under which it may be asked for where it listens on this machine only, and asks nobody who they are. Without the
    ``fast_lane``, hypercorn serves every request.
    """

    host: _NotEmpty = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 15_500
    max_connections: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    max_body_size_bytes: Annotated[int, msgspec.Meta(ge=1024, le=32 * _MIB)] = 10 * _MIB
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[_NotEmpty, ...] = ()
    fast_lane: bool = True

    def __post_init__(self) -> None:
        for origin in self.cors_origins:
            if _ORIGIN.fullmatch(origin) is None:
                raise ValueError(_not_an_origin(origin))


def _not_an_origin(given: str) -> str:
    if given == "*":
        return "cors_origins: * would let every web page in; expected the origins of those that need it"
    return (
        "cors_origins: expected origins as browsers write them (https://app.example.com, in small letters, with a port "
        f"where it is not the scheme's own, without a path), got {given!r}"
    )


class KvStoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be stored.

    ``max_memory_mb`` is for keys, values and all that finds them; 0 or null is no limit. ``eviction_policy`` says what
    goes where that is not enough; with "none" ("noeviction"), writes that need more are refused.
    """

    max_memory_mb: Annotated[int, msgspec.Meta(ge=0)] | None = None
    eviction_policy: Literal[
        "none",
        "lru",
        "lfu",
        "noeviction",
        "allkeys-lru",
        "volatile-lru",
        "allkeys-lfu",
        "volatile-lfu",
        "allkeys-random",
        "volatile-random",
        "volatile-ttl",
    ] = "none"
    max_value_size_bytes: Annotated[int, msgspec.Meta(ge=1, le=32 * _MIB)] = 8 * _MIB
    allow_flush_commands: bool = False
    slowlog_threshold_ms: Annotated[float, msgspec.Meta(ge=0)] = 10
    slowlog_max_entries: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 128


class WalSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the log is written. ``path`` None means ``wal`` in the data directory.

    Segments are kept for ``retention_secs`` after they were sealed, also where snapshots have made them dispensable.
    """

    enabled: bool = True
    path: _NotEmpty | None = None
    fsync_mode: Literal["always", "periodic", "never"] = "always"
    fsync_interval_ms: Annotated[int, msgspec.Meta(ge=1, le=60_000)] = 10
    max_size_mb: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 64
    retention_secs: Annotated[int, msgspec.Meta(ge=0)] = 0

    @property
    def directory(self) -> Path | None:
        """The log's directory; a path that names a file means the directory it would be in."""
        if self.path is None:
            return None
        path = Path(self.path)
        return path.parent if path.suffix else path


class SnapshotSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When snapshots are taken. ``directory`` None means ``snapshot`` in the data directory.

    ``enabled`` False takes none, also none that is asked for; ``auto_snapshot`` False takes only those. By itself the
    server takes one when the log since the last has grown to ``log_size_mb`` or ``operation_threshold`` events (or to
    half of what the last snapshot holds, if that is more), and at the latest after ``interval_secs`` with any event.
    """

    enabled: bool = True
    directory: _NotEmpty | None = None
    auto_snapshot: bool = True
    interval_secs: Annotated[int, msgspec.Meta(ge=1)] = 3600
    operation_threshold: Annotated[int, msgspec.Meta(ge=1)] = 1_000_000
    log_size_mb: Annotated[int, msgspec.Meta(ge=1)] = 64
    keep_count: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 2

    @property
    def path(self) -> Path | None:
        """The directory of the snapshots."""
        return None if self.directory is None else Path(self.directory)


class PersistenceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the data lives. Without persistence (or without its log) everything ends with the process."""

    enabled: bool = True
    directory: _NotEmpty = "./data"
    wal: WalSettings = WalSettings()
    snapshot: SnapshotSettings = SnapshotSettings()


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
    authentication: AuthenticationSettings = AuthenticationSettings()
    logging: LoggingSettings = LoggingSettings()
    replication: ReplicationSettings = ReplicationSettings()


_SHORT_NAMES = {
    "SYNAP_HOST": "SYNAP_SERVER__HOST",
    "SYNAP_PORT": "SYNAP_SERVER__PORT",
    "SYNAP_DATA_DIR": "SYNAP_PERSISTENCE__DIRECTORY",
}
_NOT_SETTINGS = re.compile(
    # What chooses the tree, and what Kubernetes tells every container about a service called "synap".
    r"SYNAP_(RADIX|SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)"
)
_KUBERNETES_PORT = re.compile(r"(tcp|udp)://.*")


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
        source.check()
        merged = _merge(merged, source.settings)
    settings = _convert(merged)
    if settings.replication.enabled:
        place = next(source.place for source in reversed(sources) if source.enables_replication())
        raise ConfigError(f"{place}: replication is not available; a store has one server. Set it to false")
    authentication = settings.authentication
    if authentication.enabled and not (authentication.users or authentication.api_keys):
        raise ConfigError("authentication.enabled is true, but there are no users and no api_keys: nobody may come in")
    return settings


def _convert(tree: Tree) -> Settings:
    # Not strict: the environment has only text, from which numbers and flags are made.
    return msgspec.convert(tree, Settings, strict=False)


class _Source(msgspec.Struct, frozen=True):
    """Settings from one place, whose name stands in errors."""

    place: str
    settings: Tree

    @staticmethod
    def from_file(path: Path) -> "_Source":
        try:
            with path.open("rb") as file:
                content = yaml.load(file, _Loader)  # noqa: S506  # it is a safe loader
        except OSError as cause:
            raise ConfigError(f"{path} cannot be read: {cause.strerror}") from None
        except (yaml.YAMLError, ValueError, RecursionError) as cause:
            raise ConfigError(f"{path} is not YAML: {' '.join(str(cause).split())}") from None
        if content is not None and not isinstance(content, dict):
            raise ConfigError(f"{path} must hold sections with settings, such as server: {{port: 15500}}")
        return _Source(str(path), _without_empty_sections(content or {}, Settings))

    @staticmethod
    def from_variable(name: str, value: str) -> "_Source":
        path = _SHORT_NAMES.get(name, name).removeprefix("SYNAP_").lower().split("__")
        place = f"environment variable {name}"
        if not _is_list(path):
            return _Source(place, _nested(path, value))
        try:
            return _Source(place, _nested(path, msgspec.json.decode(value)))
        except (msgspec.DecodeError, RecursionError):
            raise ConfigError(f"{place}: expected a list in JSON") from None

    @staticmethod
    def from_option(name: str, value: object) -> "_Source":
        return _Source(f"command line ({name})", _nested(name.split("."), value))

    def check(self) -> None:
        """Refuse an unknown name or a wrong value. Raises ``ConfigError``."""
        try:
            _convert(self.settings)
        except msgspec.ValidationError as cause:
            raise ConfigError(f"{self.place}: {_explain(str(cause))}") from None

    def enables_replication(self) -> bool:
        """Whether it says so itself."""
        return _convert(self.settings).replication.enabled


class _Loader(yaml.SafeLoader):
    """YAML without a name twice in one section: of two, the first would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} stands there twice", key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else "")
        return super().construct_mapping(node, deep)


def _without_empty_sections(tree: Tree, shape: type[msgspec.Struct]) -> Tree:
    """What remains when sections and lists of which every line is commented out, null in YAML, are left out."""
    hints = get_type_hints(shape)
    kept: Tree = {}
    for name, value in tree.items():
        declared = hints.get(name)
        if _is_section(declared) and isinstance(value, dict):
            kept[name] = _without_empty_sections(value, cast("type[msgspec.Struct]", declared))
        elif value is not None or not (_is_section(declared) or get_origin(declared) is tuple):
            kept[name] = value
    return kept


def _is_section(declared: object) -> bool:
    return isinstance(declared, type) and issubclass(declared, msgspec.Struct)


def _variables(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """Our variables; the short names last, since they say the same more plainly."""
    ours = [
        name
        for name, value in environment.items()
        if name.startswith("SYNAP_") and value and not _NOT_SETTINGS.fullmatch(name)
    ]
    if _KUBERNETES_PORT.fullmatch(environment.get("SYNAP_PORT", "")):
        ours.remove("SYNAP_PORT")
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


def _explain(message: str) -> str:
    """A sentence with the setting, from msgspec's (``Expected `int`, got `str` - at `$.server.port```)."""
    found = re.fullmatch(r"(?P<what>.*?)(?P<name> - at `key` in)?(?: (?:- at )?`\$\.?(?P<path>[^`]*)`)?", message)
    assert found is not None
    path = found["path"] or ""
    what = found["what"].replace("`", "")
    if found["name"]:
        return f"{path or 'settings'}: a name is not text"
    if unknown := re.search(r"unknown field (.*)", what):
        name = f"{path}.{unknown[1]}".removeprefix(".")
        return f"there is no setting {name}; there are: {', '.join(get_type_hints(_type_at(path)))}"
    if what.startswith("Invalid enum value"):
        what += f", expected one of: {', '.join(get_args(_type_at(path)))}"
    return f"{path}: {what[:1].lower()}{what[1:]}"


def _is_list(path: list[str]) -> bool:
    """Whether a setting is one, so that a variable, which is text, has to hold one."""
    try:
        return get_origin(_type_at(".".join(path))) is tuple
    except (KeyError, TypeError):
        return False  # There is no such setting, which will be said.


def _type_at(path: str) -> Any:
    """The declared type of a setting, a section, or an element of a list (``users[0]``)."""
    declared: Any = Settings
    for step in path.split("."):
        name, is_element, _ = step.partition("[")
        if name:
            declared = get_type_hints(declared)[name]
        if is_element:
            declared = get_args(declared)[0]
    return declared
