"""RFC 3339 times of the REST port: nanoseconds kept, always UTC on the way out."""

import calendar
import re
import time
from typing import Final

_NS: Final = 1_000_000_000
_MINUTE_S: Final = 60
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
_LAST_NS: Final = 2**63 - 1
"""Nanoseconds since 1970 are kept in 64 bits: until April 2262."""
_RULE: Final = "must be an RFC 3339 time with an offset, such as 2026-01-02T15:04:05Z, from 1970 until 2262"


def render_time(at_ns: int) -> str:
    """Nanoseconds UTC as RFC 3339 with nine decimals and Z, so that texts sort as times do."""
    seconds, nanoseconds = divmod(at_ns, _NS)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09d}Z"


def parse_time(text: str) -> int:
    """Nanoseconds UTC of an RFC 3339 time with at most nine decimals. Raises ValueError in the user's words."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(_RULE)
    year, month, day, hour, minute, second = (int(match[group]) for group in range(1, 7))
    if not (1 <= month <= 12 and year >= 1 and 1 <= day <= calendar.monthrange(year, month)[1]):
        raise ValueError("must be a day of the calendar")
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    if match[8]:
        offset_s = (int(match[9]) * _MINUTE_S + int(match[10])) * _MINUTE_S
        seconds += offset_s if match[8] == "-" else -offset_s
    at_ns = seconds * _NS + int((match[7] or "").ljust(9, "0"))
    if not 0 <= at_ns <= _LAST_NS:
        raise ValueError(_RULE)
    return at_ns
