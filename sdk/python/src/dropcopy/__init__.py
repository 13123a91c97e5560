"""Dropcopy's Python SDK: orders in over REST, live broker context out of one gRPC stream.

    async with dropcopy.Client.from_env() as client:
        intent_id = await client.submit(
            account_id, symbol="AAPL", side="BUY", spec=dropcopy.Limit("187.20", 10)
        )
        async with client.stream(account_id) as stream:
            async for event in stream:
                match event:
                    case dropcopy.Order() as order: ...
                    case dropcopy.Trade() as trade: ...

`dropcopy.proto` holds the contract's messages. What this package exports is `__all__`; its modules are private. It
never imports the daemon. Client and Stream load gRPC and HTTP when they are first used, so that a program which only
wants `dropcopy.proto` loads neither.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from dropcopy._enums import (
    AccountConnection,
    AdjustmentKind,
    AssetClass,
    Broker,
    CommandOutcomeKind,
    EventType,
    ExerciseStyle,
    IntentActionType,
    IntentPrincipalType,
    Liquidity,
    OptionType,
    OrderOrigin,
    OrderSide,
    OrderState,
    OrderStatus,
    OrderType,
    OrderVenue,
    PerpetualUnderlying,
    PredictionOutcome,
    ResumeOutcome,
    Settlement,
    TimeInForce,
    TradeAmendmentKind,
)
from dropcopy._errors import (
    ApiError,
    ChainBroken,
    ConfigurationError,
    Conflict,
    ConnectionFailed,
    DropcopyError,
    InternalError,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    StreamGap,
    SubmitInDoubt,
    Unauthenticated,
    Unavailable,
    UnexpectedAnswer,
)
from dropcopy._events import (
    AccountBalance,
    AccountHead,
    Adjustment,
    Disconnected,
    Event,
    Heartbeat,
    JournalEvent,
    Mark,
    Primed,
    RequestRefused,
    Reset,
    Resume,
    Skipped,
    Status,
    TradeAmendment,
    Unknown,
)
from dropcopy._models import (
    AccountStatus,
    CommandOutcome,
    Cursor,
    Fee,
    Instrument,
    IntentAction,
    Order,
    Place,
    Position,
    Trade,
)
from dropcopy._specs import (
    Amount,
    FillOrKill,
    Limit,
    LimitOnClose,
    LimitOnOpen,
    Market,
    MarketOnClose,
    MarketOnOpen,
    OrderSpec,
    Page,
    Stop,
    StopLimit,
    TrailingStop,
)

if TYPE_CHECKING:
    from dropcopy._client import Client
    from dropcopy._stream import Stream
    from dropcopy._subscription import StreamCounters

_ON_USE: Final = {"Client": "_client", "Stream": "_stream", "StreamCounters": "_subscription"}

__all__ = [
    "AccountBalance",
    "AccountConnection",
    "AccountHead",
    "AccountStatus",
    "Adjustment",
    "AdjustmentKind",
    "Amount",
    "ApiError",
    "AssetClass",
    "Broker",
    "ChainBroken",
    "Client",
    "CommandOutcome",
    "CommandOutcomeKind",
    "ConfigurationError",
    "Conflict",
    "ConnectionFailed",
    "Cursor",
    "Disconnected",
    "DropcopyError",
    "Event",
    "EventType",
    "ExerciseStyle",
    "Fee",
    "FillOrKill",
    "Heartbeat",
    "Instrument",
    "IntentAction",
    "IntentActionType",
    "IntentPrincipalType",
    "InternalError",
    "InvalidRequest",
    "JournalEvent",
    "Limit",
    "LimitOnClose",
    "LimitOnOpen",
    "Liquidity",
    "Mark",
    "Market",
    "MarketOnClose",
    "MarketOnOpen",
    "NotFound",
    "OptionType",
    "Order",
    "OrderOrigin",
    "OrderSide",
    "OrderSpec",
    "OrderState",
    "OrderStatus",
    "OrderType",
    "OrderVenue",
    "Page",
    "PermissionDenied",
    "PerpetualUnderlying",
    "Place",
    "Position",
    "PredictionOutcome",
    "Primed",
    "QuotaExceeded",
    "RequestRefused",
    "Reset",
    "Resume",
    "ResumeOutcome",
    "Settlement",
    "Skipped",
    "Status",
    "Stop",
    "StopLimit",
    "Stream",
    "StreamCounters",
    "StreamGap",
    "SubmitInDoubt",
    "TimeInForce",
    "Trade",
    "TradeAmendment",
    "TradeAmendmentKind",
    "TrailingStop",
    "Unauthenticated",
    "Unavailable",
    "UnexpectedAnswer",
    "Unknown",
]


def __getattr__(name: str) -> Any:
    if name not in _ON_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_ON_USE[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_USE})
