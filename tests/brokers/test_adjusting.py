"""Adjustments and pushed quotes at the exchange: holdings, cash, own markets, and working orders over a split."""

import asyncio
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import pytest

from dropcopyd.brokers.paper.funding import wallet_of
from dropcopyd.brokers.paper.market import SyntheticMarket
from dropcopyd.brokers.paper.plan import Plan
from dropcopyd.domain.adjustment import AdjustmentKind
from dropcopyd.domain.instrument import Instrument, key_of
from dropcopyd.domain.order import OrderTerms, OrderType
from dropcopyd.domain.paper import AdjustmentRequest, PushedQuote, SplitRatio
from dropcopyd.domain.report import AdjustmentReport, OrderReport, ReportKind
from dropcopyd.errors import DropcopyError, InvalidError
from tests.brokers.build import (
    AAPL,
    ACCOUNT,
    BUY,
    EURUSD,
    GTC,
    NOON_NS,
    OTHER_ACCOUNT,
    SELL,
    D,
    Floor,
    asked,
    fills,
    kinds,
    quote,
    terms,
)
from tests.brokers.service import DEADLINE_S, serving

TWO_FOR_ONE = SplitRatio(D(2), D(1))
ONE_FOR_TEN = SplitRatio(D(1), D(10))


@dataclass
class Bench(Floor):
    """An exchange with pushed quotes and adjustments."""

    told: list[AdjustmentReport] = field(default_factory=list)

    def push(self, bid: str, ask: str, size: int = 1000, account_id: str = ACCOUNT) -> list[OrderReport]:
        self.now_ns += 1_000_000
        pushed = PushedQuote(instrument=AAPL, bid=D(bid), ask=D(ask), bid_size=D(size), ask_size=D(size))
        return self._keep(self.exchange.push(account_id, [pushed], self.now_ns)[1])

    def adjust(
        self, kind: AdjustmentKind, instrument: Instrument | None = AAPL, **members: object
    ) -> list[OrderReport]:
        self.now_ns += 1_000_000
        request = AdjustmentRequest(kind=kind, instrument=instrument, **members)  # type: ignore[arg-type]
        record, decision = self.exchange.adjust(ACCOUNT, "", request, self.now_ns)
        if isinstance(record, InvalidError):
            raise record
        self.told.append(record.report)
        assert decision.reports[0].report == record.report, "the adjustment is told first"
        return self._keep(decision)

    def split(self, ratio: SplitRatio, cash_delta: Decimal | None = None) -> list[OrderReport]:
        return self.adjust(AdjustmentKind.SPLIT, ratio=ratio, cash_delta=cash_delta)

    def terms_of(self, command_id: str) -> OrderTerms:
        return self.order(command_id).terms


def bench(cash: str = "100000") -> Bench:
    desk = Bench()
    desk.exchange.open_account(ACCOUNT, Plan(cash={"USD": D(cash)}), desk.now_ns)
    return desk


def test_a_pushed_quote_moves_the_market_of_its_account_alone() -> None:
    desk = bench()
    desk.show(quote("99", "101"))
    desk.create("A", 10, "100")
    desk.create("B", 10, "100", account_id=OTHER_ACCOUNT)
    assert fills(desk.push("99.50", "99.60")) == [("A", D(10), D("99.60"))]
    assert fills(desk.show(quote("97", "98"))) == [("B", D(10), D("98"))]
    assert fills(desk.create("C", 10)) == [("C", D(10), D("99.60"))], "the shared market does not move its own"


def test_an_order_that_moves_to_its_own_market_keeps_its_place_and_its_expiry() -> None:
    desk = bench()
    desk.show(quote("99", "101"))
    desk.create("first", 10, "98")
    desk.create("second", 10, "98")
    desk.push("99", "101")
    assert fills(desk.push("97", "98", size=15)) == [("first", D(10), D(98)), ("second", D(5), D(98))]
    expired = desk.at(desk.now_ns + 86_400 * 10**9)
    assert [(report.kind, report.reason_code) for report in expired] == [(ReportKind.CANCELLED, "expired")]


def test_what_comes_back_to_the_shared_market_trades_with_its_next_quote() -> None:
    """A buy at 100 finds nothing displayed in its own market. The shared one stood at 98 before that."""
    desk = bench()
    desk.show(quote("97", "98"))
    desk.push("99", "100", size=0)
    assert fills(desk.create("A", 10, "100", GTC)) == []
    assert desk._keep(desk.exchange.release(ACCOUNT, AAPL, desk.now_ns)) == []
    assert fills(desk.show(quote("96", "97"))) == [("A", D(10), D(97))]


def test_what_trades_after_a_split_is_told_after_it_whatever_the_clock_does() -> None:
    """Fills are counted in old or new units by their time: none of after the split has one of before it."""
    desk = bench()
    desk.push("99", "100", size=10)
    desk.create("A", 30, "100", GTC)
    desk.split(TWO_FOR_ONE)
    desk.now_ns -= 10**9
    (fill,) = desk.push("49", "50", size=1000)
    split_ns, before_ns = desk.told[-1].broker_sent_at_ns, desk.reports[1].broker_sent_at_ns
    assert before_ns is not None
    assert split_ns is not None
    assert fill.broker_sent_at_ns is not None
    assert before_ns < split_ns <= fill.broker_sent_at_ns


def test_own_sizes_are_consumed_once() -> None:
    desk = bench()
    desk.push("99", "100", size=10)
    assert fills(desk.create("A", 8)) == [("A", D(8), D(100))]
    assert fills(desk.create("B", 8)) == [("B", D(2), D(100))]


def test_money_and_holdings_follow_each_kind() -> None:
    desk = bench("1000")
    wallet = wallet_of(desk.exchange.image, ACCOUNT)
    desk.adjust(AdjustmentKind.OPENING, quantity_delta=D(10), cost_delta=D(900))
    assert (wallet.held(AAPL).quantity, wallet.held(AAPL).cost, wallet.cash["USD"]) == (D(10), D(900), D(1000))
    desk.adjust(AdjustmentKind.TRANSFER, quantity_delta=D(-5))
    assert (wallet.held(AAPL).quantity, wallet.held(AAPL).cost) == (D(5), D(450))
    desk.adjust(AdjustmentKind.FEE, None, cash_delta=D("-0.25"), currency="USD")
    desk.adjust(AdjustmentKind.TRANSFER, None, cash_delta=D(50), currency="EUR")
    assert wallet.cash == {"USD": D("999.75"), "EUR": D(50)}
    desk.adjust(AdjustmentKind.ASSIGNMENT, quantity_delta=D(-5), cash_delta=D(500))
    assert (wallet.held(AAPL).quantity, wallet.cash["USD"]) == (D(0), D("1499.75"))
    assert [one.adjustment_id.rpartition("-")[2] for one in desk.told] == ["A1", "A2", "A3", "A4", "A5"]


def test_a_split_restates_what_works_at_the_old_places_in_time() -> None:
    """Two for one: 10 filled and 20 left of 30 become 20 filled and 40 left; prices are halved, rounded against
    the account: a buy's limit down, a sell's up."""
    desk = bench()
    desk.push("99", "100", size=10)
    desk.create("buy", 30, "100.01", GTC)
    desk.create("sell", 5, "110.01", GTC, side=SELL)
    reports = desk.split(TWO_FOR_ONE)
    assert kinds(reports) == [ReportKind.RESTATED, ReportKind.RESTATED]
    assert [(one.broker_command_id, one.quantity, one.cumulative_quantity, one.limit_price) for one in reports] == [
        ("buy", D(60), D(20), D("50.00")),
        ("sell", D(10), D(0), D("55.01")),
    ]
    assert {(one.raw_status, one.reason_code) for one in reports} == {("restated", "corporate_action")}
    assert reports[0].reason == "split 2 for 1"
    assert desk.position() == D(20)
    assert fills(desk.push("49", "50.00")) == [("buy", D(40), D("50.00"))]


def test_nothing_trades_at_a_price_of_the_old_units() -> None:
    """A sell at 150 becomes one at 75. The quote that stood, 120 to 120.01, is 60 to 60.01 now; the shared market goes
    on at 120, and is not the account's any more."""
    desk = bench()
    desk.show(quote("120", "120.01"))
    desk.create("A", 30, side=BUY)
    desk.create("B", 30, "150", GTC, side=SELL)
    assert fills(desk.split(TWO_FOR_ONE)) == []
    assert fills(desk.show(quote("120", "120.01"))) == []
    image = desk.exchange.image
    assert image.marks_of(ACCOUNT)(AAPL) == D("60.005")
    assert image.marks_of(OTHER_ACCOUNT)(AAPL) == D("120.005")
    assert fills(desk.push("75", "75.01")) == [("B", D(60), D(75))]


def test_stops_and_trails_are_split_away_from_the_market() -> None:
    desk = bench()
    desk.push("99", "100")
    desk.enter("stop", asked(OrderType.STOP, 10, GTC, stop_price="110.01"))
    desk.enter("limit", asked(OrderType.STOP_LIMIT, 10, GTC, stop_price="90.01", limit_price="90.03"), SELL)
    desk.enter("trail", asked(OrderType.TRAILING_STOP, 10, GTC, trail_amount="5.01"), SELL)
    assert desk.terms_of("trail").stop_price == D("93.99")
    desk.split(TWO_FOR_ONE)
    assert desk.terms_of("stop").stop_price == D("55.01")
    assert (desk.terms_of("limit").stop_price, desk.terms_of("limit").limit_price) == (D("45.00"), D("45.02"))
    assert (desk.terms_of("trail").stop_price, desk.terms_of("trail").trail_amount) == (D("46.99"), D("2.51"))
    assert kinds(desk.push("46.99", "47.00")) == [ReportKind.TRIGGERED, ReportKind.TRADE]


def test_an_order_that_does_not_come_out_even_ends() -> None:
    desk = bench()
    desk.push("9", "10")
    desk.create("small", 5, "8", GTC)
    desk.create("odd", 25, "8", GTC)
    desk.create("large", 20, "8", GTC)
    reports = desk.split(ONE_FOR_TEN)
    assert [(one.broker_command_id, one.kind, one.reason_code) for one in reports] == [
        ("small", ReportKind.CANCELLED, "split_remainder"),
        ("odd", ReportKind.CANCELLED, "split_remainder"),
        ("large", ReportKind.RESTATED, "corporate_action"),
    ]
    assert desk.terms_of("large") == terms(2, "80", GTC)


def test_a_short_is_split_too_and_a_fraction_is_paid_for() -> None:
    desk = bench()
    desk.push("10", "10.01")
    desk.create("A", 15, side=SELL)
    with pytest.raises(InvalidError, match="15 become a fraction of which 1 can be held"):
        desk.split(ONE_FOR_TEN)
    desk.split(ONE_FOR_TEN, cash_delta=D(-55))
    held = wallet_of(desk.exchange.image, ACCOUNT).held(AAPL)
    assert (held.quantity, held.cost) == (D(-1), D(150))
    assert wallet_of(desk.exchange.image, ACCOUNT).cash["USD"] == D(100000) + D(150) - D(55)


def test_what_works_is_reserved_at_its_new_price() -> None:
    """100 at 50 take 2,500 of margin, before a split and after."""
    desk = bench()
    desk.push("49.99", "60")
    desk.create("A", 100, "50", GTC)
    image = desk.exchange.image
    before = wallet_of(image, ACCOUNT).balance("USD", image.marks_of(ACCOUNT))
    desk.split(TWO_FOR_ONE)
    after = wallet_of(image, ACCOUNT).balance("USD", image.marks_of(ACCOUNT))
    assert before.initial_margin == after.initial_margin == D(2500)


def test_an_own_market_is_named_by_its_account() -> None:
    desk = bench()
    desk.push("9", "10")
    assert (*key_of(AAPL), ACCOUNT) in desk.exchange.image.standings
    assert key_of(AAPL) not in desk.exchange.image.standings


async def test_an_adjustment_that_nobody_heard_is_in_the_snapshot_in_its_place(tmp_path: Path) -> None:
    """The line is down while a split is booked: what was told before the cursor is left out, the split is not."""
    async with serving(tmp_path) as service:
        service.show(quote("99", "100"))
        await service.create("A", terms(10, "50", GTC))
        (accepted,) = await service.listener.until_reports(1)
        service.broker.disconnect("lost", ACCOUNT)
        request = AdjustmentRequest(kind=AdjustmentKind.SPLIT, instrument=AAPL, ratio=TWO_FOR_ONE, note="2:1")
        report = await service.broker.adjust(ACCOUNT, "split-1", request)
        again = await service.broker.adjust(ACCOUNT, "split-1", request)
        assert replace(again, cursor=report.cursor) == report, "booked once"
        service.broker.reconnect(ACCOUNT)
        await service.listener.until(lambda: service.listener.events.count(("connected", ACCOUNT)) == 2)
        snapshot = await service.broker.snapshot(ACCOUNT, accepted.cursor, DEADLINE_S)
        told, restated = snapshot.reports
        assert told == report
        assert isinstance(restated, OrderReport)
        assert (restated.kind, restated.quantity, restated.limit_price) == (ReportKind.RESTATED, D(20), D(25))
    async with serving(tmp_path) as service:
        assert await service.broker.adjust(ACCOUNT, "split-1", request) == replace(report, cursor="")
        other = replace(request, note="3:1")
        with pytest.raises(DropcopyError, match="this key belongs to the adjustment"):
            await service.broker.adjust(ACCOUNT, "split-1", other)


async def test_names_of_adjustments_are_kept_by_the_book_and_not_in_memory(tmp_path: Path) -> None:
    """However many there are, and however they meet: twins at once, repetitions while others become durable, after a
    restart. Each name is booked once."""
    count, fee = 40, AdjustmentRequest(kind=AdjustmentKind.FEE, cash_delta=D(-1), currency="USD")
    names = [f"fee-{number}" for number in range(count)]
    plans = {ACCOUNT: Plan(cash={"USD": D(1000)})}
    async with serving(tmp_path, plans=plans) as service:
        image, adjust = service.book.image, service.broker.adjust
        for begin in range(0, count, 10):
            known = names[: begin + 10]
            reports = await asyncio.gather(*(adjust(ACCOUNT, name, fee) for name in (*known, *known)))
            assert len({report.adjustment_id for report in reports}) == len(known)
        unnamed = [await adjust(ACCOUNT, "", fee) for _ in range(2)]
        assert len({one.adjustment_id for one in unnamed}) == 2
        assert wallet_of(image, ACCOUNT).cash["USD"] == D(1000 - count - 2)
        assert not image.adjustments, "what is durable is in the book alone"
        elsewhere = await adjust(OTHER_ACCOUNT, "fee-0", fee)
        assert elsewhere.adjustment_id not in {report.adjustment_id for report in reports}
    async with serving(tmp_path, plans=plans) as service:
        again = [await service.broker.adjust(ACCOUNT, name, fee) for name in names]
        assert [one.adjustment_id for one in again] == [one.adjustment_id for one in reports[:count]]
        assert wallet_of(service.book.image, ACCOUNT).cash["USD"] == D(1000 - count - 2)
        with pytest.raises(DropcopyError, match="this key belongs to the adjustment"):
            await service.broker.adjust(ACCOUNT, "fee-3", replace(fee, cash_delta=D(-2)))
        assert not service.book.image.adjustments


async def test_the_shared_market_comes_back_over_a_restart_too(tmp_path: Path) -> None:
    """What works moves back with its place in time, and trades with the shared market's next quote, no earlier."""
    async with serving(tmp_path) as service:
        service.show(quote("99", "100"))
        await service.broker.push(ACCOUNT, [PushedQuote(instrument=AAPL, bid=D(1), ask=D(2))])
        await service.create("A", terms(10, "1.50", GTC))
        await service.broker.release(ACCOUNT, EURUSD)
        await service.broker.release(ACCOUNT, AAPL)
        assert service.broker.mark(AAPL, ACCOUNT) == D("99.5")
        service.show(quote("99", "100"))
        assert kinds(await service.listener.until_reports(1)) == [ReportKind.ACCEPTED]
        service.show(quote("1.40", "1.49"))
        assert fills(await service.listener.until_reports(2)) == [("A", D(10), D("1.49"))]
    async with serving(tmp_path) as service:
        assert not service.book.image.own_markets
        await service.broker.push(ACCOUNT, [PushedQuote(instrument=AAPL, bid=D(3), ask=D(4))])
        assert service.broker.mark(AAPL, ACCOUNT) == D("3.5")
        await service.broker.release(ACCOUNT, AAPL)
        await service.broker.push(ACCOUNT, [PushedQuote(instrument=AAPL, bid=D(5), ask=D(6))])
    async with serving(tmp_path) as service:
        assert service.broker.mark(AAPL, ACCOUNT) == D("5.5")


async def test_what_was_due_when_an_adjustment_is_refused_happens_all_the_same(tmp_path: Path) -> None:
    """The order's day ends in the very decision that refuses a split of 3 into one and a half."""
    async with serving(tmp_path) as service:
        service.show(quote("9", "10"))
        await service.create("held", terms(3, "10"))
        await service.create("day", terms(5, "1"))
        await service.listener.until_reports(3)
        service.clock.advance(2 * 86_400)
        refused = AdjustmentRequest(kind=AdjustmentKind.SPLIT, instrument=AAPL, ratio=SplitRatio(D(1), D(2)))
        with pytest.raises(InvalidError):
            await service.broker.adjust(ACCOUNT, "", refused)
        expired = (await service.listener.until_reports(4))[-1]
        assert (expired.kind, expired.broker_command_id, expired.reason_code) == (
            ReportKind.CANCELLED,
            "day",
            "expired",
        )
    async with serving(tmp_path) as service:
        assert (await service.broker.snapshot(ACCOUNT, "", DEADLINE_S)).orders == ()


@pytest.mark.parametrize("ratio", [SplitRatio(D(10**19), D(1)), SplitRatio(D(1), D(10**19))])
def test_nothing_that_is_split_outgrows_what_can_be_said(ratio: SplitRatio) -> None:
    """10 held, an order at 100: neither has more than 20 digits after a split, however often it is asked for."""
    bench = Bench()
    bench.show(quote("99.99", "100.00"))
    bench.create("held", 10, "100.00")
    bench.create("working", 10, "50.00", GTC)
    with pytest.raises(InvalidError, match="20 digits"):
        bench.split(ratio, D(0))
    assert bench.position() == D(10)
    assert bench.order("working").terms == terms(10, "50.00", GTC)


@pytest.mark.parametrize("is_held", [True, False])
def test_a_split_is_bounded_by_what_is_held_and_by_what_works(*, is_held: bool) -> None:
    bench = Bench()
    if is_held:
        bench.adjust(AdjustmentKind.OPENING, quantity_delta=D(10**10), cost_delta=D(1))
    else:
        bench.create("working", 10**10, "1.00", GTC)
    with pytest.raises(InvalidError, match="20 digits"):
        bench.split(SplitRatio(D(10**10), D(1)))


async def test_an_own_market_values_what_its_account_holds_whatever_the_shared_one_does(tmp_path: Path) -> None:
    """The shared market has a price for every moment; it is nobody's business who has a market of his own."""
    async with serving(tmp_path, feeds=[SyntheticMarket(7, NOON_NS)]) as service:
        before = service.broker.mark(AAPL, ACCOUNT)
        assert before == service.broker.mark(AAPL, OTHER_ACCOUNT)
        pushed = PushedQuote(instrument=AAPL, bid=D("9.00"), ask=D("9.02"))
        await service.broker.push(ACCOUNT, [pushed])
        service.clock.advance(1)
        assert service.broker.mark(AAPL, ACCOUNT) == D("9.01")
        assert service.broker.mark(AAPL, OTHER_ACCOUNT) != D("9.01")
        reference = service.broker.reference(AAPL, ACCOUNT)
        assert reference is not None
        assert (reference.price, reference.at_ns) == (D("9.01"), NOON_NS)
