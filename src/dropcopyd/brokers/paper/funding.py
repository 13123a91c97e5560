"""An account's money: cash and holdings, what margin they and the working orders take, and what is left. Pure.

Rules (docs/paper.md): equities, options, crypto and predictions are paid in cash; futures, perpetuals and currency
pairs settle their profit only. Each currency stands alone. Available funds = equity - initial margin of what is held -
initial margin that working orders would add. An order that only reduces needs nothing. Everything is exact; nothing
here is shared with the gateway's own books.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from dropcopyd.brokers.paper.fills import fees_of
from dropcopyd.brokers.paper.plan import UNPLANNED, Parameters, Plan, Profile
from dropcopyd.brokers.paper.records import Image, PaperOrder, Reason
from dropcopyd.brokers.paper.rules import Objection
from dropcopyd.domain import money
from dropcopyd.domain.account import BrokerKind
from dropcopyd.domain.adjusting import take_adjustment
from dropcopyd.domain.adjustment import Adjustment
from dropcopyd.domain.fold import Marks
from dropcopyd.domain.instrument import (
    AssetClass,
    Instrument,
    InstrumentKey,
    OptionInstrument,
    Prediction,
    is_inverse,
    key_of,
    value_of,
)
from dropcopyd.domain.order import OrderSide
from dropcopyd.domain.position import Position, take_execution
from dropcopyd.domain.report import BalanceReport, Fee, Liquidity

SETTLES_PROFIT: Final = frozenset({AssetClass.FUTURE, AssetClass.PERPETUAL, AssetClass.CURRENCY})
"""Classes of which only the profit moves cash; the others are paid whole."""


@dataclass(frozen=True, slots=True)
class _Working:
    """What of an order still works, and its value at the price that it was admitted at."""

    is_buy: bool
    quantity: Decimal
    value: Decimal


@dataclass(slots=True)
class _Side:
    quantity: Decimal = money.ZERO
    value: Decimal = money.ZERO

    def move(self, working: _Working, sign: int) -> None:
        change = money.add if sign > 0 else money.subtract
        self.quantity, self.value = change(self.quantity, working.quantity), change(self.value, working.value)


@dataclass(slots=True)
class _Line:
    """One instrument of the account: what is held, and what works on either side."""

    held: Position
    buys: _Side = field(default_factory=_Side)
    sells: _Side = field(default_factory=_Side)

    def side(self, *, is_buy: bool) -> _Side:
        return self.buys if is_buy else self.sells


@dataclass(slots=True)
class Wallet:
    """The money of one account, in memory; the book has cash and holdings."""

    account_id: str
    plan: Plan
    cash: dict[str, Decimal] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    """Currencies whose balance has changed since it was last reported."""
    _lines: dict[InstrumentKey, _Line] = field(default_factory=dict)
    _working: dict[int, tuple[InstrumentKey, _Working]] = field(default_factory=dict)

    @property
    def is_limited(self) -> bool:
        """Whether anybody looks at the money."""
        return self.plan.cash is not None

    def held(self, instrument: Instrument) -> Position:
        """What the account holds of the instrument."""
        return self._line(instrument).held

    def restore(self, instrument: Instrument, quantity: Decimal, cost: Decimal) -> None:
        """Put back a holding that the book has."""
        self._line(instrument).held = _position(instrument, quantity, cost)

    # --- changes --------------------------------------------------------------------------------------------------

    def work(self, order: PaperOrder, price: Decimal | None) -> None:
        """Reserve for what works of the order now; `price`: what one without a limit would trade at."""
        known = self._working.pop(order.number, None)
        if known is not None:
            self._lines[known[0]].side(is_buy=known[1].is_buy).move(known[1], -1)
        self.changed.add(order.instrument.currency)
        if order.is_open:
            working = _working_of(order, price)
            self._working[order.number] = key_of(order.instrument), working
            self._line(order.instrument).side(is_buy=working.is_buy).move(working, 1)

    def trade(self, instrument: Instrument, signed_quantity: Decimal, price: Decimal, fees: Iterable[Fee]) -> None:
        """Book an execution: the holding, the cash, the fees."""
        line = self._line(instrument)
        before = line.held.realized_pnl
        line.held = take_execution(line.held, signed_quantity, price)
        if instrument.asset_class in SETTLES_PROFIT:
            self.pay(instrument.currency, money.subtract(line.held.realized_pnl, before))
        else:
            self.pay(instrument.currency, money.negate(value_of(instrument, signed_quantity, price)))
        for fee in fees:
            self.pay(fee.currency, money.negate(fee.amount))

    def adjust(self, adjustment: Adjustment) -> None:
        """Book what is no execution: the holding, by the rules of docs/positions.md, and the cash."""
        if adjustment.instrument is not None:
            line = self._line(adjustment.instrument)
            line.held = take_adjustment(line.held, adjustment)
            self.changed.add(adjustment.instrument.currency)
        if adjustment.cash_delta and adjustment.currency is not None:
            self.pay(adjustment.currency, adjustment.cash_delta)

    def pay(self, currency: str, amount: Decimal) -> None:
        """Add to the cash; below zero takes from it."""
        self.cash[currency] = money.add(self.cash.get(currency, money.ZERO), amount)
        self.changed.add(currency)

    # --- questions ------------------------------------------------------------------------------------------------

    def objection(self, order: PaperOrder, price: Decimal | None, marks: Marks) -> Objection | None:
        """Why the account cannot carry the order as it is now, or None. Its own older reservation is left out."""
        if not self.is_limited:
            return None
        line, asked = self._line(order.instrument), _working_of(order, price)
        known = self._working.get(order.number)
        side = line.side(is_buy=asked.is_buy)
        if known is not None:
            side.move(known[1], -1)
        try:
            objection = self._crypto_objection(order, line)
            return objection or self._funds_objection(order, line, asked, price, marks)
        finally:
            if known is not None:
                side.move(known[1], 1)

    def balance(self, currency: str, marks: Marks) -> BalanceReport:
        """The currency's balance as it is now."""
        equity, initial = self._equity(currency, marks), self._margin(currency, marks)
        return BalanceReport(
            currency=currency,
            cash=self.cash.get(currency, money.ZERO),
            buying_power=money.divide(
                max(money.ZERO, money.subtract(equity, initial)), self.plan.parameters.equity_initial_margin
            ),
            equity=equity,
            initial_margin=initial,
            maintenance_margin=money.total(
                _margin_held(self.plan.parameters, line.held, _mark(line, marks), is_initial=False)
                for line in self._lines_in(currency)
            ),
        )

    def currencies(self) -> list[str]:
        """Every currency that the account has or has had anything in."""
        held = {line.held.instrument.currency for line in self._lines.values() if line.held.quantity}
        return sorted(self.cash.keys() | held)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _crypto_objection(self, order: PaperOrder, line: _Line) -> Objection | None:
        """Crypto is a cash account: what is not held is not sold."""
        if order.instrument.asset_class is not AssetClass.CRYPTO or order.side is OrderSide.BUY:
            return None
        available = money.subtract(line.held.quantity, line.sells.quantity)
        if order.leaves_quantity <= available:
            return None
        return Reason.INSUFFICIENT_HOLDINGS, (
            f"required {money.render(order.leaves_quantity)} {order.instrument.symbol},"
            f" available {money.render(max(money.ZERO, available))} {order.instrument.symbol}"
        )

    def _funds_objection(
        self, order: PaperOrder, line: _Line, asked: _Working, price: Decimal | None, marks: Marks
    ) -> Objection | None:
        parameters, currency = self.plan.parameters, order.instrument.currency
        before = _margin_of(parameters, line, marks)
        available = money.subtract(self._equity(currency, marks), self._margin(currency, marks))
        side = line.side(is_buy=asked.is_buy)
        side.move(asked, 1)
        added = money.subtract(_margin_of(parameters, line, marks), before)
        side.move(asked, -1)
        if added <= 0:
            return None
        at = order.terms.limit_price or price
        if at is not None:
            fees = fees_of(self.plan, order.instrument, asked.quantity, at, Liquidity.REMOVED)
            added = money.add(added, money.total(fee.amount for fee in fees))
        if added <= available:
            return None
        return Reason.INSUFFICIENT_FUNDS, (
            f"required {money.render(added)} {currency},"
            f" available {money.render(max(money.ZERO, available))} {currency}"
        )

    def _equity(self, currency: str, marks: Marks) -> Decimal:
        values = (_worth(line.held, _mark(line, marks)) for line in self._lines_in(currency))
        return money.add(self.cash.get(currency, money.ZERO), money.total(values))

    def _margin(self, currency: str, marks: Marks) -> Decimal:
        parameters = self.plan.parameters
        return money.total(_margin_of(parameters, line, marks) for line in self._lines_in(currency))

    def _lines_in(self, currency: str) -> list[_Line]:
        return [line for line in self._lines.values() if line.held.instrument.currency == currency]

    def _line(self, instrument: Instrument) -> _Line:
        key = key_of(instrument)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line(_position(instrument, money.ZERO, money.ZERO))
        return line


def wallet_of(image: Image, account_id: str) -> Wallet:
    """The account's money, with its plan; unlimited for an account that was opened without one."""
    found = image.wallets.get(account_id)
    if found is None:
        found = image.wallets[account_id] = Wallet(account_id, UNPLANNED)
    return found


def is_scripted(image: Image, account_id: str) -> bool:
    """Whether a scenario decides what becomes of the account's orders."""
    wallet = image.wallets.get(account_id)
    return wallet is not None and wallet.plan.profile is Profile.SCRIPTED


def _position(instrument: Instrument, quantity: Decimal, cost: Decimal) -> Position:
    return Position(
        account_id="", organization_id="", broker=BrokerKind.PAPER, instrument=instrument, quantity=quantity, cost=cost
    )


def _working_of(order: PaperOrder, price: Decimal | None) -> _Working:
    terms = order.terms
    at = terms.limit_price or terms.stop_price or price
    value = money.ZERO if not at else money.magnitude(value_of(order.instrument, order.leaves_quantity, at))
    return _Working(order.side is OrderSide.BUY, order.leaves_quantity, value)


def _mark(line: _Line, marks: Marks) -> Decimal:
    """The market's price; what it cost where the market has not been seen."""
    return marks(line.held.instrument) or line.held.average_cost


def _worth(held: Position, mark: Decimal) -> Decimal:
    """What a holding adds to the equity: its value where it was paid whole, else its profit."""
    if not held.quantity or not mark:
        return money.ZERO
    value = value_of(held.instrument, held.quantity, mark)
    if held.instrument.asset_class not in SETTLES_PROFIT:
        return value
    cost = held.cost if held.quantity > 0 else money.negate(held.cost)
    return money.subtract(cost, value) if is_inverse(held.instrument) else money.subtract(value, cost)


def _margin_of(parameters: Parameters, line: _Line, marks: Marks) -> Decimal:
    """Initial margin of one instrument: what is held, and what working orders could add to it."""
    held, instrument = line.held.quantity, line.held.instrument
    opening = (
        (line.buys, max(money.ZERO, money.negate(held)), False),
        (line.sells, max(money.ZERO, held), True),
    )
    margin = _margin_held(parameters, line.held, _mark(line, marks), is_initial=True)
    for side, closes, is_short in opening:
        quantity = money.subtract(side.quantity, closes)
        if quantity > 0:
            value = side.value
            if closes:
                value = money.divide(money.multiply(value, quantity), side.quantity)
            margin = money.add(margin, _initial(parameters, instrument, quantity, value, is_short=is_short))
    return margin


def _margin_held(parameters: Parameters, held: Position, mark: Decimal, *, is_initial: bool) -> Decimal:
    quantity = money.magnitude(held.quantity)
    if not quantity or not mark:
        return money.ZERO
    value = money.magnitude(value_of(held.instrument, quantity, mark))
    rule = _initial if is_initial else _maintenance
    return rule(parameters, held.instrument, quantity, value, is_short=held.quantity < 0)


def _initial(
    parameters: Parameters, instrument: Instrument, quantity: Decimal, value: Decimal, *, is_short: bool
) -> Decimal:
    """Initial margin of a quantity (> 0) of that value."""
    match instrument.asset_class:
        case AssetClass.EQUITY:
            return _share(parameters.equity_initial_margin, value)
        case AssetClass.FUTURE:
            return _share(parameters.future_initial_margin, value)
        case AssetClass.CURRENCY:
            return _share(parameters.currency_initial_margin, value)
        case AssetClass.PERPETUAL:
            return _share(parameters.perpetual_initial_margin, value)
        case _:
            return _whole(parameters, instrument, quantity, value, is_short=is_short)


def _maintenance(
    parameters: Parameters, instrument: Instrument, quantity: Decimal, value: Decimal, *, is_short: bool
) -> Decimal:
    match instrument.asset_class:
        case AssetClass.EQUITY if is_short:
            return _share(parameters.equity_short_maintenance_margin, value)
        case AssetClass.EQUITY:
            return _share(parameters.equity_maintenance_margin, value)
        case AssetClass.FUTURE:
            return _share(parameters.future_maintenance_margin, value)
        case AssetClass.CURRENCY:
            return _share(parameters.currency_maintenance_margin, value)
        case AssetClass.PERPETUAL:
            return _share(parameters.perpetual_maintenance_margin, value)
        case _:
            return _whole(parameters, instrument, quantity, value, is_short=is_short)


def _whole(
    parameters: Parameters, instrument: Instrument, quantity: Decimal, value: Decimal, *, is_short: bool
) -> Decimal:
    """Classes without credit: paid fully; written options and short predictions by what they may cost."""
    if is_short and isinstance(instrument, OptionInstrument):
        contracts = money.multiply(instrument.multiplier, quantity)
        return _share(parameters.option_short_margin, money.multiply(contracts, instrument.strike))
    if is_short and isinstance(instrument, Prediction):
        return max(money.ZERO, money.subtract(money.multiply(instrument.payout, quantity), value))
    return value


def _share(rate: Decimal, value: Decimal) -> Decimal:
    return money.round_half_even(money.multiply(rate, value))
