"""GET .../metrics: what an account did in a range, summed while it happened."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import Response

from dropcopyd.domain import money
from dropcopyd.domain.account import Account, Scope
from dropcopyd.domain.day import begins_ns, latest_roll
from dropcopyd.domain.money import render
from dropcopyd.domain.tally import Leg, Tally, percentile_ns
from dropcopyd.record import Figures, Group, Wanted
from dropcopyd.rest import listing as lists
from dropcopyd.rest import metrics_schemas, openapi
from dropcopyd.rest.errors import parameter_error
from dropcopyd.rest.gate import Dependencies, admit, answer, query_parameter
from dropcopyd.rest.read import ACCOUNT, described_route
from dropcopyd.rest.times import render_time

Json = dict[str, Any]
_HOUR_NS: Final = 3_600_000_000_000
_DAYS_MAX: Final = 366
_DAY: Final = re.compile(r"(19[7-9][0-9]|2[01][0-9]{2})-[0-9]{2}-[0-9]{2}", re.ASCII)
_ZONE: Final = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}", re.ASCII)
_BY_DAY: Final = "day"
_GROUPS: Final = (_BY_DAY, *(group.value for group in Group))
_COUNTS: Final = (
    *("orders", "replaces", "cancels", "fills", "orders_traded", "orders_filled"),
    *("busts", "corrections"),
)
_PERCENTILES: Final = {"p50_ms": 500, "p90_ms": 900, "p99_ms": 990, "max_ms": 1000}
_KNOWN: Final = ("day", "since", "until", "time_zone", "group_by", "strategy_id", "symbol")


def _text(name: str, description: str, **schema: Any) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": {"type": "string", **schema}}


_PARAMETERS: Final = [
    openapi.ACCOUNT_ID,
    _text("day", "A day by its date; today when neither this nor a range is given.", format="date"),
    _text("since", "Begin of a range, a whole hour.", format="date-time"),
    _text("until", "End of a range, a whole hour; now, rounded up, when left out.", format="date-time"),
    _text("time_zone", "Whose days, such as America/New_York; those of the account when left out."),
    _text("group_by", "Told apart by this.", enum=list(_GROUPS)),
    _text("strategy_id", "Only this strategy.", minLength=1, maxLength=255, pattern=lists.TEXT_PATTERN),
    _text("symbol", "Only this symbol.", minLength=1, maxLength=255, pattern=lists.TEXT_PATTERN),
]


class MetricsRoutes:
    """GET /v1/accounts/{account_id}/metrics"""

    def __init__(self, dependencies: Dependencies) -> None:
        self._access = dependencies.access
        self._metrics = dependencies.record.metrics
        self._clock = dependencies.clock

    def router(self) -> APIRouter:
        """The route, described."""
        router = APIRouter(redirect_slashes=False)
        described_route(
            router,
            f"{ACCOUNT}/metrics",
            self.account_metrics,
            metrics_schemas.Metrics,
            openapi.ADMISSION_CODES,
            "Orders, fills, refusals, volume, fees, profit and latencies of a day or range",
            _PARAMETERS,
        )
        return router

    async def account_metrics(self, request: Request) -> Response:
        """The figures of a range, in groups where asked."""
        _, account = await admit(self._access, request, Scope.RECORDS_READ, *_KNOWN)
        asked = _read(request, account, self._clock.now_ns())
        found = await self._metrics.figures(account.account_id, [one for _, one in asked.ranges])
        content = {
            "account_id": account.account_id,
            "since": render_time(asked.ranges[0][1].since_ns),
            "until": render_time(asked.ranges[-1][1].until_ns),
            "complete_since": _complete_since(found),
            "data": [
                one
                for (day, _), figures in zip(asked.ranges, found, strict=True)
                for one in _groups(asked, day, figures)
            ],
        }
        return answer(content)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Ranges with the day that each is, if it is one."""

    ranges: Sequence[tuple[str | None, Wanted]]
    group_by: str | None


def _read(request: Request, account: Account, now_ns: int) -> _Asked:
    zone = query_parameter(request, "time_zone")
    calendar = account if zone is None else replace(account, time_zone=_zone(zone), roll_time="00:00")
    group_by = query_parameter(request, "group_by")
    if group_by is not None and group_by not in _GROUPS:
        raise parameter_error("group_by", f"must be one of {', '.join(_GROUPS)}")
    strategy_id, symbol = (_name(request, name) for name in ("strategy_id", "symbol"))
    group = None if group_by in (None, _BY_DAY) else Group(group_by)
    begin_ns, end_ns = _range(request, calendar, now_ns)
    whole = Wanted(since_ns=begin_ns, until_ns=end_ns, strategy_id=strategy_id, symbol=symbol, group=group)
    return _Asked(list(_days(whole, calendar)) if group_by == _BY_DAY else [(None, whole)], group_by)


def _range(request: Request, calendar: Account, now_ns: int) -> tuple[int, int]:
    """Begin and end of what is asked for: a day, today's when nothing is said, or a free range."""
    day = query_parameter(request, "day")
    since_ns, until_ns = (lists.time_parameter(request, name) for name in ("since", "until"))
    if day is not None and (since_ns is not None or until_ns is not None):
        raise parameter_error("day", "is a range already; leave out since and until")
    if since_ns is None and until_ns is not None:
        raise parameter_error("until", "needs since")
    if since_ns is None:
        first = _date(latest_roll(calendar, now_ns).day if day is None else day)
        return _begin_ns(first, calendar, "day"), _begin_ns(first + timedelta(days=1), calendar, "day")
    end_ns = -(-now_ns // _HOUR_NS) * _HOUR_NS if until_ns is None else until_ns
    for name, at_ns in (("since", since_ns), ("until", end_ns)):
        if at_ns % _HOUR_NS:
            raise parameter_error(name, "must be a whole hour")
    if since_ns > end_ns:
        raise parameter_error("until", "must not be before since")
    return since_ns, end_ns


def _days(whole: Wanted, calendar: Account) -> Sequence[tuple[str | None, Wanted]]:
    """The range cut where days begin."""
    found: list[tuple[str | None, Wanted]] = []
    at_ns = whole.since_ns
    while at_ns < whole.until_ns or not found:
        if len(found) == _DAYS_MAX:
            raise parameter_error("group_by", f"day: the range has more than {_DAYS_MAX} days")
        day = date.fromisoformat(latest_roll(calendar, at_ns).day)
        end_ns = max(at_ns, min(whole.until_ns, _begin_ns(day + timedelta(days=1), calendar, "time_zone")))
        found.append((day.isoformat(), replace(whole, since_ns=at_ns, until_ns=end_ns)))
        at_ns = end_ns
    return found


def _begin_ns(day: date, calendar: Account, name: str) -> int:
    at_ns = begins_ns(calendar, day)
    if at_ns % _HOUR_NS or at_ns < 0:
        raise parameter_error(name, "the day does not begin at a whole hour UTC; give since and until")
    return at_ns


def _date(text: str) -> date:
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError as error:
        raise parameter_error("day", "must be a day of the calendar from 1970 to 2199, such as 2026-01-02") from error


def _zone(name: str) -> str:
    try:
        if not _ZONE.fullmatch(name):
            raise ValueError
        ZoneInfo(name)
    except (LookupError, OSError, ValueError) as error:
        raise parameter_error("time_zone", "is no time zone; give a name such as America/New_York") from error
    return name


def _name(request: Request, name: str) -> str | None:
    text = query_parameter(request, name)
    return None if text is None else lists.Filter(name).read(text)


def _complete_since(found: Sequence[Figures]) -> str | None:
    since_ns = max(figures.complete_since_ns for figures in found)
    return render_time(since_ns) if since_ns else None


def _groups(asked: _Asked, day: str | None, figures: Figures) -> list[Json]:
    """The figures of each group; one that is not told apart is there even when nothing happened."""
    keys: set[str] = {*figures.tallies, *(figures.daily_pnl or {})}
    named: list[Json] = []
    for key in [""] if asked.group_by in (None, _BY_DAY) else sorted(keys):
        names: Json = {"day": day, "strategy_id": None, "asset_class": None, "symbol": None}
        if asked.group_by == Group.STRATEGY:
            names["strategy_id"] = key or None
        if asked.group_by == Group.SYMBOL:
            names["asset_class"], _, names["symbol"] = key.partition("|")
        daily = None if figures.daily_pnl is None else figures.daily_pnl.get(key, {})
        named.append({**names, **_figures(figures.tallies.get(key, Tally()), daily)})
    return named


def _figures(tally: Tally, daily: Mapping[str, Decimal | None] | None) -> Json:
    """`metrics_schemas.Figures`, without the group's names."""
    counts = tally.counts
    orders = counts["orders"]
    ratio = render(money.divide(Decimal(counts["orders_traded"]), Decimal(orders))) if orders else None
    fees, realized = _by(tally, "fees"), _by(tally, "realized_pnl")
    net = {
        currency: money.subtract(realized.get(currency, money.ZERO), fees.get(currency, money.ZERO))
        for currency in sorted({*fees, *realized})
    }
    return {
        **{name: counts[name] for name in _COUNTS},
        "fill_ratio": ratio,
        "refusals": {
            name.partition("|")[2]: count for name, count in sorted(counts.items()) if name.startswith("refused|")
        },
        "volume": render(tally.amounts.get("volume", money.ZERO)),
        "notional": _texts(_by(tally, "notional")),
        "fees": _texts(fees),
        "realized_pnl": _texts(realized),
        "net_pnl": _texts(net),
        "daily_pnl": None if daily is None else {one: _amount(daily[one]) for one in sorted(daily)},
        "latency": {leg.value: _latency(tally, leg) for leg in Leg},
    }


def _by(tally: Tally, name: str) -> dict[str, Decimal]:
    """A sum by currency."""
    prefix = f"{name}|"
    return {key.removeprefix(prefix): amount for key, amount in sorted(tally.amounts.items()) if key.startswith(prefix)}


def _texts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {currency: render(amount) for currency, amount in amounts.items()}


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else render(value)


def _latency(tally: Tally, leg: Leg) -> Json:
    prefix = f"leg|{leg}|"
    buckets = {int(name.removeprefix(prefix)): count for name, count in tally.counts.items() if name.startswith(prefix)}
    found: Json = {"count": sum(buckets.values())}
    for name, permille in _PERCENTILES.items():
        taken_ns = percentile_ns(buckets, permille)
        found[name] = None if taken_ns is None else render(Decimal(taken_ns).scaleb(-6))
    return found
