"""An auction trades everything at the one price at which most trades."""

from dropcopyd.domain.order import OrderType, TimeInForce
from dropcopyd.domain.report import Liquidity, ReportKind
from tests.brokers.build import SELL, D, asked, fills, listed_floor, new_york, quote, terms

K, AT_OPEN = ReportKind, TimeInForce.AT_OPEN
MOO, LOO = OrderType.MARKET_ON_OPEN, OrderType.LIMIT_ON_OPEN


def test_an_opening_auction_trades_everything_at_one_price() -> None:
    """Buys: 100 at any price, 200 to 10.05. Sells: 150 at any price, 300 from 10.02.

    The market: it buys 300 at 10.00 and sells 200 at 10.04.

    | price | for sale        | wanted          | trades | left over |
    | 10.00 | 150             | 300 + 300       | 150    | 450       |
    | 10.02 | 450             | 300             | 300    | 150       |
    | 10.04 | 650             | 300             | 300    | 350       |
    | 10.05 | 650             | 300             | 300    | 350       |

    Most trades at 10.02 and above, with least left over at 10.02: there all buys fill, of the sells first the one
    without a limit (150), then 150 of the 300 from 10.02.
    """
    floor = listed_floor(new_york("2026-11-24 08:00"))
    floor.show(quote("10.00", "10.04", bid_size=300, ask_size=200))
    floor.enter("moo", asked(MOO, 100, AT_OPEN))
    floor.enter("day", terms(200, "10.05"))  # an ordinary order that opens with the session
    floor.enter("sell", asked(MOO, 150, AT_OPEN), SELL)
    floor.enter("loo", asked(LOO, 300, AT_OPEN, limit_price="10.02"), SELL)
    assert fills(floor.reports) == []
    reports = floor.at(new_york("2026-11-24 09:30"))
    assert fills(reports) == [
        ("moo", D(100), D("10.02")),
        ("day", D(200), D("10.02")),
        ("sell", D(150), D("10.02")),
        ("loo", D(150), D("10.02")),
    ]
    trades = [report for report in reports if report.kind is K.TRADE]
    assert {(report.liquidity, report.trade_date) for report in trades} == {(Liquidity.AUCTION, "2026-11-24")}
    assert [(r.broker_command_id, r.reason_code) for r in reports if r.kind is K.CANCELLED] == [
        ("loo", "auction_remainder")
    ]
