# Generated from proto/ by scripts/gen.py (`make gen`); change those instead.
# ruff: noqa
# fmt: off
"""The messages of the streaming contract: `from dropcopy.proto import Subscribe, EVENT_TYPE_BROKER_ORDER`.

Messages are protobuf classes, enums are EnumTypeWrappers, enum values are ints at module level. Enums are open: a
number that this version does not know is kept as it is.

All of it lives in POOL, a descriptor pool of this package alone, so that a program may load its own generated copy of
the same contract beside it. Nothing here is registered in the default pool. The price: a message of another copy,
google.protobuf.timestamp_pb2.Timestamp included, is another class and is refused as a field's value (TypeError). Use
the Timestamp of this module, or hand over bytes.

POOL also answers server reflection. FILE_DESCRIPTORS maps each file's name to its serialized FileDescriptorProto,
imported files first; SERVICES holds the full names of the services; each *_PATH is the HTTP/2 path of a method.
"""

from google.protobuf.descriptor_pool import DescriptorPool as _DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper as _EnumTypeWrapper
from google.protobuf.message_factory import GetMessageClass as _GetMessageClass

from dropcopy.proto._files import FILE_DESCRIPTORS


def _new_pool():
    pool = _DescriptorPool()
    for serialized in FILE_DESCRIPTORS.values():
        pool.AddSerializedFile(serialized)
    return pool


def _message(full_name):
    message = _GetMessageClass(POOL.FindMessageTypeByName(full_name))
    message.__module__ = __name__  # so that pickle finds this class, and a traceback names it
    return message


def _enum(full_name):
    return _EnumTypeWrapper(POOL.FindEnumTypeByName(full_name))


POOL = _new_pool()
SERVICES = ("trading.StreamingService", "trading.TradingService",)
STREAM_EVENTS_PATH = "/trading.TradingService/StreamEvents"
SUBSCRIBE_EVENTS_PATH = "/trading.TradingService/SubscribeEvents"
STREAM_PATH = "/trading.StreamingService/Stream"

# google/protobuf/timestamp.proto
Timestamp = _message("google.protobuf.Timestamp")

# trading/trading_instruments.proto
Instrument = _message("trading.Instrument")
Equity = _message("trading.Equity")
Future = _message("trading.Future")
ContractMonth = _message("trading.ContractMonth")
OptionInstrument = _message("trading.OptionInstrument")
Currency = _message("trading.Currency")
Crypto = _message("trading.Crypto")
Perpetual = _message("trading.Perpetual")
FundingSchedule = _message("trading.FundingSchedule")
Prediction = _message("trading.Prediction")
AssetClass = _enum("trading.AssetClass")
ASSET_CLASS_UNSPECIFIED = 0
ASSET_CLASS_EQUITY = 1
ASSET_CLASS_FUTURE = 2
ASSET_CLASS_OPTION = 3
ASSET_CLASS_CURRENCY = 4
ASSET_CLASS_CRYPTO = 5
ASSET_CLASS_PERPETUAL = 6
ASSET_CLASS_PREDICTION = 7
FutureMonth = _enum("trading.FutureMonth")
FUTURE_MONTH_UNSPECIFIED = 0
FUTURE_MONTH_JANUARY = 1
FUTURE_MONTH_FEBRUARY = 2
FUTURE_MONTH_MARCH = 3
FUTURE_MONTH_APRIL = 4
FUTURE_MONTH_MAY = 5
FUTURE_MONTH_JUNE = 6
FUTURE_MONTH_JULY = 7
FUTURE_MONTH_AUGUST = 8
FUTURE_MONTH_SEPTEMBER = 9
FUTURE_MONTH_OCTOBER = 10
FUTURE_MONTH_NOVEMBER = 11
FUTURE_MONTH_DECEMBER = 12
OptionType = _enum("trading.OptionType")
OPTION_TYPE_UNSPECIFIED = 0
OPTION_TYPE_CALL = 1
OPTION_TYPE_PUT = 2
ExerciseStyle = _enum("trading.ExerciseStyle")
EXERCISE_STYLE_UNSPECIFIED = 0
EXERCISE_STYLE_AMERICAN = 1
EXERCISE_STYLE_EUROPEAN = 2
PerpetualUnderlying = _enum("trading.PerpetualUnderlying")
PERPETUAL_UNDERLYING_UNSPECIFIED = 0
PERPETUAL_UNDERLYING_CRYPTO = 1
PERPETUAL_UNDERLYING_FUTURE = 2
PERPETUAL_UNDERLYING_PREDICTION = 3
Settlement = _enum("trading.Settlement")
SETTLEMENT_UNSPECIFIED = 0
SETTLEMENT_LINEAR = 1
SETTLEMENT_INVERSE = 2
PredictionOutcome = _enum("trading.PredictionOutcome")
PREDICTION_OUTCOME_UNSPECIFIED = 0
PREDICTION_OUTCOME_YES = 1
PREDICTION_OUTCOME_NO = 2

# trading/trading_types.proto
EventType = _enum("trading.EventType")
EVENT_TYPE_UNSPECIFIED = 0
EVENT_TYPE_BROKER_ORDER = 1
EVENT_TYPE_BROKER_POSITION = 2
EVENT_TYPE_BROKER_TRADE = 3
EVENT_TYPE_INTENT_ACTION = 4
EVENT_TYPE_ACCOUNT_STATUS = 1000
EVENT_TYPE_ACCOUNT_BALANCE = 1001
EVENT_TYPE_TRADE_AMENDMENT = 1002
EVENT_TYPE_ADJUSTMENT = 1003
EVENT_TYPE_COMMAND_OUTCOME = 1004
OrderDelivery = _enum("trading.OrderDelivery")
ORDER_DELIVERY_UNSPECIFIED = 0
ORDER_DELIVERY_LIVE = 1
ORDER_DELIVERY_PRIMED = 2
ResumeOutcome = _enum("trading.ResumeOutcome")
RESUME_OUTCOME_UNSPECIFIED = 0
RESUME_OUTCOME_LIVE = 1
RESUME_OUTCOME_RESUMED = 2
RESUME_OUTCOME_RESET = 3
Broker = _enum("trading.Broker")
BROKER_UNSPECIFIED = 0
BROKER_LIGHTSPEED_CONNECT = 1
BROKER_ALPACA = 2
BROKER_PAPER = 1000
BROKER_FIX = 1001
OrderType = _enum("trading.OrderType")
ORDER_TYPE_UNSPECIFIED = 0
ORDER_TYPE_LIMIT = 1
ORDER_TYPE_MARKET = 2
ORDER_TYPE_FILL_OR_KILL = 3
ORDER_TYPE_LIMIT_ON_OPEN = 4
ORDER_TYPE_LIMIT_ON_CLOSE = 5
ORDER_TYPE_MARKET_ON_OPEN = 6
ORDER_TYPE_MARKET_ON_CLOSE = 7
ORDER_TYPE_STOP = 8
ORDER_TYPE_STOP_LIMIT = 9
ORDER_TYPE_TRAILING_STOP = 10
TimeInForce = _enum("trading.TimeInForce")
TIME_IN_FORCE_UNSPECIFIED = 0
TIME_IN_FORCE_DAY = 1
TIME_IN_FORCE_GOOD_TILL_CANCEL = 2
TIME_IN_FORCE_AT_OPEN = 3
TIME_IN_FORCE_IMMEDIATE_OR_CANCEL = 4
TIME_IN_FORCE_FILL_OR_KILL = 5
TIME_IN_FORCE_EXT = 6
TIME_IN_FORCE_AT_CLOSE = 7
OrderSide = _enum("trading.OrderSide")
ORDER_SIDE_UNSPECIFIED = 0
ORDER_SIDE_BUY = 1
ORDER_SIDE_SELL = 2
ORDER_SIDE_SELL_SHORT = 3
OrderVenue = _enum("trading.OrderVenue")
ORDER_VENUE_UNSPECIFIED = 0
ORDER_VENUE_SMART = 1
ORDER_VENUE_AMEX = 2
ORDER_VENUE_ARCA = 3
ORDER_VENUE_BATS = 4
ORDER_VENUE_BATY = 5
ORDER_VENUE_EDGA = 6
ORDER_VENUE_EDGX = 7
ORDER_VENUE_NSDQ = 8
ORDER_VENUE_NYSE = 9
OrderStatus = _enum("trading.OrderStatus")
ORDER_STATUS_UNSPECIFIED = 0
ORDER_STATUS_PENDING_NEW = 1
ORDER_STATUS_NEW = 2
ORDER_STATUS_PARTIALLY_FILLED = 3
ORDER_STATUS_FILLED = 4
ORDER_STATUS_PENDING_CANCEL = 5
ORDER_STATUS_CANCELLED = 6
ORDER_STATUS_PENDING_REPLACE = 7
ORDER_STATUS_REPLACED = 8
ORDER_STATUS_STOPPED = 9
ORDER_STATUS_REJECTED = 10
OrderState = _enum("trading.OrderState")
ORDER_STATE_UNSPECIFIED = 0
ORDER_STATE_OPEN = 1
ORDER_STATE_CLOSED = 2
ORDER_STATE_REJECTED = 3
OrderOrigin = _enum("trading.OrderOrigin")
ORDER_ORIGIN_UNSPECIFIED = 0
ORDER_ORIGIN_PLATFORM = 1
ORDER_ORIGIN_EXTERNAL = 2
IntentActionType = _enum("trading.IntentActionType")
INTENT_ACTION_TYPE_UNSPECIFIED = 0
INTENT_ACTION_TYPE_CREATE = 1
INTENT_ACTION_TYPE_REPLACE = 2
INTENT_ACTION_TYPE_CANCEL = 3
IntentPrincipalType = _enum("trading.IntentPrincipalType")
INTENT_PRINCIPAL_TYPE_UNSPECIFIED = 0
INTENT_PRINCIPAL_TYPE_API_KEY = 1
INTENT_PRINCIPAL_TYPE_USER = 2
INTENT_PRINCIPAL_TYPE_SERVICE = 3
Liquidity = _enum("trading.Liquidity")
LIQUIDITY_UNSPECIFIED = 0
LIQUIDITY_ADDED = 1
LIQUIDITY_REMOVED = 2
LIQUIDITY_AUCTION = 3
AccountConnection = _enum("trading.AccountConnection")
ACCOUNT_CONNECTION_UNSPECIFIED = 0
ACCOUNT_CONNECTION_LIVE = 1
ACCOUNT_CONNECTION_CATCHING_UP = 2
ACCOUNT_CONNECTION_BLIND = 3
ACCOUNT_CONNECTION_HALTED = 4
TradeAmendmentKind = _enum("trading.TradeAmendmentKind")
TRADE_AMENDMENT_KIND_UNSPECIFIED = 0
TRADE_AMENDMENT_KIND_BUST = 1
TRADE_AMENDMENT_KIND_CORRECTION = 2
AdjustmentKind = _enum("trading.AdjustmentKind")
ADJUSTMENT_KIND_UNSPECIFIED = 0
ADJUSTMENT_KIND_OPENING = 1
ADJUSTMENT_KIND_TRANSFER = 2
ADJUSTMENT_KIND_SPLIT = 3
ADJUSTMENT_KIND_EXPIRY = 4
ADJUSTMENT_KIND_ASSIGNMENT = 5
ADJUSTMENT_KIND_FUNDING = 6
ADJUSTMENT_KIND_FEE = 7
ADJUSTMENT_KIND_DAY_ROLL = 8
ADJUSTMENT_KIND_MANUAL = 9
CommandOutcomeKind = _enum("trading.CommandOutcomeKind")
COMMAND_OUTCOME_KIND_UNSPECIFIED = 0
COMMAND_OUTCOME_KIND_PENDING = 1
COMMAND_OUTCOME_KIND_ACCEPTED = 2
COMMAND_OUTCOME_KIND_REFUSED = 3
COMMAND_OUTCOME_KIND_IN_DOUBT = 4
COMMAND_OUTCOME_KIND_WITHHELD = 5
COMMAND_OUTCOME_KIND_NOT_SENT = 6

# trading/trading_models.proto
BrokerOrder = _message("trading.BrokerOrder")
BrokerPosition = _message("trading.BrokerPosition")
BrokerTrade = _message("trading.BrokerTrade")
Fee = _message("trading.Fee")
IntentAction = _message("trading.IntentAction")
AccountStatus = _message("trading.AccountStatus")
AccountBalance = _message("trading.AccountBalance")
TradeAmendment = _message("trading.TradeAmendment")
Adjustment = _message("trading.Adjustment")
Mark = _message("trading.Mark")
CommandOutcome = _message("trading.CommandOutcome")

# trading/trading_service.proto
StreamEventsRequest = _message("trading.StreamEventsRequest")
Subscribe = _message("trading.Subscribe")
Unsubscribe = _message("trading.Unsubscribe")
Cursor = _message("trading.Cursor")
Arm = _message("trading.Arm")
TradingEvent = _message("trading.TradingEvent")
Heartbeat = _message("trading.Heartbeat")
AccountHead = _message("trading.AccountHead")
Error = _message("trading.Error")
Status = _message("trading.Status")
Resume = _message("trading.Resume")
Primed = _message("trading.Primed")

# streaming.proto
StreamRequest = _message("trading.StreamRequest")

__all__ = [
    "ACCOUNT_CONNECTION_BLIND",
    "ACCOUNT_CONNECTION_CATCHING_UP",
    "ACCOUNT_CONNECTION_HALTED",
    "ACCOUNT_CONNECTION_LIVE",
    "ACCOUNT_CONNECTION_UNSPECIFIED",
    "ADJUSTMENT_KIND_ASSIGNMENT",
    "ADJUSTMENT_KIND_DAY_ROLL",
    "ADJUSTMENT_KIND_EXPIRY",
    "ADJUSTMENT_KIND_FEE",
    "ADJUSTMENT_KIND_FUNDING",
    "ADJUSTMENT_KIND_MANUAL",
    "ADJUSTMENT_KIND_OPENING",
    "ADJUSTMENT_KIND_SPLIT",
    "ADJUSTMENT_KIND_TRANSFER",
    "ADJUSTMENT_KIND_UNSPECIFIED",
    "ASSET_CLASS_CRYPTO",
    "ASSET_CLASS_CURRENCY",
    "ASSET_CLASS_EQUITY",
    "ASSET_CLASS_FUTURE",
    "ASSET_CLASS_OPTION",
    "ASSET_CLASS_PERPETUAL",
    "ASSET_CLASS_PREDICTION",
    "ASSET_CLASS_UNSPECIFIED",
    "AccountBalance",
    "AccountConnection",
    "AccountHead",
    "AccountStatus",
    "Adjustment",
    "AdjustmentKind",
    "Arm",
    "AssetClass",
    "BROKER_ALPACA",
    "BROKER_FIX",
    "BROKER_LIGHTSPEED_CONNECT",
    "BROKER_PAPER",
    "BROKER_UNSPECIFIED",
    "Broker",
    "BrokerOrder",
    "BrokerPosition",
    "BrokerTrade",
    "COMMAND_OUTCOME_KIND_ACCEPTED",
    "COMMAND_OUTCOME_KIND_IN_DOUBT",
    "COMMAND_OUTCOME_KIND_NOT_SENT",
    "COMMAND_OUTCOME_KIND_PENDING",
    "COMMAND_OUTCOME_KIND_REFUSED",
    "COMMAND_OUTCOME_KIND_UNSPECIFIED",
    "COMMAND_OUTCOME_KIND_WITHHELD",
    "CommandOutcome",
    "CommandOutcomeKind",
    "ContractMonth",
    "Crypto",
    "Currency",
    "Cursor",
    "EVENT_TYPE_ACCOUNT_BALANCE",
    "EVENT_TYPE_ACCOUNT_STATUS",
    "EVENT_TYPE_ADJUSTMENT",
    "EVENT_TYPE_BROKER_ORDER",
    "EVENT_TYPE_BROKER_POSITION",
    "EVENT_TYPE_BROKER_TRADE",
    "EVENT_TYPE_COMMAND_OUTCOME",
    "EVENT_TYPE_INTENT_ACTION",
    "EVENT_TYPE_TRADE_AMENDMENT",
    "EVENT_TYPE_UNSPECIFIED",
    "EXERCISE_STYLE_AMERICAN",
    "EXERCISE_STYLE_EUROPEAN",
    "EXERCISE_STYLE_UNSPECIFIED",
    "Equity",
    "Error",
    "EventType",
    "ExerciseStyle",
    "FILE_DESCRIPTORS",
    "FUTURE_MONTH_APRIL",
    "FUTURE_MONTH_AUGUST",
    "FUTURE_MONTH_DECEMBER",
    "FUTURE_MONTH_FEBRUARY",
    "FUTURE_MONTH_JANUARY",
    "FUTURE_MONTH_JULY",
    "FUTURE_MONTH_JUNE",
    "FUTURE_MONTH_MARCH",
    "FUTURE_MONTH_MAY",
    "FUTURE_MONTH_NOVEMBER",
    "FUTURE_MONTH_OCTOBER",
    "FUTURE_MONTH_SEPTEMBER",
    "FUTURE_MONTH_UNSPECIFIED",
    "Fee",
    "FundingSchedule",
    "Future",
    "FutureMonth",
    "Heartbeat",
    "INTENT_ACTION_TYPE_CANCEL",
    "INTENT_ACTION_TYPE_CREATE",
    "INTENT_ACTION_TYPE_REPLACE",
    "INTENT_ACTION_TYPE_UNSPECIFIED",
    "INTENT_PRINCIPAL_TYPE_API_KEY",
    "INTENT_PRINCIPAL_TYPE_SERVICE",
    "INTENT_PRINCIPAL_TYPE_UNSPECIFIED",
    "INTENT_PRINCIPAL_TYPE_USER",
    "Instrument",
    "IntentAction",
    "IntentActionType",
    "IntentPrincipalType",
    "LIQUIDITY_ADDED",
    "LIQUIDITY_AUCTION",
    "LIQUIDITY_REMOVED",
    "LIQUIDITY_UNSPECIFIED",
    "Liquidity",
    "Mark",
    "OPTION_TYPE_CALL",
    "OPTION_TYPE_PUT",
    "OPTION_TYPE_UNSPECIFIED",
    "ORDER_DELIVERY_LIVE",
    "ORDER_DELIVERY_PRIMED",
    "ORDER_DELIVERY_UNSPECIFIED",
    "ORDER_ORIGIN_EXTERNAL",
    "ORDER_ORIGIN_PLATFORM",
    "ORDER_ORIGIN_UNSPECIFIED",
    "ORDER_SIDE_BUY",
    "ORDER_SIDE_SELL",
    "ORDER_SIDE_SELL_SHORT",
    "ORDER_SIDE_UNSPECIFIED",
    "ORDER_STATE_CLOSED",
    "ORDER_STATE_OPEN",
    "ORDER_STATE_REJECTED",
    "ORDER_STATE_UNSPECIFIED",
    "ORDER_STATUS_CANCELLED",
    "ORDER_STATUS_FILLED",
    "ORDER_STATUS_NEW",
    "ORDER_STATUS_PARTIALLY_FILLED",
    "ORDER_STATUS_PENDING_CANCEL",
    "ORDER_STATUS_PENDING_NEW",
    "ORDER_STATUS_PENDING_REPLACE",
    "ORDER_STATUS_REJECTED",
    "ORDER_STATUS_REPLACED",
    "ORDER_STATUS_STOPPED",
    "ORDER_STATUS_UNSPECIFIED",
    "ORDER_TYPE_FILL_OR_KILL",
    "ORDER_TYPE_LIMIT",
    "ORDER_TYPE_LIMIT_ON_CLOSE",
    "ORDER_TYPE_LIMIT_ON_OPEN",
    "ORDER_TYPE_MARKET",
    "ORDER_TYPE_MARKET_ON_CLOSE",
    "ORDER_TYPE_MARKET_ON_OPEN",
    "ORDER_TYPE_STOP",
    "ORDER_TYPE_STOP_LIMIT",
    "ORDER_TYPE_TRAILING_STOP",
    "ORDER_TYPE_UNSPECIFIED",
    "ORDER_VENUE_AMEX",
    "ORDER_VENUE_ARCA",
    "ORDER_VENUE_BATS",
    "ORDER_VENUE_BATY",
    "ORDER_VENUE_EDGA",
    "ORDER_VENUE_EDGX",
    "ORDER_VENUE_NSDQ",
    "ORDER_VENUE_NYSE",
    "ORDER_VENUE_SMART",
    "ORDER_VENUE_UNSPECIFIED",
    "OptionInstrument",
    "OptionType",
    "OrderDelivery",
    "OrderOrigin",
    "OrderSide",
    "OrderState",
    "OrderStatus",
    "OrderType",
    "OrderVenue",
    "PERPETUAL_UNDERLYING_CRYPTO",
    "PERPETUAL_UNDERLYING_FUTURE",
    "PERPETUAL_UNDERLYING_PREDICTION",
    "PERPETUAL_UNDERLYING_UNSPECIFIED",
    "POOL",
    "PREDICTION_OUTCOME_NO",
    "PREDICTION_OUTCOME_UNSPECIFIED",
    "PREDICTION_OUTCOME_YES",
    "Perpetual",
    "PerpetualUnderlying",
    "Prediction",
    "PredictionOutcome",
    "Primed",
    "RESUME_OUTCOME_LIVE",
    "RESUME_OUTCOME_RESET",
    "RESUME_OUTCOME_RESUMED",
    "RESUME_OUTCOME_UNSPECIFIED",
    "Resume",
    "ResumeOutcome",
    "SERVICES",
    "SETTLEMENT_INVERSE",
    "SETTLEMENT_LINEAR",
    "SETTLEMENT_UNSPECIFIED",
    "STREAM_EVENTS_PATH",
    "STREAM_PATH",
    "SUBSCRIBE_EVENTS_PATH",
    "Settlement",
    "Status",
    "StreamEventsRequest",
    "StreamRequest",
    "Subscribe",
    "TIME_IN_FORCE_AT_CLOSE",
    "TIME_IN_FORCE_AT_OPEN",
    "TIME_IN_FORCE_DAY",
    "TIME_IN_FORCE_EXT",
    "TIME_IN_FORCE_FILL_OR_KILL",
    "TIME_IN_FORCE_GOOD_TILL_CANCEL",
    "TIME_IN_FORCE_IMMEDIATE_OR_CANCEL",
    "TIME_IN_FORCE_UNSPECIFIED",
    "TRADE_AMENDMENT_KIND_BUST",
    "TRADE_AMENDMENT_KIND_CORRECTION",
    "TRADE_AMENDMENT_KIND_UNSPECIFIED",
    "TimeInForce",
    "Timestamp",
    "TradeAmendment",
    "TradeAmendmentKind",
    "TradingEvent",
    "Unsubscribe",
]
