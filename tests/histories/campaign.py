"""Random histories of accounts against the models, as many as asked for (`make history-campaign`).

Each history has a number; its seed and number make it again. Ends at the first that differs, with its steps and the
command that plays it alone.
"""

import argparse
import multiprocessing
import os
import time
import traceback
from collections import Counter
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from random import Random

from tests.histories.history import History

CHUNK = 500
STEPS_MAX = 45


@dataclass(frozen=True, slots=True)
class Found:
    """What became of a row of histories; `problem` is the first that differed."""

    counts: Counter[str]
    problem: str = ""
    number: int = 0


def play(seed: int, number: int, check_steps: int) -> History:
    """One history, its checks raising."""
    chance = Random(f"{seed}/{number}")
    history = History(chance, check_steps)
    try:
        history.run(chance.randrange(5, STEPS_MAX))
    except Exception as error:
        steps = "\n".join(f"  {verb} {what}" for verb, what in history.told)
        raise AssertionError(f"history {number} of seed {seed}:\n{steps}\n{error!r}") from error
    return history


def play_many(seed: int, numbers: range, check_steps: int) -> Found:
    counts: Counter[str] = Counter()
    for number in numbers:
        try:
            counts.update(play(seed, number, check_steps).counts)
        except AssertionError:
            return Found(counts, traceback.format_exc(), number)
        counts["histories"] += 1
    return Found(counts)


def campaign(arguments: argparse.Namespace) -> int:
    began = time.perf_counter()
    numbers = range(arguments.first, arguments.first + arguments.histories)
    chunks = [numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK)]
    counts: Counter[str] = Counter()
    told_s = 0.0
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.processes, context, os.nice, (arguments.nice,)) as pool:
        waiting: set[Future[Found]] = set()
        while chunks or waiting:
            taken_s = time.perf_counter() - began
            if arguments.seconds and taken_s > arguments.seconds:
                chunks.clear()
            while chunks and len(waiting) < 2 * arguments.processes:
                waiting.add(pool.submit(play_many, arguments.seed, chunks.pop(0), arguments.check_steps))
            if not waiting:
                break
            done = next(as_completed(waiting))
            waiting.remove(done)
            found = done.result()
            counts.update(found.counts)
            if found.problem:
                pool.shutdown(cancel_futures=True)
                print(found.problem)
                again = f"--seed {arguments.seed} --first {found.number} --histories 1 --check-steps 1"
                print(f'FAILED; again: make history-campaign ARGS="{again}"')
                return 1
            if taken_s - told_s > 30:
                told_s = taken_s
                print(f"{counts['histories']} histories in {taken_s:.0f} s", flush=True)
    taken_s = time.perf_counter() - began
    for name, count in sorted(counts.items()):
        print(f"{name:20} {count:>12}")
    rate = counts["histories"] / taken_s
    print(f"{counts['histories']} histories of seed {arguments.seed} in {taken_s:.0f} s, {rate:.0f}/s: none differs")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make history-campaign")
    parser.add_argument("--histories", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first history")
    parser.add_argument("--seconds", type=float, default=0, help="begin no more after this time; 0: all")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--nice", type=int, default=10)
    parser.add_argument("--check-steps", type=int, default=7, help="the models are computed every so many steps")
    return campaign(parser.parse_args())
