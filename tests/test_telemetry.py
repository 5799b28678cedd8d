"""Log lines and metrics: what they look like, and that two stores do not mix theirs."""

import io
import json
import sys
from collections.abc import Iterator

import pytest
import structlog
from prometheus_client import generate_latest

from synap.telemetry import LogFormat, Metrics, OperationMetrics, configure_logging


class Terminal(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def configuration() -> Iterator[None]:
    """Leave the logging of the other tests as it was."""
    yield
    structlog.reset_defaults()


def logged(
    monkeypatch: pytest.MonkeyPatch, level: str, log_format: LogFormat, stderr: io.StringIO | None = None
) -> list[str]:
    """The lines of a warning, a notice, a detail and an exception."""
    stream = stderr or io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging(level, log_format)
    logger = structlog.get_logger()
    logger.warning("the disk is full", segments=3)
    logger.info("stopped")
    logger.debug("detail")
    try:
        raise ValueError("why")
    except ValueError:
        logger.exception("a bug")
    return stream.getvalue().splitlines()


def test_json_is_one_object_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.loads(line) for line in logged(monkeypatch, "info", LogFormat.JSON)]
    assert [(line["level"], line["event"]) for line in lines] == [
        ("warning", "the disk is full"),
        ("info", "stopped"),
        ("error", "a bug"),
    ]
    assert lines[0]["segments"] == 3
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert lines[2]["exception"][0]["exc_type"] == "ValueError"


def test_text_is_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = logged(monkeypatch, "info", LogFormat.TEXT)
    assert "the disk is full" in lines[0]
    assert "segments" in lines[0]
    assert "Traceback" in "\n".join(lines)
    with pytest.raises(json.JSONDecodeError):
        json.loads(lines[0])


@pytest.mark.parametrize(("level", "events"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_levels(monkeypatch: pytest.MonkeyPatch, level: str, events: int) -> None:
    assert len(logged(monkeypatch, level, LogFormat.JSON)) == events


def test_auto_is_text_on_a_terminal_and_json_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(logged(monkeypatch, "info", LogFormat.AUTO)[0])
    assert not logged(monkeypatch, "info", LogFormat.AUTO, Terminal())[0].startswith("{")


def test_the_metrics_of_an_operation() -> None:
    metrics = Metrics()
    operation = OperationMetrics(metrics, "get")
    operation.ok.inc()
    operation.refused.inc(2)
    operation.failed.inc(3)
    operation.seconds.observe(0.5)

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"operation": "get", **labels})

    assert [value("synap_kv_operations_total", status=status) for status in ("ok", "refused", "error")] == [1, 2, 3]
    assert value("synap_kv_operation_duration_seconds_sum") == 0.5


def test_two_stores_in_one_process_do_not_mix() -> None:
    one, other = Metrics(), Metrics()
    one.wal_bytes.inc(7)
    assert one.registry.get_sample_value("synap_wal_bytes_total") == 7
    assert other.registry.get_sample_value("synap_wal_bytes_total") == 0


def test_names_follow_the_conventions_and_nothing_is_counted_twice() -> None:
    """Prefix, base unit, and no series for the time a counter was made."""
    metrics = Metrics()
    text = generate_latest(metrics.registry).decode()
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    assert all(name.startswith("synap_") for name in names)
    assert "_created" not in text
    for line in text.splitlines():
        if line.startswith("# TYPE") and line.endswith("counter"):
            assert line.split()[2].endswith("_total")
