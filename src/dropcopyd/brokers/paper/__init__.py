"""The paper broker: a counterparty of its own, with a durable book, that trades against simulated prices.

It stands where a real broker stands. Its book is its own file and commits separately from the gateway, so that the
gateway can die between "sent" and "acknowledged" and finds here, on its return, what really happened.

- `records`: the nouns: quotes, orders, answers, and `Decision`, everything that one decision changes.
- `exchange`: the commands, pure; no I/O, no clock. `floor` moves and trades the orders, `places` has where each is:
  `queues` (price, then time), `triggers` (stops), `auction` (one price for all); `rules` and `staging` say what is
  taken and when it is live.
- `sessions`, `calendars`: the hours of every instrument, always or as their exchanges keep them.
- `plan`, `fills`, `funding`, `chance`: an account's profile, seed, money and parameters, and what follows from them.
- `scenario`, `scripts`, `runs`: orders that a script moves; `mishaps`: busts, corrections and late fills by chance.
- `adjusting`: what is no trade, splits of working orders, and markets that are one account's own.
- `market`, `replay`, `ticks`, `tables`, `prices`: price sources, driven step by step, their files, and the options that
  choose them.
- `book`, `writer`, `codec`, `schema`: the durable book: one writer thread, group commit, read transactions.
- `broker`, `session`: the `Broker` port: decide, commit, then report.

Invariants: every decision is committed before its reports are handed out or its command is answered; reports are
numbered per account without a gap; an execution's price and size come from one quote at or after the order's arrival,
never beyond its limit (but for those that a script or a mishap makes); a quote's displayed size is consumed once.
Orders trade with the market only, and with each other in auctions. Selling what is not held opens a short position,
except in crypto; an account with limited money is refused what it cannot carry.
"""

from dropcopyd.brokers.paper.book import Book, read_submit_log
from dropcopyd.brokers.paper.broker import FailureMode, PaperBroker
from dropcopyd.brokers.paper.desk import PAUSE_MAX_S
from dropcopyd.brokers.paper.market import Feed, ManualFeed, SyntheticMarket
from dropcopyd.brokers.paper.opening import PAPER_BOOK_NAME, open_paper
from dropcopyd.brokers.paper.plan import Plan, Profile, parse_plan, plan_from, render_plan
from dropcopyd.brokers.paper.prices import PriceOption, PriceSource, open_feeds, parse_price_option
from dropcopyd.brokers.paper.records import Quote, SubmitEntry
from dropcopyd.brokers.paper.replay import Replay, load_bars
from dropcopyd.brokers.paper.sessions import SessionMode, Timetable

__all__ = [
    "PAPER_BOOK_NAME",
    "PAUSE_MAX_S",
    "Book",
    "FailureMode",
    "Feed",
    "ManualFeed",
    "PaperBroker",
    "Plan",
    "PriceOption",
    "PriceSource",
    "Profile",
    "Quote",
    "Replay",
    "SessionMode",
    "SubmitEntry",
    "SyntheticMarket",
    "Timetable",
    "load_bars",
    "open_feeds",
    "open_paper",
    "parse_plan",
    "parse_price_option",
    "plan_from",
    "read_submit_log",
    "render_plan",
]
