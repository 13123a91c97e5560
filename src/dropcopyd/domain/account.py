"""Who trades: organizations, trading accounts, and what a credential may do."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from dropcopyd.domain.attenuation import UNATTENUATED, Attenuation

NAME_CHARACTERS_MAX: Final = 64
"""Of the names of organizations, accounts and keys."""


class BrokerKind(StrEnum):
    """The broker of an account, as the contract names it."""

    LIGHTSPEED_CONNECT = "LIGHTSPEED_CONNECT"
    ALPACA = "ALPACA"
    PAPER = "PAPER"
    FIX = "FIX"


class AccountConnection(StrEnum):
    """How far the platform's knowledge of the account reaches.

    LIVE: reports flow. CATCHING_UP: connected, the broker's snapshot is not yet taken in. BLIND: no connection.
    HALTED: a decision could not be committed; nothing is accepted until the daemon has reloaded the account.
    """

    LIVE = "LIVE"
    CATCHING_UP = "CATCHING_UP"
    BLIND = "BLIND"
    HALTED = "HALTED"


class Scope(StrEnum):
    """What a key may do."""

    INTENTS_EDIT = "intents:edit"
    RECORDS_READ = "records:read"
    STREAM_READ = "stream:read"
    CONTROLS_EDIT = "controls:edit"
    PAPER_EDIT = "paper:edit"
    """Set the books and the market of paper accounts: who has it can make money there out of nothing."""
    ACCOUNTS_ADMIN = "accounts:admin"
    KEYS_ADMIN = "keys:admin"


class PrincipalType(StrEnum):
    API_KEY = "API_KEY"
    USER = "USER"
    SERVICE = "SERVICE"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. `key_id` is for logs and lists of streams; it never goes on the gRPC wire.

    `account_ids`: the accounts it is restricted to (None = all of the organization). `expires_at_ns`: when the
    credential ends (None = never). `streams_max`: the organization's own stream quota (None = the node's).
    `generation`: which of the key's secrets was shown, or made the token. `address`: where the caller is, "" when
    unknown.
    """

    organization_id: str
    key_id: str
    scopes: frozenset[Scope]
    type: PrincipalType = PrincipalType.API_KEY
    key_name: str = ""
    account_ids: frozenset[str] | None = None
    expires_at_ns: int | None = None
    streams_max: int | None = None
    is_token: bool = False
    generation: int = 1
    address: str = ""
    attenuation: Attenuation = UNATTENUATED


@dataclass(frozen=True, slots=True)
class Organization:
    """Who owns accounts and keys. `streams_max`: its own stream quota (None = the node's).

    `name` is the operator's, unique on the node and shown to nobody who may not see the others; `own_name` is what its
    administrators have renamed it to, which may be anything.
    """

    organization_id: str
    name: str
    created_at_ns: int
    streams_max: int | None = None
    own_name: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """A trading account at one broker. `number` is the store's short key of it.

    Its day begins at `roll_time` (HH:MM) in `time_zone` (IANA name): see `domain.day`.
    """

    number: int
    account_id: str
    organization_id: str
    name: str
    broker: BrokerKind
    broker_settings: str = ""
    """What the broker's adapter was told when the account was added; only the adapter reads it."""
    time_zone: str = "UTC"
    roll_time: str = "00:00"
    reconcile_s: int | None = field(default=None, compare=False)
    """Seconds between its reconciliations; 0 = none by the timer, None = as the gateway does."""
    reconcile_version: int = field(default=0, compare=False)
    """Raised by each change of that; 0 = never changed."""
    created_at_ns: int = field(default=0, compare=False)
    disabled_at_ns: int | None = field(default=None, compare=False)
    """Since when it takes no creates and replaces, by its administrator's hand; None = it does."""


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """The connection of an account, as published by AccountStatus."""

    connection: AccountConnection
    since_ns: int
    reason_code: str = ""
    reason: str = ""

    def moved(
        self, connection: AccountConnection, at_ns: int, reason_code: str = "", reason: str = ""
    ) -> "AccountStatus":
        """The status after a change at that time."""
        return replace(self, connection=connection, since_ns=at_ns, reason_code=reason_code, reason=reason)
