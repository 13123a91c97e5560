"""One account's positions played by hand: executions, amendments, adjustments and rolls straight into the fold."""

from decimal import Decimal

from dropcopyd.domain import machine
from dropcopyd.domain.adjustment import AdjustmentKind
from dropcopyd.domain.event import Batch
from dropcopyd.domain.fold import Execution
from dropcopyd.domain.instrument import Instrument, key_of
from dropcopyd.domain.money import render
from dropcopyd.domain.position import Position
from dropcopyd.domain.posting import PositionDraft
from dropcopyd.domain.report import AdjustmentReport
from tests.domain.build import AAPL, START_NS, fresh_state

DAY_NS = 86_400 * 1_000_000_000


class Ledger:
    """Times are small numbers after the start, of the broker's clock; `marks` are the prices known now."""

    def __init__(self, instrument: Instrument = AAPL) -> None:
        self.state = fresh_state()
        self.instrument = instrument
        self.marks: dict[Instrument, Decimal] = {}
        self.state.marks = self.marks.get
        self.now_ns = START_NS

    def mark(self, price: str | None) -> None:
        if price is None:
            self.marks.pop(self.instrument, None)
        else:
            self.marks[self.instrument] = Decimal(price)

    def trade(self, ref: str, signed: str, price: str, at: int | None = None) -> Position:
        draft = self._draft()
        effect = Execution(Decimal(signed), Decimal(price))
        return self._take(draft, draft.take(self.instrument, ref, effect, _ns(at)))

    def amend(self, ref: str, signed: str, price: str) -> Position:
        draft = self._draft()
        return self._take(draft, draft.amend(self.instrument, ref, Execution(Decimal(signed), Decimal(price)), None))

    def bust(self, ref: str) -> Position:
        return self.amend(ref, "0", "0")

    def adjust(
        self,
        name: str,
        kind: AdjustmentKind,
        quantity: str | None = None,
        at: int | None = None,
        *,
        cost: str | None = None,
        cash: str | None = None,
        currency: str | None = None,
    ) -> Batch | None:
        report = AdjustmentReport(
            adjustment_id=name,
            kind=kind,
            key=key_of(self.instrument),
            quantity_delta=_maybe(quantity),
            cost_delta=_maybe(cost),
            cash_delta=_maybe(cash),
            currency=currency,
            broker_sent_at_ns=_ns(at),
        )
        return self.apply(machine.take_adjustment(self.state, report, self.instrument, self.now_ns))

    def roll(self, at: int) -> Batch | None:
        roll_ns = _ns(at)
        assert roll_ns is not None
        return self.apply(machine.roll_day(self.state, roll_ns, f"day {at}", self.now_ns))

    def apply(self, batch: Batch | None) -> Batch | None:
        self.now_ns += 1_000_000_000
        if batch is not None:
            self.state.apply(batch)
        return batch

    @property
    def position(self) -> Position:
        return self.state.positions[key_of(self.instrument)]

    def held(self) -> tuple[str, str, str]:
        """(quantity, cost, realized)."""
        held = self.position
        return render(held.quantity), render(held.cost), render(held.realized_pnl)

    def daily(self) -> str | None:
        pnl = self.position.daily_pnl
        return None if pnl is None else render(pnl)

    def _draft(self) -> PositionDraft:
        return PositionDraft(self.state, max(self.now_ns, self.state.last_ns))

    def _take(self, draft: PositionDraft, position: Position) -> Position:
        account_id = self.state.account.account_id
        self.apply(
            Batch(
                account_id=account_id,
                at_ns=position.received_at_ns,
                positions=draft.positions,
                postings=draft.postings,
            )
        )
        return position


def _ns(at: int | None) -> int | None:
    return None if at is None else START_NS + at


def _maybe(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
