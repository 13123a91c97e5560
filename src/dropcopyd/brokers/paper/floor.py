"""How the orders of the exchange move and trade: resting, waiting for their trigger, their hours or their auction.

`places` has where each is. Time moves them (`pass_time`), quotes trade them (`show`), commands put them in (`enter`)
and take them out (`leave`). An order trades with the quote that stands when it goes live and with later ones. After a
restart everything is where its terms and the time put it, and trades with what comes next.
"""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from dropcopyd.brokers.paper.calling import trade_at_one_price
from dropcopyd.brokers.paper.fills import displayed_to, place_of, tradable, tradable_at_rest
from dropcopyd.brokers.paper.funding import is_scripted
from dropcopyd.brokers.paper.places import Place, Places, is_resting_stop
from dropcopyd.brokers.paper.queues import Queues, Rank
from dropcopyd.brokers.paper.records import Image, MarketKey, PaperOrder, PaperStatus, Quote, Reason, Standing
from dropcopyd.brokers.paper.rules import (
    expiration_of,
    is_all_or_nothing,
    is_marketable,
    limit_of,
    place_on_the_way,
    price_at,
    price_on_the_way,
)
from dropcopyd.brokers.paper.sessions import Timetable, auction_of
from dropcopyd.brokers.paper.staging import AT_ONCE, Stage, Staged, stage_of, trade_date_at
from dropcopyd.brokers.paper.triggers import Triggers, is_passed, ratcheted
from dropcopyd.brokers.paper.turn import Turn
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.order import OrderSide, OrderType, TimeInForce
from dropcopyd.domain.report import Liquidity, ReportKind


class Floor:
    """All open orders of an image, each in its place. What changes is said through the turn that is handed in."""

    def __init__(self, image: Image, timetable: Timetable) -> None:
        self._image = image
        self._timetable = timetable
        self._places = Places(image)
        self._seen: set[MarketKey] = set()
        """Instruments that have shown a quote in this run: an older one is no price to hold an auction at."""
        for order in image.orders.values():
            if order.is_open and not is_scripted(image, order.account_id):
                self._places.put(order, Place.RESTORED)
                self._places.look_again(order, 0)

    def instruments(self) -> list[Instrument]:
        """Those with open orders in the shared market, in a stable order."""
        return self._places.instruments()

    def next_due_ns(self) -> int | None:
        """When something moves by itself; perhaps earlier than it does."""
        return self._places.next_due_ns()

    # --- commands -------------------------------------------------------------------------------------------------

    def enter(self, turn: Turn, order: PaperOrder) -> PaperOrder:
        """A new or changed order goes where the time puts it, and trades if it is live."""
        return self._settle(turn, order)

    def leave(self, order: PaperOrder) -> None:
        """Take an order out of its place, with the terms that it went there with."""
        self._places.leave(order)

    def holds(self, order: PaperOrder) -> bool:
        """Whether the order is here."""
        return self._places.place_of(order) is not None

    def is_live(self, order: PaperOrder) -> bool:
        """Whether the order rests in the market."""
        return self._places.place_of(order) is Place.QUEUE

    def leave_if_there(self, order: PaperOrder) -> None:
        """`leave`, for one that may be nowhere."""
        if self.holds(order):
            self.leave(order)

    def reopen(self, turn: Turn, order: PaperOrder) -> None:
        """An order that a bust has opened again works on; one that had its one chance ends."""
        if self.holds(order):
            return
        is_once = order.terms.time_in_force in AT_ONCE or auction_of(order.terms) is not None
        if is_once:
            reason = "what could not be filled at once is cancelled"
            turn.end(order, PaperStatus.CANCELLED, reason_code=Reason.IOC_REMAINDER, reason=reason)
        else:
            self.put_back(turn, order)

    def take_out(self, account_id: str, market: MarketKey) -> list[PaperOrder]:
        """Take all of an account's orders out of a market."""
        taken = [order for order in self._places.in_market(market) if order.account_id == account_id]
        for order in taken:
            self.leave(order)
        return taken

    def put_back(self, turn: Turn, order: PaperOrder) -> None:
        """Where its terms and the time want an order that was taken out; it trades with the next quote, no earlier."""
        self._places.put(order, Place.RESTORED)
        self._settle(turn, order, is_new=False)

    # --- time -----------------------------------------------------------------------------------------------------

    def pass_time(self, turn: Turn) -> None:
        """Open, close, hold the auctions that are due and end what is over, in the order of their times."""
        while (due_ns := self._places.next_due_ns()) is not None and due_ns <= turn.at_ns:
            for key, orders in self._places.take_due().items():
                self._move(turn, key, due_ns, orders)

    def _move(self, turn: Turn, key: MarketKey, due_ns: int, orders: list[PaperOrder]) -> None:
        """One instrument at one of its times: the auctions first, then each order by itself."""
        hours = self._timetable.hours_of(orders[0].instrument)
        called = [order for order in orders if self._is_called(turn, order)]
        joining = [order for order in orders if hours.opens_by_auction and self._joins(turn, order)]
        if called or joining:
            self._hold_auction(turn, key, due_ns, called, joining)
        for order in orders:
            current = self._image.orders[order.number]
            if current.is_open and self.holds(current):
                self._settle(turn, current, is_new=False)

    def _joins(self, turn: Turn, order: PaperOrder) -> bool:
        """Whether an order opens or closes with its session: everything regular does."""
        if auction_of(order.terms) is not None or is_resting_stop(order):
            return False
        if order.terms.time_in_force is TimeInForce.EXT:
            return False
        place = self._places.place_of(order)
        is_opening = place is Place.WAITING and self._staged(turn, order).stage is Stage.LIVE
        return is_opening or place is Place.QUEUE

    def _is_called(self, turn: Turn, order: PaperOrder) -> bool:
        if auction_of(order.terms) is None:
            return False
        return self._staged(turn, order).stage is Stage.AUCTION

    def _staged(self, turn: Turn, order: PaperOrder) -> Staged:
        return stage_of(order, self._timetable.hours_of(order.instrument), turn.at_ns)

    def _settle(self, turn: Turn, order: PaperOrder, *, is_new: bool = True) -> PaperOrder:
        """Put an order where its terms and the time want it. `is_new`: it is in no place yet."""
        staged = self._staged(turn, order)
        place = None if is_new else self._places.place_of(order)
        if staged.stage is Stage.LIVE and place in (Place.QUEUE, Place.TRIGGER):
            self._places.look_again(order, staged.until_ns)  # one session goes over into the next
            return order
        if not is_new:
            self.leave(order)
        if staged.stage is Stage.OVER:
            return self._expire(turn, order)
        if staged.stage is Stage.LIVE:
            order = self._rest(turn, order) if place is Place.RESTORED else self._go_live(turn, order)
        else:
            self._places.put(order, Place.AUCTION if staged.stage is Stage.AUCTION else Place.WAITING)
        if order.is_open:
            self._places.look_again(order, staged.until_ns)
        return order

    def _expire(self, turn: Turn, order: PaperOrder) -> PaperOrder:
        expires_ns = expiration_of(order.instrument)
        code, reason = Reason.EXPIRED, "the trading day is over"
        if expires_ns is not None and turn.at_ns >= expires_ns:
            code, reason = Reason.INSTRUMENT_EXPIRED, f"{order.instrument.symbol} has expired"
        elif auction_of(order.terms) is not None:
            reason = "its auction could not be held in time"
        return turn.end(order, PaperStatus.EXPIRED, reason_code=code, reason=reason)

    # --- auctions -------------------------------------------------------------------------------------------------

    def _hold_auction(
        self, turn: Turn, key: MarketKey, due_ns: int, called: list[PaperOrder], joining: list[PaperOrder]
    ) -> None:
        """At the standing quote of this run; without one those called wait for the next."""
        standing = self._image.standings.get(key)
        if standing is None or key not in self._seen:
            return
        queues = self._places.queues.get(key)
        resting = {number: self._image.orders[number] for number in (queues.numbers() if queues else ())}
        everybody = resting | {order.number: order for order in (*called, *joining)}
        hours = self._timetable.hours_of(standing.instrument)
        trade_date = self._staged(turn, called[0]).trade_date if called else trade_date_at(hours, due_ns - 1)
        for order in trade_at_one_price(turn, standing, everybody, trade_date):
            self.leave(order)
        for order in called:
            current = self._image.orders[order.number]
            if current.is_open:
                self.leave_if_there(current)
                kind = auction_of(order.terms)
                reason = f"what the {kind} auction left is cancelled"
                turn.end(current, PaperStatus.CANCELLED, reason_code=Reason.AUCTION_REMAINDER, reason=reason)

    # --- quotes and matching --------------------------------------------------------------------------------------

    def show(self, turn: Turn, key: MarketKey, before: Standing | None) -> None:
        """A new quote stands. `before`: the one that the market came from through every price; None if it jumped."""
        self._seen.add(key)
        if self._places.is_empty(key):
            return
        pending = self._places.called(key)
        if pending:
            self._hold_auction(turn, key, turn.at_ns, pending, [])
        queues, triggers = self._places.queues.get(key), self._places.triggers.get(key)
        if triggers is not None and triggers.orders:
            self._reach(turn, key, queues or Queues(), triggers, before)
        elif queues is not None:
            self._sweep(turn, key, queues.buys, before)
            self._sweep(turn, key, queues.sells, before)

    def _reach(self, turn: Turn, key: MarketKey, queues: Queues, triggers: Triggers, before: Standing | None) -> None:
        """What rests, and the stops that wait. Where the market jumped it is at one place at once: what rests trades
        first, then the stops are there. Where it came through every price each has its turn when it is reached, at one
        place what rests first."""
        quote = self._image.standings[key].quote
        is_rising = before is None or quote.bid > before.quote.bid
        behind, ahead = (queues.buys, queues.sells) if is_rising else (queues.sells, queues.buys)
        self._sweep(turn, key, behind, before)
        index = 0 if before is not None else self._sweep(turn, key, ahead, before)
        for moved in triggers.ratchets(quote):
            self._restate(turn, triggers, moved)
        for number in triggers.triggered(quote):
            order = self._image.orders[number]
            if before is not None:
                way = place_on_the_way(order.side, order.terms.stop_price, before.quote, quote)
                index = self._sweep(turn, key, ahead, before, index, way)
            self._pull(turn, order, before)
        if before is not None:
            self._sweep(turn, key, ahead, before, index)

    def _sweep(
        self,
        turn: Turn,
        key: MarketKey,
        queue: list[Rank],
        before: Standing | None,
        index: int = 0,
        until: Fraction | None = None,
    ) -> int:
        """Trade one side's resting orders from an index on with the standing quote, as far as it reaches, its size
        lasts, and they were reached by then on the way; the index of the first one left."""
        while index < len(queue):
            order = self._image.orders[queue[index][3]]
            quote = self._image.standings[key].quote
            if not is_marketable(order, quote):
                return index
            if not _is_reached(order, before, quote, until):
                return index
            known = self._image.places.get(order.number)
            quantity, place = tradable_at_rest(turn.wallet(order.account_id).plan, order, quote, known)
            if place is not None:
                turn.queue(order.number, place)
            if not quantity:
                if not displayed_to(order.side, quote):
                    return index
                index += 1
                continue
            price = price_at(order.side, quote) if before is None else price_on_the_way(order, before.quote, quote)
            liquidity = Liquidity.REMOVED if limit_of(order.terms) is None else Liquidity.ADDED
            order = turn.fill(order, quantity, price, liquidity)
            if order.is_open:
                index += 1
            else:
                self.leave(order)
        return index

    def _pull(self, turn: Turn, order: PaperOrder, before: Standing | None) -> None:
        """The market has reached a stop."""
        due_ns = self._places.due_of(order)
        self.leave(order)
        order = self._trigger(turn, order, None if before is None else before.quote)
        if order.is_open:
            self._places.look_again(order, due_ns)

    def _restate(self, turn: Turn, triggers: Triggers, moved: PaperOrder) -> None:
        triggers.remove(moved)
        triggers.add(turn.put(moved))
        turn.report(ReportKind.RESTATED, moved.live_command_id, moved, reason=_FOLLOWED)

    def _go_live(self, turn: Turn, order: PaperOrder) -> PaperOrder:
        """An order meets the standing quote; what is left rests, or ends by its time in force."""
        standing = self._image.standings.get(self._places.market_of(order))
        if is_resting_stop(order):
            if standing is not None and order.terms.order_type is OrderType.TRAILING_STOP:
                order = self._begin_trail(turn, order, standing.quote)
            if standing is not None and is_passed(order, standing.quote):
                return self._trigger(turn, order, None)
            return self._rest(turn, order)
        return self._arrive(turn, order, None)

    def _begin_trail(self, turn: Turn, order: PaperOrder, quote: Quote) -> PaperOrder:
        after = ratcheted(order, quote)
        if after is not order:
            turn.put(after)
            turn.report(ReportKind.RESTATED, after.live_command_id, after, reason=_FOLLOWED)
        return after

    def _trigger(self, turn: Turn, order: PaperOrder, before: Quote | None) -> PaperOrder:
        """The stop has been reached: the order is live from now on, behind those that were there.

        Where the market came through every price, it trades at its stop; where it jumped, at what it finds.
        """
        self._image.priority_count += 1
        order = turn.put(replace(order, is_triggered=True, priority=self._image.priority_count))
        turn.report(ReportKind.TRIGGERED, order.live_command_id, order, raw_status="triggered")
        stop = order.terms.stop_price
        is_passed_on_the_way = before is not None and not is_passed(order, before)
        return self._arrive(turn, order, stop if is_passed_on_the_way else None)

    def _arrive(self, turn: Turn, order: PaperOrder, way_price: Decimal | None) -> PaperOrder:
        """Trade at the standing quote, or at a price that the market passed on its way to it."""
        standing = self._image.standings.get(self._places.market_of(order))
        is_whole_only = is_all_or_nothing(order.terms)
        price = None if standing is None else _price_for(order, standing.quote, way_price)
        if standing is not None and price is not None:
            quantity = tradable(turn.wallet(order.account_id).plan, order, standing.quote)
            if quantity and (quantity == order.leaves_quantity or not is_whole_only):
                order = turn.fill(order, quantity, price, Liquidity.REMOVED)
        if not order.is_open:
            return order
        if is_whole_only:
            reason = "could not be filled whole at once"
            return turn.end(order, PaperStatus.CANCELLED, reason_code=Reason.FOK_NOT_FILLED, reason=reason)
        if order.terms.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL:
            reason = "what could not be filled at once is cancelled"
            return turn.end(order, PaperStatus.CANCELLED, reason_code=Reason.IOC_REMAINDER, reason=reason)
        return self._rest(turn, order)

    def _rest(self, turn: Turn, order: PaperOrder) -> PaperOrder:
        if self._places.rest(order) is Place.QUEUE:
            self._queue_up(turn, order)
        return order

    def _queue_up(self, turn: Turn, order: PaperOrder) -> None:
        """A new priority begins at the end of the queue."""
        known = self._image.places.get(order.number)
        if known is None or known.priority != order.priority:
            standing = self._image.standings.get(self._places.market_of(order))
            plan = turn.wallet(order.account_id).plan
            place = place_of(plan, order, None if standing is None else standing.quote)
            if place is not None:
                turn.queue(order.number, place)


_FOLLOWED = "the stop follows the market"


def _is_reached(order: PaperOrder, before: Standing | None, quote: Quote, until: Fraction | None) -> bool:
    """Whether a market on its way to the quote had reached a resting order by then; None: it is there."""
    if before is None or until is None:
        return True
    return place_on_the_way(order.side, limit_of(order.terms), before.quote, quote) <= until


def _price_for(order: PaperOrder, quote: Quote, way_price: Decimal | None) -> Decimal | None:
    """What an arriving order trades at; None when it takes neither the price passed on the way nor the quote's."""
    limit, is_buy = limit_of(order.terms), order.side is OrderSide.BUY
    if way_price is not None and (limit is None or (limit >= way_price if is_buy else limit <= way_price)):
        return way_price
    return price_at(order.side, quote) if is_marketable(order, quote) else None
