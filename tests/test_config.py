"""Settings: where they come from, which win, and what is refused in which words."""

from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from synap.config import KvStoreSettings, Settings, SnapshotSettings, load_settings
from synap.errors import ConfigError
from synap.keyspace.eviction import MemoryLimit, Policy


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "synap.yml"


Options = dict[str, object]


def load(
    file: Path, content: str | bytes, environment: dict[str, str] | None = None, options: Options | None = None
) -> Settings:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_settings(file, environment or {}, options)


def refused(
    file: Path, content: str | bytes, environment: dict[str, str] | None = None, options: Options | None = None
) -> str:
    """The sentence with which the settings are refused, the file's path shortened."""
    with pytest.raises(ConfigError) as caught:
        load(file, content, environment, options)
    assert caught.value.exit_code == 78
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence.replace(str(file), "FILE")


# --- what wins -------------------------------------------------------------------------------------------


def test_defaults() -> None:
    settings = load_settings(environment={})
    assert settings == Settings()
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 15_500)
    assert (settings.persistence.directory, settings.persistence.wal.fsync_mode) == ("./data", "always")


def test_the_environment_is_read_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAP_PORT", "2")
    assert load_settings().server.port == 2


def test_the_file_wins_over_defaults(file: Path) -> None:
    settings = load(file, "server: {port: 1}\npersistence:\n  wal:\n    fsync_mode: never\n")
    assert (settings.server.port, settings.server.host) == (1, "127.0.0.1")
    assert (settings.persistence.wal.fsync_mode, settings.persistence.wal.fsync_interval_ms) == ("never", 10)


def test_the_environment_wins_over_the_file(file: Path) -> None:
    settings = load(file, "server: {port: 1, host: a}", {"SYNAP_SERVER__PORT": "2"})
    assert (settings.server.port, settings.server.host) == (2, "a")


def test_a_short_name_wins_over_the_long_one(file: Path) -> None:
    environment = {"SYNAP_PORT": "3", "SYNAP_SERVER__PORT": "2", "SYNAP_HOST": "h", "SYNAP_DATA_DIR": "d"}
    settings = load(file, "", environment)
    assert (settings.server.port, settings.server.host, settings.persistence.directory) == (3, "h", "d")


def test_the_command_line_wins_over_everything(file: Path) -> None:
    options: Options = {"server.port": 4, "server.host": None}
    settings = load(file, "server: {port: 1, host: a}", {"SYNAP_PORT": "2"}, options)
    assert (settings.server.port, settings.server.host) == (4, "a"), "an option that was not given says nothing"


def test_any_setting_can_come_from_the_environment() -> None:
    environment = {
        "SYNAP_SERVER__MAX_CONNECTIONS": "7",
        "SYNAP_KV_STORE__MAX_VALUE_SIZE_BYTES": "9",
        "SYNAP_PERSISTENCE__ENABLED": "False",
        "SYNAP_PERSISTENCE__WAL__ENABLED": "0",
        "SYNAP_PERSISTENCE__WAL__FSYNC_MODE": "periodic",
        "SYNAP_LOGGING__LEVEL": "warn",
        "SYNAP_REPLICATION__ENABLED": "false",
    }
    settings = load_settings(environment=environment)
    assert (settings.server.max_connections, settings.kv_store.max_value_size_bytes) == (7, 9)
    assert (settings.persistence.enabled, settings.persistence.wal.enabled) == (False, False)
    assert (settings.persistence.wal.fsync_mode, settings.logging.level) == ("periodic", "warn")


@pytest.mark.parametrize(
    ("content", "max_memory_mb", "eviction_policy"),
    [
        ("", None, "none"),
        ("kv_store: {max_memory_mb: null, eviction_policy: none}", None, "none"),
        ("kv_store: {max_memory_mb: 0}", 0, "none"),
        ("kv_store: {max_memory_mb: 4096, eviction_policy: lru}", 4096, "lru"),
        ("kv_store: {max_memory_mb: 1, eviction_policy: volatile-ttl}", 1, "volatile-ttl"),
    ],
)
def test_a_memory_limit(file: Path, content: str, max_memory_mb: int | None, eviction_policy: str) -> None:
    kv_store = load(file, content).kv_store
    assert (kv_store.max_memory_mb, kv_store.eviction_policy) == (max_memory_mb, eviction_policy)


def test_the_names_of_eviction_policies_are_those_of_the_keyspace() -> None:
    names = get_args(get_type_hints(KvStoreSettings)["eviction_policy"])
    assert {MemoryLimit(1, name).policy for name in names} == set(Policy)
    assert set(Policy) < set(names)


# --- what is let pass ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    ["", "null", "# nothing\n", "server:\n", "persistence:\n  wal:\n", "replication:\n", "server: {}\n", "---\n...\n"],
)
def test_what_is_empty_says_nothing(file: Path, content: str) -> None:
    assert load(file, content) == Settings()


def test_an_empty_variable_says_nothing(file: Path) -> None:
    """As ``SYNAP_PORT=${PORT}`` in a compose file, where there is no PORT."""
    assert load(file, "server: {port: 1}", {"SYNAP_PORT": "", "SYNAP_SERVER__PORT": ""}).server.port == 1


@pytest.mark.parametrize("port", ["15500", "'15500'", "15500.0", "15_500", "0x3c8c"])
def test_ways_to_write_a_number(file: Path, port: str) -> None:
    assert load(file, f"server: {{port: {port}}}").server.port == 15_500


@pytest.mark.parametrize("value", ["false", "no", "off", "0", "'false'", "FALSE"])
def test_ways_to_write_no(file: Path, value: str) -> None:
    assert load(file, f"persistence: {{enabled: {value}}}").persistence.enabled is False


def test_anchors_and_merges(file: Path) -> None:
    settings = load(file, "server: {host: &name here}\npersistence: {directory: *name}\n")
    assert (settings.server.host, settings.persistence.directory) == ("here", "here")
    assert load(file, "server: {<<: {port: 5, host: a}, host: b}").server.host == "b"


@pytest.mark.parametrize(
    "name",
    [
        "SYNAP_RADIX",
        "SYNAP_SERVICE_HOST",
        "SYNAP_SERVICE_PORT",
        "SYNAP_SERVICE_PORT_HTTP",
        "SYNAP_PORT_15500_TCP",
        "SYNAP_PORT_15500_TCP_ADDR",
        "PATH",
        "SYNAPSE_PORT",
    ],
)
def test_variables_that_are_no_settings(name: str) -> None:
    assert load_settings(environment={name: "py"}) == Settings()


def test_what_kubernetes_says_of_a_service_is_no_port() -> None:
    assert load_settings(environment={"SYNAP_PORT": "tcp://10.0.0.7:15500"}).server.port == 15_500


def test_replication_is_ignored_while_it_is_off(file: Path) -> None:
    content = "replication: {enabled: false, role: replica, master_address: 10.0.0.1:15501, anything: [1]}"
    assert load(file, content).replication.enabled is False
    assert load(file, "replication: {enabled: true}", {"SYNAP_REPLICATION__ENABLED": "false"}) == Settings()


@pytest.mark.parametrize(
    ("path", "directory"),
    [
        (None, None),
        ("logs", Path("logs")),
        ("/var/lib/synap/wal", Path("/var/lib/synap/wal")),
        ("/var/lib/synap/wal/", Path("/var/lib/synap/wal")),
        ("./data/wal/synap.wal", Path("data/wal")),
        ("null", Path("null")),
    ],
)
def test_where_the_log_is(file: Path, path: str | None, directory: Path | None) -> None:
    content = "" if path is None else f"persistence: {{wal: {{path: '{path}'}}}}"
    assert load(file, content).persistence.wal.directory == directory


def test_snapshots(file: Path) -> None:
    content = """
persistence:
  wal: {retention_secs: 86400}
  snapshot: {enabled: false, directory: /slow/disk, auto_snapshot: false, interval_secs: 60, operation_threshold: 7,
             log_size_mb: 1, keep_count: 5}
"""
    persistence = load(file, content).persistence
    assert persistence.wal.retention_secs == 86_400
    assert persistence.snapshot == SnapshotSettings(False, "/slow/disk", False, 60, 7, 1, 5)
    assert persistence.snapshot.path == Path("/slow/disk")
    assert Settings().persistence.snapshot.path is None
    environment = {"SYNAP_PERSISTENCE__SNAPSHOT__KEEP_COUNT": "3", "SYNAP_PERSISTENCE__SNAPSHOT__ENABLED": "true"}
    assert load(file, content, environment).persistence.snapshot.keep_count == 3
    assert load(file, content, environment).persistence.snapshot.enabled


# --- what is refused -------------------------------------------------------------------------------------

SECTIONS = "server, kv_store, persistence, authentication, logging, replication"
IN_SERVER = "host, port, max_connections, max_body_size_bytes, cors_origins, allowed_hosts, fast_lane"
POLICIES = ", ".join(("none", "lru", "lfu", *Policy))
IN_SNAPSHOT = "enabled, directory, auto_snapshot, interval_secs, operation_threshold, log_size_mb, keep_count"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("sever: {port: 1}", f"FILE: there is no setting sever; there are: {SECTIONS}"),
        ("server: {prot: 1}", f"FILE: there is no setting server.prot; there are: {IN_SERVER}"),
        ("port: 1", f"FILE: there is no setting port; there are: {SECTIONS}"),
        ("server: 1", "FILE: server: expected object, got int"),
        ("server: [1]", "FILE: server: expected object, got array"),
        ("server: {port: 65536}", "FILE: server.port: expected int <= 65535"),
        ("server: {port: -1}", "FILE: server.port: expected int >= 0"),
        ("server: {port: 1.5}", "FILE: server.port: expected int, got float"),
        ("server: {port: true}", "FILE: server.port: expected int, got bool"),
        ("server: {port: }", "FILE: server.port: expected int, got null"),
        ("server: {port: http}", "FILE: server.port: expected int, got str"),
        ("server: {host: 1}", "FILE: server.host: expected str, got int"),
        ("server: {host: ''}", "FILE: server.host: expected str of length >= 1"),
        ("persistence: {directory: ''}", "FILE: persistence.directory: expected str of length >= 1"),
        ("persistence: {directory: 2024-01-01}", "FILE: persistence.directory: expected str, got date"),
        ("persistence: {enabled: 2}", "FILE: persistence.enabled: expected bool, got int"),
        ("persistence: {enabled: 'yes'}", "FILE: persistence.enabled: expected bool, got str"),
        ("persistence: {wal: {path: ''}}", "FILE: persistence.wal.path: expected str of length >= 1"),
        (
            "persistence: {wal: {fsync_mode: at times}}",
            "FILE: persistence.wal.fsync_mode: invalid enum value 'at times', expected one of: always, periodic, never",
        ),
        ("kv_store: {max_memory_mb: -1}", "FILE: kv_store.max_memory_mb: expected int >= 0"),
        ("kv_store: {max_memory_mb: 4GB}", "FILE: kv_store.max_memory_mb: expected int | null, got str"),
        (
            "kv_store: {eviction_policy: mru}",
            f"FILE: kv_store.eviction_policy: invalid enum value 'mru', expected one of: {POLICIES}",
        ),
        ("persistence: {wal: {retention_secs: -1}}", "FILE: persistence.wal.retention_secs: expected int >= 0"),
        ("persistence: {snapshot: {keep_count: 0}}", "FILE: persistence.snapshot.keep_count: expected int >= 2"),
        ("persistence: {snapshot: {interval_secs: 0}}", "FILE: persistence.snapshot.interval_secs: expected int >= 1"),
        (
            "persistence: {snapshot: {directory: ''}}",
            "FILE: persistence.snapshot.directory: expected str of length >= 1",
        ),
        (
            "persistence: {snapshot: {interval: 1}}",
            f"FILE: there is no setting persistence.snapshot.interval; there are: {IN_SNAPSHOT}",
        ),
        (
            "logging: {level: INFO}",
            "FILE: logging.level: invalid enum value 'INFO', expected one of: trace, debug, info, warn, error",
        ),
        ("logging: {level: off}", "FILE: logging.level: expected str, got bool"),
        ("1: 2", "FILE: settings: a name is not text"),
        ("server: {1: 2}", "FILE: server: a name is not text"),
        (
            "replication: {enabled: true}",
            "FILE: replication is not available; a store has one server. Set it to false",
        ),
        ("replication: {enabled: maybe}", "FILE: replication.enabled: expected bool, got str"),
        ("- server", "FILE must hold sections with settings, such as server: {port: 15500}"),
        ("port=15500", "FILE must hold sections with settings, such as server: {port: 15500}"),
    ],
)
def test_wrong_settings(file: Path, content: str, sentence: str) -> None:
    assert refused(file, content) == sentence


A_HASH = "$2b$04$" + "a" * 53
ORIGINS = "FILE: server: cors_origins: expected origins as browsers write them"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            "authentication: {enabled: true}",
            "authentication.enabled is true, but there are no users and no api_keys: nobody may come in",
        ),
        (
            "authentication: {users: [{username: a, password_hash: SECRET, role: admin}]}",
            "FILE: authentication.users[0]: password_hash of a: expected a bcrypt ($2b$...)",
        ),
        (
            f"authentication: {{users: [{{username: a, password_hash: {A_HASH}, role: root}}]}}",
            "FILE: authentication.users[0].role: invalid enum value 'root', expected one of: reader, writer, admin",
        ),
        (
            f"authentication: {{users: [{{username: a, password: SECRET, password_hash: {A_HASH}, role: admin}}]}}",
            "FILE: there is no setting authentication.users[0].password; there are: username, password_hash, role",
        ),
        (
            "authentication: {api_keys: [{name: a, key: SECRET, role: admin}, {name: b, key: SECRET, role: admin}]}",
            "FILE: authentication: api_keys: a and b have the same key",
        ),
        (
            "authentication: {api_keys: [{name: a, key: SECRET, role: admin, prefixes: [a, '']}]}",
            "FILE: authentication.api_keys[0].prefixes[1]: expected str of length >= 1",
        ),
        (
            "authentication: {api_keys: [{name: a, key: 5, role: admin}]}",
            "FILE: authentication.api_keys[0].key: expected str | null, got int",
        ),
        (
            "authentication: {api_keys: {name: a}}",
            "FILE: authentication.api_keys: expected array, got object",
        ),
        ("server: {cors_origins: ['*']}", "FILE: server: cors_origins: * would let every web page in; expected"),
        ("server: {cors_origins: [https://a.example/]}", ORIGINS),
        ("server: {cors_origins: [https://a.example:443]}", ORIGINS),
        ("server: {cors_origins: ['null']}", ORIGINS),
        ("server: {cors_origins: [HTTPS://A.example]}", ORIGINS),
        ("server: {cors_origins: [a.example]}", ORIGINS),
        ("server: {cors_origins: https://a.example}", "FILE: server.cors_origins: expected array, got str"),
    ],
)
def test_wrong_accounts_and_origins(file: Path, content: str, sentence: str) -> None:
    said = refused(file, content)
    assert said.startswith(sentence)
    assert "SECRET" not in said


def test_accounts_and_origins(file: Path) -> None:
    content = """
server: {cors_origins: [https://a.example, "http://localhost:5173", "http://[::1]:8080"]}
authentication:
  enabled: true
  users:
    # - nobody yet
  api_keys:
    - {name: app, key: some-key, role: writer, prefixes: ["app:"], created: 2026-11-24, expires_days: 90}
"""
    settings = load(file, content)
    assert settings.server.cors_origins == ("https://a.example", "http://localhost:5173", "http://[::1]:8080")
    assert (settings.authentication.users, settings.authentication.api_keys[0].name) == ((), "app")


def test_a_list_in_the_environment_is_json(file: Path) -> None:
    keys = '[{"name": "app", "key": "some-key", "role": "reader"}]'
    environment = {"SYNAP_AUTHENTICATION__ENABLED": "true", "SYNAP_AUTHENTICATION__API_KEYS": keys}
    settings = load(file, "authentication: {api_keys: [{name: old, key: old, role: admin}]}", environment)
    assert [key.name for key in settings.authentication.api_keys] == ["app"], "another list, not a longer one"
    assert load(file, "", {"SYNAP_SERVER__CORS_ORIGINS": '["https://a.example"]'}).server.cors_origins


@pytest.mark.parametrize("value", ["SECRET", "[SECRET]", '["SECRET', "[" * 100_000])
def test_a_list_in_the_environment_that_is_none(file: Path, value: str) -> None:
    said = refused(file, "", {"SYNAP_AUTHENTICATION__API_KEYS": value})
    assert said == "environment variable SYNAP_AUTHENTICATION__API_KEYS: expected a list in JSON"


@pytest.mark.parametrize(
    "content",
    [
        b"server: {port: 1",
        b"server:\n\tport: 1",
        b"\xff\xfe\xff",
        b"server: {host: '\xe9'}",
        b"server: \x00",
        b"a: 2024-13-45",
        b"a: !!int abc",
        b"a: !!python/object/apply:os.getcwd []",
        b"? [1, 2]\n: 3",
        b"[" * 1000,
        b"a: " + b"9" * 5000,
    ],
    ids=lambda content: repr(content[:16]),
)
def test_what_is_no_yaml(file: Path, content: bytes) -> None:
    assert refused(file, content).startswith("FILE is not YAML: ")


def test_a_name_that_stands_there_twice(file: Path) -> None:
    sentence = refused(file, "server: {port: 1}\nlogging: {}\nserver: {host: a}\n")
    assert sentence == 'FILE is not YAML: server stands there twice in "FILE", line 3, column 1'


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yml cannot be read: No such file or directory"):
        load_settings(tmp_path / "nowhere.yml", {})
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_settings(tmp_path, {})


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SYNAP_PORT", "http", "server.port: expected int, got str"),
        ("SYNAP_PORT", " 80", "server.port: expected int, got str"),
        ("SYNAP_PROT", "80", f"there is no setting prot; there are: {SECTIONS}"),
        ("SYNAP_", "80", f"there is no setting ; there are: {SECTIONS}"),
        ("SYNAP_SERVER", "80", "server: expected object, got str"),
        ("SYNAP_SERVER__", "80", f"there is no setting server.; there are: {IN_SERVER}"),
        ("SYNAP_SERVER__PORT__A", "80", "server.port: expected int, got object"),
        ("SYNAP_SERVER_PORT", "80", f"there is no setting server_port; there are: {SECTIONS}"),
        ("SYNAP_PERSISTENCE__ENABLED", "yes", "persistence.enabled: expected bool, got str"),
        (
            "SYNAP_LOGGING__FORMAT",
            "JSON",
            "logging.format: invalid enum value 'JSON', expected one of: auto, json, text",
        ),
    ],
)
def test_wrong_variables(file: Path, name: str, value: str, sentence: str) -> None:
    assert refused(file, "", {name: value}) == f"environment variable {name}: {sentence}"


def test_wrong_options(file: Path) -> None:
    assert refused(file, "", {}, {"server.port": 70_000}) == (
        "command line (server.port): server.port: expected int <= 65535"
    )


def test_what_is_wrong_is_refused_also_where_it_is_overridden(file: Path) -> None:
    assert refused(file, "server: {port: http}", {"SYNAP_PORT": "1"}).startswith("FILE: server.port")
    environment = {"SYNAP_SERVER": "x", "SYNAP_SERVER__PORT": "1"}
    assert refused(file, "", environment).startswith("environment variable SYNAP_SERVER: server: expected object")


def test_the_place_that_has_the_last_word_is_named(file: Path) -> None:
    sentence = refused(file, "replication: {enabled: true}", {"SYNAP_REPLICATION__ENABLED": "true"})
    assert sentence.startswith("environment variable SYNAP_REPLICATION__ENABLED: replication is not available")
