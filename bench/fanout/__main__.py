"""`make bench-fanout`: what one delivered event costs, beside other servers, in one table and one run.

    python -m bench.fanout [--quick] [--runs 3] [--seconds 2] [--only NAME] [--scenario NAME]

Every server sends the same 250-byte messages to the same compiled client; the server is pinned to one core, the client
to another. Medians, with the servers in turn. Compare within a run: a machine's speed drifts.
"""

import argparse
import os
import resource
import tempfile
from pathlib import Path

from bench.fanout import journal, plan
from bench.fanout.build import MissingError, client
from bench.fanout.run import PRIORITY_VARIABLE, Bench, Window, make_certificate
from bench.fanout.table import Table

_FILES = 8_192
_ROWS = 150_000
_ROWS_QUICK = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short run of each")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--priority", type=int, default=0, help="niceness below 0, for a machine that does other work")
    parser.add_argument("--only", default="", help="servers whose name holds one of these, separated by commas")
    parser.add_argument("--scenario", default="", help="scenarios whose name holds this")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.seconds = 1, 0.5
    os.environ[PRIORITY_VARIABLE] = str(options.priority or "")
    try:
        client()
    except MissingError as missing:
        raise SystemExit(f"the load client needs a compiler: {missing}") from None
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_FILES, hard), hard))
    with tempfile.TemporaryDirectory(prefix="dropcopy-bench-") as name:
        run(Path(name), options)


def run(folder: Path, options: argparse.Namespace) -> None:
    """Write the journal, then measure and print everything that was asked for."""
    written = journal.write_now(folder, _ROWS_QUICK if options.quick else _ROWS)
    window = Window(options.seconds, min(0.5, options.seconds), written.rows)
    bench = Bench(written, window, *make_certificate(folder))
    print(
        f"medians of {options.runs} runs of {options.seconds:g} s; load average at the start {os.getloadavg()[0]:.1f}"
    )
    print(
        f"committing one event through the store: {written.commit_cpu_us:.0f} us CPU, in groups"
        f" {written.commit_wall_us:.0f} us (fsync and projection in it), alone {written.alone_p50_us:,.0f} us\n"
    )
    table = Table(bench, options.runs, plan.named(options.only.split(",")))
    table.print_all([scenario for scenario in plan.SCENARIOS if options.scenario in scenario.name])
    if not options.only and not options.scenario:
        table.print_flush()
        try:
            table.print_h2load()
        except MissingError as missing:
            print(f"h2load skipped; not installed: {missing}")
    print(f"\nload average at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
