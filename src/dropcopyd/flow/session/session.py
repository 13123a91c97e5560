"""The session as the edges see it: requests in, framed bytes out."""

from collections.abc import Callable

from dropcopyd.domain.account import Principal
from dropcopyd.domain.limits import Limits
from dropcopyd.errors import Code, DropcopyError
from dropcopyd.flow.access import Access, parse_uuid
from dropcopyd.flow.hub import Hub
from dropcopyd.flow.ownership import Spawn
from dropcopyd.flow.session.attach import Attach
from dropcopyd.flow.session.delivery import Delivery
from dropcopyd.flow.session.requests import ORGANIZATION, Scope, SubscribeRequest, account_of
from dropcopyd.ports import Clock, SessionEncoder, Store


class Session:
    """One open stream of a principal. All methods run in the event loop; requests are handled one at a time."""

    def __init__(
        self,
        *,
        principal: Principal,
        access: Access,
        hub: Hub,
        store: Store,
        encoder: SessionEncoder,
        clock: Clock,
        limits: Limits,
        spawn: Spawn,
    ) -> None:
        self._principal = principal
        self._access = access
        self._store = store
        self._encoder = encoder
        self._clock = clock
        self._limits = limits
        self._delivery = delivery = Delivery(
            organization_id=principal.organization_id,
            hub=hub,
            store=store,
            encoder=encoder,
            limits=limits,
            spawn=spawn,
        )
        self._attach = Attach(delivery, hub=hub, store=store, encoder=encoder, clock=clock, limits=limits)
        self.source = delivery
        """Where an edge that pulls often gets the frames: the next member without a step between, and `has_more`."""
        self.pull = delivery.pull
        """Frames for the wire, about a budget of bytes, whole messages; b"" when there are none now."""

    # --- the edge's side ------------------------------------------------------------------------------------------

    @property
    def on_ready(self) -> Callable[[], None]:
        """Called whenever there may be something to pull; set by the edge."""
        return self._delivery.on_ready

    @on_ready.setter
    def on_ready(self, wake: Callable[[], None]) -> None:
        self._delivery.on_ready = wake

    @property
    def delivered(self) -> int:
        """Journal events handed to the edge so far."""
        return self._delivery.delivered

    @property
    def queued_bytes(self) -> int:
        """What waits in memory for the client: the session's own messages and replayed state."""
        return self._delivery.queued_bytes

    @property
    def is_settled(self) -> bool:
        """Whether the edge has pulled all that is published of each account in the stream."""
        return self._delivery.is_settled

    @property
    def epoch(self) -> str:
        """The store's epoch, which belongs to every cursor."""
        return self._store.epoch

    @property
    def principal(self) -> Principal:
        """Whose stream it is."""
        return self._principal

    @property
    def scopes(self) -> dict[str, Scope]:
        """The subscriptions in force by account, "" = the organization's."""
        return dict(self._delivery.scopes)

    def heads(self) -> list[tuple[str, int, int]]:
        """(account_id, what the edge has pulled, the journal's head as published) of each account in the stream."""
        return self._delivery.heads()

    def beat(self) -> None:
        """Queue a heartbeat, unless the last one still waits."""
        self._delivery.beat(self._clock.now_ns())

    def close(self) -> None:
        """Forget everything; nothing is pulled after."""
        self._delivery.close()

    def cursors(self, *, has_unsent: bool = False) -> list[tuple[str, int]]:
        """(account_id, sequence) of each account in the stream: a resume from there misses nothing.

        `has_unsent`: the edge still holds a part of what it pulled last. Accounts whose state has not gone out
        whole are left out: they are to be attached anew.
        """
        return self._delivery.places(has_unsent=has_unsent)

    def refuse(self, error: DropcopyError, account_id: str) -> None:
        """Answer a bad request in the stream, which stays as it was."""
        self._delivery.queue(self._encoder.error(error.message, error.code.value, account_id))

    def announce(self, message: str, code: str, account_id: str = "") -> None:
        """A status about the stream itself, or what it does for an account."""
        self._delivery.queue(self._encoder.status(message, code, account_id, 0, self._store.epoch, ()))

    # --- requests -------------------------------------------------------------------------------------------------

    async def subscribe(self, request: SubscribeRequest) -> None:
        """Attach a scope. Raises InvalidError, NotFoundError or DropcopyError and leaves all as it was."""
        account_id = account_of(request)
        self._require_place(account_id)
        await self.room()
        async with self._delivery.lock:
            if account_id == ORGANIZATION:
                self._access.require_all_accounts(self._principal)
                await self._attach.organization(request)
            else:
                await self._access.account(self._principal, account_id, "/trading_account_id")
                await self._attach.account(account_id, request)

    async def unsubscribe(self, account_id: str) -> None:
        """Remove a scope, if there is one, and confirm. Raises InvalidError for a malformed id."""
        if account_id:
            account_id = parse_uuid(account_id, "/trading_account_id")
        await self.room()
        async with self._delivery.lock:
            if account_id in self._delivery.scopes:
                self._delivery.remove_scope(account_id)
            epoch = self._store.epoch
            self._delivery.queue(self._encoder.status("unsubscribed", "unsubscribed", account_id, 0, epoch, ()))

    async def room(self) -> None:
        """Until the client has taken enough of what is queued for it: before a further request is looked at."""
        await self._delivery.room()

    def _require_place(self, account_id: str) -> None:
        scopes, limit = self._delivery.scopes, self._limits.subscriptions_per_stream
        if account_id not in scopes and len(scopes) >= limit:
            raise DropcopyError(
                Code.SUBSCRIPTION_LIMIT_EXCEEDED, f"a stream holds at most {limit} subscriptions", limit=limit
            )
