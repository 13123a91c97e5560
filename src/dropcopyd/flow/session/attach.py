"""How a scope begins on a stream: listen, read the state at one head, settle what is owed, confirm, replay, go live."""

from collections.abc import Iterable
from typing import Final

from dropcopyd.domain.event import AccountMoved, Event, EventType
from dropcopyd.domain.limits import Limits
from dropcopyd.flow.hub import Hub
from dropcopyd.flow.session.delivery import Delivery, Place, Track
from dropcopyd.flow.session.requests import (
    ORGANIZATION,
    CursorRequest,
    Part,
    SubscribeRequest,
    cursor_error,
    cursors_of,
    is_wanted,
    part_of,
    scope_of,
)
from dropcopyd.ports import AttachedState, Clock, Head, ResumeAnswer, Said, SessionEncoder, Store

_NS: Final = 1_000_000_000
_REPLAYED: Final = (
    EventType.ACCOUNT_STATUS,
    EventType.ACCOUNT_BALANCE,
    EventType.BROKER_POSITION,
    EventType.BROKER_ORDER,
)
"""Kinds with a state to replay, in the contract's order."""

_Answers = dict[str, tuple[ResumeAnswer, Place | None]]


class Attach:
    """Brings scopes into force, one at a time: the caller holds the delivery's lock."""

    def __init__(
        self, delivery: Delivery, *, hub: Hub, store: Store, encoder: SessionEncoder, clock: Clock, limits: Limits
    ) -> None:
        self._delivery = delivery
        self._hub = hub
        self._store = store
        self._encoder = encoder
        self._clock = clock
        self._retention_ns = int(limits.retention_s * _NS)

    async def account(self, account_id: str, request: SubscribeRequest) -> None:
        """Attach one account of the principal. Raises InvalidError for a cursor behind the stream's own."""
        delivery = self._delivery
        track = delivery.hold(self._hub.feed(account_id, delivery.organization_id))
        try:
            self._refuse_behind((account_id, cursor) for cursor in request.resume)
            state = await self._store.read_state(account_id, self._changed_after_ns())
            answer, place = await self._answer(state, request.resume[0] if request.resume else None)
            if delivery.covers(account_id):
                await delivery.deliver(track, (place or state.head).sequence)
            delivery.scopes[account_id] = scope_of(request)
            track.selection = delivery.selection(account_id)
            await self._confirm(account_id, state.head.sequence, [answer])
            await self._start(track, state, answer, place, request)
        except BaseException:
            if not delivery.covers(account_id):
                delivery.drop(track)
            raise
        finally:
            delivery.release(track)

    async def organization(self, request: SubscribeRequest) -> None:
        """Attach every account of the organization, later ones included."""
        delivery = self._delivery
        if delivery.is_open:
            self._hub.listen_organization(delivery.organization_id, delivery)
        delivery.is_attaching_all = True
        for track in delivery.tracks.values():
            delivery.hold(track.feed)
        try:
            self._refuse_behind((cursor.account_id.lower(), cursor) for cursor in request.resume)
            states = await self._store.read_states(delivery.organization_id, self._changed_after_ns())
            cursors = cursors_of(request, (state.account.account_id for state in states))
            answers = {s.account.account_id: await self._answer(s, cursors.get(s.account.account_id)) for s in states}
            await self._settle(states, answers)
            delivery.scopes[ORGANIZATION] = scope_of(request)
            await self._confirm(ORGANIZATION, 0, [answers[account_id][0] for account_id in cursors])
            await self._start_all(states, answers, request)
            delivery.select_anew(delivery.tracks)
            delivery.show_all_heads()
        except BaseException:
            if ORGANIZATION not in delivery.scopes:
                delivery.remove_scope(ORGANIZATION)
            raise
        finally:
            delivery.is_attaching_all = False
            for track in list(delivery.tracks.values()):
                delivery.release(track)

    def _refuse_behind(self, cursors: Iterable[tuple[str, CursorRequest]]) -> None:
        """What was sent on this stream is not sent again; asked while the tracks are held."""
        for account_id, cursor in cursors:
            track = self._delivery.tracks.get(account_id)
            if track is not None and cursor.sequence < track.cursor:
                raise cursor_error("the cursor is behind this stream's own in an account it covers already")

    async def _answer(self, state: AttachedState, cursor: CursorRequest | None) -> tuple[ResumeAnswer, Place | None]:
        """How the account is attached, and where a resume goes on from (None: state is replayed)."""
        account_id, head = state.account.account_id, state.head
        if cursor is None:
            return ResumeAnswer(account_id, "LIVE", head.sequence, head.oldest), None
        place = None
        if cursor.epoch == self._store.epoch and head.oldest <= cursor.sequence + 1 <= head.sequence + 1:
            chain = await self._store.chain_at(account_id, cursor.sequence)
            if not cursor.chain or cursor.chain == chain:
                place = Place(cursor.sequence, chain or 0)
        outcome = "RESET" if place is None else "RESUMED"
        return ResumeAnswer(account_id, outcome, head.sequence, head.oldest), place

    async def _settle(self, states: Iterable[AttachedState], answers: _Answers) -> None:
        """Before the confirmation: what the scopes in force still owe."""
        delivery = self._delivery
        for state in states:
            account_id = state.account.account_id
            track = delivery.tracks.get(account_id)
            if track is not None and delivery.covers(account_id):
                await delivery.deliver(track, (answers[account_id][1] or state.head).sequence)

    async def _confirm(self, account_id: str, head: int, answers: list[ResumeAnswer]) -> None:
        epoch = self._store.epoch
        await self._delivery.send(self._encoder.status("subscribed", "subscribed", account_id, head, epoch, answers))

    async def _start(
        self,
        track: Track,
        state: AttachedState,
        answer: ResumeAnswer,
        place: Place | None,
        request: SubscribeRequest,
    ) -> None:
        """What follows the confirmation: the missed events of a resume, else the state as asked."""
        if place is not None:
            await self._go_on(track, place)
            await self._delivery.deliver(track, state.head.sequence)
            return
        for kind in _replayed_kinds(request, is_reset=answer.outcome == "RESET"):
            await self._send_state(kind, state, request)
            await self._delivery.send(self._encoder.primed(kind, state.account.account_id, state.head.sequence))
        await self._go_on(track, state.head)

    async def _start_all(self, states: Iterable[AttachedState], answers: _Answers, request: SubscribeRequest) -> None:
        """Replay each kind over all accounts and close it once, then what the resumed accounts missed."""
        delivery = self._delivery
        fresh = [state for state in states if answers[state.account.account_id][1] is None]
        is_reset = any(answer.outcome == "RESET" for answer, _ in answers.values())
        for kind in _replayed_kinds(request, is_reset=is_reset) if fresh or not answers else ():
            for state in fresh:
                is_primed = request.is_primed or answers[state.account.account_id][0].outcome == "RESET"
                if kind is not EventType.BROKER_ORDER or is_primed:
                    await self._send_state(kind, state, request)
            await delivery.send(self._encoder.primed(kind, ORGANIZATION, 0))
        for state in states:
            account_id = state.account.account_id
            track = delivery.hold(self._hub.feed(account_id, state.account.organization_id))
            track.selection = delivery.selection(account_id)
            await self._go_on(track, answers[account_id][1] or state.head)
            await delivery.deliver(track, state.head.sequence)

    async def _go_on(self, track: Track, place: Place | Head) -> None:
        """The track is there once the client has pulled what was queued before."""
        track.place(place)
        await self._delivery.send(b"", track, track.cursor)

    async def _send_state(self, kind: EventType, state: AttachedState, request: SubscribeRequest) -> None:
        """One kind of one account's state; organization-wide without the kinds that a named scope delivers."""
        named = self._delivery.scopes.get(state.account.account_id)
        if not request.account_id and named is not None and kind in named.kinds:
            return
        for event in _state_events(kind, state, request):
            await self._delivery.send(self._encoder.state(event))

    def _changed_after_ns(self) -> int:
        return self._clock.now_ns() - self._retention_ns


def _state_events(kind: EventType, state: AttachedState, request: SubscribeRequest) -> Iterable[Event | Said]:
    part = part_of(kind, request)
    if state.said:
        return (one for one in state.said if one.kind is kind and _is_told(one, part))
    match kind:
        case EventType.ACCOUNT_STATUS:
            return (Event(kind, AccountMoved(state.account, state.status)),)
        case EventType.ACCOUNT_BALANCE:
            return (Event(kind, balance) for balance in state.balances)
        case EventType.BROKER_POSITION:
            return (Event(kind, p) for p in state.positions if is_wanted(p.instrument, part))
        case EventType.BROKER_ORDER:
            return (Event(kind, o) for o in state.orders if is_wanted(o.instrument, part))
        case _:
            return ()


def _is_told(said: Said, part: Part) -> bool:
    _, symbol, asset_class = part
    return not symbol or (symbol == said.symbol and asset_class in ("", said.asset_class))


def _replayed_kinds(request: SubscribeRequest, *, is_reset: bool) -> list[EventType]:
    """Kinds whose state is replayed, in the contract's order; orders only when primed or reset."""
    kinds: list[EventType] = [kind for kind in _REPLAYED if kind in request.kinds]
    if not request.is_primed and not is_reset and EventType.BROKER_ORDER in kinds:
        kinds.remove(EventType.BROKER_ORDER)
    return kinds
