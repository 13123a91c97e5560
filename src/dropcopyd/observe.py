"""Logs and metrics: structlog set up once, counters on a registry that is handed in."""

import logging
import sys
from typing import TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LEG_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def configure_logs(level: str = "info", *, as_json: bool = False, stream: TextIO | None = None) -> None:
    """Send log events of the product to a stream (stderr): one line each, no keys, no payloads."""
    number = logging.getLevelNamesMapping()[level.upper()]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


class Metrics:
    """What each leg counts and measures; labels are few and fixed."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.intents = Counter("dropcopy_intents", "Intents by outcome of intake", ["outcome"], registry=self.registry)
        self.attempts = Counter("dropcopy_attempts", "Attempts to send by answer", ["answer"], registry=self.registry)
        self.reports = Counter("dropcopy_reports", "Broker reports by kind", ["kind"], registry=self.registry)
        self.mended = Counter(
            "dropcopy_mended", "Reports taken in from what the broker lists, by kind", ["kind"], registry=self.registry
        )
        self.breaks = Counter("dropcopy_breaks", "What brokers said that cannot be", ["kind"], registry=self.registry)
        self.reconciliations = Counter(
            "dropcopy_reconciliations", "Reconciliations by verdict", ["verdict"], registry=self.registry
        )
        self.committed = Counter("dropcopy_events", "Journal events committed", registry=self.registry)
        self.exported = Counter(
            "dropcopy_exported_rows", "Rows read for exports, by kind", ["records"], registry=self.registry
        )
        self.streams = Gauge("dropcopy_streams", "Open streams", registry=self.registry)
        self.doubts = Gauge("dropcopy_doubts", "Commands in doubt being settled", registry=self.registry)
        self.commit_s = Histogram(
            "dropcopy_commit_seconds", "Decision to durable", buckets=_LEG_BUCKETS_S, registry=self.registry
        )
        self.broker_s = Histogram(
            "dropcopy_broker_call_seconds", "A submit at the broker", buckets=_LEG_BUCKETS_S, registry=self.registry
        )
        self.leg_s = Histogram(
            "dropcopy_leg_seconds",
            "The legs of commands: accept, dispatch, acknowledge, first_fill, complete",
            ["leg"],
            buckets=_LEG_BUCKETS_S,
            registry=self.registry,
        )
