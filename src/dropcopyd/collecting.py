"""The interpreter's collector of reference cycles, out of the way of what is under way.

Nearly everything here is freed by its count of references, and a collection stops the process for 250 to 550 ns for
each object that it looks at: a fifth of a second for what a minute of orders leaves in memory, which is live. So only
what is new is looked at while there is work, a little at a time, and the rest once the process has nothing to do.
"""

import asyncio
import gc
import time
from collections.abc import Callable
from typing import Final

_NEW_OBJECTS: Final = 5_000
"""More than were freed, until the new ones are looked at."""
_BUSY_COLLECTIONS_MAX: Final = 1_000
"""Of new objects, until all that they left is looked at although the process is never quiet."""
_BUSY_LEFT_MAX: Final = 100
"""Of what they left, until everything is looked at although the process is never quiet."""
_DUE_COLLECTIONS: Final = 10
"""Of new objects, until a quiet moment is used for what they left; of that, until one is used for everything."""
_LOOK_S: Final = 1.0
_QUIET: Final = 0.2
"""At most this share of a processor."""


def tune_collector() -> None:
    """Look at new objects alone, and never again at what is loaded now; to be called once all is up.

    With ten thousand streams open a full collection stops every stream for most of a second, and by the interpreter's
    own thresholds their arrival alone causes several.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, _BUSY_COLLECTIONS_MAX, _BUSY_LEFT_MAX)


async def collect_when_quiet(cpu_s: Callable[[], float] = time.process_time, look_s: float = _LOOK_S) -> None:
    """For ever: when this process has done little for `look_s`, look at what the collections of new objects left."""
    while True:
        before_s = cpu_s()
        await asyncio.sleep(look_s)
        _, of_new, of_left = gc.get_count()
        if cpu_s() - before_s <= _QUIET * look_s and of_new >= _DUE_COLLECTIONS:
            gc.collect(2 if of_left >= _DUE_COLLECTIONS else 1)
