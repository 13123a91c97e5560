"""The shape of a submit's body as documented; `command` reads it, and a test holds the two together."""

from typing import Annotated, Literal

from pydantic import Field

from dropcopyd.domain.account import Scope
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.domain.order import OrderSide, OrderVenue
from dropcopyd.rest.command import REFERENCE_LENGTH_MAX, SYMBOL
from dropcopyd.rest.shapes import Shape, Uuid

AmountAsked = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{1,20}(\.[0-9]{1,18})?$",
        description="An exact decimal above zero, at most 20 digits before and 18 after the point; no exponent.",
        examples=["1.5"],
    ),
]
TimeAsked = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$",
        description="RFC 3339 with an offset and at most nine decimals, from 1970 until 2262.",
        examples=["2027-01-04T14:30:00Z"],
        json_schema_extra={"format": "date-time"},
    ),
]
SymbolAsked = Annotated[
    str, Field(pattern=f"^{SYMBOL}$", description="Byte for byte, case-sensitive.", examples=["AAPL"])
]
Reference = Annotated[
    str, Field(min_length=1, max_length=REFERENCE_LENGTH_MAX, description="Printable characters of any script.")
]
TrailPercentAsked = Annotated[
    str,
    Field(
        pattern=r"^0{0,18}[0-9]{1,2}(\.[0-9]{1,18})?$",
        description="A percentage, above 0 and below 100.",
        examples=["2.5"],
    ),
]

UntilOpening = Literal["DAY", "AT_OPEN"]
UntilClosing = Literal["DAY", "AT_CLOSE"]
"""The times in force that the table of order rules accepts, type by type; a test holds the two together."""


class MarketTerms(Shape):
    """A market order."""

    quantity: AmountAsked
    time_in_force: (
        Literal["DAY", "GOOD_TILL_CANCEL", "AT_OPEN", "IMMEDIATE_OR_CANCEL", "FILL_OR_KILL", "AT_CLOSE"] | None
    ) = "DAY"


class LimitTerms(Shape):
    """A limit order."""

    price: AmountAsked
    quantity: AmountAsked
    time_in_force: Literal[
        "DAY", "GOOD_TILL_CANCEL", "AT_OPEN", "IMMEDIATE_OR_CANCEL", "FILL_OR_KILL", "EXT", "AT_CLOSE"
    ]


class FillOrKillTerms(Shape):
    """Whole at once or not at all; another way to write a Limit (a Market, without a price) with FILL_OR_KILL."""

    price: AmountAsked | None = None
    quantity: AmountAsked
    time_in_force: Literal["FILL_OR_KILL"] | None = "FILL_OR_KILL"


class LimitOnOpenTerms(Shape):
    """A limit order for the next opening auction."""

    price: AmountAsked
    quantity: AmountAsked
    time_in_force: UntilOpening | None = "AT_OPEN"


class LimitOnCloseTerms(Shape):
    """A limit order for the next closing auction."""

    price: AmountAsked
    quantity: AmountAsked
    time_in_force: UntilClosing | None = "AT_CLOSE"


class MarketOnOpenTerms(Shape):
    """A market order for the next opening auction."""

    quantity: AmountAsked
    time_in_force: UntilOpening | None = "AT_OPEN"


class MarketOnCloseTerms(Shape):
    """A market order for the next closing auction."""

    quantity: AmountAsked
    time_in_force: UntilClosing | None = "AT_CLOSE"


class StopTerms(Shape):
    """Becomes a market order when the market reaches the stop price."""

    stop_price: AmountAsked
    quantity: AmountAsked
    time_in_force: Literal["DAY", "GOOD_TILL_CANCEL"]


class StopLimitTerms(Shape):
    """Becomes a limit order when the market reaches the stop price."""

    stop_price: AmountAsked
    price: AmountAsked
    quantity: AmountAsked
    time_in_force: Literal["DAY", "GOOD_TILL_CANCEL", "EXT"]


class TrailByAmount(Shape):
    """A stop that follows the market at a distance in the price's currency."""

    trail_amount: AmountAsked
    trail_percent: None = None
    quantity: AmountAsked
    time_in_force: Literal["DAY", "GOOD_TILL_CANCEL"]


class TrailByPercent(Shape):
    """A stop that follows the market at a distance in percent of its price."""

    trail_percent: TrailPercentAsked
    trail_amount: None = None
    quantity: AmountAsked
    time_in_force: Literal["DAY", "GOOD_TILL_CANCEL"]


class MarketSpec(Shape):
    """`{"Market": {...}}`"""

    Market: MarketTerms


class LimitSpec(Shape):
    """`{"Limit": {...}}`"""

    Limit: LimitTerms


class FillOrKillSpec(Shape):
    """`{"FillOrKill": {...}}`"""

    FillOrKill: FillOrKillTerms


class LimitOnOpenSpec(Shape):
    """`{"LimitOnOpen": {...}}`"""

    LimitOnOpen: LimitOnOpenTerms


class LimitOnCloseSpec(Shape):
    """`{"LimitOnClose": {...}}`"""

    LimitOnClose: LimitOnCloseTerms


class MarketOnOpenSpec(Shape):
    """`{"MarketOnOpen": {...}}`"""

    MarketOnOpen: MarketOnOpenTerms


class MarketOnCloseSpec(Shape):
    """`{"MarketOnClose": {...}}`"""

    MarketOnClose: MarketOnCloseTerms


class StopSpec(Shape):
    """`{"Stop": {...}}`"""

    Stop: StopTerms


class StopLimitSpec(Shape):
    """`{"StopLimit": {...}}`"""

    StopLimit: StopLimitTerms


class TrailingStopSpec(Shape):
    """`{"TrailingStop": {...}}`"""

    TrailingStop: TrailByAmount | TrailByPercent


Spec = (
    MarketSpec
    | LimitSpec
    | FillOrKillSpec
    | LimitOnOpenSpec
    | LimitOnCloseSpec
    | MarketOnOpenSpec
    | MarketOnCloseSpec
    | StopSpec
    | StopLimitSpec
    | TrailingStopSpec
)
"""One member, named by the order type."""


class CreatePayload(Shape):
    """A new order."""

    symbol: SymbolAsked
    asset_class: AssetClass | None = Field(None, description="Needed where a symbol names several instruments.")
    spec: Spec
    order_side: OrderSide
    order_venue: OrderVenue | None = OrderVenue.SMART
    valid_until: TimeAsked | None = Field(
        None, description="The attempt to send begins before this, or never; without it within the dispatch deadline."
    )


class ReplacePayload(Shape):
    """New terms for the order of an intent; quantity is the new total."""

    ref_intent_id: Uuid
    spec: Spec


class CancelIntentPayload(Shape):
    """Cancel the order of an intent."""

    ref_intent_id: Uuid
    ref_order_id: None = None


class CancelOrderPayload(Shape):
    """Cancel an order by its platform id, for one that came from outside."""

    ref_order_id: Uuid
    ref_intent_id: None = None


class CreateCommand(Shape):
    """A new intent."""

    action_type: Literal["CREATE"]
    payload: CreatePayload


class ReplaceCommand(Shape):
    """Appends to the intent's chain."""

    action_type: Literal["REPLACE"]
    payload: ReplacePayload


class CancelCommand(Shape):
    """Appends to the intent's chain."""

    action_type: Literal["CANCEL"]
    payload: CancelIntentPayload | CancelOrderPayload


class SubmitIntent(Shape):
    """One command. The references are taken from the CREATE and stay with the chain."""

    command: Annotated[CreateCommand | ReplaceCommand | CancelCommand, Field(discriminator="action_type")]
    client_reference_id: Reference | None = None
    strategy_id: Reference | None = None


class MintToken(Shape):
    """What a token is to be good for; whatever is left out is as the key has it. Never more than the key may do."""

    scopes: Annotated[list[Scope], Field(min_length=1)] | None = None
    account_ids: Annotated[list[Uuid], Field(min_length=1, max_length=32)] | None = None
    lifetime_s: Annotated[int, Field(ge=1, le=3600)] | None = Field(None, description="Seconds; 900 by default.")
