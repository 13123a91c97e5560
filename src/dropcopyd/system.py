"""The real clock, ids and failpoints: the ports that the operating system answers."""

import gc
import os
import resource
import secrets
import signal
import time
import uuid
from collections import Counter
from contextlib import suppress
from typing import Final

_OPEN_FILES_MAX: Final = 1_048_576
_COLLECTOR_THRESHOLDS: Final = (20_000, 20, 100)
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def allow_open_files() -> int:
    """Raise this process's limit of open files to the hard one: every stream may be a connection. Returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or soft < hard:
        wanted = _OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES_MAX)
        with suppress(ValueError, OSError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def tune_collector() -> None:
    """Look for reference cycles more seldom, and never again in what is loaded now; to be called once all is up.

    With ten thousand streams open a full collection stops every stream for most of a second, and by the interpreter's
    own thresholds their arrival alone causes several. Nearly everything here is freed by its count of references.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTOR_THRESHOLDS)


class SystemClock:
    """UTC from the system's clock; measuring from the monotonic one."""

    def now_ns(self) -> int:
        return time.time_ns()  # noqa: TID251  the one place

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class RandomIds:
    """Ids nobody can guess or repeat."""

    def uuid(self) -> str:
        return str(uuid.uuid4())  # noqa: TID251  the one place

    def command_id(self) -> str:
        """18 characters of Crockford's base 32: 90 random bits; many venues cap client order ids at 20."""
        bits = secrets.randbits(90)
        return "".join(_ALPHABET[bits >> shift & 31] for shift in range(0, 90, 5))

    def secret(self) -> str:
        """40 letters and digits: 238 random bits."""
        return "".join(secrets.choice(_LETTERS) for _ in range(40))  # rare: one for each key


class NoFailpoints:
    """Production: nothing strikes."""

    def reached(self, point: str) -> None:
        """Go on."""


class KillAt:
    """A fault campaign: kills this process (SIGKILL, as a power cut would) when a point is reached for the n-th time.

    Written `POINT` or `POINT:N`; see docs/faults.md for the points.
    """

    def __init__(self, text: str) -> None:
        self._point, _, count = text.partition(":")
        self._count = int(count or 1)
        self._reached: Counter[str] = Counter()

    def reached(self, point: str) -> None:
        """Die here, if this is the place and the time."""
        if point != self._point:
            return
        self._reached[point] += 1
        if self._reached[point] == self._count:
            os.kill(os.getpid(), signal.SIGKILL)
