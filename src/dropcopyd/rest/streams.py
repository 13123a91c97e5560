"""The open streams of an organization as a resource: what is connected, how far it is, and an end to it."""

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from dropcopyd.domain.account import Scope
from dropcopyd.errors import Code
from dropcopyd.flow.session.requests import Scope as Subscription
from dropcopyd.flow.streams import OpenStream
from dropcopyd.rest import openapi, stream_schemas
from dropcopyd.rest.gate import Dependencies, answer, identify, refuse_unknown_parameters, uuid_parameter
from dropcopyd.rest.times import render_time

_CODES: Final = (
    *openapi.TRANSPORT_CODES,
    *openapi.CREDENTIAL_CODES,
    Code.INVALID_ARGUMENT,
    Code.STORE_FAILED,
)


class StreamRoutes:
    """GET /v1/streams and DELETE /v1/streams/{stream_id}"""

    def __init__(self, dependencies: Dependencies) -> None:
        self._access = dependencies.access
        self._streams = dependencies.streams

    def router(self) -> APIRouter:
        """The routes, described."""
        router = APIRouter(redirect_slashes=False)
        router.add_api_route(
            "/v1/streams",
            self.streams,
            methods=["GET"],
            summary="The organization's open streams, oldest first",
            description="All of them on one page: the stream quota bounds their number.",
            response_model=None,
            responses=openapi.answers(200, stream_schemas.StreamPage, "The open streams", _CODES),
            openapi_extra=openapi.details(scope=Scope.STREAM_READ),
        )
        router.add_api_route(
            "/v1/streams/{stream_id}",
            self.end,
            methods=["DELETE"],
            status_code=204,
            summary="End an open stream",
            description="Its client hears `stream_ended`; its cursor stays good.",
            response_model=None,
            responses=openapi.empty_answers("The stream is ended.", (*_CODES, Code.STREAM_NOT_FOUND)),
            openapi_extra=openapi.details(openapi.STREAM_ID, scope=Scope.STREAM_READ),
        )
        return router

    async def streams(self, request: Request) -> Response:
        """Every open stream of the caller's organization."""
        principal = await identify(self._access, request, Scope.STREAM_READ)
        self._access.require_all_accounts(principal)
        refuse_unknown_parameters(request)
        data = [_stream(stream) for stream in self._streams.of(principal.organization_id)]
        return answer({"data": data, "next_cursor": None})

    async def end(self, request: Request) -> Response:
        """End one stream."""
        principal = await identify(self._access, request, Scope.STREAM_READ)
        self._access.require_all_accounts(principal)
        refuse_unknown_parameters(request)
        await self._streams.end(principal, uuid_parameter(request, "stream_id"))
        return Response(status_code=204, headers={"cache-control": "no-store"})


def _stream(stream: OpenStream) -> dict[str, Any]:
    session, principal = stream.session, stream.principal
    return {
        "stream_id": stream.stream_id,
        "edge": stream.edge.value,
        "key_id": principal.key_id,
        "key_name": principal.key_name,
        "is_token": principal.is_token,
        "peer": stream.peer,
        "since": render_time(stream.since_ns),
        "subscriptions": [_subscription(account_id, scope) for account_id, scope in session.scopes.items()],
        "cursors": [
            {"account_id": account_id, "epoch": session.epoch, "sequence": at, "head": head, "lag": head - at}
            for account_id, at, head in session.heads()
        ],
        "sent": session.delivered,
        "queued_bytes": session.queued_bytes + stream.wire.unsent_bytes,
    }


def _subscription(account_id: str, scope: Subscription) -> dict[str, Any]:
    narrowed = next(((symbol, asset_class) for _, symbol, asset_class in scope.parts if symbol), (None, None))
    return {
        "trading_account_id": account_id or None,
        "event_types": sorted(kind.value for kind in scope.kinds),
        "instrument_key": narrowed[0],
        "instrument_class": narrowed[1] or None,
    }
