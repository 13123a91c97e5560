"""The long versions: `python -m tests.soak campaign | slow-reader | idle | reconcile` (see the Makefile's targets)."""

import argparse
import asyncio
import random
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.soak import idle, reconciling, unread
from tests.soak.campaign import campaign


def run_campaign(seconds: float, seed: int | None, steps: int) -> None:
    """One seed after another until the time is over; stops at the first failure, whose seed is the last one printed."""
    counts: Counter[str] = Counter()
    until_s = time.monotonic() + seconds
    runs = 0
    while runs == 0 or time.monotonic() < until_s:
        one = random.SystemRandom().randrange(2**32) if seed is None else seed + runs
        print(f"seed {one}", flush=True)
        folder = Path(tempfile.mkdtemp(prefix="dropcopy-campaign-"))  # stays behind after a failure, with the log
        counts += asyncio.run(campaign(folder / "data", one, steps=steps))
        shutil.rmtree(folder)
        runs += 1
    print(f"{runs} runs without a gap, a repeat or an event out of order")
    for word, count in sorted(counts.items()):
        print(f"  {count:>9,} {word}")


def run_reconcile(**arguments: Any) -> None:
    """Prints what was seen; fails with a false break, a missed one, or fewer fills than asked for."""
    with tempfile.TemporaryDirectory(prefix="dropcopy-") as folder:
        outcome = asyncio.run(reconciling.campaign(Path(folder) / "data", **arguments))
    print("\n".join(outcome.lines))
    is_short = outcome.fills < 0.95 * arguments["rate"] * outcome.seconds
    if outcome.false_breaks or outcome.problems or is_short:
        raise SystemExit(1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("campaign", help="random clients against one gateway, checked by a model")
    one.add_argument("--seconds", type=float, default=600)
    one.add_argument("--seed", type=int, help="of the first run; the others count up")
    one.add_argument("--steps", type=int, default=40, help="what each client does in a run")
    one = commands.add_parser("slow-reader", help="events past a reader that does not read")
    one.add_argument("--events", type=int, default=200_000)
    one.add_argument("--stall-s", type=float, default=30, help="what the gateway is set to; all events pass in less")
    one.add_argument("--warm-up", type=int, default=50_000, help="events before, which fill rings and caches")
    one = commands.add_parser("idle", help="streams on which nothing happens, and clients that come back at once")
    one.add_argument("--organizations", type=int, default=100)
    one.add_argument("--each", type=int, default=100, help="streams of each organization")
    one.add_argument("--returning", type=int, default=1_000)
    one.add_argument("--heartbeat-s", type=float, default=5)
    one = commands.add_parser("reconcile", help="reconciliations while fills arrive: no false break")
    one.add_argument("--reconciliations", type=int, default=1_000)
    one.add_argument("--rate", type=float, default=100, help="fills a second")
    one.add_argument("--lag-s", type=float, default=0.05, help="what a report is under way at most")
    one.add_argument("--confirm-s", type=float, default=0.15)
    one.add_argument("--seed", type=int, default=1)
    arguments = vars(parser.parse_args())
    command = arguments.pop("command")
    if command == "campaign":
        run_campaign(**arguments)
        return
    if command == "reconcile":
        run_reconcile(**arguments)
        return
    run = unread.run if command == "slow-reader" else idle.run
    with tempfile.TemporaryDirectory(prefix="dropcopy-") as folder:
        print(asyncio.run(run(Path(folder) / "data", **arguments)))


if __name__ == "__main__":
    main()
