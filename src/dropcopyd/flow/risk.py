"""What is at risk in accounts beside an order, and what a flatten lets leave."""

from collections.abc import Iterable

from dropcopyd.domain import money
from dropcopyd.domain.command import Command
from dropcopyd.domain.controls import ControlScope, Objection, Risk
from dropcopyd.domain.flatten import Flatten
from dropcopyd.domain.instrument import Instrument, key_of
from dropcopyd.domain.order import OrderSide
from dropcopyd.flow.ownership import Actor


def risk_of(actors: Iterable[Actor], instrument: Instrument, order_id: str | None) -> Risk:
    """The sum over accounts in an instrument, one order left out."""
    key = key_of(instrument)
    position = buys = sells = money.ZERO
    open_orders = 0
    for actor in actors:
        exposure = actor.exposure
        held = actor.state.positions.get(key)  # what is held is always in memory
        if held is not None:
            position = money.add(position, held.quantity)
        if exposure.has(key):
            others = exposure.of(key, order_id)
            buys, sells = money.add(buys, others[0]), money.add(sells, others[1])
        open_orders += exposure.open_orders
        if order_id is not None and exposure.is_open(order_id):
            open_orders -= 1
    return Risk(position=position, buys=buys, sells=sells, open_orders=open_orders)


def flattening(flatten: Flatten) -> Objection:
    """Why an account takes no orders while it is flattened."""
    text = "the account is being flattened"
    return Objection(ControlScope.ACCOUNT, flatten.account_id, "flattening", "false", "true", text)


def objection_to_closing(actor: Actor, flatten: Flatten, command: Command) -> Objection | None:
    """While an account is flattened only its closing orders leave, as long as they only reduce."""
    if command.principal_id != flatten.closer:
        return flattening(flatten)
    instrument = command.instrument
    risk = risk_of([actor], instrument, command.order_id)
    is_towards_zero = (command.order_side is OrderSide.BUY) == (risk.position < 0)
    if is_towards_zero and command.terms.quantity <= money.magnitude(risk.position) and not risk.has_orders:
        return None
    held = money.render(risk.position)
    text = f"the order would not only reduce what is held, now {held}"
    return Objection(ControlScope.ACCOUNT, flatten.account_id, "is_reduce_only", "true", held, text)
