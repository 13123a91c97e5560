"""One run: a server on one core, a client on another, and the figures of the window between two marks."""

import contextlib
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from bench.fanout import build
from bench.fanout.journal import Journal
from bench.fanout.plan import METHOD, RIVAL_MESSAGES, WINDOW_MAX, Scenario, Server
from bench.fanout.server import Job

SERVER_CORE = 0
CLIENT_CORE = (os.cpu_count() or 1) - 1
PRIORITY_VARIABLE = "BENCH_PRIORITY"
"""How far below 0 the niceness of servers and clients is set, so that other work on the machine disturbs less."""
_H2LOAD_DATA = re.compile(r"traffic: .*, \S+ \((\d+)\) data")


class RunError(Exception):
    """A run gave no figures, or wrong ones."""


@dataclass(frozen=True, slots=True)
class Window:
    """How long to measure, after how long a warm-up; at most so many journal events."""

    seconds: float = 2.0
    warm_up_s: float = 0.5
    rows_max: int = 200_000


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run showed. Latency in ms, None where nothing was paced; shares are of one core."""

    per_s: float
    cpu_us: float
    server_share: float
    client_share: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    p999_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Hello:
    """How to reach a server."""

    pid: int
    port: int
    key: str
    request: str


@dataclass(frozen=True, slots=True)
class Bench:
    """What all runs share."""

    journal: Journal
    window: Window
    certificate: str = ""
    key: str = ""

    def measure(self, server: Server, scenario: Scenario) -> Figures:
        """The figures of one run. Raises RunError, MissingError."""
        with self._started(server, scenario) as hello:
            command = [str(build.client()), *self._client_arguments(server, scenario, hello)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=on(CLIENT_CORE))
        if done.returncode:
            raise RunError(f"{server.name}, {scenario.name}: {done.stderr.strip()}")
        found = json.loads(done.stdout)
        if found["errors"] or not found["deliveries"]:
            raise RunError(f"{server.name}, {scenario.name}: {found['errors']} errors, first {found['first_error']}")
        seconds, deliveries = found["seconds"], found["deliveries"]
        return Figures(
            per_s=deliveries / seconds,
            cpu_us=found["server_cpu_s"] / deliveries * 1e6,
            server_share=found["server_cpu_s"] / seconds,
            client_share=found["client_busy_s"] / seconds,
            p50_ms=found["p50_ms"],
            p99_ms=found["p99_ms"],
            p999_ms=found["p999_ms"],
        )

    def _client_arguments(self, server: Server, scenario: Scenario, hello: Hello) -> Iterator[str]:
        window = self.window
        yield from (f"port={hello.port}", f"pid={hello.pid}", f"key={hello.key}", f"request={hello.request}")
        yield from (f"connections={scenario.connections}", f"streams_each={scenario.streams_each}")
        yield from (f"path={METHOD}", f"window={scenario.window}", f"stamped={int(scenario.is_paced)}")
        yield from (f"seconds={window.seconds}", f"warm_up_s={window.warm_up_s}")
        if not server.is_ours:
            yield f"wrap={min(self.journal.rows, RIVAL_MESSAGES)}"
        elif server.kind != "ours-commit" and not scenario.is_paced:
            yield f"events_each={self._rows(server, scenario)}"

    def _rows(self, server: Server, scenario: Scenario) -> int:
        if server.kind == "ours-journal":
            return self.journal.rows
        return scenario.rows(self.window.seconds, self.window.warm_up_s, self.journal.rows)

    @contextmanager
    def _started(self, server: Server, scenario: Scenario) -> Iterator[Hello]:
        with tempfile.TemporaryFile("w+") as errors, self._process(server, scenario, errors) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                errors.seek(0)
                raise RunError(f"{server.name} did not start: {errors.read()[-2_000:]}")
            found = json.loads(line)
            try:
                yield Hello(process.pid, found["port"], found.get("key", "none"), found.get("request", "0000000000"))
            finally:
                process.kill()

    def _process(self, server: Server, scenario: Scenario, errors: IO[str]) -> "subprocess.Popen[str]":
        command = build.command(server)
        if server.kind == "go":
            arguments = [str(scenario.streams), str(scenario.events_per_s), str(self.journal.messages)]
        else:
            arguments = [self._job(server, scenario).encode()]
        return subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            preexec_fn=on(SERVER_CORE),
        )

    def _job(self, server: Server, scenario: Scenario) -> Job:
        return Job(
            kind=server.kind,
            loop=server.loop,
            streams=scenario.streams,
            events_per_s=scenario.events_per_s,
            rows=self._rows(server, scenario),
            messages=str(self.journal.messages),
            site=asdict(self.journal.site),
            flush_delay_ms=server.flush_delay_ms,
            certificate=self.certificate if server.is_tls else "",
            key=self.key if server.is_tls else "",
        )

    def h2load(self, server: Server, scenario: Scenario, *, may_run_dry: bool = False) -> Figures:
        """The same with the independent client, which counts bytes and reads until its time is over.

        Raises RunError too when a server of ours had no more events before that.
        """
        program = build.h2load()
        with self._started(server, scenario) as hello, tempfile.NamedTemporaryFile() as request:
            request.write(bytes.fromhex(hello.request))
            request.flush()
            scheme = "https" if server.is_tls else "http"
            command = [program, *self._h2load_arguments(scenario, hello), f"-d{request.name}"]
            command.append(f"{scheme}://127.0.0.1:{hello.port}{METHOD}")
            figures = _h2load_figures(command, hello.pid)
        is_dry = figures.per_s * H2LOAD_S > 0.95 * self._rows(server, scenario) * scenario.streams
        if server.is_ours and is_dry and not may_run_dry:
            raise RunError(f"{server.name} ran out of events")
        return figures

    def _h2load_arguments(self, scenario: Scenario, hello: Hello) -> Iterator[str]:
        yield f"-D{H2LOAD_S}"  # no warm-up: h2load would count its bytes but not its time
        yield from (f"-c{scenario.connections}", f"-m{scenario.streams_each}", "-t1")
        if scenario.window == WINDOW_MAX:
            yield from ("-w30", "-W30")
        yield from ("-Hcontent-type: application/grpc", "-Hte: trailers", f"-Hx-api-key: {hello.key}")


def _h2load_figures(command: Sequence[str], pid: int) -> Figures:
    begin_s, before_s = time.perf_counter(), process_cpu_s(pid)
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=on(CLIENT_CORE))
    wall_s, cpu_s = time.perf_counter() - begin_s, process_cpu_s(pid) - before_s
    found = _H2LOAD_DATA.search(done.stdout)
    if done.returncode or found is None:
        raise RunError(f"h2load: {done.stdout[-500:]} {done.stderr[-500:]}")
    deliveries = int(found.group(1)) / MESSAGE_FRAMED_BYTES
    return Figures(
        per_s=deliveries / H2LOAD_S,
        cpu_us=cpu_s / deliveries * 1e6 if deliveries else 0.0,
        server_share=cpu_s / wall_s,
        client_share=0.0,
    )


H2LOAD_S = 1
"""How long h2load reads: what a journal of ours holds must last as long."""
MESSAGE_FRAMED_BYTES = 255
"""A message with its prefix; h2load counts the bytes of DATA."""


def process_cpu_s(pid: int) -> float:
    """CPU time of another process, all threads, by its own clock."""
    return time.clock_gettime((~pid << 3) | 2)


def on(core: int) -> "_Pin":
    """For a child: run on that core."""
    return _Pin(core)


@dataclass(frozen=True, slots=True)
class _Pin:
    core: int

    def __call__(self) -> None:
        os.sched_setaffinity(0, {self.core})
        if priority := os.environ.get(PRIORITY_VARIABLE):
            os.nice(-int(priority))
            os.setsid()  # Linux shares a core between sessions first: one of its own, with the same niceness
            with contextlib.suppress(OSError):
                Path("/proc/self/autogroup").write_text(f"-{priority}")


def kernel_floor(connections: int, size: int, rounds_per_s: int, seconds: float) -> float:
    """CPU us of one sendmsg of that many bytes, per connection in turn. Raises MissingError."""
    arguments = [connections, size, rounds_per_s, seconds, SERVER_CORE, CLIENT_CORE]
    done = subprocess.run(
        [str(build.floor()), *(str(argument) for argument in arguments)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=on(SERVER_CORE),
    )
    return float(json.loads(done.stdout)["us_per_send"])


def make_certificate(folder: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 and its key, as files."""
    import trustme

    issued = trustme.CA().issue_cert("127.0.0.1")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    issued.private_key_pem.write_to_path(str(key))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(certificate), append=True)
    return str(certificate), str(key)
