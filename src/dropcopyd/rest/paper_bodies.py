"""The bodies of the paper routes: what is asked, with its values in the flow's words, and what is answered."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from dropcopyd.domain import money
from dropcopyd.domain.adjustment import AdjustmentKind
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.domain.paper import NOTE_LENGTH_MAX, AdjustmentRequest, SplitRatio
from dropcopyd.flow.paper import AskedQuote, Named
from dropcopyd.rest.command import SYMBOL
from dropcopyd.rest.shapes import Amount, Shape, Time, Uuid

QUOTES_MAX = 100

Positive = Annotated[
    str, Field(pattern=r"^[0-9]{1,20}(\.[0-9]{1,18})?$", description="An exact decimal, never a JSON number.")
]
Signed = Annotated[
    str,
    Field(pattern=r"^-?[0-9]{1,20}(\.[0-9]{1,18})?$", description="An exact decimal, signed, never a JSON number."),
]
Symbol = Annotated[str, Field(pattern=f"^{SYMBOL}$", description="Byte for byte, case-sensitive.", examples=["AAPL"])]
ClassWord = Literal["EQUITY", "FUTURE", "OPTION", "CURRENCY", "CRYPTO", "PERPETUAL", "PREDICTION"]
KindWord = Literal["OPENING", "TRANSFER", "SPLIT", "EXPIRY", "ASSIGNMENT", "FUNDING", "FEE", "MANUAL"]


class Ratio(Shape):
    """So many new units for so many old ones: `{"new": "2", "old": "1"}` is two for one."""

    new: Positive
    old: Positive


class PushAdjustment(Shape):
    """What is booked; docs/paper.md says which members a kind needs and takes."""

    account_id: Uuid
    kind: KindWord
    symbol: Symbol | None = None
    asset_class: ClassWord | None = Field(default=None, description="Where a symbol names several instruments.")
    quantity_delta: Signed | None = None
    cost_delta: Signed | None = None
    cash_delta: Signed | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z0-9]{2,12}$")] | None = None
    ratio: Ratio | None = None
    note: Annotated[str, Field(max_length=NOTE_LENGTH_MAX)] | None = None

    def named(self) -> Named | None:
        """The instrument, where one is named."""
        return None if self.symbol is None else _named(self.symbol, self.asset_class)

    def asked(self) -> AdjustmentRequest:
        """In the domain's words, but for the instrument."""
        ratio = self.ratio
        return AdjustmentRequest(
            kind=AdjustmentKind(self.kind),
            quantity_delta=_amount(self.quantity_delta),
            cost_delta=_amount(self.cost_delta),
            cash_delta=_amount(self.cash_delta),
            currency=self.currency,
            ratio=None if ratio is None else SplitRatio(money.parse(ratio.new), money.parse(ratio.old)),
            note=self.note or "",
        )


class PushQuote(Shape):
    """One instrument's market; a size left out is the usual one of its class."""

    symbol: Symbol
    asset_class: ClassWord | None = Field(default=None, description="Where a symbol names several instruments.")
    bid: Positive
    ask: Positive
    bid_size: Positive | None = None
    ask_size: Positive | None = None


class PushQuotes(Shape):
    """Quotes, shown one after the other, all or none."""

    account_id: Uuid
    quotes: Annotated[list[PushQuote], Field(min_length=1, max_length=QUOTES_MAX)]

    def asked(self) -> Sequence[AskedQuote]:
        """In the flow's words."""
        return [
            AskedQuote(
                instrument=_named(quote.symbol, quote.asset_class),
                bid=money.parse(quote.bid),
                ask=money.parse(quote.ask),
                bid_size=_amount(quote.bid_size),
                ask_size=_amount(quote.ask_size),
            )
            for quote in self.quotes
        ]


class PaperAdjustment(Shape):
    """An adjustment as the paper broker has booked it; null is what it does not move."""

    adjustment_id: str
    account_id: Uuid
    organization_id: Uuid
    kind: AdjustmentKind
    symbol: str | None
    asset_class: AssetClass | None
    quantity_delta: Amount | None
    cost_delta: Amount | None
    cash_delta: Amount | None
    currency: str | None
    note: str
    broker_sent_at: Time


class PaperQuote(Shape):
    """What stands in an account's own market: sizes are what the account's orders have left of them."""

    symbol: str
    asset_class: AssetClass
    bid: Amount
    ask: Amount
    bid_size: Amount
    ask_size: Amount


class PaperQuotes(Shape):
    """In the order of the request."""

    account_id: Uuid
    quotes: list[PaperQuote]


def _named(symbol: str, asset_class: str | None) -> Named:
    return Named(symbol, None if asset_class is None else AssetClass(asset_class))


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else money.parse(text)
