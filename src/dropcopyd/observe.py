"""Logs and metrics: structlog set up once, counters on a registry that is handed in."""

import atexit
import logging
import sys
import threading
from collections import deque
from contextlib import suppress
from functools import cache
from typing import Final, TextIO, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LEG_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_Metric = TypeVar("_Metric", Counter, Histogram)
_TOGETHER_S: Final = 0.05
"""How long a line that is no complaint may wait for others."""
_LINES_MAX: Final = 10_000
"""Lines that may wait; whoever adds one more writes them all."""


class LogLines:
    """Log lines on their way to a stream: complaints are written at once, the others together a moment later.

    Writing is left to a thread of its own: a write lets another thread take the interpreter, and the event loop would
    wait to have it back at each line. What a write cannot do (the stream is closed, the disk full) nobody is told: a
    log must not fail an order.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._writing = threading.Lock()
        self._has_lines = threading.Event()
        self._paused = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._is_started = False
        atexit.register(self.flush)

    def __call__(self, *_arguments: object) -> "LogLines":
        """Structlog's factory of loggers: all are this one."""
        return self

    def msg(self, line: str) -> None:
        """Write the line soon."""
        if not self._is_started:
            self._is_started = True
            self._thread.start()
        self._waiting.append(f"{line}\n")
        if len(self._waiting) == 1:
            self._has_lines.set()
        elif len(self._waiting) > _LINES_MAX:
            self.flush()

    debug = info = msg

    def complain(self, line: str) -> None:
        """Write the line now, after those that wait."""
        self._waiting.append(f"{line}\n")
        self.flush()

    warning = warn = error = err = exception = critical = fatal = failure = complain

    def flush(self) -> None:
        """Write what waits; on any thread."""
        with self._writing, suppress(OSError, ValueError):
            lines = []
            with suppress(IndexError):
                while True:
                    lines.append(self._waiting.popleft())
            if lines:
                self._stream.write("".join(lines))
                self._stream.flush()

    def _run(self) -> None:
        while True:
            self._has_lines.wait()
            self._has_lines.clear()
            self._paused.wait(_TOGETHER_S)
            self.flush()


def configure_logs(level: str = "info", *, as_json: bool = False, stream: TextIO | None = None) -> None:
    """Send log events of the product to a stream (stderr): one line each, no keys, no payloads.

    In order; at the end of the process, and with each complaint, all that wait are written.
    """
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
        logger_factory=LogLines(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


def remembering(metric: _Metric) -> _Metric:
    """The metric, whose children are found without its lock and its checks: an order counts a dozen times."""
    metric.labels = cache(metric.labels)  # type: ignore[method-assign]
    return metric


class Metrics:
    """What each leg counts and measures; labels are few and fixed."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.intents = remembering(
            Counter("dropcopy_intents", "Intents by outcome of intake", ["outcome"], registry=self.registry)
        )
        self.attempts = remembering(
            Counter("dropcopy_attempts", "Attempts to send by answer", ["answer"], registry=self.registry)
        )
        self.reports = remembering(
            Counter("dropcopy_reports", "Broker reports by kind", ["kind"], registry=self.registry)
        )
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
        self.leg_s = remembering(
            Histogram(
                "dropcopy_leg_seconds",
                "The legs of commands: accept, dispatch, acknowledge, first_fill, complete",
                ["leg"],
                buckets=_LEG_BUCKETS_S,
                registry=self.registry,
            )
        )
