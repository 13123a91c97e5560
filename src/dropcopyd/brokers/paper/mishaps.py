"""What goes wrong at a broker without anybody's fault: busts, corrections, fills that crossed a cancel. Pure.

Drawn from the account's seed and what it happens to; each is a step that comes later, and survives a restart.
"""

from decimal import Decimal

from dropcopyd.brokers.chance import draw, happens
from dropcopyd.brokers.paper.market import tick_of
from dropcopyd.brokers.paper.plan import Parameters, Plan
from dropcopyd.brokers.paper.records import Execution, PaperOrder, amount_of, steps_of
from dropcopyd.brokers.paper.rules import limit_of
from dropcopyd.brokers.paper.scenario import Do, Step
from dropcopyd.domain import money
from dropcopyd.domain.instrument import Instrument


def may_amend(parameters: Parameters) -> bool:
    """Whether executions of the account may be busted or corrected at all."""
    return bool(parameters.bust_chance or parameters.correction_chance)


def amendment_of(plan: Plan, instrument: Instrument, execution: Execution) -> Step | None:
    """What becomes of an execution later; None for nothing."""
    parameters, name = plan.parameters, execution.number
    delay = _delay(plan, "mishap delay", name)
    if happens(parameters.bust_chance, draw(plan.seed, "bust", name)):
        return Step(do=Do.BUST, fill=1, reason="clearly erroneous", delay_ms=delay)
    if not happens(parameters.correction_chance, draw(plan.seed, "correction", name)):
        return None
    tick, is_up = tick_of(instrument), draw(plan.seed, "correction side", name) % 2
    price = money.add(execution.price, tick) if is_up else money.subtract(execution.price, tick)
    if price <= 0:
        price = money.add(execution.price, tick)
    return Step(do=Do.CORRECT, fill=1, price=price, reason="reported at a wrong price", delay_ms=delay)


def late_fill_of(plan: Plan, order: PaperOrder) -> Step | None:
    """The fill that was under way when a resting limit order was cancelled; None for none."""
    limit, name = limit_of(order.terms), order.number
    if limit is None or not happens(plan.parameters.late_fill_chance, draw(plan.seed, "late fill", name)):
        return None
    left = money.subtract(order.terms.quantity, order.filled_quantity)
    increment = order.instrument.quantity_increment or min(left, money.ONE)
    steps = steps_of(left, increment)
    if not steps:
        return None
    quantity = amount_of(1 + draw(plan.seed, "late quantity", name) % steps, increment)
    return Step(do=Do.FILL, quantity=quantity, price=limit, delay_ms=_delay(plan, "late delay", name))


def _delay(plan: Plan, purpose: str, name: int) -> tuple[Decimal, Decimal]:
    """Drawn here, once: at least a millisecond, so that it is later."""
    most = max(1, int(plan.parameters.mishap_delay_ms))
    delay = Decimal(1 + draw(plan.seed, purpose, name) % most)
    return delay, delay
