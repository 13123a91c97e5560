"""The fan-out benchmark runs: tiny numbers, every part that is installed, and not a word about speed."""

import shutil
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from bench import machine
from bench.fanout import build, journal, plan
from bench.fanout.plan import METHOD, Scenario, Server
from bench.fanout.run import Bench, Figures, RunError, Window, kernel_floor, make_certificate
from bench.fanout.table import Table
from dropcopy import proto as pb

_ROWS = 20_000
_BUSY = Scenario("busy", 2, 2)
_PACED = Scenario("paced", 2, 2, events_per_s=200)
_SMALL_WINDOWS = Scenario("small windows", 2, 2, window=plan.WINDOW_DEFAULT)


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skips where one of these is not installed."""
    absent = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(absent), reason=f"not installed: {' '.join(absent)}")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("bench")
    return Bench(journal.write_now(folder, _ROWS), Window(0.1, 0.05, _ROWS), *make_certificate(folder))


def test_the_journal_holds_what_the_rivals_send(bench: Bench) -> None:
    data = bench.journal.messages.read_bytes()
    sequences, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        event = pb.TradingEvent.FromString(data[at + 4 : at + 4 + size])
        sequences.append(event.sequence)
        assert plan.MESSAGE_BYTES - 6 <= size <= plan.MESSAGE_BYTES
        at += 4 + size
    assert sequences == list(range(1, plan.RIVAL_MESSAGES + 1))
    assert bench.journal.commit_cpu_us > 0


def test_a_stamped_message_keeps_its_size_and_sequence(bench: Bench) -> None:
    data = bench.journal.messages.read_bytes()
    (size,) = struct.unpack_from(">I", data)
    message = data[4 : 4 + size]
    stamped = journal.stamped(message)
    assert len(stamped) == size
    assert stamped != message
    assert pb.TradingEvent.FromString(stamped).sequence == 1


def test_the_machines_benchmark_runs(capsys: pytest.CaptureFixture[str]) -> None:
    machine.measure(orders=20, rounds=2)
    assert "20 fills, 2 rounds" in capsys.readouterr().out


@needs("g++")
@pytest.mark.parametrize("server", [server for server in plan.SERVERS if server.kind != "go"], ids=lambda s: s.name)
@pytest.mark.parametrize("scenario", [_BUSY, _PACED], ids=lambda s: s.name)
def test_a_run_gives_figures(bench: Bench, server: Server, scenario: Scenario) -> None:
    if not server.takes(scenario):
        pytest.skip("means nothing for this server")
    try:
        figures = bench.measure(server, scenario)
    except build.MissingError as missing:
        pytest.skip(f"not installed: {missing}")
    assert figures.per_s > 0
    assert (figures.p999_ms is not None) == scenario.is_paced


@needs("g++")
def test_a_client_with_default_windows_gives_them_back(bench: Bench) -> None:
    assert bench.measure(plan.OURS, _SMALL_WINDOWS).per_s > 0


@needs("g++")
def test_a_flush_timer_runs(bench: Bench) -> None:
    assert bench.measure(replace(plan.OURS, flush_delay_ms=2.0), _PACED).per_s > 0


@needs("g++")
def test_a_client_that_reaches_nobody_is_a_failed_run(bench: Bench) -> None:
    nobody = Server("nobody", "no such kind")
    with pytest.raises(RunError, match="nobody did not start"):
        bench.measure(nobody, _BUSY)


@needs("gcc")
def test_the_floor_runs() -> None:
    assert kernel_floor(2, 264, 0, 0.05) > 0


@needs("h2load")
@pytest.mark.parametrize("is_tls", [False, True], ids=["plaintext", "TLS"])
def test_h2load_runs(bench: Bench, *, is_tls: bool) -> None:
    server = replace(plan.OURS_JOURNAL, is_tls=is_tls)
    scenario = replace(_BUSY, window=plan.WINDOW_DEFAULT)
    assert bench.h2load(server, scenario, may_run_dry=True).cpu_us > 0


@needs("h2load")
def test_a_server_that_runs_out_of_events_under_h2load_is_a_failed_run(bench: Bench) -> None:
    few = replace(bench, journal=replace(bench.journal, rows=500))  # as if there were no more: any machine sends them
    with pytest.raises(RunError, match="ran out of events"):
        few.h2load(plan.OURS_JOURNAL, _BUSY)


def test_what_is_missing_is_named_with_what_brings_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "DEBIAN_GOPATH", Path("/nowhere"))

    def measure(_bench: Bench, server: Server, _scenario: Scenario) -> Figures:
        build.command(server)
        return Figures(1.0, 1.0, 1.0, 1.0)

    monkeypatch.setattr(Bench, "measure", measure)
    Table(bench, 2, [plan.OURS, plan.GO]).print_all([_BUSY])
    printed = capsys.readouterr().out
    assert "grpc-go, raw codec skipped; not installed: apt-get install golang-go golang-google-grpc-dev" in printed
    assert plan.OURS.name in printed


def test_the_servers_serve_the_method_of_the_contract() -> None:
    assert METHOD == pb.SUBSCRIBE_EVENTS_PATH
