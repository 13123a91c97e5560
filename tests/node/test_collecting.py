"""The collector of reference cycles: new objects while there is work, what they left in a quiet moment."""

import asyncio
import contextlib
import gc
import itertools
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dropcopyd import collecting
from dropcopyd.collecting import collect_when_quiet, tune_collector
from tests.support.node import running, until

LOOK_S = 0.01
PROGRAM = """
import gc, os, signal, sys
from dropcopyd import cli, config

def ready(_):
    print(gc.get_freeze_count() > 0, gc.get_threshold()[0], file=sys.stderr)
    os.kill(os.getpid(), signal.SIGTERM)

settings = config.load(None, data=sys.argv[1], rest_port=0, grpc_port=0, log_level="error")
cli._run(settings, ready)
"""


class Ring:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def ring() -> Iterator[weakref.ref[Ring]]:
    """One that nothing else refers to, and that the collections of new objects have not freed: it was in use then."""
    before = gc.get_threshold()
    gc.collect()
    gc.set_threshold(1_000_000, 1_000, 100)
    found = Ring()
    for _ in range(collecting._DUE_COLLECTIONS):
        gc.collect(0)
    weakly = weakref.ref(found)
    del found
    yield weakly
    gc.set_threshold(*before)


async def look(cpu_s: Callable[[], float], looks: int = 20) -> None:
    """Let it look so many times."""
    task = asyncio.create_task(collect_when_quiet(cpu_s, LOOK_S))
    await asyncio.sleep(looks * LOOK_S)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_quiet_moment_is_used(ring: weakref.ref[Ring]) -> None:
    await look(lambda: 0.0)
    assert ring() is None


async def test_there_is_none_while_there_is_work(ring: weakref.ref[Ring]) -> None:
    busy = itertools.count()
    await look(lambda: next(busy) * LOOK_S)
    assert next(busy) > 2
    assert ring() is not None


async def test_little_is_left_to_the_next_time(ring: weakref.ref[Ring]) -> None:
    gc.collect(1)
    again = Ring()
    gc.collect(0)
    weakly = weakref.ref(again)
    del again
    await look(lambda: 0.0)
    assert ring() is None
    assert weakly() is not None


def test_what_is_loaded_is_never_looked_at_again() -> None:
    before = gc.get_threshold()
    frozen = gc.get_freeze_count()
    try:
        tune_collector()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold() > before
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
    assert frozen == 0


async def test_what_was_left_again_and_again_is_looked_at_seldom(ring: weakref.ref[Ring]) -> None:
    mine = ring()
    for _ in range(collecting._DUE_COLLECTIONS - 1):
        gc.collect(1)
    del mine
    for _ in range(2):
        assert ring() is not None
        for _ in range(collecting._DUE_COLLECTIONS):
            gc.collect(0)
        await look(lambda: 0.0)
    assert ring() is None


async def test_a_ring_in_use_is_left_alone(ring: weakref.ref[Ring]) -> None:
    mine = ring()
    await look(lambda: 0.0)
    assert ring() is mine is not None


async def test_a_node_uses_its_quiet_moments(ring: weakref.ref[Ring], tmp_path: Path) -> None:
    async def is_freed() -> bool:
        return ring() is None

    async with running(tmp_path):
        await until(is_freed)


def test_the_program_tunes_it_once_all_is_up(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.splitlines()[-1] == f"True {collecting._NEW_OBJECTS}"
