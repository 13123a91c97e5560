"""One random history of one account: a broker of chance, a bad line, the product and the models side by side.

What the broker says may come late, twice or never; the line may be down; what the broker lists heals what was missed,
as `flow.reconcile` does it. At any moment the product is what the models make of what was heard so far, and in the end
of everything that happened.
"""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

from dropcopyd.domain import machine
from dropcopyd.domain.account import Account
from dropcopyd.domain.adjustment import AdjustmentKind
from dropcopyd.domain.command import Command, OutcomeKind
from dropcopyd.domain.instrument import Instrument, key_of
from dropcopyd.domain.order import ActionType, Order, OrderSide, OrderState, OrderStatus, TimeInForce
from dropcopyd.domain.report import CORPORATE_ACTION_REASON, AdjustmentReport, OrderReport, ReportKind
from dropcopyd.domain.transitions import TRANSITIONS
from tests.domain.build import START_NS, Play, limit_terms
from tests.domain.classes import ALL
from tests.histories.broker import RATIOS, Broker, Working
from tests.histories.compare import compare_order, compare_position
from tests.histories.ledger import TERMS, Happening, LedgerModel, ledger_of
from tests.histories.orders import OrderModel, Said

ORDERS_MAX = 4
CROOKED_RATE = 0.5
EXECUTIONS = {"TRADE", "BUST", "CORRECTION"}
"""What may come late on any line. Anything else of an order overtakes something on a crooked line only."""
NEVER_LOST = {"STOPPED", "RESTATED", "BUST", "CORRECTION"}
"""What no list of a broker shows of an order that is over. (An amendment that is lost within a session is told by the
difference of positions.) Nor is anything lost of an order that is taken for dead here and arrived all the same."""


@dataclass(frozen=True, slots=True)
class Moved:
    """An adjustment."""

    name: str
    symbol: str
    kind: str
    time: int
    signed: Fraction
    cost: Fraction | None = None
    cash: Fraction = Fraction(0)


class History:
    """The models are computed every `check_steps` steps on the way, and in the end."""

    def __init__(self, chance: Random, check_steps: int = 1, of: Account | None = None) -> None:
        self.chance = chance
        self.checked_steps = check_steps
        self.broker = Broker(chance)
        self.play = Play(of)
        self.of = self.play.state.account
        self.instruments: list[Instrument] = [chance.choice(ALL) for _ in range(2)]
        self.models: dict[int, OrderModel] = {}
        self.outcomes: dict[tuple[int, int], OutcomeKind] = {}
        """What really became of a command, where that is decided."""
        self.late: list[Said | Moved] = []
        self.missed: list[Said] = []
        self.is_connected = True
        self.is_crooked = chance.random() < CROOKED_RATE
        """Whether anything may overtake anything."""
        self.adjustments: dict[str, Moved] = {}
        self.known_adjustments: dict[str, Moved] = {}
        self.roll_at = 0
        self.marks: dict[str, Fraction] = {one.symbol: Fraction(100) for one in self.instruments}
        self.day_marks: dict[str, Fraction | None] = {}
        self.play.state.marks = lambda one: decimal(self.marks[one.symbol])
        self.counts: Counter[str] = Counter()
        self.statuses: dict[str, OrderStatus] = {}
        self._seen = 0
        self.told: list[tuple[str, object]] = []
        """Everything that was done, for whoever has to find out why."""

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.step()
            self.check_steps()
            if not self.counts["steps"] % self.checked_steps:
                self.check()
        self.finish()

    def step(self) -> None:
        self.counts["steps"] += 1
        roll = self.chance.random()
        if self.late and roll < 0.18:
            self.deliver(self.late.pop(self.chance.randrange(len(self.late))))
        elif roll < 0.205:
            self.turn_line()
        elif roll < 0.225:
            self.roll_day()
        elif roll < 0.25:
            self.adjust()
        elif roll < 0.26:
            self.split()
        elif roll < 0.28:
            self.heal()
        elif self.is_connected and (not self.models or (roll < 0.33 and len(self.models) < ORDERS_MAX)):
            self.create()
        elif self.is_connected and self.models and roll < 0.42:
            self.request()
        elif self.broker.orders:
            said = self.broker.act(self.chance.choice(list(self.broker.orders.values())))
            if said is not None:
                self.send(said)

    # --- commands -----------------------------------------------------------------------------------------------

    def create(self) -> None:
        number = len(self.models) + 1
        instrument, side = self.chance.choice(self.instruments), self.chance.choice((1, -1))
        quantity, price = self.broker.amount(), self.broker.cost()
        time_in_force = self.chance.choice((TimeInForce.DAY, TimeInForce.GOOD_TILL_CANCEL))
        is_day = time_in_force is TimeInForce.DAY
        multiplier, is_inverse, _ = TERMS[instrument.symbol]
        model = OrderModel(side, instrument.symbol, Fraction(multiplier), is_inverse, is_day, quantity, price)
        model.commands[1] = ("CREATE", quantity, price)
        self.models[number] = model
        command = self.play.create(
            str(number),
            account_id=self.of.account_id,
            organization_id=self.of.organization_id,
            instrument=instrument,
            order_side=OrderSide.BUY if side > 0 else self.chance.choice((OrderSide.SELL, OrderSide.SELL_SHORT)),
            terms=limit_terms(text(quantity), text(price), time_in_force=time_in_force),
        )
        self.told.append(("create", model))
        if self.attempt(number, command):
            working = Working(number, side, instrument.symbol, is_day, quantity, price)
            self.broker.orders[number] = working
        else:
            model.is_dead = True

    def request(self) -> None:
        number = self.chance.choice(list(self.models))
        model, order = self.models[number], self.order(number)
        kind = self.chance.choice((ActionType.REPLACE, ActionType.REPLACE, ActionType.CANCEL))
        quantity, price = fraction(order.terms.quantity), fraction(order.terms.limit_price)
        changes: dict[str, Any] = {}
        if kind is ActionType.REPLACE:
            quantity, price = self.broker.amount(), self.broker.cost()
            changes["terms"] = limit_terms(text(quantity), text(price), time_in_force=order.terms.time_in_force)
        command = self.play.amend(str(number), kind, **changes)
        model.commands[command.seq] = (kind.value, quantity, price)
        self.told.append(("request", (number, command.seq, kind.value, quantity, price)))
        if self.attempt(number, command):
            working = self.broker.orders.get(number)
            if working is None:
                self.play.refuse(command)
                self.outcomes[number, command.seq] = OutcomeKind.REFUSED
            else:
                working.asked[command.seq] = (kind.value, quantity, price)

    def attempt(self, number: int, command: Command) -> bool:
        """Send it, with what may go wrong. Whether it reached the broker."""
        roll = self.chance.random()
        key = number, command.seq
        if roll < 0.02:
            self.play.take(machine.expire(self.play.state, command, "late", self.play.now_ns))
            self.outcomes[key] = OutcomeKind.NOT_SENT
            return False
        self.play.begin(command)
        if roll < 0.05:
            self.play.refuse(command)
            self.outcomes[key] = OutcomeKind.REFUSED
            return False
        if roll < 0.12:
            self.play.doubt(command)
            if roll < 0.09:
                self.play.not_sent(command)
                if command.action_type is ActionType.CREATE and roll > 0.065:
                    self.models[number].is_dead = True
                    self.told.append(("it arrives all the same", number))
                    return True
                self.outcomes[key] = OutcomeKind.NOT_SENT
                return False
            return True
        self.play.acknowledge(command, f"x{number}" if self.chance.random() < 0.5 else None)
        return True

    # --- the line -----------------------------------------------------------------------------------------------

    def send(self, said: Said) -> None:
        """What becomes of a message on its way."""
        if not self.is_connected:
            self.told.append(("missed", said))
            self.missed.append(said)
            return
        roll = self.chance.random()
        if roll < 0.10:
            self.late.append(said)
        if (said.kind in EXECUTIONS or self.is_crooked) and roll > 0.80:
            self.late.append(said)
        elif roll > 0.74 and said.kind not in NEVER_LOST and not self.models[said.order].is_dead:
            self.told.append(("lost", said))
            self.counts["lost"] += 1
        else:
            self.deliver(said)

    def deliver(self, said: Said | Moved) -> None:
        self.counts["messages"] += 1
        self.told.append(("deliver", said))
        if isinstance(said, Moved):
            self.known_adjustments[said.name] = said
            self.play.take(machine.take_adjustment(self.play.state, self.adjustment_of(said), *self.about(said)))
            return
        self.counts[said.kind] += 1
        self.models[said.order].hear(said)
        self.play.report(report_of(said))

    def about(self, said: Moved) -> tuple[Instrument, int]:
        return next(one for one in self.instruments if one.symbol == said.symbol), self.play.now_ns

    def adjustment_of(self, said: Moved) -> AdjustmentReport:
        return AdjustmentReport(
            adjustment_id=said.name,
            kind=AdjustmentKind(said.kind),
            key=key_of(self.about(said)[0]),
            quantity_delta=decimal(said.signed),
            cost_delta=None if said.cost is None else decimal(said.cost),
            cash_delta=decimal(said.cash),
            broker_sent_at_ns=START_NS + said.time,
        )

    def turn_line(self) -> None:
        if self.is_connected:
            self.told.append(("down", None))
            self.is_connected = False
        else:
            self.heal()

    def heal(self) -> None:
        """Connect, if need be, and take in what the broker lists: what was missed, executions, orders that differ."""
        self.counts["reconciliations"] += 1
        self.told.append(("heal", None))
        self.is_connected = True
        missed, self.missed = self.missed, []
        for said in missed:
            self.deliver(said)
        for working in self.broker.orders.values():
            for said in listed(working):
                self.deliver(said)
        for number, working in self.broker.orders.items():
            if self.differs(self.order(number), working):
                for said in working.said:
                    self.deliver(said)

    def differs(self, order: Order, working: Working) -> bool:
        chain = self.play.state.chains[order.order_id]
        if chain.has_open_question:
            return True
        if not working.is_open:
            return order.is_accepted and order.state is OrderState.OPEN
        terms = fraction(order.terms.quantity), fraction(order.terms.limit_price)
        is_same = terms == (working.quantity, working.price)
        return not (order.is_accepted and order.state is OrderState.OPEN and is_same)

    # --- the account --------------------------------------------------------------------------------------------

    def roll_day(self) -> None:
        """The price moves over night, and a day begins."""
        self.counts["rolls"] += 1
        for symbol in self.marks:
            self.marks[symbol] = self.broker.cost()
        self.roll_at = START_NS + self.broker.new_day()
        for one in self.instruments:
            is_held = self.ledger(one.symbol, is_rolled=False).figures().quantity
            self.day_marks[one.symbol] = self.marks[one.symbol] if is_held else None
        self.told.append(("roll", self.roll_at - START_NS))
        day = f"day {self.broker.day}"
        self.play.take(machine.roll_day(self.play.state, self.roll_at, day, self.play.now_ns))

    def adjust(self) -> None:
        kind = self.chance.choice(("OPENING", "TRANSFER", "MANUAL", "FUNDING"))
        facts: dict[str, Any] = {"signed": Fraction(0)}
        if kind == "FUNDING":
            facts["cash"] = self.broker.cost() * self.chance.choice((1, -1))
        else:
            facts["signed"] = self.broker.amount() * self.chance.choice((1, -1))
            facts["cost"] = self.chance.choice((None, self.broker.cost()))
        self.move(self.chance.choice(self.instruments).symbol, kind, **facts)

    def move(self, symbol: str, kind: str, **facts: Any) -> None:
        self.counts["adjustments"] += 1
        moved = Moved(f"{kind}-{len(self.adjustments)}", symbol, kind, self.broker.tick(), **facts)
        self.adjustments[moved.name] = moved
        if self.chance.random() < 0.2:
            self.late.append(moved)
        if self.chance.random() < 0.9:
            self.deliver(moved)
        else:
            self.late.append(moved)

    def split(self) -> None:
        """Over night, when the day is reconciled: what is held is multiplied, and so are the orders that work on."""
        self.heal()
        self.counts["splits"] += 1
        symbol, ratio = self.chance.choice(self.instruments).symbol, self.chance.choice(RATIOS)
        held = sum(
            (one.quantity * working.side for working in self.broker.orders.values() for one in working.fills
             if working.symbol == symbol),
            Fraction(0),
        )  # fmt: skip
        held += sum((one.signed for one in self.adjustments.values() if one.symbol == symbol), Fraction(0))
        self.move(symbol, "SPLIT", signed=held * (ratio - 1))
        for working in self.broker.orders.values():
            if working.symbol == symbol and working.is_open and working.is_accepted and not working.is_day:
                self.deliver(self.broker.split(working, ratio))

    # --- what must hold -----------------------------------------------------------------------------------------

    def order(self, number: int) -> Order:
        return self.play.order(str(number))

    def ledger(self, symbol: str, *, is_rolled: bool = True) -> LedgerModel:
        """Everything known that moves an instrument."""
        ledger = ledger_of(symbol)
        ledger.roll_at = self.roll_at if is_rolled else 0
        for number, model in self.models.items():
            if model.symbol == symbol:
                for key, one in model.facts().executions.items():
                    happening = Happening(START_NS + one.time, one.time, one.quantity * model.side, one.price)
                    ledger.happenings[f"{number}|{key}"] = happening
        for one in self.known_adjustments.values():  # type: ignore[assignment]
            if one.symbol == symbol:  # type: ignore[attr-defined]
                ledger.happenings[one.name] = adjusted(one)  # type: ignore[attr-defined, arg-type]
        return ledger

    def check_steps(self) -> None:
        """No order goes where the table does not lead."""
        for batch in self.play.batches[self._seen :]:
            for order in batch.orders:
                before = self.statuses.get(order.order_id, order.status)
                self.statuses[order.order_id] = order.status
                assert before is order.status or (before, order.status) in TRANSITIONS, (before, order.status)
        self._seen = len(self.play.batches)

    def check(self) -> None:
        self.counts["checks"] += 1
        for number, model in self.models.items():
            compare_order(self.order(number), model)
        for one in {one.symbol: one for one in self.instruments}.values():
            ledger, position = self.ledger(one.symbol), self.play.state.positions.get(key_of(one))
            if position is None:
                assert not ledger.happenings, f"{one.symbol} has no position"
            else:
                compare_position(position, ledger, self.marks[one.symbol], self.day_marks.get(one.symbol))

    def finish(self) -> None:
        """All that is late comes, what is lost is healed: nothing but the truth is left."""
        if not self.is_connected:
            self.heal()
        self.chance.shuffle(self.late)
        while self.late:
            self.deliver(self.late.pop())
        self.heal()
        self.check_steps()
        self.check()
        for number, working in self.broker.orders.items():
            model = self.models[number]
            for said in working.said:
                model.hear(said)
            compare_order(self.order(number), model)
            now = model.facts()
            assert (now.quantity, now.price, now.filled) == (working.quantity, working.price, working.filled)
            assert set(now.requests) == working.pending & set(working.asked)
        assert self.known_adjustments == self.adjustments
        for (number, seq), outcome in self.outcomes.items():
            assert self.play.outcome(str(number), seq) is outcome, f"command {seq} of {number}"


def listed(working: Working) -> list[Said]:
    """The effective executions, as a broker lists them."""
    return [
        Said("TRADE", working.number, one.seq, one.time, exec_id=one.exec_id, ref_id=one.last_id, day=one.day,
             last_quantity=one.quantity, last_price=one.price)
        for one in working.fills
    ]  # fmt: skip


def report_of(said: Said) -> OrderReport:
    """The message in the words of the `Broker` port."""
    facts: dict[str, Any] = {}
    if said.kind in EXECUTIONS:
        facts = {"exec_id": said.exec_id, "trade_date": f"2026-11-{said.day % 28 + 1:02}"}
        facts["exec_ref_id"] = said.ref_id
        facts["last_quantity"] = None if said.last_quantity is None else decimal(said.last_quantity)
        facts["last_price"] = None if said.last_price is None else decimal(said.last_price)
    elif said.price is not None:
        facts["limit_price"] = decimal(said.price)
    return OrderReport(
        kind=ReportKind(said.kind),
        broker_command_id=f"c{said.order}.{said.seq}",
        external_order_id=f"x{said.order}",
        broker_sent_at_ns=START_NS + said.time,
        quantity=None if said.quantity is None else decimal(said.quantity),
        cumulative_quantity=None if said.cum is None else decimal(said.cum),
        reason_code=CORPORATE_ACTION_REASON if said.is_split else None,
        **facts,
    )


def adjusted(one: Moved) -> Happening:
    return Happening(START_NS + one.time, one.time, one.signed, kind=one.kind, cost=one.cost, cash=one.cash)


def decimal(value: Fraction) -> Decimal:
    """The same value; these have a handful of places."""
    return Decimal(value.numerator) / Decimal(value.denominator)


def text(value: Fraction) -> str:
    return f"{decimal(value):f}"


def fraction(value: Decimal | None) -> Fraction:
    return Fraction(value or 0)
