"""When an account's day begins: once per local date, at the account's roll time in its time zone.

A roll time that a clock change leaves out falls by so much later as the clock was put forward; one that it repeats is
the first of the two.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dropcopyd.domain.account import Account
from dropcopyd.errors import Code, DropcopyError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Roll:
    """The beginning of one local date's day."""

    day: str
    at_ns: int


def check_day(time_zone: str, roll_time: str) -> None:
    """Raises DropcopyError (INVALID_ARGUMENT) for an unknown time zone, or a time that is not HH:MM."""
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DropcopyError(Code.INVALID_ARGUMENT, f"there is no time zone {time_zone!r}") from error
    try:
        datetime.strptime(roll_time, "%H:%M")  # noqa: DTZ007  a time of day
        is_short = len(roll_time) != len("HH:MM")
    except ValueError:
        is_short = True
    if is_short:
        raise DropcopyError(Code.INVALID_ARGUMENT, f"{roll_time!r} is not a time of day (HH:MM)")


def latest_roll(account: Account, now_ns: int) -> Roll:
    """The beginning of the account's current day."""
    day = _local_date(account, now_ns)
    at_ns = begins_ns(account, day)
    if at_ns > now_ns:
        day = day - _DAY
        at_ns = begins_ns(account, day)
    return Roll(day.isoformat(), at_ns)


def next_roll_ns(account: Account, now_ns: int) -> int:
    """When the account's next day begins; later than now."""
    day = _local_date(account, now_ns)
    at_ns = begins_ns(account, day)
    return at_ns if at_ns > now_ns else begins_ns(account, day + _DAY)


def _local_date(account: Account, at_ns: int) -> date:
    at = _EPOCH + timedelta(microseconds=at_ns // 1_000)
    return at.astimezone(ZoneInfo(account.time_zone)).date()


def begins_ns(account: Account, day: date) -> int:
    """When the account's day of a local date begins."""
    at = datetime.combine(day, time.fromisoformat(account.roll_time), ZoneInfo(account.time_zone))
    return (at.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1) * 1_000
