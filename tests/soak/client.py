"""A client of the campaign: it does at random what clients do, and keeps all that it sent and heard."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from dropcopy import proto as pb
from tests.soak.gateway import Gateway, Member
from tests.soak.journal import KINDS, Cursor, Request, Subscribe, Unsubscribe
from tests.soak.model import Got
from tests.soak.program import instruments
from tests.support.peer import Call, EndedError, Peer, header_block

_WINDOWS: Final = (600, 5_000, 65_535)
_SETTLE_S: Final = 45.0
_STALL_MAX_S: Final = 4.0
_NOBODY: Final = "00000000-0000-4000-8000-00000000ffff"
_INSTRUMENTS: Final = {one.symbol: one.asset_class.value.lower() for one in instruments()}


@dataclass
class Connection:
    """What one connection was sent and gave, and how it ended."""

    transcript: list[Request | Got] = field(default_factory=list)
    trailer: dict[str, Cursor] = field(default_factory=dict)
    is_complete: bool = False


@dataclass
class Client:
    """One client: it keeps its scopes and its cursors over its connections."""

    name: str
    gateway: Gateway
    member: Member
    rng: random.Random
    is_steadfast: bool
    """Keeps the scope it began with."""
    connections: list[Connection] = field(default_factory=list)
    scopes: dict[str, Subscribe] = field(default_factory=dict)
    pending: list[Request] = field(default_factory=list)
    cursors: dict[str, Cursor] = field(default_factory=dict)
    epoch: str = ""
    heard: dict[str, dict[str, int]] = field(default_factory=dict)
    """The newest heads by account, since the last connect."""
    peer: Peer | None = None
    call: Call | None = None

    # --- the wire -------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """A new connection, with the scopes of the last one, resumed where the client is."""
        self.peer = await Peer.connect(self.gateway.grpc, window=self.rng.choice(_WINDOWS))
        self.connections.append(Connection())
        self.heard = {}
        block = header_block(pb.STREAM_EVENTS_PATH, x_api_key=self.member.api_key)
        wanted = dict(self.scopes)
        for one in self.pending:
            if isinstance(one, Unsubscribe):
                wanted.pop(one.account_id, None)
            elif not one.refused:
                wanted[one.account_id] = one
        self.scopes, self.pending = {}, []
        self.call = self.peer.open(block, self._take)
        for scope in self.rng.sample(list(wanted.values()), len(wanted)):
            covered = [scope.account_id] if scope.account_id else self.member.account_ids
            resume = tuple(self.cursors[one] for one in covered if one in self.cursors)
            self.send(replace(scope, resume=resume, refused=""))

    def send(self, request: Request) -> None:
        """Put a request on the stream."""
        if isinstance(request, Subscribe):
            request = _at(request, self.gateway.heads())
        self.connections[-1].transcript.append(request)
        self.pending.append(request)
        assert self.call is not None
        self.call.send(encoded(request))

    def _take(self, raw: bytes) -> None:
        event = pb.TradingEvent.FromString(raw)
        kind = event.WhichOneof("event")
        heads = self.gateway.heads() if kind == "status" else None
        self.connections[-1].transcript.append(Got(raw, heads))
        if kind == "status":
            self.epoch = event.status.epoch
        if kind in ("status", "error"):
            self._answered(self.pending.pop(0), is_good=kind == "status")
        elif kind == "heartbeat":
            for head in event.heartbeat.heads:
                self.heard[head.account_id] = {"sequence": head.sequence, "head": head.head}
                self.cursors[head.account_id] = Cursor(head.account_id, head.epoch, head.sequence, head.chain)
        elif event.sequence:
            self.cursors[event.account_id] = Cursor(event.account_id, self.epoch, event.sequence, event.chain)

    def _answered(self, request: Request, *, is_good: bool) -> None:
        if not is_good:
            return
        if isinstance(request, Subscribe):
            self.scopes[request.account_id] = request
        else:
            self.scopes.pop(request.account_id, None)

    # --- steps ----------------------------------------------------------------------------------------------------

    async def run(self, steps: int) -> None:
        """Do so many things, then wait for everything."""
        await self.connect()
        if self.is_steadfast:
            self.send(self._subscribe())
        for _ in range(steps):
            try:
                await self._step()
            except EndedError:
                await self._after_the_end()

    async def _step(self) -> None:
        moves: list[Callable[[], Coroutine[Any, Any, None]]] = [self._pause, self._vanish, self._stall]
        if not self.is_steadfast:
            moves += [self._ask] * 5 + [self._leave, self._ask_nonsense]
        await self.rng.choice(moves)()
        if self.rng.random() < 0.5:
            await self._answers()

    async def _answers(self) -> None:
        assert self.call is not None
        await self.call.until(lambda: not self.pending, f"{self.name}: answers to {self.pending}")

    async def _ask(self) -> None:
        self.send(self._subscribe())

    async def _leave(self) -> None:
        self.send(Unsubscribe(self.rng.choice(["", *self.member.account_ids])))

    async def _ask_nonsense(self) -> None:
        good = self._subscribe()
        foreign = Cursor(_NOBODY, "", 1, 0)
        self.send(
            self.rng.choice(
                [
                    replace(good, account_id=_NOBODY, resume=(), refused="account_not_found"),
                    replace(good, account_id="x", resume=(), refused="invalid_argument"),
                    replace(good, kinds=frozenset(), refused="no_known_event_type"),
                    replace(good, asset_class="Equity", symbol="AAPL", refused="invalid_instrument_class"),
                    replace(good, resume=(foreign,), refused="invalid_cursor"),
                ]
            )
        )

    async def _pause(self) -> None:
        await asyncio.sleep(self.rng.random() * 0.3)

    async def _vanish(self) -> None:
        """Reset the call, or let the connection go; then come back."""
        assert self.call is not None
        assert self.peer is not None
        if self.rng.random() < 0.5:
            self.call.cancel()
        self.peer.abort()
        await self.connect()

    async def _stall(self) -> None:
        """Stop reading for a moment, or until the gateway has had enough."""
        assert self.call is not None
        call = self.call
        call.stall()
        patience_s = self.rng.choice([0.1, 0.3, 0.6, _STALL_MAX_S])
        try:
            async with asyncio.timeout(patience_s):
                await call.until(lambda: False, wait_s=_SETTLE_S)
        except TimeoutError:
            call.go_on()

    async def _after_the_end(self) -> None:
        """The gateway ended the call: it may do that only to one that stalls, and says where to go on."""
        assert self.call is not None
        assert self.peer is not None
        trailers = self.call.trailers
        assert trailers is not None, f"{self.name}: the call was reset"
        assert trailers.get("dropcopy-code") == "stream_stalled", f"{self.name}: {trailers}"
        found = list(cursors_of(trailers.get("dropcopy-cursor", "")))
        self.connections[-1].trailer = {cursor.account_id: cursor for cursor in found}
        for cursor in found:  # surely sent: what came may be more
            if cursor.account_id not in self.cursors or self.cursors[cursor.account_id].sequence < cursor.sequence:
                self.cursors[cursor.account_id] = cursor
        self.peer.abort()
        await self.connect()

    async def settle(self, heads: dict[str, int]) -> None:
        """Wait until all that is durable has come."""
        async with asyncio.timeout(_SETTLE_S):
            while True:
                assert self.call is not None
                try:
                    self.call.go_on()
                    await self.call.until(
                        lambda: not self.pending and self._is_level(heads), f"{self.name}: everything"
                    )
                except AssertionError as error:
                    error.add_note(f"heads {heads}, heard {self.heard}, pending {self.pending}, scopes {self.scopes}")
                    error.add_note(story(self, self.member.account_ids[0]))
                    raise
                except EndedError:
                    await self._after_the_end()
                else:
                    break
        self.connections[-1].is_complete = True
        self.call.cancel()
        assert self.peer is not None
        self.peer.abort()

    def _is_level(self, heads: dict[str, int]) -> bool:
        covered = self.member.account_ids if "" in self.scopes else [one for one in self.scopes if one]
        return all(self.heard.get(one, {}).get("sequence") == heads[one] for one in covered)

    # --- what to ask for ------------------------------------------------------------------------------------------

    def _subscribe(self) -> Subscribe:
        rng = self.rng
        account_id = rng.choice(["", *self.member.account_ids])
        kinds = frozenset(rng.sample(KINDS, rng.choice([1, 2, 3, len(KINDS)])))
        symbol = asset_class = ""
        if rng.random() < 0.4:
            symbol = rng.choice(list(_INSTRUMENTS))
            asset_class = rng.choice(["", _INSTRUMENTS[symbol], "option"])
        request = Subscribe(account_id, kinds, symbol, asset_class, rng.random() < 0.5)
        if rng.random() < 0.5 and not self.is_steadfast:
            covered = [account_id] if account_id else [one for one in self.member.account_ids if rng.random() < 0.7]
            request = replace(request, resume=tuple(self._cursor(one) for one in covered))
        return request

    def _cursor(self, account_id: str) -> Cursor:
        """Where the client is, or somewhere else: behind, beyond the head, on another chain, in another epoch."""
        here = self.cursors.get(account_id, Cursor(account_id, "nowhere", 1, 0))
        elsewhere = [
            here,
            here,
            replace(here, sequence=max(0, here.sequence - self.rng.randrange(30)), chain=0),
            replace(here, sequence=here.sequence + 1_000_000),
            replace(here, chain=here.chain ^ 1),
            replace(here, epoch="another"),
        ]
        return self.rng.choice(elsewhere)


def _at(request: Subscribe, heads: dict[str, int]) -> Subscribe:
    return replace(request, heads=heads)


def cursors_of(trailer: str) -> Iterator[Cursor]:
    """The cursors of a `dropcopy-cursor` trailer."""
    for part in filter(None, trailer.split(", ")):
        account_id, place = part.split(" ")
        epoch, _, sequence = place.rpartition(":")
        yield Cursor(account_id, epoch, int(sequence), 0)


def encoded(request: Request) -> bytes:
    """The request's bytes."""
    if isinstance(request, Unsubscribe):
        message = pb.StreamEventsRequest(unsubscribe=pb.Unsubscribe(trading_account_id=request.account_id))
        return message.SerializeToString()
    resume = [
        pb.Cursor(account_id=one.account_id, epoch=one.epoch, sequence=one.sequence, chain=one.chain)
        for one in request.resume
    ]
    subscribe = pb.Subscribe(
        trading_account_id=request.account_id,
        instrument_key=request.symbol,
        instrument_class=request.asset_class,
        order_delivery=pb.ORDER_DELIVERY_PRIMED if request.is_primed else pb.ORDER_DELIVERY_LIVE,
        resume=resume,
    )
    subscribe.subscriptions.extend(sorted(request.kinds))  # type: ignore[arg-type]
    return pb.StreamEventsRequest(subscribe=subscribe).SerializeToString()


def story(client: Client, account_id: str) -> str:
    """What one client did and heard in one account, for the reader of a failure."""
    lines = [f"{client.name} in {account_id}: all it heard is not the journal's end"]
    for connection in client.connections:
        lines.append(f"connection: trailer {connection.trailer.get(account_id)}")
        for entry in connection.transcript:
            if isinstance(entry, Subscribe):
                resume = [cursor.sequence for cursor in entry.resume if cursor.account_id == account_id]
                lines.append(f"  subscribe {entry.account_id or 'all'} {sorted(entry.kinds)} resume {resume}")
            elif isinstance(entry, Got):
                lines += (f"  {line}" for line in _told(pb.TradingEvent.FromString(entry.raw), account_id))
    return "\n".join(lines)


def _told(event: pb.TradingEvent, account_id: str) -> Iterator[str]:
    if event.sequence and event.account_id == account_id:
        yield f"{event.sequence} {event.WhichOneof('event')}"
    yield from (f"head {one.sequence} of {one.head}" for one in event.heartbeat.heads if one.account_id == account_id)
    yield from (
        f"{event.status.message} {one.outcome} at {one.head}"
        for one in event.status.resumes
        if one.account_id == account_id
    )
