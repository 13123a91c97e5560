"""Resolutions: a person decides about a break; what is booked and the ticket's end are one commit."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping

from dropcopyd.domain import machine
from dropcopyd.domain.account import Account, Principal
from dropcopyd.domain.event import Batch
from dropcopyd.domain.instrument import Instrument
from dropcopyd.domain.reconciliation import BreakStatus, ResolutionAction, Ticket
from dropcopyd.domain.state import AccountState
from dropcopyd.errors import Code, DropcopyError, NotFoundError
from dropcopyd.flow.ownership import Actors
from dropcopyd.flow.taking import Instruments
from dropcopyd.record import Queries


class Resolutions:
    """Decides about breaks of this node's accounts."""

    def __init__(self, *, actors: Actors, queries: Queries, instruments: Instruments) -> None:
        self._actors = actors
        self._queries = queries
        self._instruments = instruments
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def resolve(
        self,
        principal: Principal,
        account: Account,
        break_id: str,
        decision: machine.Decision,
        asked: Mapping[str, str],
    ) -> Ticket:
        """The ticket after the decision, durable. `asked` is the request beside action and reason, as it was written.

        The same decision again has the same answer. Raises NotFoundError, InvalidError, DropcopyError: BREAK_CLOSED for
        a break that ended otherwise, BREAK_CHANGED, ACCOUNT_HALTED, UNKNOWN_SYMBOL.
        """
        async with self._turns[account.account_id]:
            kept = await self._queries.find_break(account.account_id, break_id)
            if kept is None:
                raise NotFoundError(Code.BREAK_NOT_FOUND, f"the account has no break {break_id}")
            if _is_decided_so(kept, decision, asked):
                return kept
            key = kept.difference.key
            instrument = None if key is None else await self._instruments.find(key)
            return await self._decide(principal, account, kept, decision, asked, instrument)

    async def _decide(
        self,
        principal: Principal,
        account: Account,
        kept: Ticket,
        decision: machine.Decision,
        asked: Mapping[str, str],
        instrument: Instrument | None,
    ) -> Ticket:
        def deciding(state: AccountState, now_ns: int) -> Batch:
            ticket = kept if kept.is_said else state.tickets.get(kept.break_id)
            if ticket is None or ticket.status is BreakStatus.CLOSED:
                raise _closed(kept)
            return machine.resolve(
                state,
                ticket,
                decision,
                principal_id=principal.key_id,
                asked=asked,
                instrument=instrument,
                now_ns=now_ns,
            )

        actor = await self._actors.get(account.account_id)
        order_id = decision.order_id or kept.difference.order_id
        done = await actor.decide_about(deciding, order_id=order_id)
        if done is not None:
            await asyncio.shield(done)
        ticket = await self._queries.find_break(account.account_id, kept.break_id)
        if ticket is None:
            raise DropcopyError(Code.INTERNAL, "a resolved break is gone")
        return ticket


def _closed(kept: Ticket) -> DropcopyError:
    if kept.closing is None:
        return DropcopyError(Code.BREAK_CHANGED, "the break is being decided about; read it again")
    return DropcopyError(Code.BREAK_CLOSED, f"the break is closed: {kept.closing}", closing=kept.closing.value)


def _is_decided_so(kept: Ticket, decision: machine.Decision, asked: Mapping[str, str]) -> bool:
    """Whether this very decision stands already. What is accepted may be decided otherwise while it stands."""
    resolution = kept.resolution
    if resolution is None:
        return False
    same = (resolution.action, resolution.reason, dict(resolution.asked))
    return same == (ResolutionAction(decision.action), decision.reason, dict(asked))
