"""How much of an order trades, by its account's profile: participation, queue, partial fills, fees. Pure."""

from dataclasses import replace
from decimal import Decimal

from dropcopyd.brokers.chance import between, draw, happens
from dropcopyd.brokers.paper.plan import Parameters, Plan, Profile
from dropcopyd.brokers.paper.records import PaperOrder, QueuePlace, Quote, amount_of, steps_of
from dropcopyd.brokers.paper.rules import is_all_or_nothing, limit_of
from dropcopyd.domain import money
from dropcopyd.domain.instrument import AssetClass, Instrument, value_of
from dropcopyd.domain.order import OrderSide
from dropcopyd.domain.report import Fee, Liquidity

COMMISSION = "COMMISSION"


def displayed_to(side: OrderSide, quote: Quote) -> Decimal:
    """The size that an order of that side finds."""
    return quote.ask_size if side is OrderSide.BUY else quote.bid_size


def tradable(plan: Plan, order: PaperOrder, quote: Quote) -> Decimal:
    """How much of the order's leaves trades with the quote that it has reached, in whole quantity increments."""
    return _part(plan, order, displayed_to(order.side, quote))


def tradable_at_rest(
    plan: Plan, order: PaperOrder, quote: Quote, place: QueuePlace | None
) -> tuple[Decimal, QueuePlace | None]:
    """The same for an order that rested, behind its queue; and its place after that.

    A quote at the limit brings its displayed size as traded volume: first to the queue, then to the order. A quote
    beyond the limit has traded through everything that was ahead.
    """
    if place is None or not place.ahead:
        return tradable(plan, order, quote), place
    limit = limit_of(order.terms)
    price = quote.ask if order.side is OrderSide.BUY else quote.bid
    if limit is None or price != limit:
        return tradable(plan, order, quote), replace(place, ahead=money.ZERO)
    volume = displayed_to(order.side, quote)
    worked_off = min(volume, place.ahead)
    place = replace(place, ahead=money.subtract(place.ahead, worked_off))
    return _part(plan, order, money.subtract(volume, worked_off)), place


def place_of(plan: Plan, order: PaperOrder, quote: Quote | None) -> QueuePlace | None:
    """Where a limit order that comes to rest joins the queue; None where its profile has none.

    Inside the spread nobody is ahead. At the best price, and behind it, a part of the size displayed there is.
    """
    limit, parameters = limit_of(order.terms), plan.parameters
    if limit is None or not parameters.queue_most:
        return None
    if quote is None:
        return QueuePlace(order.priority, money.ZERO)
    is_buy = order.side is OrderSide.BUY
    if limit > quote.bid if is_buy else limit < quote.ask:
        return QueuePlace(order.priority, money.ZERO)
    number = draw(plan.seed, "queue", order.number, order.priority)
    part = between(parameters.queue_least, parameters.queue_most, number)
    displayed = quote.bid_size if is_buy else quote.ask_size
    return QueuePlace(order.priority, money.round_half_even(money.multiply(displayed, part)))


def consumes(plan: Plan) -> bool:
    """Whether what trades is taken from the displayed size."""
    return plan.profile not in (Profile.INSTANT, Profile.SCRIPTED)


def fees_of(
    plan: Plan, instrument: Instrument, quantity: Decimal, price: Decimal, liquidity: Liquidity
) -> tuple[Fee, ...]:
    """What a fill costs, in the instrument's currency; none where it is nothing."""
    per_unit, rate = _tariff(plan.parameters, instrument.asset_class, is_maker=liquidity is Liquidity.ADDED)
    amount = money.multiply(per_unit, quantity)
    if rate:
        value = money.magnitude(value_of(instrument, quantity, price))
        amount = money.add(amount, money.multiply(rate, value))
    amount = money.round_half_even(amount)
    return (Fee(COMMISSION, amount, instrument.currency),) if amount else ()


def _tariff(parameters: Parameters, asset_class: AssetClass, *, is_maker: bool) -> tuple[Decimal, Decimal]:
    """Per unit, and per value."""
    zero = money.ZERO
    match asset_class:
        case AssetClass.EQUITY:
            return parameters.equity_fee_per_unit, zero
        case AssetClass.OPTION:
            return parameters.option_fee_per_unit, zero
        case AssetClass.FUTURE:
            return parameters.future_fee_per_unit, zero
        case AssetClass.CURRENCY:
            return zero, parameters.currency_fee_rate
        case AssetClass.CRYPTO:
            return zero, parameters.crypto_maker_fee_rate if is_maker else parameters.crypto_taker_fee_rate
        case AssetClass.PERPETUAL:
            return zero, parameters.perpetual_maker_fee_rate if is_maker else parameters.perpetual_taker_fee_rate
        case AssetClass.PREDICTION:
            return zero, parameters.prediction_fee_rate


def _part(plan: Plan, order: PaperOrder, displayed: Decimal) -> Decimal:
    leaves = order.leaves_quantity
    if plan.profile is Profile.INSTANT:
        return leaves
    parameters, increment = plan.parameters, order.instrument.quantity_increment
    share = displayed
    if parameters.participation != money.ONE:
        share = money.multiply(displayed, parameters.participation)
        if increment is not None and displayed >= increment:
            share = max(share, increment)  # a market of single units trades, too
    quantity = min(leaves, share)
    if increment is not None:
        quantity = amount_of(steps_of(quantity, increment), increment)
    if not parameters.partial_chance or is_all_or_nothing(order.terms):
        return quantity
    return _some_of(plan, order, quantity)


def _some_of(plan: Plan, order: PaperOrder, quantity: Decimal) -> Decimal:
    """At times a random part, at least one increment (one unit where there is none)."""
    number = draw(plan.seed, "partial", order.number, money.render(order.filled_quantity))
    step = order.instrument.quantity_increment or money.ONE
    steps = steps_of(quantity, step)
    if steps < 2 or not happens(plan.parameters.partial_chance, number):
        return quantity
    return amount_of(1 + draw(plan.seed, "part", order.number, number) % (steps - 1), step)
