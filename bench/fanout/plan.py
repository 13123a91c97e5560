"""What is measured: the servers, the scenarios, and what each row of the table stands for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

METHOD = "/trading.TradingService/SubscribeEvents"
MESSAGE_BYTES = 250
BURST = 64
EVENTS_PER_S = 500
RIVAL_MESSAGES = 64
"""The first so many journal events are what the rivals send, over and over: few, so that they stay in the cache."""
WINDOW_DEFAULT = 65_535
WINDOW_MAX = 2**31 - 1
SPARE_S = 4.0
"""Paced journals last so much longer than warm-up and window: the client's first event to its last."""


@dataclass(frozen=True, slots=True)
class Server:
    """One contender. `kind` and `loop` choose the program; "go" is the compiled one."""

    name: str
    kind: str
    loop: str = "uvloop"
    flush_delay_ms: float = 0.0
    is_tls: bool = False
    modules: tuple[str, ...] = ()
    """Python packages that it needs."""

    @property
    def is_ours(self) -> bool:
        return self.kind in {"ours", "ours-journal", "ours-commit"}

    def takes(self, scenario: "Scenario") -> bool:
        """Whether the scenario means anything for this server."""
        if self.kind == "ours-journal":
            return not scenario.is_paced and scenario.streams <= 100
        return self.kind != "ours-commit" or scenario.is_paced


@dataclass(frozen=True, slots=True)
class Scenario:
    """How many streams on how many connections; busy when there is no pace; `window` 0 = practically none."""

    name: str
    connections: int
    streams_each: int = 1
    events_per_s: int = 0
    window: int = WINDOW_MAX

    @property
    def streams(self) -> int:
        return self.connections * self.streams_each

    @property
    def is_paced(self) -> bool:
        return self.events_per_s > 0

    def rows(self, seconds: float, warm_up_s: float, rows_max: int) -> int:
        """Journal events that a server of ours needs for one run, at most."""
        if self.is_paced:
            return min(rows_max, int(self.events_per_s * (seconds + warm_up_s + SPARE_S)))
        return min(rows_max, max(BURST * 100, 30_000_000 // self.streams))


OURS = Server("dropcopyd, uvloop", "ours")
OURS_ASYNCIO = Server("dropcopyd, asyncio", "ours", loop="asyncio")
OURS_TLS = replace(OURS, name="dropcopyd, uvloop, TLS", is_tls=True)
OURS_ASYNCIO_TLS = replace(OURS_ASYNCIO, name="dropcopyd, asyncio, TLS", is_tls=True)
OURS_COMMIT = Server("dropcopyd, each event committed", "ours-commit")
OURS_COMMIT_ASYNCIO = replace(OURS_COMMIT, name="dropcopyd, asyncio, each event committed", loop="asyncio")
OURS_JOURNAL = Server("dropcopyd, read from the journal", "ours-journal")
GRPCIO = Server("grpcio aio, plain", "grpcio", loop="asyncio", modules=("grpc",))
GRPCIO_TUNED = Server("grpcio aio, tuned", "grpcio-tuned", modules=("grpc",))
GRPCLIB = Server("grpclib, plain", "grpclib", modules=("grpclib",))
GO = Server("grpc-go, raw codec", "go")
SERVERS = (OURS, OURS_ASYNCIO, OURS_COMMIT, OURS_COMMIT_ASYNCIO, OURS_JOURNAL, GO, GRPCIO, GRPCIO_TUNED, GRPCLIB)


def named(parts: Sequence[str]) -> list[Server]:
    """The servers whose name holds one of the parts."""
    return [server for server in SERVERS if any(part in server.name for part in parts)]


BUSY_100 = Scenario("busy, 100 streams", 100)
SCENARIOS = (
    Scenario("busy, 1 stream", 1),
    Scenario("busy, 10 streams", 10),
    BUSY_100,
    Scenario("busy, 1,000 streams", 1_000),
    Scenario("busy, 10 x 10, 64 KiB windows", 10, 10, window=WINDOW_DEFAULT),
    Scenario("paced, 100 streams", 100, events_per_s=EVENTS_PER_S),
    Scenario("paced, 4 x 25 streams", 4, 25, events_per_s=EVENTS_PER_S),
    Scenario("paced, 1,000 streams", 1_000, events_per_s=EVENTS_PER_S // 10),
)

FLUSH_SCENARIO = Scenario("2,000 events/s to 100 streams", 100, events_per_s=4 * EVENTS_PER_S)
FLUSH_DELAYS_MS = (0.0, 1.0, 2.0, 5.0)
H2LOAD_SCENARIO = Scenario("h2load, 10 connections x 10", 10, 10)
