"""Where orders are in their scripts: records, and how the book keeps them."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dropcopyd.brokers.paper.scenario import Step, render_steps, steps_from
from dropcopyd.domain import money
from dropcopyd.domain.order import ActionType, OrderTerms, OrderType, TimeInForce
from dropcopyd.domain.report import Fee, OrderReport


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A replace or cancel that is not decided yet."""

    command_id: str
    action_type: ActionType
    terms: OrderTerms


@dataclass(frozen=True, slots=True)
class RunFill:
    """A fill with its figures in force. `exec_id` is what an amendment names; `amended` counts the amendments."""

    number: int
    exec_id: str
    quantity: Decimal
    price: Decimal
    trade_date: str
    fees: tuple[Fee, ...] = ()
    amended: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One order in its script. `name` is its first command's id, or what made a run without a scenario.

    `script` is the place in the scenario (-1: none of them). `step` is the next one, `due_ns` its time, None while
    that is not settled. `requests` wait to be awaited, `request` is awaited and not decided.
    """

    name: str
    account_id: str
    script: int
    steps: tuple[Step, ...]
    step: int = 0
    order_number: int | None = None
    due_ns: int | None = None
    requests: tuple[OpenRequest, ...] = ()
    request: OpenRequest | None = None
    fills: tuple[RunFill, ...] = ()
    last: OrderReport | None = None
    """What was told last of the order."""
    is_script: bool = True

    @property
    def is_over(self) -> bool:
        return self.step >= len(self.steps)


def run_body(run: Run, last: str) -> str:
    """A run as stored; `last` is its last report as stored. Of one that is over nothing is needed any more."""
    if run.is_over:
        return ""
    body = {
        "steps": render_steps(run.steps),
        "step": run.step,
        "due_ns": run.due_ns,
        "requests": [_rendered(one) for one in run.requests],
        "request": None if run.request is None else _rendered(run.request),
        "fills": [_rendered_fill(one) for one in run.fills],
        "last": last,
        "is_script": run.is_script,
    }
    return json.dumps(body, separators=(",", ":"))


def run_from(name: str, account_id: str, script: int, order_number: int, body: str) -> tuple[Run, str]:
    """The other way; the last report is still as it was stored."""
    values: dict[str, Any] = json.loads(body)
    last: str = values.pop("last")
    values["steps"] = steps_from(values["steps"])
    values["requests"] = tuple(_request_from(one) for one in values["requests"])
    if values["request"] is not None:
        values["request"] = _request_from(values["request"])
    values["fills"] = tuple(_fill_from(one) for one in values["fills"])
    return Run(name=name, account_id=account_id, script=script, order_number=order_number, **values), last


_PRICES = ("limit_price", "stop_price", "trail_amount", "trail_percent")


def _rendered(request: OpenRequest) -> dict[str, Any]:
    terms = request.terms
    prices = {name: getattr(terms, name) for name in _PRICES}
    return {
        "command_id": request.command_id,
        "action_type": request.action_type,
        "order_type": terms.order_type,
        "time_in_force": terms.time_in_force,
        "quantity": money.render(terms.quantity),
        **{name: None if price is None else money.render(price) for name, price in prices.items()},
    }


def _request_from(values: dict[str, Any]) -> OpenRequest:
    prices = {name: None if values[name] is None else Decimal(values[name]) for name in _PRICES}
    terms = OrderTerms(
        order_type=OrderType(values["order_type"]),
        quantity=Decimal(values["quantity"]),
        time_in_force=TimeInForce(values["time_in_force"]),
        **prices,
    )
    return OpenRequest(values["command_id"], ActionType(values["action_type"]), terms)


def _rendered_fill(fill: RunFill) -> list[Any]:
    fees = [[fee.kind, money.render(fee.amount), fee.currency] for fee in fill.fees]
    figures = (money.render(fill.quantity), money.render(fill.price))
    return [fill.number, fill.exec_id, *figures, fill.trade_date, fees, fill.amended]


def _fill_from(values: list[Any]) -> RunFill:
    number, exec_id, quantity, price, trade_date, fees, amended = values
    told = tuple(Fee(kind, Decimal(amount), currency) for kind, amount, currency in fees)
    return RunFill(number, exec_id, Decimal(quantity), Decimal(price), trade_date, told, amended)
