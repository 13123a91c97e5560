"""The synthetic market, step by step: the same by seed, tick-aligned, positive, with sizes small and large."""

import pytest

from dropcopyd.brokers.paper.market import QUOTE_INTERVAL_NS, ManualFeed, SyntheticMarket, Walk, start_price_of, tick_of
from dropcopyd.brokers.paper.records import Quote, Standing, steps_of, steps_up
from dropcopyd.domain import money
from dropcopyd.domain.instrument import Equity, Instrument, Prediction
from tests.brokers.build import AAPL, EURUSD, NOON_NS, D, packaged_instruments, quote

PACKAGED = packaged_instruments()

STEPS = [0, 1, 2, 3, 100, 65_535, 65_536, 131_071, 131_072, 10_000_000, 10_000_001, 10**12]


@pytest.mark.parametrize("instrument", PACKAGED, ids=lambda instrument: instrument.symbol)
def test_every_quote_is_possible_whole_ticks_whole_increments(instrument: Instrument) -> None:
    walk = Walk(7, instrument)
    for step in [*range(2_000), *STEPS]:
        shown = walk.quote(step)
        assert 0 < shown.bid < shown.ask
        for price in (shown.bid, shown.ask):
            assert money.is_multiple(price, tick_of(instrument))
        for size in (shown.bid_size, shown.ask_size):
            assert size > 0
            assert instrument.quantity_increment is None or money.is_multiple(size, instrument.quantity_increment)
        if isinstance(instrument, Prediction):
            assert shown.ask < instrument.payout


@pytest.mark.parametrize("instrument", PACKAGED, ids=lambda instrument: instrument.symbol)
def test_the_walk_begins_at_the_start_price_moves_and_stays_sensible(instrument: Instrument) -> None:
    walk = Walk(7, instrument)
    start, tick = start_price_of(instrument), tick_of(instrument)
    assert abs(walk.quote(0).bid - start) <= 2 * tick
    bids = [walk.quote(step).bid for step in range(20_000)]
    assert len(set(bids)) > 5
    assert max(bids) <= 2 * start
    assert min(bids) >= start / 2 - 2 * tick or isinstance(instrument, Prediction)


def test_an_instrument_of_a_few_ticks_never_reaches_zero() -> None:
    penny = Equity(symbol="PENNY", tick_size=D(50))
    walk = Walk(3, penny)
    assert min(walk.quote(step).bid for step in range(5_000)) >= 50


def test_the_same_seed_gives_the_same_path_in_whatever_order_it_is_asked() -> None:
    forwards = {step: Walk(42, AAPL).quote(step) for step in range(300)}
    walk = Walk(42, AAPL)
    assert {step: walk.quote(step) for step in reversed(range(300))} == forwards
    assert {step: Walk(43, AAPL).quote(step) for step in range(300)} != forwards
    assert Walk(42, AAPL).quote(299) == forwards[299]


def test_the_path_of_a_seed_never_changes_between_versions() -> None:
    walk = Walk(42, AAPL)
    assert [(str(q.bid), str(q.ask_size)) for q in map(walk.quote, (1, 10, 100, 1_000, 100_000))] == GOLDEN


GOLDEN = [("187.19", "50"), ("187.13", "500"), ("187.21", "50"), ("187.12", "100"), ("189.49", "20")]


def test_sizes_are_small_and_large() -> None:
    walk = Walk(1, AAPL)
    sizes = {walk.quote(step).ask_size for step in range(500)}
    assert sizes == {5, 20, 50, 100, 200, 500}


def test_quotes_are_due_for_active_instruments_once_per_interval() -> None:
    market = SyntheticMarket(7, NOON_NS)
    first = market.due([AAPL, EURUSD], NOON_NS + 10, 64)
    assert [tick.instrument.symbol for tick in first] == ["AAPL", "EURUSD"]
    assert market.due([AAPL, EURUSD], NOON_NS + QUOTE_INTERVAL_NS - 1, 64) == []
    assert market.next_due_ns(NOON_NS + 10) == NOON_NS + QUOTE_INTERVAL_NS
    (tick,) = market.due([EURUSD], NOON_NS + QUOTE_INTERVAL_NS, 64)
    assert tick.quote == Walk(7, EURUSD).quote(1)
    assert market.due([], NOON_NS + 5 * QUOTE_INTERVAL_NS, 64) == []


def test_a_bounded_piece_goes_on_with_the_instruments_left_over() -> None:
    market = SyntheticMarket(7, NOON_NS)
    assert [t.instrument.symbol for t in market.due([AAPL, EURUSD], NOON_NS, 1)] == ["AAPL"]
    assert [t.instrument.symbol for t in market.due([AAPL, EURUSD], NOON_NS, 1)] == ["EURUSD"]


def test_after_a_restart_the_step_shown_last_is_not_shown_again() -> None:
    before = SyntheticMarket(7, NOON_NS)
    (tick,) = before.due([AAPL], NOON_NS + 9 * QUOTE_INTERVAL_NS, 64)
    standing = Standing(AAPL, before.source, tick.place, tick.quote, NOON_NS)
    after = SyntheticMarket(7, NOON_NS)
    after.resume([standing])
    assert after.due([AAPL], NOON_NS + 9 * QUOTE_INTERVAL_NS, 64) == []
    (tick,) = after.due([AAPL], NOON_NS + 10 * QUOTE_INTERVAL_NS, 64)
    assert tick.quote == Walk(7, AAPL).quote(10)


def test_a_clock_before_the_start_shows_the_start() -> None:
    (tick,) = SyntheticMarket(7, NOON_NS).due([AAPL], NOON_NS - 10**12, 64)
    assert tick.quote == Walk(7, AAPL).quote(0)


def test_prices_by_hand_come_in_order_and_only_for_covered_instruments() -> None:
    feed = ManualFeed([AAPL])
    feed.push(AAPL, quote("1.00", "1.01"))
    feed.push(AAPL, quote("1.01", "1.02"))
    with pytest.raises(ValueError, match="does not cover EURUSD"):
        feed.push(EURUSD, quote("1.00", "1.01"))
    assert feed.next_due_ns(5) == 5
    assert [tick.quote.bid for tick in feed.due([], 5, 64)] == [D("1.00"), D("1.01")]
    assert feed.next_due_ns(5) is None


def test_steps_are_counted_exactly_down_and_up() -> None:
    assert steps_of(D("1.05"), D("0.10")) == 10
    assert steps_up(D("1.05"), D("0.10")) == 11
    assert steps_of(D("1.10"), D("0.10")) == steps_up(D("1.10"), D("0.10")) == 11
    # The quotient 0.999... has more than 18 places: rounding it would give one step too many.
    tiny = D("0.000000000000000003")
    assert steps_of(D("2.999999999999999999"), tiny) == 999_999_999_999_999_999
    assert steps_of(D("99999999999999999999.999999999999999999"), D(3)) == 33_333_333_333_333_333_333


@pytest.mark.parametrize(("bid", "ask", "size"), [("1", "1", 1), ("2", "1", 1), ("0", "1", 1), ("1", "2", -1)])
def test_an_impossible_quote_cannot_be_made(bid: str, ask: str, size: int) -> None:
    with pytest.raises(ValueError, match="no possible quote"):
        Quote(D(bid), D(ask), D(size), D(1))
