"""What is at risk in accounts beside an order, and what a flatten lets leave."""

from dropcopyd.domain import money
from dropcopyd.domain.command import Command
from dropcopyd.domain.controls import ControlScope, Objection, Risk
from dropcopyd.domain.flatten import Flatten
from dropcopyd.domain.instrument import Instrument, key_of
from dropcopyd.domain.order import OrderSide
from dropcopyd.flow.ownership import Actor


def risk_of(actor: Actor, instrument: Instrument, order_id: str | None) -> Risk:
    """What an account has in an instrument, one of its orders left out."""
    key, exposure = key_of(instrument), actor.exposure
    held = actor.state.positions.get(key)  # what is held is always in memory
    buys, sells = exposure.of(key, order_id)
    is_counted = exposure.line(order_id) is not None
    position = money.ZERO if held is None else held.quantity
    return Risk(position=position, buys=buys, sells=sells, open_orders=exposure.open_orders - is_counted)


def pooled_risk_of(actor: Actor, instrument: Instrument, order_id: str | None) -> Risk:
    """The sum over all accounts of an account's organization, one of the account's orders left out."""
    key, pool = key_of(instrument), actor.exposure.pool
    line = actor.exposure.line(order_id)
    buys, sells = pool.sides.without(key, line)
    open_orders = pool.open_count - (line is not None)
    return Risk(position=pool.position(key), buys=buys, sells=sells, open_orders=open_orders)


def flattening(flatten: Flatten) -> Objection:
    """Why an account takes no orders while it is flattened."""
    text = "the account is being flattened"
    return Objection(ControlScope.ACCOUNT, flatten.account_id, "flattening", "false", "true", text)


def objection_to_closing(actor: Actor, flatten: Flatten, command: Command) -> Objection | None:
    """While an account is flattened only its closing orders leave, as long as they only reduce."""
    if command.principal_id != flatten.closer:
        return flattening(flatten)
    instrument = command.instrument
    risk = risk_of(actor, instrument, command.order_id)
    is_towards_zero = (command.order_side is OrderSide.BUY) == (risk.position < 0)
    if is_towards_zero and command.terms.quantity <= money.magnitude(risk.position) and not risk.has_orders:
        return None
    held = money.render(risk.position)
    text = f"the order would not only reduce what is held, now {held}"
    return Objection(ControlScope.ACCOUNT, flatten.account_id, "is_reduce_only", "true", held, text)
