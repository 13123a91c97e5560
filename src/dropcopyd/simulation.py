"""Time at any speed: an event loop whose time jumps to the next thing to do, and the clock that shows it.

Whatever waits in this loop waits no real time: a month of sessions takes as long as what happens in them. Work that
the loop hands to threads is done in place; whoever has a thread of its own registers a probe (`watch`), and neither
does time pass nor does anything else happen while one of them has work. So the same start and the same inputs give
the same run. For programs without sockets: what comes from outside does not wait for the simulation.
"""

import asyncio
import selectors
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

_Result = TypeVar("_Result")
_NS: Final = 1_000_000_000
_LOOK_S: Final = 0.0001
"""How often to look whether a thread is at rest. Longer would be waited for, oftener would take the thread's turns."""
_IDLE_S: Final = 0.05
_RESOLUTION_S: Final = 1e-6
"""Above the spacing of floats for centuries, or a timer due now would never be."""


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for threads that work, then lets time jump instead of waiting."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        while self.loop.is_busy():
            time.sleep(_LOOK_S)
        events: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if self.loop.take_from_threads() or events:
            return events
        if timeout is None:  # nobody waits for time: for a signal, then
            return super().select(_IDLE_S)
        self.loop.jump(timeout)
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, which begins at 0 s."""

    def __init__(self) -> None:
        self._virtual_s = 0.0
        self._probes: list[Callable[[], bool]] = []
        self._from_threads: dict[str, list[asyncio.Handle]] = {}
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)
        self._clock_resolution = _RESOLUTION_S

    def time(self) -> float:
        return self._virtual_s

    def jump(self, seconds: float) -> None:
        """Let so much time have passed."""
        self._virtual_s += seconds

    def watch(self, has_work: Callable[[], bool]) -> None:
        """Time stands still while this is so: a thread that will call back has work."""
        self._probes.append(has_work)

    def is_busy(self) -> bool:
        return any(probe() for probe in self._probes)

    def call_soon_threadsafe(  # type: ignore[override]  # the type of its arguments is the callback's business
        self, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """From a thread: runs in the turn after all threads are at rest, so that their speed decides nothing."""
        handle = asyncio.Handle(callback, args, self, context)
        self._from_threads.setdefault(threading.current_thread().name, []).append(handle)
        self._write_to_self()  # type: ignore[attr-defined]  # the loop's own way to wake itself
        return handle

    def take_from_threads(self) -> bool:
        """Make what threads have handed over ready to run, thread by thread; whether there was anything."""
        waiting, self._from_threads = self._from_threads, {}
        for _, handles in sorted(waiting.items()):
            self._ready.extend(handles)  # type: ignore[attr-defined]  # as call_soon does, without its debug checks
        return bool(waiting)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]  # noqa: ARG002 - nobody else's thread
        """In place, at once."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits
            future.set_exception(error)
        return future


class SimulatedClock:
    """The `Clock` port over a virtual loop."""

    def __init__(self, loop: VirtualLoop, start_ns: int) -> None:
        """`start_ns`: what the clock shows at the loop's time 0."""
        self._loop = loop
        self._start_ns = start_ns

    def now_ns(self) -> int:
        return self._start_ns + self.monotonic_ns()

    def monotonic_ns(self) -> int:
        return round(self._loop.time() * _NS)


def run_simulated(main: Callable[[VirtualLoop], Coroutine[Any, Any, _Result]]) -> _Result:
    """Run a program to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        if not isinstance(loop, VirtualLoop):
            raise TypeError("the runner makes the loop it was asked for")
        return runner.run(main(loop))
