"""Runs the plan, interleaved, and prints the table."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from operator import attrgetter

from bench.fanout import plan
from bench.fanout.build import MissingError
from bench.fanout.journal import Journal
from bench.fanout.plan import BURST, Scenario, Server
from bench.fanout.run import MESSAGE_FRAMED_BYTES, Bench, Figures, RunError, kernel_floor

_FRAME_BYTES = 264
"""One 250-byte message with its gRPC prefix and its DATA frame's header."""
_FLOOR_S = 1.0
Measure = Callable[[Server, Scenario], Figures]


class Table:
    """Measures and prints; what is missing or fails is named once and left out."""

    def __init__(self, bench: Bench, runs: int, servers: Sequence[Server]) -> None:
        self._bench = bench
        self._runs = runs
        self._servers = list(servers)
        self._journal: Journal = bench.journal

    def print_all(self, scenarios: Iterable[Scenario]) -> None:
        """The main table, scenario by scenario."""
        columns = f"{'deliveries/s':>13}{'CPU us each':>12}{'+commit us':>11}{'p50 ms':>8}{'p99 ms':>8}{'p99.9':>8}"
        print(f"{'':34}{columns}{'server':>8}{'client':>8}   cores used")
        for scenario in scenarios:
            print(f"\n{scenario.name}{_pace(scenario)}; floor {_floor(scenario)}")
            wanted = [server for server in self._servers if server.takes(scenario)]
            for server, figures in self._medians(wanted, scenario, self._bench.measure):
                print(_row(server, figures, self._commit_us(server, scenario)), flush=True)

    def _commit_us(self, server: Server, scenario: Scenario) -> float | None:
        """What committing adds to one delivery: once for each event, whatever the number of its streams."""
        if not server.is_ours or server.kind == "ours-commit":
            return None
        return self._journal.commit_cpu_us / scenario.streams

    def _medians(self, servers: Sequence[Server], scenario: Scenario, measure: Measure) -> list[tuple[Server, Figures]]:
        """The servers in turn, again and again, so that a drift of the machine hits all alike."""
        runs: dict[Server, list[Figures]] = {}
        for _ in range(self._runs):
            for server in list(servers):
                try:
                    runs.setdefault(server, []).append(measure(server, scenario))
                except MissingError as missing:
                    self._skip(server, f"not installed: {missing}")
                    servers = [other for other in servers if other != server]
                except RunError as error:
                    print(f"  {server.name} left out, a run failed: {error}", flush=True)
                    servers = [other for other in servers if other != server]
        return [(server, _median(found)) for server, found in runs.items() if found]

    def _skip(self, server: Server, why: str) -> None:
        print(f"  {server.name} skipped; {why}", flush=True)
        if server in self._servers:
            self._servers.remove(server)

    def print_h2load(self) -> None:
        """An independent client, first with the windows that HTTP/2 gives by default, then wide open and with TLS."""
        small = replace(plan.H2LOAD_SCENARIO, window=plan.WINDOW_DEFAULT)
        print(f"\n{small.name}, 64 KiB windows (independent client; bytes of DATA / {MESSAGE_FRAMED_BYTES})")
        self._print_h2load([plan.OURS, plan.OURS_ASYNCIO, plan.GO], small)
        print(f"\n{plan.H2LOAD_SCENARIO.name}, open windows, plaintext and TLS (handshakes in it)")
        self._print_h2load([plan.OURS, plan.OURS_TLS, plan.OURS_ASYNCIO, plan.OURS_ASYNCIO_TLS], plan.H2LOAD_SCENARIO)

    def _print_h2load(self, servers: Sequence[Server], scenario: Scenario) -> None:
        for server, figures in self._medians(servers, scenario, self._bench.h2load):
            share = f"server core {figures.server_share:.0%}"
            print(f"  {server.name:32}{figures.per_s:13,.0f}{figures.cpu_us:12.3f}{share:>20}", flush=True)

    def print_flush(self) -> None:
        """What a flush timer saves and what it costs."""
        print(f"\nflush timer, {plan.FLUSH_SCENARIO.name}")
        servers = [
            replace(plan.OURS, name=f"flush_delay_ms = {delay:g}", flush_delay_ms=delay)
            for delay in plan.FLUSH_DELAYS_MS
        ]
        for server, figures in self._medians(servers, plan.FLUSH_SCENARIO, self._bench.measure):
            print(_row(server, figures, None), flush=True)


def _pace(scenario: Scenario) -> str:
    return f", {scenario.events_per_s} events/s each alone" if scenario.is_paced else f", bursts of {BURST}"


def _floor(scenario: Scenario) -> str:
    """sendmsg of the same bytes per connection in C: CPU us per delivery."""
    try:
        if scenario.is_paced:
            size = _FRAME_BYTES * scenario.streams_each
            rate = scenario.events_per_s
        else:
            size, rate = _FRAME_BYTES * BURST * scenario.streams_each, 0
        us = kernel_floor(scenario.connections, size, rate, _FLOOR_S)
    except MissingError as missing:
        return f"skipped, not installed: {missing}"
    events = scenario.streams_each * (1 if scenario.is_paced else BURST)
    return f"{us / events:.3f} us per delivery ({us:.2f} us per sendmsg of {size:,} bytes)"


def _median(runs: Sequence[Figures]) -> Figures:
    def of(name: str) -> float | None:
        values = [value for value in map(attrgetter(name), runs) if value is not None]
        return statistics.median(values) if values else None

    return Figures(
        per_s=of("per_s") or 0.0,
        cpu_us=of("cpu_us") or 0.0,
        server_share=of("server_share") or 0.0,
        client_share=of("client_share") or 0.0,
        p50_ms=of("p50_ms"),
        p99_ms=of("p99_ms"),
        p999_ms=of("p999_ms"),
    )


def _row(server: Server, figures: Figures, commit_us: float | None) -> str:
    commit = f"{commit_us:11.2f}" if commit_us is not None else f"{'-':>11}"
    times = (f"{value:8.2f}" if value is not None else f"{'-':>8}" for value in latencies(figures))
    shares = f"{figures.server_share:8.0%}{figures.client_share:8.0%}"
    return f"  {server.name:32}{figures.per_s:13,.0f}{figures.cpu_us:12.3f}{commit}{''.join(times)}{shares}"


def latencies(figures: Figures) -> tuple[float | None, float | None, float | None]:
    """p50, p99 and p99.9 in ms."""
    return figures.p50_ms, figures.p99_ms, figures.p999_ms
