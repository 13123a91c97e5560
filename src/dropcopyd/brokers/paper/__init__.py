"""The paper broker: a counterparty of its own, with a durable book, that trades against simulated prices.

It stands where a real broker stands. Its book is its own file and commits separately from the gateway, so that the
gateway can die between "sent" and "acknowledged" and finds here, on its return, what really happened.

- `records`: the nouns: quotes, orders, answers, and `Decision`, everything that one decision changes.
- `exchange`: pure matching in price-time priority; no I/O, no clock.
- `market`, `replay`, `prices`: price sources, driven step by step, and the options that choose them.
- `book`, `writer`, `codec`, `schema`: the durable book: one writer thread, group commit, read transactions.
- `broker`, `session`: the `Broker` port: decide, commit, then report.

Invariants: every decision is committed before its reports are handed out or its command is answered; reports are
numbered per account without a gap; an execution's price and size come from one quote at or after the order's arrival,
never beyond its limit; a quote's displayed size is consumed once. Orders trade with the market only, not with each
other. Nobody's buying power is checked: selling what is not held opens a short position.
"""

from dropcopyd.brokers.paper.book import Book, read_submit_log
from dropcopyd.brokers.paper.broker import FailureMode, PaperBroker
from dropcopyd.brokers.paper.market import Feed, ManualFeed, SyntheticMarket
from dropcopyd.brokers.paper.prices import PriceOption, PriceSource, open_feeds, parse_price_option
from dropcopyd.brokers.paper.records import Quote, SubmitEntry
from dropcopyd.brokers.paper.replay import Replay, load_bars

__all__ = [
    "Book",
    "FailureMode",
    "Feed",
    "ManualFeed",
    "PaperBroker",
    "PriceOption",
    "PriceSource",
    "Quote",
    "Replay",
    "SubmitEntry",
    "SyntheticMarket",
    "load_bars",
    "open_feeds",
    "parse_price_option",
    "read_submit_log",
]
