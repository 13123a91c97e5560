"""Contracts of an inverse perpetual are worth less of the base the dearer it is; profit is in the base."""

from decimal import Decimal

from tests.domain.build import INVERSE
from tests.domain.ledger import Ledger


def test_an_inverse_perpetual_through_zero() -> None:
    """100 contracts of 100 USD bought @ 50,000: 0.2 BTC. 150 sold @ 40,000 are worth 0.375 BTC.

    50 of them open a short @ 40,000: 0.125 BTC. The closing part is 0.25: a long loses what it cost less, 0.2 - 0.25.
    """
    ledger = Ledger(INVERSE)
    ledger.trade("in", "100", "50000", at=1)
    ledger.trade("out", "-150", "40000", at=2)
    assert ledger.held() == ("-50", "0.125", "-0.05")
    assert ledger.position.average_cost == Decimal(40000)
