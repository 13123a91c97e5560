"""The words of the contract as open enums.

Each has the contract's values without their prefix, UNSPECIFIED first. The sets are open: a value that this version
does not know is delivered as UNSPECIFIED, and the number or word that came stands in the record's `unrecognized`.
"""

from enum import StrEnum
from functools import cache
from typing import Self, TypeVar

from dropcopy import proto


class OpenEnum(StrEnum):
    """Base of the contract's enums; every one of them has UNSPECIFIED."""

    @classmethod
    def unspecified(cls) -> Self:
        """The member for "not said" and for values from the future."""
        return cls("UNSPECIFIED")

    @classmethod
    def known(cls, raw: int | str) -> Self | None:
        """The member of a contract number, or of a word in any case; None if this version does not know it."""
        if isinstance(raw, int):
            return _by_number(cls, raw)
        word = raw.upper().replace("-", "_")
        return cls(word) if word in cls.__members__ else None

    @classmethod
    def parse(cls, word: str) -> Self:
        """The member that a caller means by a word in any case. Raises ValueError, which lists the words."""
        found = cls.known(word)
        if found is None or found == cls.unspecified():
            raise ValueError(f"{word!r} is none of {', '.join(list(cls.__members__)[1:])}")
        return found

    @property
    def number(self) -> int:
        """The contract's number."""
        return next(number for number, word in _table(type(self).__name__).items() if word == self.value)


_Word = TypeVar("_Word", bound=OpenEnum)


@cache
def _table(name: str) -> dict[int, str]:
    """Contract number -> word without the enum's prefix."""
    items = getattr(proto, name).items()
    prefix = next(word for word, number in items if number == 0).removesuffix("UNSPECIFIED")
    return {number: word.removeprefix(prefix) for word, number in items}


def _by_number(kind: type[_Word], number: int) -> _Word | None:
    word = _table(kind.__name__).get(number, "")
    return kind(word) if word in kind.__members__ else None


class EventType(OpenEnum):
    """A kind of event that a stream can be asked for."""

    UNSPECIFIED = "UNSPECIFIED"
    BROKER_ORDER = "BROKER_ORDER"
    BROKER_POSITION = "BROKER_POSITION"
    BROKER_TRADE = "BROKER_TRADE"
    INTENT_ACTION = "INTENT_ACTION"
    ACCOUNT_STATUS = "ACCOUNT_STATUS"
    ACCOUNT_BALANCE = "ACCOUNT_BALANCE"
    TRADE_AMENDMENT = "TRADE_AMENDMENT"
    ADJUSTMENT = "ADJUSTMENT"
    COMMAND_OUTCOME = "COMMAND_OUTCOME"


class ResumeOutcome(OpenEnum):
    """How a stream begins in one account."""

    UNSPECIFIED = "UNSPECIFIED"
    LIVE = "LIVE"
    RESUMED = "RESUMED"
    RESET = "RESET"


class Broker(OpenEnum):
    """The venue connection behind an account."""

    UNSPECIFIED = "UNSPECIFIED"
    LIGHTSPEED_CONNECT = "LIGHTSPEED_CONNECT"
    ALPACA = "ALPACA"
    PAPER = "PAPER"
    FIX = "FIX"


class OrderType(OpenEnum):
    """How an order's price is found."""

    UNSPECIFIED = "UNSPECIFIED"
    LIMIT = "LIMIT"
    MARKET = "MARKET"
    FILL_OR_KILL = "FILL_OR_KILL"
    LIMIT_ON_OPEN = "LIMIT_ON_OPEN"
    LIMIT_ON_CLOSE = "LIMIT_ON_CLOSE"
    MARKET_ON_OPEN = "MARKET_ON_OPEN"
    MARKET_ON_CLOSE = "MARKET_ON_CLOSE"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    TRAILING_STOP = "TRAILING_STOP"


class TimeInForce(OpenEnum):
    """How long an order may work."""

    UNSPECIFIED = "UNSPECIFIED"
    DAY = "DAY"
    GOOD_TILL_CANCEL = "GOOD_TILL_CANCEL"
    AT_OPEN = "AT_OPEN"
    IMMEDIATE_OR_CANCEL = "IMMEDIATE_OR_CANCEL"
    FILL_OR_KILL = "FILL_OR_KILL"
    EXT = "EXT"
    AT_CLOSE = "AT_CLOSE"


class OrderSide(OpenEnum):
    """The direction of an order or execution."""

    UNSPECIFIED = "UNSPECIFIED"
    BUY = "BUY"
    SELL = "SELL"
    SELL_SHORT = "SELL_SHORT"


class OrderVenue(OpenEnum):
    """Where an order is routed; SMART leaves the choice to the broker."""

    UNSPECIFIED = "UNSPECIFIED"
    SMART = "SMART"
    AMEX = "AMEX"
    ARCA = "ARCA"
    BATS = "BATS"
    BATY = "BATY"
    EDGA = "EDGA"
    EDGX = "EDGX"
    NSDQ = "NSDQ"
    NYSE = "NYSE"


class OrderStatus(OpenEnum):
    """The stage of an order as the broker last reported it. None is final: a late execution can follow any."""

    UNSPECIFIED = "UNSPECIFIED"
    PENDING_NEW = "PENDING_NEW"
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    CANCELLED = "CANCELLED"
    PENDING_REPLACE = "PENDING_REPLACE"
    REPLACED = "REPLACED"
    STOPPED = "STOPPED"
    REJECTED = "REJECTED"


class OrderState(OpenEnum):
    """An order's status in short. UNSPECIFIED is not closed: it may still trade."""

    UNSPECIFIED = "UNSPECIFIED"
    OPEN = "OPEN"
    CLOSED = "CLOSED"
    REJECTED = "REJECTED"


class OrderOrigin(OpenEnum):
    """Whether an order was submitted here or found at the broker."""

    UNSPECIFIED = "UNSPECIFIED"
    PLATFORM = "PLATFORM"
    EXTERNAL = "EXTERNAL"


class IntentActionType(OpenEnum):
    """What an intent action asks for."""

    UNSPECIFIED = "UNSPECIFIED"
    CREATE = "CREATE"
    REPLACE = "REPLACE"
    CANCEL = "CANCEL"


class IntentPrincipalType(OpenEnum):
    """The sort of principal that submitted an intent action."""

    UNSPECIFIED = "UNSPECIFIED"
    API_KEY = "API_KEY"
    USER = "USER"
    SERVICE = "SERVICE"


class Liquidity(OpenEnum):
    """Which side of the book an execution was on."""

    UNSPECIFIED = "UNSPECIFIED"
    ADDED = "ADDED"
    REMOVED = "REMOVED"
    AUCTION = "AUCTION"


class AccountConnection(OpenEnum):
    """How far the picture of an account can be trusted; BLIND: orders may fill without being seen."""

    UNSPECIFIED = "UNSPECIFIED"
    LIVE = "LIVE"
    CATCHING_UP = "CATCHING_UP"
    BLIND = "BLIND"
    HALTED = "HALTED"


class TradeAmendmentKind(OpenEnum):
    """What happened to an earlier execution."""

    UNSPECIFIED = "UNSPECIFIED"
    BUST = "BUST"
    CORRECTION = "CORRECTION"


class AdjustmentKind(OpenEnum):
    """The cause of a movement that no execution explains."""

    UNSPECIFIED = "UNSPECIFIED"
    OPENING = "OPENING"
    TRANSFER = "TRANSFER"
    SPLIT = "SPLIT"
    EXPIRY = "EXPIRY"
    ASSIGNMENT = "ASSIGNMENT"
    FUNDING = "FUNDING"
    FEE = "FEE"
    DAY_ROLL = "DAY_ROLL"
    MANUAL = "MANUAL"


class CommandOutcomeKind(OpenEnum):
    """What became of a create, replace or cancel. IN_DOUBT: sent, and no answer is certain yet."""

    UNSPECIFIED = "UNSPECIFIED"
    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"
    IN_DOUBT = "IN_DOUBT"
    WITHHELD = "WITHHELD"
    NOT_SENT = "NOT_SENT"


class AssetClass(OpenEnum):
    """The members of Instrument."""

    UNSPECIFIED = "UNSPECIFIED"
    EQUITY = "EQUITY"
    FUTURE = "FUTURE"
    OPTION = "OPTION"
    CURRENCY = "CURRENCY"
    CRYPTO = "CRYPTO"
    PERPETUAL = "PERPETUAL"
    PREDICTION = "PREDICTION"


class OptionType(OpenEnum):
    """The right that an option gives."""

    UNSPECIFIED = "UNSPECIFIED"
    CALL = "CALL"
    PUT = "PUT"


class ExerciseStyle(OpenEnum):
    """When an option may be exercised."""

    UNSPECIFIED = "UNSPECIFIED"
    AMERICAN = "AMERICAN"
    EUROPEAN = "EUROPEAN"


class PerpetualUnderlying(OpenEnum):
    """The sort of asset that a perpetual follows."""

    UNSPECIFIED = "UNSPECIFIED"
    CRYPTO = "CRYPTO"
    FUTURE = "FUTURE"
    PREDICTION = "PREDICTION"


class Settlement(OpenEnum):
    """The formula behind a perpetual's value. UNSPECIFIED is unknown, never linear."""

    UNSPECIFIED = "UNSPECIFIED"
    LINEAR = "LINEAR"
    INVERSE = "INVERSE"


class PredictionOutcome(OpenEnum):
    """The answer that a prediction contract pays for. UNSPECIFIED is unknown, never yes."""

    UNSPECIFIED = "UNSPECIFIED"
    YES = "YES"
    NO = "NO"
