"""What callers do to paper accounts: adjustments pushed into their books, quotes into their markets.

The paper broker books and tells; what the platform makes of it comes by its session, as from any broker. Adjustments
are written to the audit log.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from dropcopyd.domain import money
from dropcopyd.domain.account import Account, BrokerKind, Principal
from dropcopyd.domain.audit import AuditAction, AuditEntry
from dropcopyd.domain.instrument import AssetClass, Instrument
from dropcopyd.domain.paper import AdjustmentRequest, PushedQuote, check_adjustment, check_quote
from dropcopyd.domain.report import AdjustmentReport
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.ownership import Actors
from dropcopyd.flow.taking import Instruments
from dropcopyd.ports import Clock, PaperControls, Store


@dataclass(frozen=True, slots=True)
class Named:
    """An instrument as a caller names it."""

    symbol: str
    asset_class: AssetClass | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedQuote:
    """A quote in the caller's words."""

    instrument: Named
    bid: Decimal
    ask: Decimal
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None


class PaperBench:
    """The verbs. Each raises DropcopyError: NOT_A_PAPER_ACCOUNT for an account at another broker, UNKNOWN_SYMBOL,
    AMBIGUOUS_SYMBOL, INVALID_ARGUMENT, STORE_FAILED, NOT_READY."""

    def __init__(
        self, *, paper: PaperControls, actors: Actors, instruments: Instruments, store: Store, clock: Clock
    ) -> None:
        self._paper = paper
        self._actors = actors
        self._instruments = instruments
        self._store = store
        self._clock = clock

    async def adjust(
        self, principal: Principal, account: Account, named: Named | None, asked: AdjustmentRequest, key: str | None
    ) -> AdjustmentReport:
        """Book an adjustment, of the named instrument if there is one, at the paper broker; durable there when this
        returns. A key is booked once, and has one line in the audit log: that of whoever was first to see it booked.

        Raises IDEMPOTENCY_KEY_REUSED where the key belongs to another adjustment.
        """
        await self._open(account)
        request = asked if named is None else replace(asked, instrument=await self._find(named, ""))
        check_adjustment(request)
        report = await self._paper.adjust(account.account_id, key or "", request)
        await self._store.audit(self._entry(principal, account, report), is_once=True)
        return report

    async def push(self, account: Account, asked: Sequence[AskedQuote]) -> tuple[PushedQuote, ...]:
        """Show quotes in the account's own markets, all or none; what then stands, with what is left of the sizes."""
        await self._open(account)
        quotes = []
        for place, one in enumerate(asked):
            quote = PushedQuote(
                instrument=await self._find(one.instrument, f"/quotes/{place}"),
                bid=one.bid,
                ask=one.ask,
                bid_size=one.bid_size,
                ask_size=one.ask_size,
            )
            check_quote(quote, f"/quotes/{place}")
            quotes.append(quote)
        return await self._paper.push(account.account_id, quotes)

    async def release(self, account: Account, named: Named) -> None:
        """Give the account the shared market of the instrument back."""
        await self._open(account)
        await self._paper.release(account.account_id, await self._instruments.named(named.symbol, named.asset_class))

    async def _open(self, account: Account) -> None:
        """The paper broker knows an account from when it is first looked at."""
        if account.broker is not BrokerKind.PAPER:
            told = f"the account is at {account.broker}: only a paper account's books and market can be set"
            raise DropcopyError(Code.NOT_A_PAPER_ACCOUNT, told, account_id=account.account_id)
        await self._actors.get(account.account_id)

    async def _find(self, named: Named, pointer: str) -> Instrument:
        try:
            return await self._instruments.named(named.symbol, named.asset_class)
        except DropcopyError as error:
            member = "asset_class" if error.code is Code.AMBIGUOUS_SYMBOL else "symbol"
            error.facts.setdefault("pointer", f"{pointer}/{member}")
            raise

    def _entry(self, principal: Principal, account: Account, report: AdjustmentReport) -> AuditEntry:
        moved = {
            "kind": report.kind.value,
            "symbol": None if report.key is None else report.key[1],
            "quantity_delta": _text(report.quantity_delta),
            "cost_delta": _text(report.cost_delta),
            "cash_delta": _text(report.cash_delta),
            "currency": report.currency,
            "note": report.note or None,
        }
        return AuditEntry(
            organization_id=account.organization_id,
            account_id=account.account_id,
            at_ns=self._clock.now_ns(),
            principal_id=principal.key_id,
            action=AuditAction.PAPER_ADJUSTED,
            subject=report.adjustment_id,
            detail={name: value for name, value in moved.items() if value is not None},
        )


def _text(value: Decimal | None) -> str | None:
    return None if value is None else money.render(value)
