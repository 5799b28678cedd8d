"""Dashboard and alerts name what a server really exposes, and are what Grafana and Prometheus can load."""

import json
import shutil
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.docs.asking import ask
from tests.docs.markdown import DOCS, read, rows
from tests.docs.promql import grouped_by, selectors
from tests.process.harness import Server, run

DASHBOARD = DOCS / "operations" / "grafana-dashboard.json"
ALERTS = DOCS / "operations" / "alerts.yml"
MONITORING = DOCS / "operations" / "monitoring.md"

CONFIG = """
kv_store: {max_memory_mb: 100, eviction_policy: allkeys-lru}
authentication: {enabled: true, api_keys: [{key: a-key-for-a-test-of-the-documents, name: test, role: admin}]}
"""
KEY = {"X-API-Key": "a-key-for-a-test-of-the-documents"}


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(read(DASHBOARD))
    return loaded


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dashboard()["panels"]
    return found


def rules() -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load(read(ALERTS))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> list[str]:
    of_panels = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    of_annotations = [each["expr"] for each in dashboard()["annotations"]["list"]]
    return [*of_panels, *of_annotations, *(rule["expr"] for rule in rules())]


# --- what a server exposes -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Each sample of a server that did a little of everything, and its labels."""
    place = tmp_path_factory.mktemp("exposed")
    config = place / "synap.yml"
    config.write_text(CONFIG, encoding="utf-8")
    with Server(place / "data", "--config", str(config)) as server:
        do_a_little_of_everything(server.port)
        _, text = ask(server.port, "GET", "/metrics", headers=KEY)
    found: dict[str, set[str]] = {"up": set()}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def do_a_little_of_everything(port: int) -> None:
    for _ in range(2):
        ask(port, "POST", "/kv/set", {"key": "session:a", "value": "x", "ttl": 3600}, KEY)
        ask(port, "GET", "/kv/get/session:a", headers=KEY)
        ask(port, "POST", "/kv/incr/session:a", headers=KEY)
        ask(port, "GET", "/kv/get/session:a", headers={"X-API-Key": "a-wrong-one"})
        status, _ = ask(port, "POST", "/snapshot", headers=KEY)
        assert status == 200


@pytest.mark.process
@pytest.mark.parametrize("expression", expressions())
def test_each_metric_is_there_with_its_labels(expression: str, exposed: dict[str, set[str]]) -> None:
    named = selectors(expression)
    assert named
    for selector in named:
        assert selector.name in exposed
        assert selector.labels <= exposed[selector.name]
    assert grouped_by(expression) <= set().union(*(exposed[selector.name] for selector in named))


@pytest.mark.process
def test_every_metric_is_documented(exposed: dict[str, set[str]]) -> None:
    names = {name.split("{")[0].strip("`") for name, *_ in rows(read(MONITORING)) if name.startswith("`synap_")}
    histograms = {name.removesuffix("_bucket") for name in exposed if name.endswith("_bucket")}
    parts = {f"{name}{ending}" for name in histograms for ending in ("_bucket", "_sum", "_count")}
    assert names == (exposed.keys() - parts - {"up"}) | histograms


@pytest.mark.process
def test_every_label_is_documented(exposed: dict[str, set[str]]) -> None:
    for name, *_ in rows(read(MONITORING)):
        if name.startswith("`synap_"):
            metric, _, labels = name.strip("`").rstrip("}").partition("{")
            told = {label for label in labels.split(",") if label}
            sample = f"{metric}_count" if f"{metric}_count" in exposed else metric
            assert told == exposed[sample], metric


# --- the dashboard ---------------------------------------------------------------------------------------


def test_every_panel_has_an_id_of_its_own() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))


def test_no_panel_lies_over_another() -> None:
    for one, other in combinations(panels(), 2):
        a, b = one["gridPos"], other["gridPos"]
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above, (one["title"], other["title"])
        assert a["x"] + a["w"] <= 24


def test_every_panel_has_a_title_a_unit_and_the_chosen_data_source() -> None:
    for panel in panels():
        assert panel["title"]
        if panel["type"] != "row":
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["datasource"]["uid"] == "${datasource}"
            assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


def test_every_query_is_of_the_chosen_instances() -> None:
    for panel in panels():
        for target in panel.get("targets", ()):
            assert target["expr"].count('job="$job",instance=~"$instance"') == len(selectors(target["expr"]))


# --- the alerts ------------------------------------------------------------------------------------------


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket", "info"}
        assert set(rule["annotations"]) == {"summary", "description", "action"}


def test_every_alert_is_documented() -> None:
    told = {name.strip("`") for name, *_ in rows(read(MONITORING)) if name.startswith("`Synap")}
    assert told == {rule["alert"] for rule in rules()}


@pytest.fixture
def promtool() -> str:
    """Prometheus's own checker."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    return found


def test_prometheus_takes_the_alerts(promtool: str) -> None:
    checked = run([promtool, "check", "rules", str(ALERTS)])
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_prometheus_takes_the_queries_of_the_dashboard(promtool: str, tmp_path: Path) -> None:
    """As rules, with a time in place of Grafana's."""
    queries = [query.replace("$__rate_interval", "5m") for query in expressions()]
    named = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": named}]}), encoding="utf-8")
    checked = run([promtool, "check", "rules", str(file)])
    assert checked.returncode == 0, checked.stdout + checked.stderr


def alert_tests() -> Iterator[dict[str, Any]]:
    """For ``promtool test rules``: series a minute apart, and the alerts that they make."""
    yield _fires("SynapDown", {'up{job="synap",instance="i"}': "0x10"}, "5m")
    yield _fires("SynapStrangeState", {'synap_strange_states_total{job="synap",instance="i"}': "1x10"}, "1m")
    full = 'synap_http_requests_total{job="synap",instance="i",status="507"}'
    yield _fires("SynapDiskFull", {full: "0 1 2 3 4 5 6"}, "5m")
    yield _fires("SynapDiskFull", {full: "_ _ _ 1 1 1"}, "5m")
    yield _fires("SynapDiskFull", {full: "1x30"}, "20m", count=0)
    age = 'synap_snapshot_age_seconds{job="synap",instance="i"}'
    seqs = {
        'synap_wal_seq{job="synap",instance="i"}': "20x30",
        'synap_snapshot_seq{job="synap",instance="i"}': "10x30",
    }
    yield _fires("SynapSnapshotTooOld", {age: "20000x30", **seqs}, "20m")
    yield _fires("SynapSnapshotTooOld", {age: "2000x30", **seqs}, "20m", count=0)
    idle = {'synap_wal_seq{job="synap",instance="i"}': "10x30"}
    yield _fires("SynapSnapshotTooOld", {age: "20000x30", **seqs, **idle}, "20m", count=0)
    memory = 'synap_kv_memory_bytes{job="synap",instance="i"}'
    limit = {'synap_kv_max_memory_bytes{job="synap",instance="i"}': "100x30"}
    yield _fires("SynapMemoryNearLimit", {memory: "95x30", **limit}, "15m")
    yield _fires("SynapMemoryNearLimit", {memory: "95x30"}, "15m", count=0)
    starts = 'synap_recovery_seconds{job="synap",instance="i"}'
    yield _fires("SynapRestarting", {starts: "1 1 2 2 _ _ 3 4"}, "7m")
    yield _fires("SynapRestarting", {starts: "1 1 1 1 _ _ 3 3"}, "7m", count=0)
    yield _fires("SynapStartedAgain", {starts: "1 1 1 1 _ _ 3 3"}, "7m")
    yield _fires("SynapStartedAgain", {starts: "1x30"}, "7m", count=0)


def _fires(alert: str, series: dict[str, str], at: str, *, count: int = 1) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)',
                "eval_time": at,
                "exp_samples": [{"labels": "{}", "value": count}],
            }
        ],
    }


def test_alerts_fire_when_they_should_and_only_then(promtool: str, tmp_path: Path) -> None:
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "tests": list(alert_tests())}), encoding="utf-8")
    tested = run([promtool, "test", "rules", str(file)])
    assert tested.returncode == 0, tested.stdout + tested.stderr
