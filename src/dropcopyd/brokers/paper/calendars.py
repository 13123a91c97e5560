"""Exchange calendars, read from the library when they are first needed: importing it takes more than a second."""

import warnings
from collections.abc import Iterable
from typing import Final

_NS_PER_S: Final = 1_000_000_000


def load_sessions(calendar: str, first_year: int, last_year: int) -> tuple[tuple[str, int, int], ...]:
    """(trade date, open, close) of each session of whole years, ascending. Blocks for the first import.

    Raises ValueError for a calendar that the library does not have.
    """
    import exchange_calendars

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its next version must change is not our user's business
        check_calendars([calendar])
        found = exchange_calendars.get_calendar(calendar, start=f"{first_year}-01-01", end=f"{last_year}-12-31")
    return tuple(
        (label.strftime("%Y-%m-%d"), _ns(opened), _ns(closed))
        for label, opened, closed in zip(
            found.schedule.index, found.schedule["open"], found.schedule["close"], strict=True
        )
    )


def check_calendars(names: Iterable[str]) -> None:
    """Raises ValueError for one that the library does not have."""
    import exchange_calendars

    known = exchange_calendars.get_calendar_names()
    for name in names:
        if name not in known:
            raise ValueError(f"there is no exchange calendar {name!r}")


def _ns(moment: object) -> int:
    return int(moment.timestamp()) * _NS_PER_S  # type: ignore[attr-defined]  # a pandas Timestamp, whole minutes
