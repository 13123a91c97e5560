# Generated from proto/ by scripts/gen.py (`make gen`); change those instead.
# ruff: noqa
# fmt: off
from collections.abc import Iterable, Mapping
from typing import Final, Literal, Never, NewType, final

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer, RepeatedScalarFieldContainer
from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper
from google.protobuf.internal.well_known_types import Timestamp as _TimestampMethods
from google.protobuf.message import Message

POOL: Final[DescriptorPool]
"""The descriptor pool that holds the contract, and nothing else."""
FILE_DESCRIPTORS: Final[Mapping[str, bytes]]
"""File name -> serialized FileDescriptorProto, imported files first."""
SERVICES: Final[tuple[str, ...]]
"""Full names of the services, sorted."""
STREAM_EVENTS_PATH: Final = "/trading.TradingService/StreamEvents"
SUBSCRIBE_EVENTS_PATH: Final = "/trading.TradingService/SubscribeEvents"
STREAM_PATH: Final = "/trading.StreamingService/Stream"

# google/protobuf/timestamp.proto
@final
class Timestamp(Message, _TimestampMethods):
    DESCRIPTOR: Descriptor
    SECONDS_FIELD_NUMBER: Final = 1
    NANOS_FIELD_NUMBER: Final = 2
    seconds: int
    nanos: int
    def __init__(
        self,
        *,
        seconds: int = ...,
        nanos: int = ...,
    ) -> None: ...
    def HasField(self, field_name: Never) -> bool: ...
    def ClearField(self, field_name: Literal["seconds", "nanos"]) -> None: ...

# trading/trading_instruments.proto
class _AssetClassValues:
    ValueType = NewType("ValueType", int)
class _AssetClassWrapper(_EnumTypeWrapper[_AssetClassValues.ValueType]):
    ASSET_CLASS_UNSPECIFIED: _AssetClassValues.ValueType
    ASSET_CLASS_EQUITY: _AssetClassValues.ValueType
    ASSET_CLASS_FUTURE: _AssetClassValues.ValueType
    ASSET_CLASS_OPTION: _AssetClassValues.ValueType
    ASSET_CLASS_CURRENCY: _AssetClassValues.ValueType
    ASSET_CLASS_CRYPTO: _AssetClassValues.ValueType
    ASSET_CLASS_PERPETUAL: _AssetClassValues.ValueType
    ASSET_CLASS_PREDICTION: _AssetClassValues.ValueType
class AssetClass(_AssetClassValues, metaclass=_AssetClassWrapper):
    """AssetClass names the members of Instrument."""
ASSET_CLASS_UNSPECIFIED: AssetClass.ValueType  # 0
ASSET_CLASS_EQUITY: AssetClass.ValueType  # 1
"""Shares and funds."""
ASSET_CLASS_FUTURE: AssetClass.ValueType  # 2
"""Dated futures."""
ASSET_CLASS_OPTION: AssetClass.ValueType  # 3
"""Listed options."""
ASSET_CLASS_CURRENCY: AssetClass.ValueType  # 4
"""Foreign exchange."""
ASSET_CLASS_CRYPTO: AssetClass.ValueType  # 5
"""Crypto spot."""
ASSET_CLASS_PERPETUAL: AssetClass.ValueType  # 6
"""Perpetual futures."""
ASSET_CLASS_PREDICTION: AssetClass.ValueType  # 7
"""Prediction markets."""
class _FutureMonthValues:
    ValueType = NewType("ValueType", int)
class _FutureMonthWrapper(_EnumTypeWrapper[_FutureMonthValues.ValueType]):
    FUTURE_MONTH_UNSPECIFIED: _FutureMonthValues.ValueType
    FUTURE_MONTH_JANUARY: _FutureMonthValues.ValueType
    FUTURE_MONTH_FEBRUARY: _FutureMonthValues.ValueType
    FUTURE_MONTH_MARCH: _FutureMonthValues.ValueType
    FUTURE_MONTH_APRIL: _FutureMonthValues.ValueType
    FUTURE_MONTH_MAY: _FutureMonthValues.ValueType
    FUTURE_MONTH_JUNE: _FutureMonthValues.ValueType
    FUTURE_MONTH_JULY: _FutureMonthValues.ValueType
    FUTURE_MONTH_AUGUST: _FutureMonthValues.ValueType
    FUTURE_MONTH_SEPTEMBER: _FutureMonthValues.ValueType
    FUTURE_MONTH_OCTOBER: _FutureMonthValues.ValueType
    FUTURE_MONTH_NOVEMBER: _FutureMonthValues.ValueType
    FUTURE_MONTH_DECEMBER: _FutureMonthValues.ValueType
class FutureMonth(_FutureMonthValues, metaclass=_FutureMonthWrapper):
    """FutureMonth is a delivery month; the number is the calendar's."""
FUTURE_MONTH_UNSPECIFIED: FutureMonth.ValueType  # 0
FUTURE_MONTH_JANUARY: FutureMonth.ValueType  # 1
"""Letter F."""
FUTURE_MONTH_FEBRUARY: FutureMonth.ValueType  # 2
"""Letter G."""
FUTURE_MONTH_MARCH: FutureMonth.ValueType  # 3
"""Letter H."""
FUTURE_MONTH_APRIL: FutureMonth.ValueType  # 4
"""Letter J."""
FUTURE_MONTH_MAY: FutureMonth.ValueType  # 5
"""Letter K."""
FUTURE_MONTH_JUNE: FutureMonth.ValueType  # 6
"""Letter M."""
FUTURE_MONTH_JULY: FutureMonth.ValueType  # 7
"""Letter N."""
FUTURE_MONTH_AUGUST: FutureMonth.ValueType  # 8
"""Letter Q."""
FUTURE_MONTH_SEPTEMBER: FutureMonth.ValueType  # 9
"""Letter U."""
FUTURE_MONTH_OCTOBER: FutureMonth.ValueType  # 10
"""Letter V."""
FUTURE_MONTH_NOVEMBER: FutureMonth.ValueType  # 11
"""Letter X."""
FUTURE_MONTH_DECEMBER: FutureMonth.ValueType  # 12
"""Letter Z."""
class _OptionTypeValues:
    ValueType = NewType("ValueType", int)
class _OptionTypeWrapper(_EnumTypeWrapper[_OptionTypeValues.ValueType]):
    OPTION_TYPE_UNSPECIFIED: _OptionTypeValues.ValueType
    OPTION_TYPE_CALL: _OptionTypeValues.ValueType
    OPTION_TYPE_PUT: _OptionTypeValues.ValueType
class OptionType(_OptionTypeValues, metaclass=_OptionTypeWrapper):
    """OptionType is the right that an option gives."""
OPTION_TYPE_UNSPECIFIED: OptionType.ValueType  # 0
OPTION_TYPE_CALL: OptionType.ValueType  # 1
"""To buy the underlying."""
OPTION_TYPE_PUT: OptionType.ValueType  # 2
"""To sell the underlying."""
class _ExerciseStyleValues:
    ValueType = NewType("ValueType", int)
class _ExerciseStyleWrapper(_EnumTypeWrapper[_ExerciseStyleValues.ValueType]):
    EXERCISE_STYLE_UNSPECIFIED: _ExerciseStyleValues.ValueType
    EXERCISE_STYLE_AMERICAN: _ExerciseStyleValues.ValueType
    EXERCISE_STYLE_EUROPEAN: _ExerciseStyleValues.ValueType
class ExerciseStyle(_ExerciseStyleValues, metaclass=_ExerciseStyleWrapper):
    """ExerciseStyle is when that right may be used."""
EXERCISE_STYLE_UNSPECIFIED: ExerciseStyle.ValueType  # 0
EXERCISE_STYLE_AMERICAN: ExerciseStyle.ValueType  # 1
"""On any day up to expiration."""
EXERCISE_STYLE_EUROPEAN: ExerciseStyle.ValueType  # 2
"""At expiration only."""
class _PerpetualUnderlyingValues:
    ValueType = NewType("ValueType", int)
class _PerpetualUnderlyingWrapper(_EnumTypeWrapper[_PerpetualUnderlyingValues.ValueType]):
    PERPETUAL_UNDERLYING_UNSPECIFIED: _PerpetualUnderlyingValues.ValueType
    PERPETUAL_UNDERLYING_CRYPTO: _PerpetualUnderlyingValues.ValueType
    PERPETUAL_UNDERLYING_FUTURE: _PerpetualUnderlyingValues.ValueType
    PERPETUAL_UNDERLYING_PREDICTION: _PerpetualUnderlyingValues.ValueType
class PerpetualUnderlying(_PerpetualUnderlyingValues, metaclass=_PerpetualUnderlyingWrapper):
    """PerpetualUnderlying is the sort of asset that a perpetual follows."""
PERPETUAL_UNDERLYING_UNSPECIFIED: PerpetualUnderlying.ValueType  # 0
PERPETUAL_UNDERLYING_CRYPTO: PerpetualUnderlying.ValueType  # 1
"""A crypto asset."""
PERPETUAL_UNDERLYING_FUTURE: PerpetualUnderlying.ValueType  # 2
"""A dated future or what it is written on."""
PERPETUAL_UNDERLYING_PREDICTION: PerpetualUnderlying.ValueType  # 3
"""A prediction contract."""
class _SettlementValues:
    ValueType = NewType("ValueType", int)
class _SettlementWrapper(_EnumTypeWrapper[_SettlementValues.ValueType]):
    SETTLEMENT_UNSPECIFIED: _SettlementValues.ValueType
    SETTLEMENT_LINEAR: _SettlementValues.ValueType
    SETTLEMENT_INVERSE: _SettlementValues.ValueType
class Settlement(_SettlementValues, metaclass=_SettlementWrapper):
    """Settlement is the formula behind a perpetual's value and the asset that profit comes in."""
SETTLEMENT_UNSPECIFIED: Settlement.ValueType  # 0
"""Not known; no formula may be assumed."""
SETTLEMENT_LINEAR: Settlement.ValueType  # 1
"""Value = price * multiplier * quantity, in quote."""
SETTLEMENT_INVERSE: Settlement.ValueType  # 2
"""Value = multiplier * quantity / price, in base."""
class _PredictionOutcomeValues:
    ValueType = NewType("ValueType", int)
class _PredictionOutcomeWrapper(_EnumTypeWrapper[_PredictionOutcomeValues.ValueType]):
    PREDICTION_OUTCOME_UNSPECIFIED: _PredictionOutcomeValues.ValueType
    PREDICTION_OUTCOME_YES: _PredictionOutcomeValues.ValueType
    PREDICTION_OUTCOME_NO: _PredictionOutcomeValues.ValueType
class PredictionOutcome(_PredictionOutcomeValues, metaclass=_PredictionOutcomeWrapper):
    """PredictionOutcome is the answer that a prediction contract pays for."""
PREDICTION_OUTCOME_UNSPECIFIED: PredictionOutcome.ValueType  # 0
"""Not known; neither answer may be assumed."""
PREDICTION_OUTCOME_YES: PredictionOutcome.ValueType  # 1
"""It happens."""
PREDICTION_OUTCOME_NO: PredictionOutcome.ValueType  # 2
"""It does not happen."""
@final
class Instrument(Message):
    """Instrument identifies what is traded, with the terms that turn a quantity and a price into money."""
    DESCRIPTOR: Descriptor
    EQUITY_FIELD_NUMBER: Final = 1
    FUTURE_FIELD_NUMBER: Final = 2
    OPTION_INSTRUMENT_FIELD_NUMBER: Final = 3
    CURRENCY_FIELD_NUMBER: Final = 4
    CRYPTO_FIELD_NUMBER: Final = 5
    PERPETUAL_FIELD_NUMBER: Final = 6
    PREDICTION_FIELD_NUMBER: Final = 7
    @property
    def equity(self) -> Equity:
        """A share or fund."""
    @property
    def future(self) -> Future:
        """A dated future."""
    @property
    def option_instrument(self) -> OptionInstrument:
        """A listed option."""
    @property
    def currency(self) -> Currency:
        """A foreign exchange pair."""
    @property
    def crypto(self) -> Crypto:
        """A crypto spot pair."""
    @property
    def perpetual(self) -> Perpetual:
        """A future without an end."""
    @property
    def prediction(self) -> Prediction:
        """A contract on the answer to a question."""
    def __init__(
        self,
        *,
        equity: Equity | None = ...,
        future: Future | None = ...,
        option_instrument: OptionInstrument | None = ...,
        currency: Currency | None = ...,
        crypto: Crypto | None = ...,
        perpetual: Perpetual | None = ...,
        prediction: Prediction | None = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["equity", "future", "option_instrument", "currency", "crypto", "perpetual", "prediction", "instrument"]) -> bool: ...
    def ClearField(self, field_name: Literal["equity", "future", "option_instrument", "currency", "crypto", "perpetual", "prediction", "instrument"]) -> None: ...
    def WhichOneof(self, oneof_group: Literal["instrument"]) -> Literal["equity", "future", "option_instrument", "currency", "crypto", "perpetual", "prediction"] | None: ...
@final
class Equity(Message):
    """Equity is a share or fund."""
    DESCRIPTOR: Descriptor
    SYMBOL_FIELD_NUMBER: Final = 1
    EXCHANGE_FIELD_NUMBER: Final = 2
    symbol: str
    """Ticker."""
    exchange: str
    """Exchange that lists it. Absent where the broker does not say."""
    def __init__(
        self,
        *,
        symbol: str = ...,
        exchange: str | None = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["exchange"]) -> bool: ...
    def ClearField(self, field_name: Literal["symbol", "exchange"]) -> None: ...
@final
class Future(Message):
    """Future is one expiring contract."""
    DESCRIPTOR: Descriptor
    SYMBOL_FIELD_NUMBER: Final = 1
    ROOT_FIELD_NUMBER: Final = 2
    EXCHANGE_FIELD_NUMBER: Final = 3
    EXPIRATION_FIELD_NUMBER: Final = 4
    TICK_SIZE_FIELD_NUMBER: Final = 5
    MULTIPLIER_FIELD_NUMBER: Final = 6
    CURRENCY_FIELD_NUMBER: Final = 7
    symbol: str
    """The contract's own symbol, month and year included."""
    root: str
    """Product code that all months share."""
    exchange: str
    """Exchange that lists it."""
    @property
    def expiration(self) -> Timestamp:
        """End of its last trading session."""
    tick_size: str
    """Smallest price step, in price points."""
    multiplier: str
    """Money per price point and contract, in currency."""
    currency: str
    """ISO 4217 code of the currency that it settles in."""
    def __init__(
        self,
        *,
        symbol: str = ...,
        root: str = ...,
        exchange: str = ...,
        expiration: Timestamp | None = ...,
        tick_size: str = ...,
        multiplier: str = ...,
        currency: str = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["expiration"]) -> bool: ...
    def ClearField(self, field_name: Literal["symbol", "root", "exchange", "expiration", "tick_size", "multiplier", "currency"]) -> None: ...
@final
class ContractMonth(Message):
    """ContractMonth names a future's contract without its symbol."""
    DESCRIPTOR: Descriptor
    ROOT_FIELD_NUMBER: Final = 1
    MONTH_FIELD_NUMBER: Final = 2
    YEAR_FIELD_NUMBER: Final = 3
    root: str
    """Product code."""
    month: FutureMonth.ValueType
    """Delivery month."""
    year: int
    """Delivery year with all four digits."""
    def __init__(
        self,
        *,
        root: str = ...,
        month: FutureMonth.ValueType = ...,
        year: int = ...,
    ) -> None: ...
    def HasField(self, field_name: Never) -> bool: ...
    def ClearField(self, field_name: Literal["root", "month", "year"]) -> None: ...
@final
class OptionInstrument(Message):
    """OptionInstrument is one listed option series. Its name leaves "Option" free, which several languages reserve."""
    DESCRIPTOR: Descriptor
    SYMBOL_FIELD_NUMBER: Final = 1
    UNDERLYING_FIELD_NUMBER: Final = 2
    EXPIRATION_FIELD_NUMBER: Final = 3
    STRIKE_FIELD_NUMBER: Final = 4
    OPTION_TYPE_FIELD_NUMBER: Final = 5
    EXERCISE_STYLE_FIELD_NUMBER: Final = 6
    MULTIPLIER_FIELD_NUMBER: Final = 7
    EXCHANGE_FIELD_NUMBER: Final = 8
    TICK_SIZE_FIELD_NUMBER: Final = 9
    symbol: str
    """OCC symbol: root, expiry as yymmdd, C or P, strike in thousandths."""
    underlying: str
    """Symbol of what is delivered on exercise."""
    @property
    def expiration(self) -> Timestamp:
        """Last moment at which it can be traded."""
    strike: str
    """Exercise price, in price points of the underlying."""
    option_type: OptionType.ValueType
    """Call or put."""
    exercise_style: ExerciseStyle.ValueType
    """When it may be exercised."""
    multiplier: str
    """Units of the underlying per contract."""
    exchange: str
    """Exchange, where the order or position is tied to one."""
    tick_size: str
    """Smallest price step. Absent where the step depends on the price or is not known."""
    def __init__(
        self,
        *,
        symbol: str = ...,
        underlying: str = ...,
        expiration: Timestamp | None = ...,
        strike: str = ...,
        option_type: OptionType.ValueType = ...,
        exercise_style: ExerciseStyle.ValueType = ...,
        multiplier: str = ...,
        exchange: str | None = ...,
        tick_size: str | None = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["expiration", "exchange", "tick_size"]) -> bool: ...
    def ClearField(self, field_name: Literal["symbol", "underlying", "expiration", "strike", "option_type", "exercise_style", "multiplier", "exchange", "tick_size"]) -> None: ...
@final
class Currency(Message):
    """Currency is a foreign exchange pair."""
    DESCRIPTOR: Descriptor
    SYMBOL_FIELD_NUMBER: Final = 1
    BASE_FIELD_NUMBER: Final = 2
    QUOTE_FIELD_NUMBER: Final = 3
    symbol: str
    """The venue's symbol of the pair."""
    base: str
    """ISO 4217 code of the currency that quantities count."""
    quote: str
    """ISO 4217 code of the currency that prices are in."""
    def __init__(
        self,
        *,
        symbol: str = ...,
        base: str = ...,
        quote: str = ...,
    ) -> None: ...
    def HasField(self, field_name: Never) -> bool: ...
    def ClearField(self, field_name: Literal["symbol", "base", "quote"]) -> None: ...
@final
class Crypto(Message):
    """Crypto is a spot pair on one venue."""
    DESCRIPTOR: Descriptor
    SYMBOL_FIELD_NUMBER: Final = 1
    BASE_FIELD_NUMBER: Final = 2
    QUOTE_FIELD_NUMBER: Final = 3
    VENUE_FIELD_NUMBER: Final = 4
    PRICE_INCREMENT_FIELD_NUMBER: Final = 5
    QUANTITY_INCREMENT_FIELD_NUMBER: Final = 6
    symbol: str
    """The venue's symbol of the pair."""
    base: str
    """Asset that quantities count."""
    quote: str
    """Asset that prices are in."""
    venue: str
    """Exchange where the pair trades; the same pair on another venue is another instrument."""
    price_increment: str
    """Smallest price step, in quote."""
    quantity_increment: str
    """Smallest quantity step, in base."""
    def __init__(
        self,
        *,
        symbol: str = ...,
        base: str = ...,
        quote: str = ...,
        venue: str = ...,
        price_increment: str = ...,
        quantity_increment: str = ...,
    ) -> None: ...
    def HasField(self, field_name: Never) -> bool: ...
    def ClearField(self, field_name: Literal["symbol", "base", "quote", "venue", "price_increment", "quantity_increment"]) -> None: ...
@final
class Perpetual(Message):
    """Perpetual is a future that has no expiration and is held near its underlying by funding payments."""
    DESCRIPTOR: Descriptor
    SYMBOL_FIELD_NUMBER: Final = 1
    BASE_FIELD_NUMBER: Final = 2
    QUOTE_FIELD_NUMBER: Final = 3
    VENUE_FIELD_NUMBER: Final = 4
    UNDERLYING_FIELD_NUMBER: Final = 5
    SETTLEMENT_FIELD_NUMBER: Final = 6
    MULTIPLIER_FIELD_NUMBER: Final = 7
    FUNDING_FIELD_NUMBER: Final = 8
    TICK_SIZE_FIELD_NUMBER: Final = 9
    QUANTITY_INCREMENT_FIELD_NUMBER: Final = 10
    symbol: str
    """The venue's symbol of the contract."""
    base: str
    """Asset that the contract follows."""
    quote: str
    """Asset that prices are in."""
    venue: str
    """Exchange where it trades."""
    underlying: PerpetualUnderlying.ValueType
    """Sort of asset that base is."""
    settlement: Settlement.ValueType
    """How a contract's value follows from its price. Where unspecified, values and profits cannot be computed."""
    multiplier: str
    """Size of one contract: units of base if linear, units of quote if inverse."""
    @property
    def funding(self) -> FundingSchedule:
        """When funding is paid. Not set where the venue does not say."""
    tick_size: str
    """Smallest price step, in quote."""
    quantity_increment: str
    """Smallest quantity step, in contracts."""
    def __init__(
        self,
        *,
        symbol: str = ...,
        base: str = ...,
        quote: str = ...,
        venue: str = ...,
        underlying: PerpetualUnderlying.ValueType = ...,
        settlement: Settlement.ValueType = ...,
        multiplier: str = ...,
        funding: FundingSchedule | None = ...,
        tick_size: str = ...,
        quantity_increment: str = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["funding"]) -> bool: ...
    def ClearField(self, field_name: Literal["symbol", "base", "quote", "venue", "underlying", "settlement", "multiplier", "funding", "tick_size", "quantity_increment"]) -> None: ...
@final
class FundingSchedule(Message):
    """FundingSchedule says how often a perpetual's funding is exchanged."""
    DESCRIPTOR: Descriptor
    INTERVAL_SECONDS_FIELD_NUMBER: Final = 1
    interval_seconds: int
    """Time between two payments, in seconds."""
    def __init__(
        self,
        *,
        interval_seconds: int = ...,
    ) -> None: ...
    def HasField(self, field_name: Never) -> bool: ...
    def ClearField(self, field_name: Literal["interval_seconds"]) -> None: ...
@final
class Prediction(Message):
    """Prediction is a contract on one outcome of one question."""
    DESCRIPTOR: Descriptor
    SYMBOL_FIELD_NUMBER: Final = 1
    MARKET_FIELD_NUMBER: Final = 2
    OUTCOME_FIELD_NUMBER: Final = 3
    VENUE_FIELD_NUMBER: Final = 4
    PAYOUT_FIELD_NUMBER: Final = 5
    CURRENCY_FIELD_NUMBER: Final = 6
    TICK_SIZE_FIELD_NUMBER: Final = 7
    EXPIRATION_FIELD_NUMBER: Final = 8
    symbol: str
    """The venue's symbol of the contract."""
    market: str
    """The venue's id of the question."""
    outcome: PredictionOutcome.ValueType
    """The answer that the contract pays for. Where unspecified the side is not known."""
    venue: str
    """Exchange where it trades."""
    payout: str
    """Money per contract if the outcome comes true, in currency."""
    currency: str
    """Code of the currency of price and payout."""
    tick_size: str
    """Smallest price step, in currency."""
    @property
    def expiration(self) -> Timestamp:
        """When the question closes. Absent where no date is set."""
    def __init__(
        self,
        *,
        symbol: str = ...,
        market: str = ...,
        outcome: PredictionOutcome.ValueType = ...,
        venue: str = ...,
        payout: str = ...,
        currency: str = ...,
        tick_size: str = ...,
        expiration: Timestamp | None = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["expiration"]) -> bool: ...
    def ClearField(self, field_name: Literal["symbol", "market", "outcome", "venue", "payout", "currency", "tick_size", "expiration"]) -> None: ...

# trading/trading_types.proto
class _EventTypeValues:
    ValueType = NewType("ValueType", int)
class _EventTypeWrapper(_EnumTypeWrapper[_EventTypeValues.ValueType]):
    EVENT_TYPE_UNSPECIFIED: _EventTypeValues.ValueType
    EVENT_TYPE_BROKER_ORDER: _EventTypeValues.ValueType
    EVENT_TYPE_BROKER_POSITION: _EventTypeValues.ValueType
    EVENT_TYPE_BROKER_TRADE: _EventTypeValues.ValueType
    EVENT_TYPE_INTENT_ACTION: _EventTypeValues.ValueType
    EVENT_TYPE_ACCOUNT_STATUS: _EventTypeValues.ValueType
    EVENT_TYPE_ACCOUNT_BALANCE: _EventTypeValues.ValueType
    EVENT_TYPE_TRADE_AMENDMENT: _EventTypeValues.ValueType
    EVENT_TYPE_ADJUSTMENT: _EventTypeValues.ValueType
    EVENT_TYPE_COMMAND_OUTCOME: _EventTypeValues.ValueType
class EventType(_EventTypeValues, metaclass=_EventTypeWrapper):
    """EventType is a kind of event that a subscription can ask for."""
EVENT_TYPE_UNSPECIFIED: EventType.ValueType  # 0
EVENT_TYPE_BROKER_ORDER: EventType.ValueType  # 1
"""Orders: BrokerOrder."""
EVENT_TYPE_BROKER_POSITION: EventType.ValueType  # 2
"""Positions: BrokerPosition."""
EVENT_TYPE_BROKER_TRADE: EventType.ValueType  # 3
"""Executions: BrokerTrade."""
EVENT_TYPE_INTENT_ACTION: EventType.ValueType  # 4
"""Accepted creates, replaces and cancels: IntentAction."""
EVENT_TYPE_ACCOUNT_STATUS: EventType.ValueType  # 1000
"""Broker connection of an account: AccountStatus."""
EVENT_TYPE_ACCOUNT_BALANCE: EventType.ValueType  # 1001
"""Cash and margin: AccountBalance."""
EVENT_TYPE_TRADE_AMENDMENT: EventType.ValueType  # 1002
"""Busts and corrections: TradeAmendment."""
EVENT_TYPE_ADJUSTMENT: EventType.ValueType  # 1003
"""Movements without an execution: Adjustment."""
EVENT_TYPE_COMMAND_OUTCOME: EventType.ValueType  # 1004
"""Results of creates, replaces and cancels: CommandOutcome."""
class _OrderDeliveryValues:
    ValueType = NewType("ValueType", int)
class _OrderDeliveryWrapper(_EnumTypeWrapper[_OrderDeliveryValues.ValueType]):
    ORDER_DELIVERY_UNSPECIFIED: _OrderDeliveryValues.ValueType
    ORDER_DELIVERY_LIVE: _OrderDeliveryValues.ValueType
    ORDER_DELIVERY_PRIMED: _OrderDeliveryValues.ValueType
class OrderDelivery(_OrderDeliveryValues, metaclass=_OrderDeliveryWrapper):
    """OrderDelivery says what a new subscription does about the orders that exist already."""
ORDER_DELIVERY_UNSPECIFIED: OrderDelivery.ValueType  # 0
"""The same as LIVE."""
ORDER_DELIVERY_LIVE: OrderDelivery.ValueType  # 1
"""Only changes from now on."""
ORDER_DELIVERY_PRIMED: OrderDelivery.ValueType  # 2
"""First each retained order once, in its present state, then the changes."""
class _ResumeOutcomeValues:
    ValueType = NewType("ValueType", int)
class _ResumeOutcomeWrapper(_EnumTypeWrapper[_ResumeOutcomeValues.ValueType]):
    RESUME_OUTCOME_UNSPECIFIED: _ResumeOutcomeValues.ValueType
    RESUME_OUTCOME_LIVE: _ResumeOutcomeValues.ValueType
    RESUME_OUTCOME_RESUMED: _ResumeOutcomeValues.ValueType
    RESUME_OUTCOME_RESET: _ResumeOutcomeValues.ValueType
class ResumeOutcome(_ResumeOutcomeValues, metaclass=_ResumeOutcomeWrapper):
    """ResumeOutcome says how a subscription begins in one account."""
RESUME_OUTCOME_UNSPECIFIED: ResumeOutcome.ValueType  # 0
RESUME_OUTCOME_LIVE: ResumeOutcome.ValueType  # 1
"""No cursor was given: present state, then live events."""
RESUME_OUTCOME_RESUMED: ResumeOutcome.ValueType  # 2
"""The cursor was honoured: the events after it, then live events. No state is replayed."""
RESUME_OUTCOME_RESET: ResumeOutcome.ValueType  # 3
"""The cursor could not be honoured: present state with all orders, then live events. The client drops what
it knew of the account.
"""
class _BrokerValues:
    ValueType = NewType("ValueType", int)
class _BrokerWrapper(_EnumTypeWrapper[_BrokerValues.ValueType]):
    BROKER_UNSPECIFIED: _BrokerValues.ValueType
    BROKER_LIGHTSPEED_CONNECT: _BrokerValues.ValueType
    BROKER_ALPACA: _BrokerValues.ValueType
    BROKER_PAPER: _BrokerValues.ValueType
    BROKER_FIX: _BrokerValues.ValueType
class Broker(_BrokerValues, metaclass=_BrokerWrapper):
    """Broker is the venue connection behind an account."""
BROKER_UNSPECIFIED: Broker.ValueType  # 0
BROKER_LIGHTSPEED_CONNECT: Broker.ValueType  # 1
"""Lightspeed Connect."""
BROKER_ALPACA: Broker.ValueType  # 2
"""Alpaca."""
BROKER_PAPER: Broker.ValueType  # 1000
"""The built-in paper exchange; no real money."""
BROKER_FIX: Broker.ValueType  # 1001
"""A counterparty connected over the FIX protocol."""
class _OrderTypeValues:
    ValueType = NewType("ValueType", int)
class _OrderTypeWrapper(_EnumTypeWrapper[_OrderTypeValues.ValueType]):
    ORDER_TYPE_UNSPECIFIED: _OrderTypeValues.ValueType
    ORDER_TYPE_LIMIT: _OrderTypeValues.ValueType
    ORDER_TYPE_MARKET: _OrderTypeValues.ValueType
    ORDER_TYPE_FILL_OR_KILL: _OrderTypeValues.ValueType
    ORDER_TYPE_LIMIT_ON_OPEN: _OrderTypeValues.ValueType
    ORDER_TYPE_LIMIT_ON_CLOSE: _OrderTypeValues.ValueType
    ORDER_TYPE_MARKET_ON_OPEN: _OrderTypeValues.ValueType
    ORDER_TYPE_MARKET_ON_CLOSE: _OrderTypeValues.ValueType
    ORDER_TYPE_STOP: _OrderTypeValues.ValueType
    ORDER_TYPE_STOP_LIMIT: _OrderTypeValues.ValueType
    ORDER_TYPE_TRAILING_STOP: _OrderTypeValues.ValueType
class OrderType(_OrderTypeValues, metaclass=_OrderTypeWrapper):
    """OrderType says how an order's price is found."""
ORDER_TYPE_UNSPECIFIED: OrderType.ValueType  # 0
ORDER_TYPE_LIMIT: OrderType.ValueType  # 1
"""At limit_price or better."""
ORDER_TYPE_MARKET: OrderType.ValueType  # 2
"""At the best price to be had."""
ORDER_TYPE_FILL_OR_KILL: OrderType.ValueType  # 3
"""At limit_price or better, at once and in full, or not at all."""
ORDER_TYPE_LIMIT_ON_OPEN: OrderType.ValueType  # 4
"""At limit_price or better, in the opening auction."""
ORDER_TYPE_LIMIT_ON_CLOSE: OrderType.ValueType  # 5
"""At limit_price or better, in the closing auction."""
ORDER_TYPE_MARKET_ON_OPEN: OrderType.ValueType  # 6
"""At the price of the opening auction."""
ORDER_TYPE_MARKET_ON_CLOSE: OrderType.ValueType  # 7
"""At the price of the closing auction."""
ORDER_TYPE_STOP: OrderType.ValueType  # 8
"""Becomes a market order once the market trades at stop_price."""
ORDER_TYPE_STOP_LIMIT: OrderType.ValueType  # 9
"""Becomes a limit order at limit_price once the market trades at stop_price."""
ORDER_TYPE_TRAILING_STOP: OrderType.ValueType  # 10
"""A stop whose price follows the market at a distance of trail_amount or trail_percent."""
class _TimeInForceValues:
    ValueType = NewType("ValueType", int)
class _TimeInForceWrapper(_EnumTypeWrapper[_TimeInForceValues.ValueType]):
    TIME_IN_FORCE_UNSPECIFIED: _TimeInForceValues.ValueType
    TIME_IN_FORCE_DAY: _TimeInForceValues.ValueType
    TIME_IN_FORCE_GOOD_TILL_CANCEL: _TimeInForceValues.ValueType
    TIME_IN_FORCE_AT_OPEN: _TimeInForceValues.ValueType
    TIME_IN_FORCE_IMMEDIATE_OR_CANCEL: _TimeInForceValues.ValueType
    TIME_IN_FORCE_FILL_OR_KILL: _TimeInForceValues.ValueType
    TIME_IN_FORCE_EXT: _TimeInForceValues.ValueType
    TIME_IN_FORCE_AT_CLOSE: _TimeInForceValues.ValueType
class TimeInForce(_TimeInForceValues, metaclass=_TimeInForceWrapper):
    """TimeInForce says how long an order may work."""
TIME_IN_FORCE_UNSPECIFIED: TimeInForce.ValueType  # 0
TIME_IN_FORCE_DAY: TimeInForce.ValueType  # 1
"""Until the end of the trading day."""
TIME_IN_FORCE_GOOD_TILL_CANCEL: TimeInForce.ValueType  # 2
"""Until it is filled or cancelled, over any number of days that the broker allows."""
TIME_IN_FORCE_AT_OPEN: TimeInForce.ValueType  # 3
"""In the opening auction only."""
TIME_IN_FORCE_IMMEDIATE_OR_CANCEL: TimeInForce.ValueType  # 4
"""What can be had at once; the rest is cancelled."""
TIME_IN_FORCE_FILL_OR_KILL: TimeInForce.ValueType  # 5
"""All of it at once, or nothing."""
TIME_IN_FORCE_EXT: TimeInForce.ValueType  # 6
"""Also outside regular trading hours."""
TIME_IN_FORCE_AT_CLOSE: TimeInForce.ValueType  # 7
"""In the closing auction only."""
class _OrderSideValues:
    ValueType = NewType("ValueType", int)
class _OrderSideWrapper(_EnumTypeWrapper[_OrderSideValues.ValueType]):
    ORDER_SIDE_UNSPECIFIED: _OrderSideValues.ValueType
    ORDER_SIDE_BUY: _OrderSideValues.ValueType
    ORDER_SIDE_SELL: _OrderSideValues.ValueType
    ORDER_SIDE_SELL_SHORT: _OrderSideValues.ValueType
class OrderSide(_OrderSideValues, metaclass=_OrderSideWrapper):
    """OrderSide is the direction of an order or execution."""
ORDER_SIDE_UNSPECIFIED: OrderSide.ValueType  # 0
ORDER_SIDE_BUY: OrderSide.ValueType  # 1
"""Raises the position."""
ORDER_SIDE_SELL: OrderSide.ValueType  # 2
"""Lowers the position."""
ORDER_SIDE_SELL_SHORT: OrderSide.ValueType  # 3
"""Lowers the position, marked as a sale of borrowed stock."""
class _OrderVenueValues:
    ValueType = NewType("ValueType", int)
class _OrderVenueWrapper(_EnumTypeWrapper[_OrderVenueValues.ValueType]):
    ORDER_VENUE_UNSPECIFIED: _OrderVenueValues.ValueType
    ORDER_VENUE_SMART: _OrderVenueValues.ValueType
    ORDER_VENUE_AMEX: _OrderVenueValues.ValueType
    ORDER_VENUE_ARCA: _OrderVenueValues.ValueType
    ORDER_VENUE_BATS: _OrderVenueValues.ValueType
    ORDER_VENUE_BATY: _OrderVenueValues.ValueType
    ORDER_VENUE_EDGA: _OrderVenueValues.ValueType
    ORDER_VENUE_EDGX: _OrderVenueValues.ValueType
    ORDER_VENUE_NSDQ: _OrderVenueValues.ValueType
    ORDER_VENUE_NYSE: _OrderVenueValues.ValueType
class OrderVenue(_OrderVenueValues, metaclass=_OrderVenueWrapper):
    """OrderVenue is where an order is routed."""
ORDER_VENUE_UNSPECIFIED: OrderVenue.ValueType  # 0
ORDER_VENUE_SMART: OrderVenue.ValueType  # 1
"""The broker chooses."""
ORDER_VENUE_AMEX: OrderVenue.ValueType  # 2
"""NYSE American."""
ORDER_VENUE_ARCA: OrderVenue.ValueType  # 3
"""NYSE Arca."""
ORDER_VENUE_BATS: OrderVenue.ValueType  # 4
"""Cboe BZX."""
ORDER_VENUE_BATY: OrderVenue.ValueType  # 5
"""Cboe BYX."""
ORDER_VENUE_EDGA: OrderVenue.ValueType  # 6
"""Cboe EDGA."""
ORDER_VENUE_EDGX: OrderVenue.ValueType  # 7
"""Cboe EDGX."""
ORDER_VENUE_NSDQ: OrderVenue.ValueType  # 8
"""Nasdaq."""
ORDER_VENUE_NYSE: OrderVenue.ValueType  # 9
"""New York Stock Exchange."""
class _OrderStatusValues:
    ValueType = NewType("ValueType", int)
class _OrderStatusWrapper(_EnumTypeWrapper[_OrderStatusValues.ValueType]):
    ORDER_STATUS_UNSPECIFIED: _OrderStatusValues.ValueType
    ORDER_STATUS_PENDING_NEW: _OrderStatusValues.ValueType
    ORDER_STATUS_NEW: _OrderStatusValues.ValueType
    ORDER_STATUS_PARTIALLY_FILLED: _OrderStatusValues.ValueType
    ORDER_STATUS_FILLED: _OrderStatusValues.ValueType
    ORDER_STATUS_PENDING_CANCEL: _OrderStatusValues.ValueType
    ORDER_STATUS_CANCELLED: _OrderStatusValues.ValueType
    ORDER_STATUS_PENDING_REPLACE: _OrderStatusValues.ValueType
    ORDER_STATUS_REPLACED: _OrderStatusValues.ValueType
    ORDER_STATUS_STOPPED: _OrderStatusValues.ValueType
    ORDER_STATUS_REJECTED: _OrderStatusValues.ValueType
class OrderStatus(_OrderStatusValues, metaclass=_OrderStatusWrapper):
    """OrderStatus is the stage of an order as the broker last reported it. None of them is final: a bust, a correction
    or a late execution can follow any.
    """
ORDER_STATUS_UNSPECIFIED: OrderStatus.ValueType  # 0
ORDER_STATUS_PENDING_NEW: OrderStatus.ValueType  # 1
"""Accepted here; the broker has not acknowledged it yet."""
ORDER_STATUS_NEW: OrderStatus.ValueType  # 2
"""Acknowledged, nothing filled."""
ORDER_STATUS_PARTIALLY_FILLED: OrderStatus.ValueType  # 3
"""Part of the quantity is filled and the rest works."""
ORDER_STATUS_FILLED: OrderStatus.ValueType  # 4
"""The whole quantity is filled."""
ORDER_STATUS_PENDING_CANCEL: OrderStatus.ValueType  # 5
"""The broker has acknowledged a cancel and not decided on it; executions can still come."""
ORDER_STATUS_CANCELLED: OrderStatus.ValueType  # 6
"""Ended with an unfilled rest; filled_quantity says what was filled before."""
ORDER_STATUS_PENDING_REPLACE: OrderStatus.ValueType  # 7
"""The broker has acknowledged a replace and not decided on it; the old terms still apply."""
ORDER_STATUS_REPLACED: OrderStatus.ValueType  # 8
"""Superseded by the record of a later replace."""
ORDER_STATUS_STOPPED: OrderStatus.ValueType  # 9
"""The venue guarantees a price and has not executed yet."""
ORDER_STATUS_REJECTED: OrderStatus.ValueType  # 10
"""Refused; it never worked."""
class _OrderStateValues:
    ValueType = NewType("ValueType", int)
class _OrderStateWrapper(_EnumTypeWrapper[_OrderStateValues.ValueType]):
    ORDER_STATE_UNSPECIFIED: _OrderStateValues.ValueType
    ORDER_STATE_OPEN: _OrderStateValues.ValueType
    ORDER_STATE_CLOSED: _OrderStateValues.ValueType
    ORDER_STATE_REJECTED: _OrderStateValues.ValueType
class OrderState(_OrderStateValues, metaclass=_OrderStateWrapper):
    """OrderState condenses OrderStatus into what most screens and checks need."""
ORDER_STATE_UNSPECIFIED: OrderState.ValueType  # 0
ORDER_STATE_OPEN: OrderState.ValueType  # 1
"""It may still trade."""
ORDER_STATE_CLOSED: OrderState.ValueType  # 2
"""Filled, cancelled or replaced."""
ORDER_STATE_REJECTED: OrderState.ValueType  # 3
"""Refused."""
class _OrderOriginValues:
    ValueType = NewType("ValueType", int)
class _OrderOriginWrapper(_EnumTypeWrapper[_OrderOriginValues.ValueType]):
    ORDER_ORIGIN_UNSPECIFIED: _OrderOriginValues.ValueType
    ORDER_ORIGIN_PLATFORM: _OrderOriginValues.ValueType
    ORDER_ORIGIN_EXTERNAL: _OrderOriginValues.ValueType
class OrderOrigin(_OrderOriginValues, metaclass=_OrderOriginWrapper):
    """OrderOrigin tells orders submitted here from orders that reached the broker some other way."""
ORDER_ORIGIN_UNSPECIFIED: OrderOrigin.ValueType  # 0
ORDER_ORIGIN_PLATFORM: OrderOrigin.ValueType  # 1
"""Submitted through this platform."""
ORDER_ORIGIN_EXTERNAL: OrderOrigin.ValueType  # 2
"""Placed elsewhere, for example on the broker's own screen, and found in its reports."""
class _IntentActionTypeValues:
    ValueType = NewType("ValueType", int)
class _IntentActionTypeWrapper(_EnumTypeWrapper[_IntentActionTypeValues.ValueType]):
    INTENT_ACTION_TYPE_UNSPECIFIED: _IntentActionTypeValues.ValueType
    INTENT_ACTION_TYPE_CREATE: _IntentActionTypeValues.ValueType
    INTENT_ACTION_TYPE_REPLACE: _IntentActionTypeValues.ValueType
    INTENT_ACTION_TYPE_CANCEL: _IntentActionTypeValues.ValueType
class IntentActionType(_IntentActionTypeValues, metaclass=_IntentActionTypeWrapper):
    """IntentActionType is what an intent action asks for."""
INTENT_ACTION_TYPE_UNSPECIFIED: IntentActionType.ValueType  # 0
INTENT_ACTION_TYPE_CREATE: IntentActionType.ValueType  # 1
"""A new order."""
INTENT_ACTION_TYPE_REPLACE: IntentActionType.ValueType  # 2
"""New terms for the order of the chain."""
INTENT_ACTION_TYPE_CANCEL: IntentActionType.ValueType  # 3
"""The end of the order of the chain."""
class _IntentPrincipalTypeValues:
    ValueType = NewType("ValueType", int)
class _IntentPrincipalTypeWrapper(_EnumTypeWrapper[_IntentPrincipalTypeValues.ValueType]):
    INTENT_PRINCIPAL_TYPE_UNSPECIFIED: _IntentPrincipalTypeValues.ValueType
    INTENT_PRINCIPAL_TYPE_API_KEY: _IntentPrincipalTypeValues.ValueType
    INTENT_PRINCIPAL_TYPE_USER: _IntentPrincipalTypeValues.ValueType
    INTENT_PRINCIPAL_TYPE_SERVICE: _IntentPrincipalTypeValues.ValueType
class IntentPrincipalType(_IntentPrincipalTypeValues, metaclass=_IntentPrincipalTypeWrapper):
    """IntentPrincipalType is the sort of principal that submitted an intent action."""
INTENT_PRINCIPAL_TYPE_UNSPECIFIED: IntentPrincipalType.ValueType  # 0
INTENT_PRINCIPAL_TYPE_API_KEY: IntentPrincipalType.ValueType  # 1
"""A program with an API key."""
INTENT_PRINCIPAL_TYPE_USER: IntentPrincipalType.ValueType  # 2
"""A person."""
INTENT_PRINCIPAL_TYPE_SERVICE: IntentPrincipalType.ValueType  # 3
"""The platform itself."""
class _LiquidityValues:
    ValueType = NewType("ValueType", int)
class _LiquidityWrapper(_EnumTypeWrapper[_LiquidityValues.ValueType]):
    LIQUIDITY_UNSPECIFIED: _LiquidityValues.ValueType
    LIQUIDITY_ADDED: _LiquidityValues.ValueType
    LIQUIDITY_REMOVED: _LiquidityValues.ValueType
    LIQUIDITY_AUCTION: _LiquidityValues.ValueType
class Liquidity(_LiquidityValues, metaclass=_LiquidityWrapper):
    """Liquidity says which side of the book an execution was on; fees often depend on it."""
LIQUIDITY_UNSPECIFIED: Liquidity.ValueType  # 0
LIQUIDITY_ADDED: Liquidity.ValueType  # 1
"""The order rested in the book."""
LIQUIDITY_REMOVED: Liquidity.ValueType  # 2
"""The order met a resting one."""
LIQUIDITY_AUCTION: Liquidity.ValueType  # 3
"""It was executed in an auction."""
class _AccountConnectionValues:
    ValueType = NewType("ValueType", int)
class _AccountConnectionWrapper(_EnumTypeWrapper[_AccountConnectionValues.ValueType]):
    ACCOUNT_CONNECTION_UNSPECIFIED: _AccountConnectionValues.ValueType
    ACCOUNT_CONNECTION_LIVE: _AccountConnectionValues.ValueType
    ACCOUNT_CONNECTION_CATCHING_UP: _AccountConnectionValues.ValueType
    ACCOUNT_CONNECTION_BLIND: _AccountConnectionValues.ValueType
    ACCOUNT_CONNECTION_HALTED: _AccountConnectionValues.ValueType
class AccountConnection(_AccountConnectionValues, metaclass=_AccountConnectionWrapper):
    """AccountConnection says how far the picture of an account can be trusted."""
ACCOUNT_CONNECTION_UNSPECIFIED: AccountConnection.ValueType  # 0
ACCOUNT_CONNECTION_LIVE: AccountConnection.ValueType  # 1
"""Connected and up to date."""
ACCOUNT_CONNECTION_CATCHING_UP: AccountConnection.ValueType  # 2
"""Connected; reports from an interruption are still being read."""
ACCOUNT_CONNECTION_BLIND: AccountConnection.ValueType  # 3
"""Not connected: orders may fill without being seen."""
ACCOUNT_CONNECTION_HALTED: AccountConnection.ValueType  # 4
"""Stopped by the platform until someone looks at it."""
class _TradeAmendmentKindValues:
    ValueType = NewType("ValueType", int)
class _TradeAmendmentKindWrapper(_EnumTypeWrapper[_TradeAmendmentKindValues.ValueType]):
    TRADE_AMENDMENT_KIND_UNSPECIFIED: _TradeAmendmentKindValues.ValueType
    TRADE_AMENDMENT_KIND_BUST: _TradeAmendmentKindValues.ValueType
    TRADE_AMENDMENT_KIND_CORRECTION: _TradeAmendmentKindValues.ValueType
class TradeAmendmentKind(_TradeAmendmentKindValues, metaclass=_TradeAmendmentKindWrapper):
    """TradeAmendmentKind is what happened to an earlier execution."""
TRADE_AMENDMENT_KIND_UNSPECIFIED: TradeAmendmentKind.ValueType  # 0
TRADE_AMENDMENT_KIND_BUST: TradeAmendmentKind.ValueType  # 1
"""It is void, as if it had never been."""
TRADE_AMENDMENT_KIND_CORRECTION: TradeAmendmentKind.ValueType  # 2
"""Its quantity or price was wrong and has been put right."""
class _AdjustmentKindValues:
    ValueType = NewType("ValueType", int)
class _AdjustmentKindWrapper(_EnumTypeWrapper[_AdjustmentKindValues.ValueType]):
    ADJUSTMENT_KIND_UNSPECIFIED: _AdjustmentKindValues.ValueType
    ADJUSTMENT_KIND_OPENING: _AdjustmentKindValues.ValueType
    ADJUSTMENT_KIND_TRANSFER: _AdjustmentKindValues.ValueType
    ADJUSTMENT_KIND_SPLIT: _AdjustmentKindValues.ValueType
    ADJUSTMENT_KIND_EXPIRY: _AdjustmentKindValues.ValueType
    ADJUSTMENT_KIND_ASSIGNMENT: _AdjustmentKindValues.ValueType
    ADJUSTMENT_KIND_FUNDING: _AdjustmentKindValues.ValueType
    ADJUSTMENT_KIND_FEE: _AdjustmentKindValues.ValueType
    ADJUSTMENT_KIND_DAY_ROLL: _AdjustmentKindValues.ValueType
    ADJUSTMENT_KIND_MANUAL: _AdjustmentKindValues.ValueType
class AdjustmentKind(_AdjustmentKindValues, metaclass=_AdjustmentKindWrapper):
    """AdjustmentKind is the cause of a movement that no execution explains."""
ADJUSTMENT_KIND_UNSPECIFIED: AdjustmentKind.ValueType  # 0
ADJUSTMENT_KIND_OPENING: AdjustmentKind.ValueType  # 1
"""What the account held when the platform first saw it."""
ADJUSTMENT_KIND_TRANSFER: AdjustmentKind.ValueType  # 2
"""Moved from or to another account."""
ADJUSTMENT_KIND_SPLIT: AdjustmentKind.ValueType  # 3
"""A stock split or its reverse."""
ADJUSTMENT_KIND_EXPIRY: AdjustmentKind.ValueType  # 4
"""A contract reached its end."""
ADJUSTMENT_KIND_ASSIGNMENT: AdjustmentKind.ValueType  # 5
"""An option was assigned or exercised."""
ADJUSTMENT_KIND_FUNDING: AdjustmentKind.ValueType  # 6
"""Funding of a perpetual, paid or received."""
ADJUSTMENT_KIND_FEE: AdjustmentKind.ValueType  # 7
"""A charge that belongs to no single execution."""
ADJUSTMENT_KIND_DAY_ROLL: AdjustmentKind.ValueType  # 8
"""The daily figures start anew."""
ADJUSTMENT_KIND_MANUAL: AdjustmentKind.ValueType  # 9
"""Entered by an operator, with a note."""
class _CommandOutcomeKindValues:
    ValueType = NewType("ValueType", int)
class _CommandOutcomeKindWrapper(_EnumTypeWrapper[_CommandOutcomeKindValues.ValueType]):
    COMMAND_OUTCOME_KIND_UNSPECIFIED: _CommandOutcomeKindValues.ValueType
    COMMAND_OUTCOME_KIND_PENDING: _CommandOutcomeKindValues.ValueType
    COMMAND_OUTCOME_KIND_ACCEPTED: _CommandOutcomeKindValues.ValueType
    COMMAND_OUTCOME_KIND_REFUSED: _CommandOutcomeKindValues.ValueType
    COMMAND_OUTCOME_KIND_IN_DOUBT: _CommandOutcomeKindValues.ValueType
    COMMAND_OUTCOME_KIND_WITHHELD: _CommandOutcomeKindValues.ValueType
    COMMAND_OUTCOME_KIND_NOT_SENT: _CommandOutcomeKindValues.ValueType
class CommandOutcomeKind(_CommandOutcomeKindValues, metaclass=_CommandOutcomeKindWrapper):
    """CommandOutcomeKind is what became of a create, replace or cancel."""
COMMAND_OUTCOME_KIND_UNSPECIFIED: CommandOutcomeKind.ValueType  # 0
COMMAND_OUTCOME_KIND_PENDING: CommandOutcomeKind.ValueType  # 1
"""On its way to the broker; nothing decided."""
COMMAND_OUTCOME_KIND_ACCEPTED: CommandOutcomeKind.ValueType  # 2
"""The broker took it."""
COMMAND_OUTCOME_KIND_REFUSED: CommandOutcomeKind.ValueType  # 3
"""The broker turned it down."""
COMMAND_OUTCOME_KIND_IN_DOUBT: CommandOutcomeKind.ValueType  # 4
"""It was sent and no answer is certain. The broker is asked until the answer is; nothing is sent twice."""
COMMAND_OUTCOME_KIND_WITHHELD: CommandOutcomeKind.ValueType  # 5
"""Held back here, by a control or a kill switch, when its turn came."""
COMMAND_OUTCOME_KIND_NOT_SENT: CommandOutcomeKind.ValueType  # 6
"""It has certainly not reached the broker: its time ran out before the first attempt, or the attempt is
proven to have failed on the way.
"""

# trading/trading_models.proto
@final
class BrokerOrder(Message):
    """BrokerOrder is an order's complete state after a change; it replaces whatever was known of the order."""
    DESCRIPTOR: Descriptor
    ORDER_ID_FIELD_NUMBER: Final = 1
    INTENT_ID_FIELD_NUMBER: Final = 2
    COMMAND_SEQ_FIELD_NUMBER: Final = 3
    EXTERNAL_ORDER_ID_FIELD_NUMBER: Final = 4
    ACCOUNT_ID_FIELD_NUMBER: Final = 5
    BROKER_FIELD_NUMBER: Final = 6
    SYMBOL_FIELD_NUMBER: Final = 7
    ORDER_STATE_FIELD_NUMBER: Final = 8
    ORDER_STATUS_FIELD_NUMBER: Final = 9
    ORDER_TYPE_FIELD_NUMBER: Final = 10
    ORDER_SIDE_FIELD_NUMBER: Final = 11
    LIMIT_PRICE_FIELD_NUMBER: Final = 12
    STOP_PRICE_FIELD_NUMBER: Final = 13
    AVERAGE_PRICE_FIELD_NUMBER: Final = 14
    ORDER_VENUE_FIELD_NUMBER: Final = 15
    QUANTITY_FIELD_NUMBER: Final = 16
    FILLED_QUANTITY_FIELD_NUMBER: Final = 17
    TIME_IN_FORCE_FIELD_NUMBER: Final = 18
    RECEIVED_AT_FIELD_NUMBER: Final = 19
    ORGANIZATION_ID_FIELD_NUMBER: Final = 20
    CLIENT_REFERENCE_ID_FIELD_NUMBER: Final = 21
    BROKER_SENT_AT_FIELD_NUMBER: Final = 22
    INSTRUMENT_FIELD_NUMBER: Final = 23
    IN_DOUBT_SINCE_FIELD_NUMBER: Final = 1000
    REASON_CODE_FIELD_NUMBER: Final = 1001
    REASON_FIELD_NUMBER: Final = 1002
    LEAVES_QUANTITY_FIELD_NUMBER: Final = 1003
    ORIGIN_FIELD_NUMBER: Final = 1004
    STRATEGY_ID_FIELD_NUMBER: Final = 1005
    RAW_STATUS_FIELD_NUMBER: Final = 1006
    TRAIL_AMOUNT_FIELD_NUMBER: Final = 1007
    TRAIL_PERCENT_FIELD_NUMBER: Final = 1008
    order_id: str
    """The platform's id of the order. It stays the same through replaces."""
    intent_id: str
    """Id of the intent that the order carries out. Empty for an order from outside."""
    command_seq: int
    """IntentAction.seq of the command that led to this state; 0 if none did."""
    external_order_id: str
    """The broker's id of the order. Absent until the broker has given one."""
    account_id: str
    """UUID of the account."""
    broker: Broker.ValueType
    """The broker that holds the order."""
    symbol: str
    """The venue's spelling of the symbol; names the same thing as instrument."""
    order_state: OrderState.ValueType
    """order_status in short."""
    order_status: OrderStatus.ValueType
    """Stage of the order."""
    order_type: OrderType.ValueType
    """How its price is found."""
    order_side: OrderSide.ValueType
    """Direction."""
    limit_price: str
    """Worst acceptable price. Absent where the type has none."""
    stop_price: str
    """Price that sets it off. Absent where the type has none."""
    average_price: str
    """Average price of what is filled. Absent while nothing is, or where the broker does not say."""
    order_venue: OrderVenue.ValueType
    """Where it was routed."""
    quantity: str
    """Total quantity ordered. A replace changes it once the broker has accepted."""
    filled_quantity: str
    """Filled so far, all executions together. A bust can lower it."""
    time_in_force: TimeInForce.ValueType
    """How long it may work."""
    @property
    def received_at(self) -> Timestamp:
        """When the platform learned of this state."""
    organization_id: str
    """UUID of the organization that owns the account."""
    client_reference_id: str
    """The submitter's own id, the same for all actions of an intent."""
    @property
    def broker_sent_at(self) -> Timestamp:
        """When the broker sent the report behind this state."""
    @property
    def instrument(self) -> Instrument:
        """What is traded; set on every order, and an order without it is not to be acted on."""
    @property
    def in_doubt_since(self) -> Timestamp:
        """Set while it is not certain whether a command for this order reached the broker: since when."""
    reason_code: str
    """Why the order was refused or ended, for programs: a stable word."""
    reason: str
    """The same for people; may be the broker's own text."""
    leaves_quantity: str
    """Quantity that may still fill: 0 once the order is closed, also when part of it never filled."""
    origin: OrderOrigin.ValueType
    """Whether it was submitted here or found at the broker."""
    strategy_id: str
    """Strategy that the submitter named."""
    raw_status: str
    """The broker's own word for its status, untranslated."""
    trail_amount: str
    """Distance of a trailing stop, in price points."""
    trail_percent: str
    """Distance of a trailing stop, in percent of the price: "1.5" is 1.5 %."""
    def __init__(
        self,
        *,
        order_id: str = ...,
        intent_id: str = ...,
        command_seq: int = ...,
        external_order_id: str | None = ...,
        account_id: str = ...,
        broker: Broker.ValueType = ...,
        symbol: str = ...,
        order_state: OrderState.ValueType = ...,
        order_status: OrderStatus.ValueType = ...,
        order_type: OrderType.ValueType = ...,
        order_side: OrderSide.ValueType = ...,
        limit_price: str | None = ...,
        stop_price: str | None = ...,
        average_price: str | None = ...,
        order_venue: OrderVenue.ValueType = ...,
        quantity: str = ...,
        filled_quantity: str = ...,
        time_in_force: TimeInForce.ValueType = ...,
        received_at: Timestamp | None = ...,
        organization_id: str = ...,
        client_reference_id: str | None = ...,
        broker_sent_at: Timestamp | None = ...,
        instrument: Instrument | None = ...,
        in_doubt_since: Timestamp | None = ...,
        reason_code: str | None = ...,
        reason: str | None = ...,
        leaves_quantity: str | None = ...,
        origin: OrderOrigin.ValueType = ...,
        strategy_id: str | None = ...,
        raw_status: str | None = ...,
        trail_amount: str | None = ...,
        trail_percent: str | None = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["external_order_id", "limit_price", "stop_price", "average_price", "received_at", "client_reference_id", "broker_sent_at", "instrument", "in_doubt_since", "reason_code", "reason", "leaves_quantity", "strategy_id", "raw_status", "trail_amount", "trail_percent"]) -> bool: ...
    def ClearField(self, field_name: Literal["order_id", "intent_id", "command_seq", "external_order_id", "account_id", "broker", "symbol", "order_state", "order_status", "order_type", "order_side", "limit_price", "stop_price", "average_price", "order_venue", "quantity", "filled_quantity", "time_in_force", "received_at", "organization_id", "client_reference_id", "broker_sent_at", "instrument", "in_doubt_since", "reason_code", "reason", "leaves_quantity", "origin", "strategy_id", "raw_status", "trail_amount", "trail_percent"]) -> None: ...
@final
class BrokerPosition(Message):
    """BrokerPosition is a position's complete state after a change; it replaces whatever was known of it."""
    DESCRIPTOR: Descriptor
    ACCOUNT_ID_FIELD_NUMBER: Final = 1
    SYMBOL_FIELD_NUMBER: Final = 2
    QUANTITY_FIELD_NUMBER: Final = 3
    AVERAGE_COST_FIELD_NUMBER: Final = 4
    RECEIVED_AT_FIELD_NUMBER: Final = 5
    ORGANIZATION_ID_FIELD_NUMBER: Final = 6
    BROKER_FIELD_NUMBER: Final = 7
    BROKER_SENT_AT_FIELD_NUMBER: Final = 8
    INSTRUMENT_FIELD_NUMBER: Final = 9
    REALIZED_PNL_FIELD_NUMBER: Final = 10
    DAILY_PNL_FIELD_NUMBER: Final = 11
    VALUE_BOUGHT_FIELD_NUMBER: Final = 12
    VALUE_SOLD_FIELD_NUMBER: Final = 13
    account_id: str
    """UUID of the account."""
    symbol: str
    """The venue's spelling of the symbol."""
    quantity: str
    """Quantity held: above zero long, below zero short, "0" flat."""
    average_cost: str
    """Average entry price of the quantity held, without fees; "0" when flat."""
    @property
    def received_at(self) -> Timestamp:
        """When the platform learned of this state."""
    organization_id: str
    """UUID of the organization that owns the account."""
    broker: Broker.ValueType
    """The broker that holds the position."""
    @property
    def broker_sent_at(self) -> Timestamp:
        """When the broker sent the report behind this state."""
    @property
    def instrument(self) -> Instrument:
        """What is held. Absent where the broker's report does not tell."""
    realized_pnl: str
    """Profit made by closing parts of it."""
    daily_pnl: str
    """Profit of the trading day."""
    value_bought: str
    """Money spent on buys, in the period that the broker counts."""
    value_sold: str
    """Money taken by sales, in the same period."""
    def __init__(
        self,
        *,
        account_id: str = ...,
        symbol: str = ...,
        quantity: str = ...,
        average_cost: str = ...,
        received_at: Timestamp | None = ...,
        organization_id: str = ...,
        broker: Broker.ValueType = ...,
        broker_sent_at: Timestamp | None = ...,
        instrument: Instrument | None = ...,
        realized_pnl: str | None = ...,
        daily_pnl: str | None = ...,
        value_bought: str | None = ...,
        value_sold: str | None = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["received_at", "broker_sent_at", "instrument", "realized_pnl", "daily_pnl", "value_bought", "value_sold"]) -> bool: ...
    def ClearField(self, field_name: Literal["account_id", "symbol", "quantity", "average_cost", "received_at", "organization_id", "broker", "broker_sent_at", "instrument", "realized_pnl", "daily_pnl", "value_bought", "value_sold"]) -> None: ...
@final
class BrokerTrade(Message):
    """BrokerTrade is one execution, sent once. An execution that is later taken back or corrected comes as a
    TradeAmendment.
    """
    DESCRIPTOR: Descriptor
    ACCOUNT_ID_FIELD_NUMBER: Final = 1
    ORDER_ID_FIELD_NUMBER: Final = 2
    CLIENT_ORDER_ID_FIELD_NUMBER: Final = 3
    SYMBOL_FIELD_NUMBER: Final = 4
    SIDE_FIELD_NUMBER: Final = 5
    QUANTITY_FIELD_NUMBER: Final = 6
    PRICE_FIELD_NUMBER: Final = 7
    RECEIVED_AT_FIELD_NUMBER: Final = 8
    ORGANIZATION_ID_FIELD_NUMBER: Final = 9
    EXEC_ID_FIELD_NUMBER: Final = 10
    CUMULATIVE_QUANTITY_FIELD_NUMBER: Final = 11
    ORDER_QUANTITY_FIELD_NUMBER: Final = 12
    LEAVES_QUANTITY_FIELD_NUMBER: Final = 13
    BROKER_SENT_AT_FIELD_NUMBER: Final = 14
    INSTRUMENT_FIELD_NUMBER: Final = 15
    INTENT_ID_FIELD_NUMBER: Final = 1000
    ORIGIN_FIELD_NUMBER: Final = 1001
    STRATEGY_ID_FIELD_NUMBER: Final = 1002
    FEES_FIELD_NUMBER: Final = 1003
    TRADE_DATE_FIELD_NUMBER: Final = 1004
    VENUE_FIELD_NUMBER: Final = 1005
    LIQUIDITY_FIELD_NUMBER: Final = 1006
    account_id: str
    """UUID of the account."""
    order_id: str
    """The broker's id of the order; compare BrokerOrder.external_order_id."""
    client_order_id: str
    """The platform's id of the order: BrokerOrder.order_id."""
    symbol: str
    """The venue's spelling of the symbol."""
    side: OrderSide.ValueType
    """Direction."""
    quantity: str
    """Quantity of this execution alone, above zero."""
    price: str
    """Price of this execution alone."""
    @property
    def received_at(self) -> Timestamp:
        """When the platform learned of it."""
    organization_id: str
    """UUID of the organization that owns the account."""
    exec_id: str
    """The broker's id of the execution."""
    cumulative_quantity: str
    """Filled quantity of the order after this execution."""
    order_quantity: str
    """Total quantity of the order."""
    leaves_quantity: str
    """Quantity of the order that may still fill; "0" marks its last execution."""
    @property
    def broker_sent_at(self) -> Timestamp:
        """The broker's time of the transaction."""
    @property
    def instrument(self) -> Instrument:
        """What was traded."""
    intent_id: str
    """Id of the intent behind the order. Empty for an order from outside."""
    origin: OrderOrigin.ValueType
    """Whether the order was submitted here or found at the broker."""
    strategy_id: str
    """Strategy that the submitter named; empty if none."""
    @property
    def fees(self) -> RepeatedCompositeFieldContainer[Fee]:
        """Charges and rebates of this execution; empty if the broker did not say."""
    trade_date: str
    """Trading day that the execution counts to, YYYY-MM-DD, on the venue's calendar."""
    venue: str
    """Venue that executed, in the broker's spelling."""
    liquidity: Liquidity.ValueType
    """Side of the book that the order was on."""
    def __init__(
        self,
        *,
        account_id: str = ...,
        order_id: str = ...,
        client_order_id: str = ...,
        symbol: str = ...,
        side: OrderSide.ValueType = ...,
        quantity: str = ...,
        price: str = ...,
        received_at: Timestamp | None = ...,
        organization_id: str = ...,
        exec_id: str | None = ...,
        cumulative_quantity: str | None = ...,
        order_quantity: str | None = ...,
        leaves_quantity: str | None = ...,
        broker_sent_at: Timestamp | None = ...,
        instrument: Instrument | None = ...,
        intent_id: str = ...,
        origin: OrderOrigin.ValueType = ...,
        strategy_id: str = ...,
        fees: Iterable[Fee] | None = ...,
        trade_date: str = ...,
        venue: str = ...,
        liquidity: Liquidity.ValueType = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["received_at", "exec_id", "cumulative_quantity", "order_quantity", "leaves_quantity", "broker_sent_at", "instrument"]) -> bool: ...
    def ClearField(self, field_name: Literal["account_id", "order_id", "client_order_id", "symbol", "side", "quantity", "price", "received_at", "organization_id", "exec_id", "cumulative_quantity", "order_quantity", "leaves_quantity", "broker_sent_at", "instrument", "intent_id", "origin", "strategy_id", "fees", "trade_date", "venue", "liquidity"]) -> None: ...
@final
class Fee(Message):
    """Fee is one charge of an execution."""
    DESCRIPTOR: Descriptor
    KIND_FIELD_NUMBER: Final = 1
    AMOUNT_FIELD_NUMBER: Final = 2
    CURRENCY_FIELD_NUMBER: Final = 3
    kind: str
    """What it is for, in a stable word ("commission", "exchange", ...)."""
    amount: str
    """Money paid; below zero is a rebate."""
    currency: str
    """Code of the currency or asset that amount counts."""
    def __init__(
        self,
        *,
        kind: str = ...,
        amount: str = ...,
        currency: str = ...,
    ) -> None: ...
    def HasField(self, field_name: Never) -> bool: ...
    def ClearField(self, field_name: Literal["kind", "amount", "currency"]) -> None: ...
@final
class IntentAction(Message):
    """IntentAction is one create, replace or cancel that was accepted and stored. intent_id and seq together identify
    it, also when it comes more than once. It holds all parameters, so that no earlier action is needed to read it.
    """
    DESCRIPTOR: Descriptor
    INTENT_ID_FIELD_NUMBER: Final = 1
    ORGANIZATION_ID_FIELD_NUMBER: Final = 2
    ACCOUNT_ID_FIELD_NUMBER: Final = 3
    SEQ_FIELD_NUMBER: Final = 4
    ACTION_TYPE_FIELD_NUMBER: Final = 5
    SYMBOL_FIELD_NUMBER: Final = 6
    ORDER_SIDE_FIELD_NUMBER: Final = 7
    ORDER_TYPE_FIELD_NUMBER: Final = 8
    LIMIT_PRICE_FIELD_NUMBER: Final = 9
    STOP_PRICE_FIELD_NUMBER: Final = 10
    ORDER_VENUE_FIELD_NUMBER: Final = 11
    TIME_IN_FORCE_FIELD_NUMBER: Final = 12
    QUANTITY_FIELD_NUMBER: Final = 13
    CLIENT_REFERENCE_ID_FIELD_NUMBER: Final = 14
    PRINCIPAL_TYPE_FIELD_NUMBER: Final = 15
    RECEIVED_AT_FIELD_NUMBER: Final = 16
    CREATED_AT_FIELD_NUMBER: Final = 17
    STRATEGY_ID_FIELD_NUMBER: Final = 1005
    TRAIL_AMOUNT_FIELD_NUMBER: Final = 1007
    TRAIL_PERCENT_FIELD_NUMBER: Final = 1008
    intent_id: str
    """Id of the intent: the chain of a create and all that follows it."""
    organization_id: str
    """UUID of the organization that owns the account."""
    account_id: str
    """UUID of the account."""
    seq: int
    """Place in the chain, ascending from the create."""
    action_type: IntentActionType.ValueType
    """What is asked for."""
    symbol: str
    """Symbol as submitted."""
    order_side: OrderSide.ValueType
    """Direction."""
    order_type: OrderType.ValueType
    """How the price is to be found."""
    limit_price: str
    """Worst acceptable price. Absent where the type has none."""
    stop_price: str
    """Price that sets the order off. Absent where the type has none."""
    order_venue: OrderVenue.ValueType
    """Where to route it."""
    time_in_force: TimeInForce.ValueType
    """How long the order may work."""
    quantity: str
    """Total quantity of the order."""
    client_reference_id: str
    """The submitter's own id, the same for all actions of an intent."""
    principal_type: IntentPrincipalType.ValueType
    """Sort of principal that submitted it."""
    @property
    def received_at(self) -> Timestamp:
        """When the request arrived."""
    @property
    def created_at(self) -> Timestamp:
        """When it was stored; does not change if the action is sent again."""
    strategy_id: str
    """Strategy that the submitter named."""
    trail_amount: str
    """Distance of a trailing stop, in price points."""
    trail_percent: str
    """Distance of a trailing stop, in percent of the price: "1.5" is 1.5 %."""
    def __init__(
        self,
        *,
        intent_id: str = ...,
        organization_id: str = ...,
        account_id: str = ...,
        seq: int = ...,
        action_type: IntentActionType.ValueType = ...,
        symbol: str = ...,
        order_side: OrderSide.ValueType = ...,
        order_type: OrderType.ValueType = ...,
        limit_price: str | None = ...,
        stop_price: str | None = ...,
        order_venue: OrderVenue.ValueType = ...,
        time_in_force: TimeInForce.ValueType | None = ...,
        quantity: str = ...,
        client_reference_id: str | None = ...,
        principal_type: IntentPrincipalType.ValueType = ...,
        received_at: Timestamp | None = ...,
        created_at: Timestamp | None = ...,
        strategy_id: str | None = ...,
        trail_amount: str | None = ...,
        trail_percent: str | None = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["limit_price", "stop_price", "time_in_force", "client_reference_id", "received_at", "created_at", "strategy_id", "trail_amount", "trail_percent"]) -> bool: ...
    def ClearField(self, field_name: Literal["intent_id", "organization_id", "account_id", "seq", "action_type", "symbol", "order_side", "order_type", "limit_price", "stop_price", "order_venue", "time_in_force", "quantity", "client_reference_id", "principal_type", "received_at", "created_at", "strategy_id", "trail_amount", "trail_percent"]) -> None: ...
@final
class AccountStatus(Message):
    """AccountStatus says whether an account's picture is current, and why not."""
    DESCRIPTOR: Descriptor
    ACCOUNT_ID_FIELD_NUMBER: Final = 1
    ORGANIZATION_ID_FIELD_NUMBER: Final = 2
    CONNECTION_FIELD_NUMBER: Final = 3
    REASON_CODE_FIELD_NUMBER: Final = 4
    REASON_FIELD_NUMBER: Final = 5
    SINCE_FIELD_NUMBER: Final = 6
    account_id: str
    """UUID of the account."""
    organization_id: str
    """UUID of the organization that owns the account."""
    connection: AccountConnection.ValueType
    """State of the connection to the broker."""
    reason_code: str
    """The cause, for programs: a stable word; empty when live."""
    reason: str
    """The cause, for people; empty when live."""
    @property
    def since(self) -> Timestamp:
        """Since when the connection has been in this state."""
    def __init__(
        self,
        *,
        account_id: str = ...,
        organization_id: str = ...,
        connection: AccountConnection.ValueType = ...,
        reason_code: str = ...,
        reason: str = ...,
        since: Timestamp | None = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["since"]) -> bool: ...
    def ClearField(self, field_name: Literal["account_id", "organization_id", "connection", "reason_code", "reason", "since"]) -> None: ...
@final
class AccountBalance(Message):
    """AccountBalance is the money of an account in one currency, as the broker computes it."""
    DESCRIPTOR: Descriptor
    ACCOUNT_ID_FIELD_NUMBER: Final = 1
    ORGANIZATION_ID_FIELD_NUMBER: Final = 2
    CURRENCY_FIELD_NUMBER: Final = 3
    CASH_FIELD_NUMBER: Final = 4
    BUYING_POWER_FIELD_NUMBER: Final = 5
    EQUITY_FIELD_NUMBER: Final = 6
    INITIAL_MARGIN_FIELD_NUMBER: Final = 7
    MAINTENANCE_MARGIN_FIELD_NUMBER: Final = 8
    RECEIVED_AT_FIELD_NUMBER: Final = 9
    account_id: str
    """UUID of the account."""
    organization_id: str
    """UUID of the organization that owns the account."""
    currency: str
    """Code of the currency that all figures are in; an account has one balance per currency."""
    cash: str
    """Settled and unsettled cash; below zero is borrowed."""
    buying_power: str
    """What may still be spent on new positions."""
    equity: str
    """Cash and the market value of all positions together."""
    initial_margin: str
    """Margin needed to open the positions held."""
    maintenance_margin: str
    """Margin needed to keep them."""
    @property
    def received_at(self) -> Timestamp:
        """When the platform learned of these figures."""
    def __init__(
        self,
        *,
        account_id: str = ...,
        organization_id: str = ...,
        currency: str = ...,
        cash: str | None = ...,
        buying_power: str | None = ...,
        equity: str | None = ...,
        initial_margin: str | None = ...,
        maintenance_margin: str | None = ...,
        received_at: Timestamp | None = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["cash", "buying_power", "equity", "initial_margin", "maintenance_margin", "received_at"]) -> bool: ...
    def ClearField(self, field_name: Literal["account_id", "organization_id", "currency", "cash", "buying_power", "equity", "initial_margin", "maintenance_margin", "received_at"]) -> None: ...
@final
class TradeAmendment(Message):
    """TradeAmendment takes back or corrects an execution that was sent before as a BrokerTrade. The order and the
    position that it changes follow as messages of their own.
    """
    DESCRIPTOR: Descriptor
    ACCOUNT_ID_FIELD_NUMBER: Final = 1
    ORGANIZATION_ID_FIELD_NUMBER: Final = 2
    KIND_FIELD_NUMBER: Final = 3
    EXEC_ID_FIELD_NUMBER: Final = 4
    NEW_EXEC_ID_FIELD_NUMBER: Final = 5
    ORDER_ID_FIELD_NUMBER: Final = 6
    CLIENT_ORDER_ID_FIELD_NUMBER: Final = 7
    INTENT_ID_FIELD_NUMBER: Final = 8
    SYMBOL_FIELD_NUMBER: Final = 9
    SIDE_FIELD_NUMBER: Final = 10
    QUANTITY_BEFORE_FIELD_NUMBER: Final = 11
    PRICE_BEFORE_FIELD_NUMBER: Final = 12
    QUANTITY_AFTER_FIELD_NUMBER: Final = 13
    PRICE_AFTER_FIELD_NUMBER: Final = 14
    REASON_FIELD_NUMBER: Final = 15
    RECEIVED_AT_FIELD_NUMBER: Final = 16
    BROKER_SENT_AT_FIELD_NUMBER: Final = 17
    account_id: str
    """UUID of the account."""
    organization_id: str
    """UUID of the organization that owns the account."""
    kind: TradeAmendmentKind.ValueType
    """Bust or correction."""
    exec_id: str
    """The broker's id of the execution that is amended. For one amended before, the id that it had last."""
    new_exec_id: str
    """Id that the corrected execution has from now on."""
    order_id: str
    """The broker's id of the order."""
    client_order_id: str
    """The platform's id of the order."""
    intent_id: str
    """Id of the intent behind the order. Empty for an order from outside."""
    symbol: str
    """The venue's spelling of the symbol."""
    side: OrderSide.ValueType
    """Direction of the execution."""
    quantity_before: str
    """Quantity of the execution as it was believed."""
    price_before: str
    """Price of the execution as it was believed."""
    quantity_after: str
    """Quantity of the execution from now on, not the difference; "0" after a bust."""
    price_after: str
    """Price of the execution from now on; without meaning after a bust."""
    reason: str
    """The broker's explanation; empty if it gave none."""
    @property
    def received_at(self) -> Timestamp:
        """When the platform learned of it."""
    @property
    def broker_sent_at(self) -> Timestamp:
        """The broker's time of the amendment."""
    def __init__(
        self,
        *,
        account_id: str = ...,
        organization_id: str = ...,
        kind: TradeAmendmentKind.ValueType = ...,
        exec_id: str = ...,
        new_exec_id: str | None = ...,
        order_id: str = ...,
        client_order_id: str = ...,
        intent_id: str = ...,
        symbol: str = ...,
        side: OrderSide.ValueType = ...,
        quantity_before: str = ...,
        price_before: str = ...,
        quantity_after: str = ...,
        price_after: str = ...,
        reason: str = ...,
        received_at: Timestamp | None = ...,
        broker_sent_at: Timestamp | None = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["new_exec_id", "received_at", "broker_sent_at"]) -> bool: ...
    def ClearField(self, field_name: Literal["account_id", "organization_id", "kind", "exec_id", "new_exec_id", "order_id", "client_order_id", "intent_id", "symbol", "side", "quantity_before", "price_before", "quantity_after", "price_after", "reason", "received_at", "broker_sent_at"]) -> None: ...
@final
class Adjustment(Message):
    """Adjustment moves a position or cash without an execution. Trades, amendments and adjustments together, in
    sequence, add up to the account's positions.
    """
    DESCRIPTOR: Descriptor
    ACCOUNT_ID_FIELD_NUMBER: Final = 1
    ORGANIZATION_ID_FIELD_NUMBER: Final = 2
    KIND_FIELD_NUMBER: Final = 3
    SYMBOL_FIELD_NUMBER: Final = 4
    QUANTITY_DELTA_FIELD_NUMBER: Final = 5
    COST_DELTA_FIELD_NUMBER: Final = 6
    CASH_DELTA_FIELD_NUMBER: Final = 7
    NOTE_FIELD_NUMBER: Final = 8
    RECEIVED_AT_FIELD_NUMBER: Final = 9
    ADJUSTMENT_ID_FIELD_NUMBER: Final = 1000
    CURRENCY_FIELD_NUMBER: Final = 1001
    BROKER_SENT_AT_FIELD_NUMBER: Final = 1002
    INSTRUMENT_FIELD_NUMBER: Final = 1003
    MARKS_FIELD_NUMBER: Final = 1004
    account_id: str
    """UUID of the account."""
    organization_id: str
    """UUID of the organization that owns the account."""
    kind: AdjustmentKind.ValueType
    """The cause."""
    symbol: str
    """The venue's spelling of the symbol; empty if only cash moved."""
    quantity_delta: str
    """Signed change of the position's quantity."""
    cost_delta: str
    """Signed change of the position's total cost, not of its average; empty where it follows from the position."""
    cash_delta: str
    """Signed change of the account's cash."""
    note: str
    """Explanation, for people."""
    @property
    def received_at(self) -> Timestamp:
        """When the platform learned of it."""
    adjustment_id: str
    """Id of the adjustment, unique in the account."""
    currency: str
    """Currency of cash_delta; absent: that of the instrument."""
    @property
    def broker_sent_at(self) -> Timestamp:
        """The broker's time of the change: its place among the executions. Of a day roll, when the day began."""
    @property
    def instrument(self) -> Instrument:
        """What is adjusted; absent if only cash moved."""
    @property
    def marks(self) -> RepeatedCompositeFieldContainer[Mark]:
        """Of a day roll: what the instruments then held were worth, where it was known."""
    def __init__(
        self,
        *,
        account_id: str = ...,
        organization_id: str = ...,
        kind: AdjustmentKind.ValueType = ...,
        symbol: str = ...,
        quantity_delta: str = ...,
        cost_delta: str = ...,
        cash_delta: str = ...,
        note: str = ...,
        received_at: Timestamp | None = ...,
        adjustment_id: str = ...,
        currency: str | None = ...,
        broker_sent_at: Timestamp | None = ...,
        instrument: Instrument | None = ...,
        marks: Iterable[Mark] | None = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["received_at", "currency", "broker_sent_at", "instrument"]) -> bool: ...
    def ClearField(self, field_name: Literal["account_id", "organization_id", "kind", "symbol", "quantity_delta", "cost_delta", "cash_delta", "note", "received_at", "adjustment_id", "currency", "broker_sent_at", "instrument", "marks"]) -> None: ...
@final
class Mark(Message):
    """Mark is the price at which an instrument is valued."""
    DESCRIPTOR: Descriptor
    INSTRUMENT_FIELD_NUMBER: Final = 1
    PRICE_FIELD_NUMBER: Final = 2
    @property
    def instrument(self) -> Instrument:
        """The instrument."""
    price: str
    """Its price."""
    def __init__(
        self,
        *,
        instrument: Instrument | None = ...,
        price: str = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["instrument"]) -> bool: ...
    def ClearField(self, field_name: Literal["instrument", "price"]) -> None: ...
@final
class CommandOutcome(Message):
    """CommandOutcome says what became of one intent action. A later outcome of the same action replaces an earlier
    one. A refused cancel is told here, since it leaves the order as it was.
    """
    DESCRIPTOR: Descriptor
    INTENT_ID_FIELD_NUMBER: Final = 1
    SEQ_FIELD_NUMBER: Final = 2
    ACCOUNT_ID_FIELD_NUMBER: Final = 3
    ORGANIZATION_ID_FIELD_NUMBER: Final = 4
    OUTCOME_FIELD_NUMBER: Final = 5
    REASON_CODE_FIELD_NUMBER: Final = 6
    REASON_FIELD_NUMBER: Final = 7
    AT_FIELD_NUMBER: Final = 8
    intent_id: str
    """Id of the intent."""
    seq: int
    """IntentAction.seq of the action."""
    account_id: str
    """UUID of the account."""
    organization_id: str
    """UUID of the organization that owns the account."""
    outcome: CommandOutcomeKind.ValueType
    """The result so far."""
    reason_code: str
    """Why, for programs: a stable word; empty if it was accepted."""
    reason: str
    """Why, for people; may be the broker's own text."""
    @property
    def at(self) -> Timestamp:
        """When the result was known."""
    def __init__(
        self,
        *,
        intent_id: str = ...,
        seq: int = ...,
        account_id: str = ...,
        organization_id: str = ...,
        outcome: CommandOutcomeKind.ValueType = ...,
        reason_code: str = ...,
        reason: str = ...,
        at: Timestamp | None = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["at"]) -> bool: ...
    def ClearField(self, field_name: Literal["intent_id", "seq", "account_id", "organization_id", "outcome", "reason_code", "reason", "at"]) -> None: ...

# trading/trading_service.proto
@final
class StreamEventsRequest(Message):
    """StreamEventsRequest is one request on StreamEvents."""
    DESCRIPTOR: Descriptor
    SUBSCRIBE_FIELD_NUMBER: Final = 1
    UNSUBSCRIBE_FIELD_NUMBER: Final = 2
    ARM_FIELD_NUMBER: Final = 1000
    @property
    def subscribe(self) -> Subscribe:
        """Starts a subscription, or replaces the one of the same account."""
    @property
    def unsubscribe(self) -> Unsubscribe:
        """Ends the subscription of one account."""
    @property
    def arm(self) -> Arm:
        """Asks for working orders to be cancelled if this stream is lost."""
    def __init__(
        self,
        *,
        subscribe: Subscribe | None = ...,
        unsubscribe: Unsubscribe | None = ...,
        arm: Arm | None = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["subscribe", "unsubscribe", "arm", "msg"]) -> bool: ...
    def ClearField(self, field_name: Literal["subscribe", "unsubscribe", "arm", "msg"]) -> None: ...
    def WhichOneof(self, oneof_group: Literal["msg"]) -> Literal["subscribe", "unsubscribe", "arm"] | None: ...
@final
class Subscribe(Message):
    """Subscribe names the account and the kinds of event to deliver. The answer is a Status "subscribed", then the
    state of the account as it is now, then everything that changes it.
    """
    DESCRIPTOR: Descriptor
    TRADING_ACCOUNT_ID_FIELD_NUMBER: Final = 1
    SUBSCRIPTIONS_FIELD_NUMBER: Final = 2
    INSTRUMENT_KEY_FIELD_NUMBER: Final = 3
    INSTRUMENT_CLASS_FIELD_NUMBER: Final = 4
    ORDER_DELIVERY_FIELD_NUMBER: Final = 5
    RESUME_FIELD_NUMBER: Final = 1000
    trading_account_id: str
    """UUID of the trading account. Empty stands for all accounts of the organization, later ones included."""
    @property
    def subscriptions(self) -> RepeatedScalarFieldContainer[EventType.ValueType]:
        """Kinds to deliver. At least one must be a kind that the server knows; others are passed over."""
    instrument_key: str
    """Symbol of the one instrument whose orders and positions are wanted, compared byte by byte. Trades and
    intent actions come for every instrument regardless. Has no effect without trading_account_id.
    """
    instrument_class: str
    """Asset class in lower case ("equity", "crypto", ...) for a key that several classes share. Empty matches
    each of them. Has no effect without instrument_key.
    """
    order_delivery: OrderDelivery.ValueType
    """Whether the orders that exist already are sent first. Unspecified is the same as LIVE."""
    @property
    def resume(self) -> RepeatedCompositeFieldContainer[Cursor]:
        """Where an earlier stream stopped, to carry on from there. One cursor at most beside a
        trading_account_id; without one, a cursor for each account that the client has seen.
        """
    def __init__(
        self,
        *,
        trading_account_id: str = ...,
        subscriptions: Iterable[EventType.ValueType] | None = ...,
        instrument_key: str = ...,
        instrument_class: str = ...,
        order_delivery: OrderDelivery.ValueType = ...,
        resume: Iterable[Cursor] | None = ...,
    ) -> None: ...
    def HasField(self, field_name: Never) -> bool: ...
    def ClearField(self, field_name: Literal["trading_account_id", "subscriptions", "instrument_key", "instrument_class", "order_delivery", "resume"]) -> None: ...
@final
class Unsubscribe(Message):
    """Unsubscribe ends one subscription of this stream. The answer is a Status "unsubscribed", also when there
    was nothing to end.
    """
    DESCRIPTOR: Descriptor
    TRADING_ACCOUNT_ID_FIELD_NUMBER: Final = 1
    trading_account_id: str
    """UUID of the account, as given in its Subscribe. Empty ends the organization-wide subscription and leaves
    those of named accounts in force.
    """
    def __init__(
        self,
        *,
        trading_account_id: str = ...,
    ) -> None: ...
    def HasField(self, field_name: Never) -> bool: ...
    def ClearField(self, field_name: Literal["trading_account_id"]) -> None: ...
@final
class Cursor(Message):
    """Cursor is a place in an account's journal: the last event that the client has dealt with."""
    DESCRIPTOR: Descriptor
    ACCOUNT_ID_FIELD_NUMBER: Final = 1
    EPOCH_FIELD_NUMBER: Final = 2
    SEQUENCE_FIELD_NUMBER: Final = 3
    CHAIN_FIELD_NUMBER: Final = 4
    account_id: str
    """UUID of the account."""
    epoch: str
    """The journal's epoch when the event was read, from Status or AccountHead. Another epoch means that the
    numbers no longer mean the same events.
    """
    sequence: int
    """TradingEvent.sequence of that event; 0 is the place before the first one."""
    chain: int
    """TradingEvent.chain of that event. 0 leaves the history unverified."""
    def __init__(
        self,
        *,
        account_id: str = ...,
        epoch: str = ...,
        sequence: int = ...,
        chain: int = ...,
    ) -> None: ...
    def HasField(self, field_name: Never) -> bool: ...
    def ClearField(self, field_name: Literal["account_id", "epoch", "sequence", "chain"]) -> None: ...
@final
class Arm(Message):
    """Arm asks that the working orders of an account be cancelled when this stream is lost and does not come back
    in time. Confirmed by a Status with code "armed"; a server without the feature answers with an Error with
    code "not_supported".
    """
    DESCRIPTOR: Descriptor
    ACCOUNT_ID_FIELD_NUMBER: Final = 1
    STRATEGY_ID_FIELD_NUMBER: Final = 2
    GRACE_S_FIELD_NUMBER: Final = 3
    account_id: str
    """UUID of the account."""
    strategy_id: str
    """Cancel only the orders of this strategy. Empty cancels all orders of the account."""
    grace_s: int
    """Time in seconds between the loss and the cancels, for the client to reconnect in."""
    def __init__(
        self,
        *,
        account_id: str = ...,
        strategy_id: str = ...,
        grace_s: int = ...,
    ) -> None: ...
    def HasField(self, field_name: Never) -> bool: ...
    def ClearField(self, field_name: Literal["account_id", "strategy_id", "grace_s"]) -> None: ...
@final
class TradingEvent(Message):
    """TradingEvent is everything that a stream can bring. The fields beside the oneof place an event in its
    account's journal. Where sequence is 0 there is no such place: heartbeats, statuses, errors, primed marks and the
    state that is replayed when a subscription begins.
    """
    DESCRIPTOR: Descriptor
    HEARTBEAT_FIELD_NUMBER: Final = 1
    ERROR_FIELD_NUMBER: Final = 2
    STATUS_FIELD_NUMBER: Final = 3
    BROKER_ORDER_FIELD_NUMBER: Final = 4
    BROKER_POSITION_FIELD_NUMBER: Final = 5
    BROKER_TRADE_FIELD_NUMBER: Final = 6
    INTENT_ACTION_FIELD_NUMBER: Final = 7
    PRIMED_FIELD_NUMBER: Final = 8
    ACCOUNT_STATUS_FIELD_NUMBER: Final = 1010
    ACCOUNT_BALANCE_FIELD_NUMBER: Final = 1011
    TRADE_AMENDMENT_FIELD_NUMBER: Final = 1012
    ADJUSTMENT_FIELD_NUMBER: Final = 1013
    COMMAND_OUTCOME_FIELD_NUMBER: Final = 1014
    SEQUENCE_FIELD_NUMBER: Final = 1000
    ACCOUNT_ID_FIELD_NUMBER: Final = 1001
    KIND_SEQUENCE_FIELD_NUMBER: Final = 1002
    CHAIN_FIELD_NUMBER: Final = 1003
    @property
    def heartbeat(self) -> Heartbeat:
        """A sign of life, sent regularly."""
    @property
    def error(self) -> Error:
        """A request on this stream was refused; the stream stays open."""
    @property
    def status(self) -> Status:
        """A request on this stream took effect."""
    @property
    def broker_order(self) -> BrokerOrder:
        """An order's full state after a change."""
    @property
    def broker_position(self) -> BrokerPosition:
        """A position's full state after a change."""
    @property
    def broker_trade(self) -> BrokerTrade:
        """One execution."""
    @property
    def intent_action(self) -> IntentAction:
        """One create, replace or cancel that was accepted and stored."""
    @property
    def primed(self) -> Primed:
        """All state of one kind has been sent."""
    @property
    def account_status(self) -> AccountStatus:
        """The connection between an account and its broker changed."""
    @property
    def account_balance(self) -> AccountBalance:
        """An account's cash and margin figures changed."""
    @property
    def trade_amendment(self) -> TradeAmendment:
        """The broker took back or corrected an earlier execution."""
    @property
    def adjustment(self) -> Adjustment:
        """Position or cash moved without an execution."""
    @property
    def command_outcome(self) -> CommandOutcome:
        """What became of a create, replace or cancel."""
    sequence: int
    """Number of the event in its account's journal, from 1 and without a gap. It alone gives the order of an
    account's events.
    """
    account_id: str
    """UUID of the account whose journal holds the event."""
    kind_sequence: int
    """Number of the event among those of its kind in the account, from 1 and without a gap, so that a client
    that takes every event of a kind sees by itself that none is missing.
    """
    chain: int
    """First 8 bytes, big-endian, of the journal's running hash after this event: SHA-256 over the hash before it (32
    zero bytes at the start) and the event's bytes as sent, up to and including kind_sequence. Two readers
    with the same chain at the same sequence have read the same history.
    """
    def __init__(
        self,
        *,
        heartbeat: Heartbeat | None = ...,
        error: Error | None = ...,
        status: Status | None = ...,
        broker_order: BrokerOrder | None = ...,
        broker_position: BrokerPosition | None = ...,
        broker_trade: BrokerTrade | None = ...,
        intent_action: IntentAction | None = ...,
        primed: Primed | None = ...,
        account_status: AccountStatus | None = ...,
        account_balance: AccountBalance | None = ...,
        trade_amendment: TradeAmendment | None = ...,
        adjustment: Adjustment | None = ...,
        command_outcome: CommandOutcome | None = ...,
        sequence: int = ...,
        account_id: str = ...,
        kind_sequence: int = ...,
        chain: int = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["heartbeat", "error", "status", "broker_order", "broker_position", "broker_trade", "intent_action", "primed", "account_status", "account_balance", "trade_amendment", "adjustment", "command_outcome", "event"]) -> bool: ...
    def ClearField(self, field_name: Literal["heartbeat", "error", "status", "broker_order", "broker_position", "broker_trade", "intent_action", "primed", "account_status", "account_balance", "trade_amendment", "adjustment", "command_outcome", "sequence", "account_id", "kind_sequence", "chain", "event"]) -> None: ...
    def WhichOneof(self, oneof_group: Literal["event"]) -> Literal["heartbeat", "error", "status", "broker_order", "broker_position", "broker_trade", "intent_action", "primed", "account_status", "account_balance", "trade_amendment", "adjustment", "command_outcome"] | None: ...
@final
class Heartbeat(Message):
    """Heartbeat tells that stream and server are alive, the first one as soon as the stream opens. Missing several in
    a row is reason to reconnect.
    """
    DESCRIPTOR: Descriptor
    SENT_AT_FIELD_NUMBER: Final = 1
    DELIVERED_FIELD_NUMBER: Final = 1000
    HEADS_FIELD_NUMBER: Final = 1001
    @property
    def sent_at(self) -> Timestamp:
        """The server's clock at sending."""
    delivered: int
    """Number of journal events sent on this stream so far, all accounts together."""
    @property
    def heads(self) -> RepeatedCompositeFieldContainer[AccountHead]:
        """How far this stream has come in each account. Accounts subscribed by name are in every heartbeat; of an
        organization-wide subscription, all are in the first heartbeat and later those that moved.
        """
    def __init__(
        self,
        *,
        sent_at: Timestamp | None = ...,
        delivered: int = ...,
        heads: Iterable[AccountHead] | None = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["sent_at"]) -> bool: ...
    def ClearField(self, field_name: Literal["sent_at", "delivered", "heads"]) -> None: ...
@final
class AccountHead(Message):
    """AccountHead compares what this stream has delivered of an account with what there is."""
    DESCRIPTOR: Descriptor
    ACCOUNT_ID_FIELD_NUMBER: Final = 1
    EPOCH_FIELD_NUMBER: Final = 2
    SEQUENCE_FIELD_NUMBER: Final = 3
    HEAD_FIELD_NUMBER: Final = 4
    CHAIN_FIELD_NUMBER: Final = 5
    account_id: str
    """UUID of the account."""
    epoch: str
    """Epoch of the account's journal."""
    sequence: int
    """Every event up to this number that the subscription asks for has been sent. With epoch and chain it
    makes a Cursor.
    """
    head: int
    """Number of the last event in the journal. The difference to sequence is how far this stream lags, in events."""
    chain: int
    """TradingEvent.chain at sequence."""
    def __init__(
        self,
        *,
        account_id: str = ...,
        epoch: str = ...,
        sequence: int = ...,
        head: int = ...,
        chain: int = ...,
    ) -> None: ...
    def HasField(self, field_name: Never) -> bool: ...
    def ClearField(self, field_name: Literal["account_id", "epoch", "sequence", "head", "chain"]) -> None: ...
@final
class Error(Message):
    """Error reports that a request on this stream was refused. Subscriptions in force are untouched."""
    DESCRIPTOR: Descriptor
    MESSAGE_FIELD_NUMBER: Final = 1
    TRADING_ACCOUNT_ID_FIELD_NUMBER: Final = 1000
    CODE_FIELD_NUMBER: Final = 1001
    message: str
    """The cause, for people."""
    trading_account_id: str
    """UUID of the account that the request named; empty if it named none."""
    code: str
    """The cause, for programs: a stable, documented word such as "invalid_cursor"."""
    def __init__(
        self,
        *,
        message: str = ...,
        trading_account_id: str = ...,
        code: str = ...,
    ) -> None: ...
    def HasField(self, field_name: Never) -> bool: ...
    def ClearField(self, field_name: Literal["message", "trading_account_id", "code"]) -> None: ...
@final
class Status(Message):
    """Status confirms a request on this stream."""
    DESCRIPTOR: Descriptor
    MESSAGE_FIELD_NUMBER: Final = 1
    TRADING_ACCOUNT_ID_FIELD_NUMBER: Final = 1000
    HEAD_FIELD_NUMBER: Final = 1001
    EPOCH_FIELD_NUMBER: Final = 1002
    RESUMES_FIELD_NUMBER: Final = 1003
    CODE_FIELD_NUMBER: Final = 1004
    message: str
    """"subscribed" or "unsubscribed"; a client tolerates other words."""
    trading_account_id: str
    """UUID of the account that the request named; empty for the whole organization."""
    head: int
    """Number of the last event in the journal of a named account when the subscription began."""
    epoch: str
    """Epoch of the journals."""
    @property
    def resumes(self) -> RepeatedCompositeFieldContainer[Resume]:
        """How the subscription begins in each account: one entry for a named account and one for each cursor given."""
    code: str
    """The same as message, for programs: a stable word, also for what message does not name ("armed", "draining")."""
    def __init__(
        self,
        *,
        message: str = ...,
        trading_account_id: str = ...,
        head: int = ...,
        epoch: str = ...,
        resumes: Iterable[Resume] | None = ...,
        code: str = ...,
    ) -> None: ...
    def HasField(self, field_name: Never) -> bool: ...
    def ClearField(self, field_name: Literal["message", "trading_account_id", "head", "epoch", "resumes", "code"]) -> None: ...
@final
class Resume(Message):
    """Resume says how a subscription begins in one account, and what the client has to do about its past."""
    DESCRIPTOR: Descriptor
    ACCOUNT_ID_FIELD_NUMBER: Final = 1
    OUTCOME_FIELD_NUMBER: Final = 2
    HEAD_FIELD_NUMBER: Final = 3
    OLDEST_FIELD_NUMBER: Final = 4
    account_id: str
    """UUID of the account."""
    outcome: ResumeOutcome.ValueType
    """Whether the cursor was honoured."""
    head: int
    """Number of the last event in the account's journal when the subscription began."""
    oldest: int
    """Number of the oldest event that the journal still holds. After a reset, executions since the cursor can be read
    over REST from here on.
    """
    def __init__(
        self,
        *,
        account_id: str = ...,
        outcome: ResumeOutcome.ValueType = ...,
        head: int = ...,
        oldest: int = ...,
    ) -> None: ...
    def HasField(self, field_name: Never) -> bool: ...
    def ClearField(self, field_name: Literal["account_id", "outcome", "head", "oldest"]) -> None: ...
@final
class Primed(Message):
    """Primed follows the last piece of replayed state of one kind. From then on what has not been sent does not
    exist: an order not seen is not working, a position not seen is flat.
    """
    DESCRIPTOR: Descriptor
    EVENT_TYPE_FIELD_NUMBER: Final = 1
    TRADING_ACCOUNT_ID_FIELD_NUMBER: Final = 1000
    AS_OF_FIELD_NUMBER: Final = 1001
    event_type: EventType.ValueType
    """The kind whose state is complete."""
    trading_account_id: str
    """UUID of the account that the subscription names; empty for the whole organization."""
    as_of: int
    """Number of the journal event after which the state was read, the same for all kinds of one subscription.
    0 for the whole organization, where each account has a head of its own.
    """
    def __init__(
        self,
        *,
        event_type: EventType.ValueType = ...,
        trading_account_id: str = ...,
        as_of: int = ...,
    ) -> None: ...
    def HasField(self, field_name: Never) -> bool: ...
    def ClearField(self, field_name: Literal["event_type", "trading_account_id", "as_of"]) -> None: ...

# streaming.proto
@final
class StreamRequest(Message):
    """StreamRequest is one request on Stream; member for member it equals StreamEventsRequest."""
    DESCRIPTOR: Descriptor
    SUBSCRIBE_FIELD_NUMBER: Final = 1
    UNSUBSCRIBE_FIELD_NUMBER: Final = 2
    ARM_FIELD_NUMBER: Final = 1000
    @property
    def subscribe(self) -> Subscribe:
        """Starts a subscription, or replaces the one of the same account."""
    @property
    def unsubscribe(self) -> Unsubscribe:
        """Ends the subscription of one account."""
    @property
    def arm(self) -> Arm:
        """Asks for working orders to be cancelled if this stream is lost."""
    def __init__(
        self,
        *,
        subscribe: Subscribe | None = ...,
        unsubscribe: Unsubscribe | None = ...,
        arm: Arm | None = ...,
    ) -> None: ...
    def HasField(self, field_name: Literal["subscribe", "unsubscribe", "arm", "msg"]) -> bool: ...
    def ClearField(self, field_name: Literal["subscribe", "unsubscribe", "arm", "msg"]) -> None: ...
    def WhichOneof(self, oneof_group: Literal["msg"]) -> Literal["subscribe", "unsubscribe", "arm"] | None: ...

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
