"""The scenario of a scripted account: what happens to each of its orders. docs/paper.md describes the file.

A script is a list of steps. A scenario has scripts for the first orders that fit them, and one for all others.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from dropcopyd.domain import money
from dropcopyd.domain.order import OrderSide

SCRIPTS_MAX: Final = 10_000
STEPS_MAX: Final = 1_000
DELAY_MS_MAX: Final = Decimal(10**9)


class Do(StrEnum):
    """What a step does."""

    ACKNOWLEDGE = "acknowledge"
    REFUSE = "refuse"
    NO_ANSWER = "no_answer"
    LOSE = "lose"
    FILL = "fill"
    CANCEL = "cancel"
    RESTATE = "restate"
    DONE_FOR_DAY = "done_for_day"
    BUST = "bust"
    CORRECT = "correct"
    REPEAT = "repeat"
    AWAIT = "await"
    PEND = "pend"
    ACCEPT = "accept"
    DECLINE = "decline"


class Request(StrEnum):
    """What an `await` waits for."""

    CANCEL = "cancel"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step; `delay_ms` after the one before it, drawn between the two. `fill` counts the order's fills from 1."""

    do: Do
    delay_ms: tuple[Decimal, Decimal] = (money.ZERO, money.ZERO)
    quantity: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    fill: int = 0
    request: Request | None = None
    is_answered: bool = True
    reason_code: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What happens to one order that fits: `symbol` and `side` None fit any."""

    steps: tuple[Step, ...]
    symbol: str | None = None
    side: OrderSide | None = None
    is_repeated: bool = False
    """Whether any number of orders play it, not one alone."""

    def fits(self, symbol: str, side: OrderSide) -> bool:
        return self.symbol in (None, symbol) and self.side in (None, side)


ACKNOWLEDGED: Final = (Step(do=Do.ACKNOWLEDGE),)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole file."""

    scripts: tuple[Script, ...] = ()
    otherwise: tuple[Step, ...] = field(default=ACKNOWLEDGED)

    def script_of(self, symbol: str, side: OrderSide, used: Iterable[int]) -> tuple[int, tuple[Step, ...]]:
        """The first script that fits and is free, by its place; -1 for `otherwise`."""
        taken = set(used)
        for place, script in enumerate(self.scripts):
            if script.fits(symbol, side) and (script.is_repeated or place not in taken):
                return place, script.steps
        return -1, self.otherwise


def parse_scenario(text: str) -> Scenario:
    """A scenario from the text of its file. Raises ValueError that says where and what is wrong."""
    try:
        body = json.loads(text, parse_float=str, parse_int=int)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"the scenario is not JSON: {error}") from error
    members = _members(body, "the scenario", needed=(), optional=("orders", "otherwise"))
    scripts = _list(members.get("orders", []), "orders", SCRIPTS_MAX)
    return Scenario(
        tuple(_script(one, f"orders[{place}]") for place, one in enumerate(scripts)),
        _steps(members["otherwise"], "otherwise") if "otherwise" in members else ACKNOWLEDGED,
    )


def render_steps(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Steps as in a file."""
    return [_rendered(step) for step in steps]


def steps_from(rendered: list[dict[str, Any]]) -> tuple[Step, ...]:
    """The other way."""
    return tuple(_step(one, "a step") for one in rendered)


_MEMBERS: Final[Mapping[Do, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    Do.ACKNOWLEDGE: ((), ()),
    Do.REFUSE: (("reason",), ("reason_code",)),
    Do.NO_ANSWER: ((), ()),
    Do.LOSE: ((), ()),
    Do.FILL: ((), ("quantity", "price")),
    Do.CANCEL: ((), ("reason", "reason_code")),
    Do.RESTATE: ((), ("quantity", "price", "stop_price", "reason")),
    Do.DONE_FOR_DAY: ((), ()),
    Do.BUST: (("fill",), ("reason",)),
    Do.CORRECT: (("fill",), ("quantity", "price", "reason")),
    Do.REPEAT: ((), ()),
    Do.AWAIT: (("request",), ("answer",)),
    Do.PEND: ((), ()),
    Do.ACCEPT: ((), ()),
    Do.DECLINE: (("reason",), ("reason_code",)),
}
"""The members that a step needs and may have, beside `do` and `after_ms`."""
_OF_REQUESTS: Final = (Do.PEND, Do.ACCEPT, Do.DECLINE)


def _script(value: Any, place: str) -> Script:
    members = _members(value, place, needed=("steps",), optional=("when", "repeat"))
    when = _members(members.get("when", {}), f"{place}.when", needed=(), optional=("symbol", "side"))
    side = when.get("side")
    if side is not None and side not in set(OrderSide):
        raise ValueError(f"{place}.when.side: must be one of {', '.join(OrderSide)}")
    return Script(
        steps=_steps(members["steps"], f"{place}.steps"),
        symbol=_text(when.get("symbol"), f"{place}.when.symbol"),
        side=None if side is None else OrderSide(side),
        is_repeated=_flag(members.get("repeat", False), f"{place}.repeat"),
    )


def _steps(value: Any, place: str) -> tuple[Step, ...]:
    steps = tuple(_step(one, f"{place}[{number}]") for number, one in enumerate(_list(value, place, STEPS_MAX)))
    if not steps:
        raise ValueError(f"{place}: has no steps")
    has_request = False
    for number, step in enumerate(steps):
        here = f"{place}[{number}]"
        if step.do in (Do.NO_ANSWER, Do.LOSE) and number:
            raise ValueError(f"{here}: {step.do} is the first step of a script")
        if step.do is Do.REFUSE and any(before.do is not Do.NO_ANSWER for before in steps[:number]):
            raise ValueError(f"{here}: what was acknowledged is not refused any more; use cancel")
        if step.do in _OF_REQUESTS and not has_request:
            raise ValueError(f"{here}: {step.do} comes after an await")
        has_request = step.do is Do.AWAIT or (has_request and step.do not in (Do.ACCEPT, Do.DECLINE))
    if steps[0].do is Do.LOSE and len(steps) > 1:
        raise ValueError(f"{place}: nothing happens to an order that is lost on the way")
    return steps


def _step(value: Any, place: str) -> Step:
    if not isinstance(value, dict) or value.get("do") not in set(Do):
        raise ValueError(f"{place}: `do` must be one of {', '.join(Do)}")
    do = Do(value["do"])
    needed, optional = _MEMBERS[do]
    delays = () if do is Do.AWAIT else ("after_ms",)
    members = _members(value, place, needed=("do", *needed), optional=(*optional, *delays))
    request, fill = members.get("request"), members.get("fill", 0)
    if request is not None and request not in set(Request):
        raise ValueError(f"{place}.request: must be one of {', '.join(Request)}")
    if not isinstance(fill, int) or isinstance(fill, bool) or ("fill" in members and fill < 1):
        raise ValueError(f"{place}.fill: must be a whole number from 1 on")
    step = Step(
        do=do,
        delay_ms=_delay(members.get("after_ms", 0), f"{place}.after_ms"),
        quantity=_amount(members.get("quantity"), f"{place}.quantity"),
        price=_amount(members.get("price"), f"{place}.price"),
        stop_price=_amount(members.get("stop_price"), f"{place}.stop_price"),
        fill=fill,
        request=None if request is None else Request(request),
        is_answered=_flag(members.get("answer", True), f"{place}.answer"),
        reason_code=_text(members.get("reason_code"), f"{place}.reason_code"),
        reason=_text(members.get("reason"), f"{place}.reason"),
    )
    if do is Do.CORRECT and step.quantity is None and step.price is None:
        raise ValueError(f"{place}: a correction has a quantity or a price")
    return step


def _rendered(step: Step) -> dict[str, Any]:
    low, high = step.delay_ms
    body = {
        "do": step.do,
        "after_ms": [money.render(low), money.render(high)] if high else None,
        "quantity": None if step.quantity is None else money.render(step.quantity),
        "price": None if step.price is None else money.render(step.price),
        "stop_price": None if step.stop_price is None else money.render(step.stop_price),
        "fill": step.fill or None,
        "request": step.request,
        "answer": None if step.is_answered else False,
        "reason_code": step.reason_code,
        "reason": step.reason,
    }
    return {name: value for name, value in body.items() if value is not None}


# --- values -------------------------------------------------------------------------------------------------------


def _fault(place: str, rule: str) -> ValueError:
    return ValueError(f"{place}: {rule}")


def _members(value: Any, place: str, *, needed: tuple[str, ...], optional: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _fault(place, "must be an object")
    for name in needed:
        if name not in value:
            raise ValueError(f"{place}: lacks {name}")
    for name in value:
        if name not in (*needed, *optional):
            raise ValueError(f"{place}: has no {name!r}; known are {', '.join((*needed, *optional))}")
    return value


def _list(value: Any, place: str, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"{place}: must be a list of at most {most}")
    return value


def _text(value: Any, place: str) -> str | None:
    if value is not None and (not isinstance(value, str) or not 0 < len(value) <= 500 or not value.isprintable()):
        raise ValueError(f"{place}: must be a text of 1 to 500 printable characters")
    return value


def _flag(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise _fault(place, "must be true or false")
    return value


def _amount(value: Any, place: str) -> Decimal | None:
    """An amount above zero, as a text: an exact decimal."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise _fault(place, 'must be a decimal as text, such as "1.5"')
    try:
        amount = money.parse(value)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
    if amount <= 0:
        raise ValueError(f"{place}: must be above zero")
    return amount


def _delay(value: Any, place: str) -> tuple[Decimal, Decimal]:
    """Milliseconds, or the least and the most of them."""
    both = value if isinstance(value, list) else [value, value]
    try:
        low, high = (money.parse(str(one)) for one in both)
    except ValueError as error:
        raise ValueError(f"{place}: must be milliseconds, or the least and the most of them") from error
    if not 0 <= low <= high <= DELAY_MS_MAX:
        raise ValueError(f"{place}: must be from 0 to {DELAY_MS_MAX}, the least first")
    return low, high


def later(step: Step, delay_ms: Decimal) -> Step:
    """The step, so long after the one before it."""
    return replace(step, delay_ms=(delay_ms, delay_ms))
