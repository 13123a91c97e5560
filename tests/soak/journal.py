"""The journal as its file has it, and what clients ask: no code of the product, rows by SQL and messages by hand."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from tests.store.journal import Field, fields, read_rows

ORDER, POSITION, TRADE, ACTION = 1, 2, 3, 4
STATUS, BALANCE, AMENDMENT, ADJUSTMENT, OUTCOME = 1000, 1001, 1002, 1003, 1004
KINDS: Final = (ORDER, POSITION, TRADE, ACTION, STATUS, BALANCE, AMENDMENT, ADJUSTMENT, OUTCOME)
KIND_OF_MEMBER: Final = {
    4: ORDER,
    5: POSITION,
    6: TRADE,
    7: ACTION,
    1010: STATUS,
    1011: BALANCE,
    1012: AMENDMENT,
    1013: ADJUSTMENT,
    1014: OUTCOME,
}
_INSTRUMENT: Final = {ORDER: 23, POSITION: 9}
_EXTERNAL_ORDER_ID: Final = 4
_CLASSES: Final = ("", "equity", "future", "option", "currency", "crypto", "perpetual", "prediction")
_KEYS: Final = {STATUS: (), BALANCE: (3,), ORDER: (1,)}
"""Fields that tell one state message of a kind from another; a position's are its instrument's."""


def by_number(data: bytes) -> dict[int, Field]:
    """The last field of each number."""
    return {one.number: one for one in fields(data)}


def number(found: dict[int, Field], of: int) -> int:
    """A number; absent is zero."""
    one = found.get(of)
    return one.value if one is not None and isinstance(one.value, int) else 0


def blob(found: dict[int, Field], of: int) -> bytes:
    """Bytes; absent is empty."""
    one = found.get(of)
    return one.value if one is not None and isinstance(one.value, bytes) else b""


def text(found: dict[int, Field], of: int) -> str:
    return blob(found, of).decode()


def repeated(data: bytes, of: int) -> list[dict[int, Field]]:
    """The messages of a repeated field."""
    return [by_number(one.value) for one in fields(data) if one.number == of and isinstance(one.value, bytes)]


@dataclass(frozen=True)
class Said:
    """One event or state message: its kind, what it is about, its bytes without the stamp. `account_id` of state."""

    kind: int
    account_id: str
    symbol: str
    asset_class: str
    key: tuple[object, ...]
    body: bytes
    facts: bytes
    """The body as state is compared: the broker's id of an order comes with its acknowledgement, which is no event."""

    @classmethod
    def of(cls, raw: bytes) -> "Said":
        first = next(fields(raw))
        kind = KIND_OF_MEMBER[first.number]
        assert isinstance(first.value, bytes)
        inner = by_number(first.value)
        symbol = asset_class = ""
        if kind in _INSTRUMENT:
            (instrument,) = fields(blob(inner, _INSTRUMENT[kind]))
            asset_class = _CLASSES[instrument.number]
            assert isinstance(instrument.value, bytes)
            symbol = text(by_number(instrument.value), 1)
        key: tuple[object, ...] = tuple(blob(inner, one) for one in _KEYS.get(kind, ()))
        facts = b"".join(one.raw for one in inner.values() if (kind, one.number) != (ORDER, _EXTERNAL_ORDER_ID))
        account_id = text(inner, 5 if kind == ORDER else 1)
        return cls(kind, account_id, symbol, asset_class, (kind, *key, symbol, asset_class), first.raw, facts)


@dataclass(frozen=True)
class Part:
    """One kind, perhaps of one instrument only."""

    kind: int
    symbol: str = ""
    asset_class: str = ""

    def takes(self, one: Said) -> bool:
        if one.kind != self.kind:
            return False
        return not self.symbol or (self.symbol == one.symbol and self.asset_class in ("", one.asset_class))


@dataclass(frozen=True)
class Cursor:
    account_id: str
    epoch: str
    sequence: int
    chain: int


@dataclass(frozen=True)
class Subscribe:
    """A Subscribe as the client means it; `refused` names the code with which it must be refused."""

    account_id: str
    kinds: frozenset[int]
    symbol: str = ""
    asset_class: str = ""
    is_primed: bool = False
    resume: tuple[Cursor, ...] = ()
    refused: str = ""
    heads: dict[str, int] = field(default_factory=dict, compare=False)
    """What was durable when it was sent."""

    @property
    def parts(self) -> dict[int, Part]:
        is_narrow = self.account_id and self.symbol
        narrow = {kind: Part(kind, self.symbol, self.asset_class) for kind in (ORDER, POSITION) if is_narrow}
        return {kind: narrow.get(kind, Part(kind)) for kind in self.kinds}


@dataclass(frozen=True)
class Unsubscribe:
    account_id: str


Request = Subscribe | Unsubscribe
Scopes = dict[str, Subscribe]


@dataclass
class Journal:
    """One account's journal."""

    raw: list[bytes]
    chains: list[int]
    _wanted: dict[tuple[Subscribe | None, Subscribe | None], list[int]] = field(default_factory=dict)

    @classmethod
    def read(cls, database: Path, account_id: str) -> "Journal":
        rows = read_rows(database, account_id)
        assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
        return cls([row.payload for row in rows], [0, *(int.from_bytes(row.hash[:8], "big") for row in rows)])

    @cached_property
    def said(self) -> list[Said]:
        return [Said.of(raw) for raw in self.raw]

    @property
    def head(self) -> int:
        return len(self.raw)

    def wanted(self, named: Subscribe | None, whole: Subscribe | None) -> list[int]:
        """Sequences that two scopes take: the named one alone delivers its kinds, the organization's the rest."""
        found = self._wanted.get((named, whole))
        if found is None:
            parts = dict(whole.parts if whole else {}) | dict(named.parts if named else {})
            found = self._wanted[named, whole] = [
                at for at, one in enumerate(self.said, start=1) if one.kind in parts and parts[one.kind].takes(one)
            ]
        return found

    def state(self, kind: int, at: int, part: Part) -> Counter[bytes]:
        """The last message about each thing of a kind, at a head."""
        last = {one.key: one for one in self.said[:at] if one.kind == kind and part.takes(one)}
        return Counter(one.facts for one in last.values())
