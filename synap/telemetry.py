"""What Synap says of itself: the log of the program (structlog) and the metrics (prometheus-client).

No key and no value ever stands in a log line or a label: session keys are secrets.
"""

import logging
import sys
from enum import StrEnum

import structlog
from prometheus_client import CollectorRegistry

from synap.tally import Counter, Counters, Histogram, Histograms

_LATENCY_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_FOLD_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 150, 600)
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    """``text`` on a terminal, ``json`` elsewhere."""
    JSON = "json"
    TEXT = "text"


def configure_logging(level: str, log_format: LogFormat) -> None:
    """Send log lines of ``level`` (debug, info, warning, error) and above to standard error."""
    as_json = log_format is LogFormat.JSON or (log_format is LogFormat.AUTO and not sys.stderr.isatty())
    renderer: structlog.typing.Processor
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(pad_event_to=0)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks if as_json else structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


class OperationMetrics:
    """The metrics of one operation, with their labels looked up: that would take longer than counting."""

    def __init__(self, metrics: "Metrics", operation: str) -> None:
        self.ok = metrics.operations.labels(operation, "ok")
        self.refused = metrics.operations.labels(operation, "refused")
        self.failed = metrics.operations.labels(operation, "error")
        self.seconds = metrics.operation_seconds.labels(operation)


class Metrics:
    """The counters and histograms that the parts of the engine and the server feed.

    What can be read off the store at the moment of scraping (keys, memory, seq) is not here; see
    ``server/metrics.py``. Each instance has a registry of its own, so that two stores in one process do not mix.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.wal_bytes = Counter("synap_wal_bytes", "Bytes appended to the write-ahead log", registry=registry)
        self.wal_batch_events = Histogram(
            "synap_wal_batch_events", "Events in one commit", buckets=_BATCH_BUCKETS, registry=registry
        )
        self.wal_fsync_seconds = Histogram(
            "synap_wal_fsync_duration_seconds",
            "Time of one fdatasync of the log",
            buckets=_LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.operations = Counters(
            "synap_kv_operations", "Commands by kind and outcome", ["operation", "status"], registry=registry
        )
        self.operation_seconds = Histograms(
            "synap_kv_operation_duration_seconds",
            "Time from command to result",
            ["operation"],
            buckets=_LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.expired_keys = Counter("synap_expired_keys", "Entries removed at their deadline", registry=registry)
        self.clock_steps = Counter(
            "synap_clock_steps", "Steps of the wall clock that were not followed", registry=registry
        )
        self.torn_tails = Counter("synap_wal_torn_tails", "Torn tails cut off at start-up", registry=registry)
        self.strange_states = Counter(
            "synap_strange_states", "Places where the log makes another state than its writer was at", registry=registry
        )
        self.snapshots = Counters("synap_snapshots", "Snapshots by outcome", ["status"], registry=registry)
        # There from the beginning, so that the first failure is a step from 0 to 1, which alerts can see.
        for status in ("ok", "failed"):
            self.snapshots.labels(status)
        self.snapshot_seconds = Histogram(
            "synap_snapshot_duration_seconds",
            "Time of one fold",
            buckets=_FOLD_BUCKETS_S,
            registry=registry,
        )
        self.http_requests = Counters(
            "synap_http_requests", "HTTP requests", ["method", "route", "status"], registry=registry
        )
        self.http_request_seconds = Histograms(
            "synap_http_request_duration_seconds",
            "Time from request to response",
            ["method", "route"],
            buckets=_LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.authentication_failures = Counters(
            "synap_http_authentication_failures",
            "Requests whose credentials were not accepted",
            ["reason"],
            registry=registry,
        )
