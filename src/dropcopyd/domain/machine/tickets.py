"""Tickets of an account: what a reconciliation makes of them. `resolving` has what a person makes of one."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from dropcopyd.domain.audit import GATEWAY, AuditAction, AuditEntry
from dropcopyd.domain.event import Batch
from dropcopyd.domain.evolve import evolve
from dropcopyd.domain.reconciliation import (
    TICKETS_MAX,
    BreakStatus,
    Closing,
    Difference,
    Place,
    Reconciliation,
    Ticket,
    Verdict,
    break_id_of,
)
from dropcopyd.domain.state import AccountState


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a reconciliation has established: differences that count, those that the broker's list has mended, and the
    places where both snapshots agree."""

    confirmed: tuple[Difference, ...] = ()
    healed: tuple[Difference, ...] = ()
    agreed: frozenset[Place] = frozenset()
    is_unsettled: bool = False


def settle(state: AccountState, run: Reconciliation, findings: Findings, now_ns: int) -> Batch:
    """The tickets after a reconciliation, and its record. `run` comes without counts of tickets and, unless it failed,
    without its verdict."""
    at_ns = max(now_ns, state.last_ns)
    closed = [_agreed(ticket, at_ns) for ticket in state.tickets.values() if ticket.place in findings.agreed]
    changed = list(_changed(state, findings.confirmed, at_ns))
    opened = [ticket for ticket in changed if ticket.break_id not in state.tickets]
    gone = [*closed, *(ticket for ticket in changed if ticket.status is BreakStatus.CLOSED)]
    standing = {*state.tickets, *(one.break_id for one in opened)} - {one.break_id for one in gone}
    healed = [_healed(state, difference, at_ns) for difference in findings.healed]
    told = {
        "verdict": _verdict(run, findings, is_any_standing=bool(standing)),
        "detail": _left_out(state, findings, opened) or run.detail,
    }
    counts = {"healed": len(healed), "opened": len(opened), "closed": len(gone), "standing": len(standing)}
    return Batch(
        account_id=state.account.account_id,
        at_ns=at_ns,
        tickets=(*closed, *changed, *healed),
        reconciliation=evolve(run, ended_at_ns=at_ns, **told, **counts),
        audits=tuple(_audit(state, ticket) for ticket in closed),
    )


def _verdict(run: Reconciliation, findings: Findings, *, is_any_standing: bool) -> Verdict:
    if run.verdict is Verdict.FAILED:
        return Verdict.FAILED
    if is_any_standing:
        return Verdict.DIFFERENT
    return Verdict.UNSETTLED if findings.is_unsettled else Verdict.AGREED


def _left_out(state: AccountState, findings: Findings, opened: Iterable[Ticket]) -> str:
    """What has no ticket because too many stand."""
    places = {ticket.place for ticket in opened}
    left = [one for one in findings.confirmed if one.place not in places and state.ticket_at(one.place) is None]
    return f"{len(left)} more differences: too many tickets stand" if left else ""


def _agreed(ticket: Ticket, at_ns: int) -> Ticket:
    return replace(ticket, status=BreakStatus.CLOSED, closing=Closing.AGREED, closed_at_ns=at_ns)


def _changed(state: AccountState, confirmed: Iterable[Difference], at_ns: int) -> Iterable[Ticket]:
    """Tickets that are new, seen again, or replaced by one with another difference."""
    standing_count = len(state.tickets)
    for difference in confirmed:
        ticket = state.ticket_at(difference.place)
        if ticket is None:
            if standing_count < TICKETS_MAX:
                standing_count += 1
                yield _opened(state, difference, at_ns)
        elif ticket.status is BreakStatus.OPEN or ticket.difference.is_as_wide_as(difference):
            seen_count = ticket.times
            yield replace(ticket, difference=difference, last_at_ns=at_ns, times=seen_count + 1)
        else:
            yield replace(ticket, status=BreakStatus.CLOSED, closing=Closing.CHANGED, closed_at_ns=at_ns)
            yield _opened(state, difference, at_ns)


def _opened(state: AccountState, difference: Difference, at_ns: int) -> Ticket:
    account_id = state.account.account_id
    return Ticket(
        break_id=break_id_of(account_id, difference.place, at_ns),
        account_id=account_id,
        difference=difference,
        status=BreakStatus.OPEN,
        first_at_ns=at_ns,
        last_at_ns=at_ns,
    )


def _healed(state: AccountState, difference: Difference, at_ns: int) -> Ticket:
    ticket = _opened(state, difference, at_ns)
    return replace(ticket, status=BreakStatus.CLOSED, closing=Closing.HEALED, closed_at_ns=at_ns)


def _audit(state: AccountState, ticket: Ticket) -> AuditEntry:
    """A ticket that closed by itself says so."""
    return AuditEntry(
        organization_id=state.account.organization_id,
        account_id=ticket.account_id,
        at_ns=ticket.closed_at_ns or ticket.last_at_ns,
        principal_id=GATEWAY,
        action=AuditAction.BREAK_CLOSED,
        subject=ticket.break_id,
        detail={"kind": ticket.difference.kind.value, "closing": Closing.AGREED.value},
    )
