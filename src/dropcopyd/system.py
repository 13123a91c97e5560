"""The real clock, ids and failpoints: the ports that the operating system answers."""

import os
import re
import resource
import secrets
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SPEED: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?", re.ASCII)
_OPEN_FILES_MAX: Final = 1_048_576
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VARIANTS: Final = "89ab"
_SHIFTS: Final = tuple(range(0, 90, 5))
_DRAW_BYTES: Final = 16
_BLOCK_BYTES: Final = 256 * _DRAW_BYTES
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def allow_open_files() -> int:
    """Raise this process's limit of open files to the hard one: every stream may be a connection. Returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or soft < hard:
        wanted = _OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES_MAX)
        with suppress(ValueError, OSError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class SystemClock:
    """UTC from the system's clock; measuring from the monotonic one."""

    def now_ns(self) -> int:
        return time.time_ns()  # noqa: TID251  the one place

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class SetClock:
    """A clock that was set: it shows `start_ns` when it is made, and goes on `speed` times as fast as time does.

    What is measured stays in real time.
    """

    def __init__(self, start_ns: int, speed: Fraction) -> None:
        self._start_ns = start_ns
        self._speed = speed
        self._made_ns = self.monotonic_ns()

    def now_ns(self) -> int:
        passed_ns = self.monotonic_ns() - self._made_ns
        return self._start_ns + passed_ns * self._speed.numerator // self._speed.denominator

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


def parse_clock(text: str) -> tuple[int, Fraction]:
    """`START[@SPEED]`: START in RFC 3339, SPEED a multiple of real time (1 when left out). Raises ValueError."""
    start, _, speed = text.partition("@")
    try:
        moment = datetime.fromisoformat(start)
    except ValueError as error:
        raise ValueError(f"clock {text!r}: must be START[@SPEED], as in 2026-11-24T09:25:00-05:00@60") from error
    if moment.tzinfo is None:
        raise ValueError(f"clock {text!r}: the time needs an offset, as in 2026-11-24T09:25:00-05:00")
    if speed and not (_SPEED.fullmatch(speed) and Fraction(speed)):
        raise ValueError(f"clock {text!r}: the speed must be a number above zero and below 10000, as in @60")
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000, Fraction(speed or 1)


class RandomIds:
    """Ids nobody can guess or repeat.

    Their randomness is the system's, drawn for many ids at a time: during each draw another thread may take the
    interpreter, and an order needs three ids. No byte is used twice, not by two threads and not after a fork.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._block = b""
        self._used = 0
        self._process = 0

    def uuid(self) -> str:
        """A version 4 UUID (RFC 9562): 122 random bits."""
        drawn = self._draw()
        digits = drawn.hex()
        variant = _VARIANTS[drawn[8] & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def command_id(self) -> str:
        """18 characters of Crockford's base 32: 90 random bits; many venues cap client order ids at 20."""
        bits = int.from_bytes(self._draw())
        return "".join([_ALPHABET[bits >> shift & 31] for shift in _SHIFTS])

    def _draw(self) -> bytes:
        """16 random bytes that nobody else gets."""
        with self._lock:
            if self._used >= len(self._block) or self._process != os.getpid():
                self._block, self._used, self._process = os.urandom(_BLOCK_BYTES), 0, os.getpid()
            begin = self._used
            self._used = begin + _DRAW_BYTES
            return self._block[begin : self._used]

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
