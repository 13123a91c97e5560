"""Virtual time: nothing waits, order is kept, threads are waited for."""

import asyncio
import queue
import threading

from dropcopyd.simulation import SimulatedClock, VirtualLoop, run_simulated


def test_a_year_of_sleep_takes_no_time_and_wakes_in_order() -> None:
    woken: list[tuple[str, int]] = []

    async def main(loop: VirtualLoop) -> None:
        clock = SimulatedClock(loop, 1_000)

        async def sleeper(name: str, days: int) -> None:
            await asyncio.sleep(days * 86_400)
            woken.append((name, clock.now_ns()))

        await asyncio.gather(sleeper("late", 365), sleeper("early", 1))

    run_simulated(main)
    assert woken == [("early", 1_000 + 86_400 * 10**9), ("late", 1_000 + 365 * 86_400 * 10**9)]


def test_a_deadline_passes_in_virtual_time() -> None:
    async def main(loop: VirtualLoop) -> float:
        try:
            async with asyncio.timeout(3_600):
                await asyncio.Event().wait()
        except TimeoutError:
            return loop.time()
        return 0.0

    assert run_simulated(main) == 3_600


def test_time_stands_still_while_a_thread_works() -> None:
    """The thread answers when it likes; in virtual time it has taken none."""

    async def main(loop: VirtualLoop) -> list[float]:
        asked: queue.SimpleQueue[asyncio.Future[None] | None] = queue.SimpleQueue()
        counts = {"asked": 0, "told": 0}

        def work() -> None:
            while (future := asked.get()) is not None:
                threading.Event().wait(0.01)
                loop.call_soon_threadsafe(future.set_result, None)
                counts["told"] += 1

        thread = threading.Thread(target=work)
        thread.start()
        loop.watch(lambda: counts["asked"] != counts["told"])
        answered: list[float] = []
        ticking = asyncio.ensure_future(_tick())
        for _ in range(5):
            future: asyncio.Future[None] = loop.create_future()
            counts["asked"] += 1
            asked.put(future)
            await future
            answered.append(loop.time())
        ticking.cancel()
        asked.put(None)
        thread.join()
        return answered

    assert run_simulated(main) == [0.0] * 5


async def _tick() -> None:
    while True:
        await asyncio.sleep(0.001)


def test_work_for_an_executor_is_done_in_place() -> None:
    async def main(_loop: VirtualLoop) -> int:
        return await asyncio.to_thread(threading.get_ident)

    assert run_simulated(main) == threading.get_ident()
