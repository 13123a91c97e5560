"""The REST application: routes, what becomes of exceptions, health and metrics."""

import asyncio
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from importlib import metadata
from typing import Final

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dropcopyd.errors import Code, DropcopyError
from dropcopyd.observe import remembering
from dropcopyd.ports import Clock
from dropcopyd.rest import docs, openapi, shapes
from dropcopyd.rest.accounts import AccountRoutes
from dropcopyd.rest.armings import ArmingRoutes
from dropcopyd.rest.breaks import BreakRoutes
from dropcopyd.rest.controls import ControlRoutes
from dropcopyd.rest.errors import internal_response, problem_response
from dropcopyd.rest.events import EventRoutes
from dropcopyd.rest.explanation import ExplanationRoutes
from dropcopyd.rest.exports import ExportRoutes
from dropcopyd.rest.flattens import FlattenRoutes
from dropcopyd.rest.gate import RATE_SCOPE, Dependencies, answer, note_denial
from dropcopyd.rest.history import HistoryRoutes
from dropcopyd.rest.keys import KeyRoutes
from dropcopyd.rest.metrics import MetricsRoutes
from dropcopyd.rest.paper import PaperRoutes
from dropcopyd.rest.read import ReadRoutes
from dropcopyd.rest.risk import RiskRoutes
from dropcopyd.rest.straight import Application
from dropcopyd.rest.streams import StreamRoutes
from dropcopyd.rest.tokens import TokenRoutes
from dropcopyd.rest.write import WriteRoutes

__all__ = ["Dependencies", "create_app"]

_log = structlog.get_logger()
_NS: Final = 1_000_000_000
_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_GONE: Final = "gone"
"""The status of a request whose client left before it was answered, in metrics."""
_NO_ROUTE: Final = "none"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_CORS_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_CORS_REQUEST_HEADERS: Final = (
    *("authorization", "x-api-key", "content-type", "idempotency-key", "if-match"),
    *("last-event-id", "cache-control", "dropcopy-arm"),
    *("connect-protocol-version", "connect-timeout-ms", "grpc-timeout", "x-grpc-web", "x-user-agent"),
)
_CORS_ANSWER_HEADERS: Final = (
    *("location", "retry-after", "ratelimit", "ratelimit-policy"),
    *("grpc-status", "grpc-message", "dropcopy-code"),
)
_DESCRIPTION: Final = (
    "Orders in, records out. Amounts are JSON strings, times RFC 3339 in UTC. Every refusal is problem+json"
    " (RFC 9457) with a stable `code`; docs/errors.md says what to do about each."
)


def create_app(
    dependencies: Dependencies, *, mounted: Mapping[str, ASGIApp] | None = None, cors_origins: Sequence[str] = ()
) -> Application:
    """The application over these dependencies; it owns nothing, so it needs no closing.

    `mounted`: applications of other edges by their exact paths, POST only. `cors_origins`: pages from there may call.
    """
    app = Application(
        title="Dropcopy",
        version=metadata.version("dropcopyd"),
        summary="A self-hosted broker gateway",
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.dependencies = dependencies
    write = WriteRoutes(dependencies)
    app.include_router(write.router(), tags=["intents"])
    app.include_router(ReadRoutes(dependencies).router(), tags=["records"])
    app.include_router(HistoryRoutes(dependencies).router(), tags=["records"])
    app.include_router(MetricsRoutes(dependencies).router(), tags=["records"])
    app.include_router(ExportRoutes(dependencies).router(), tags=["records"])
    app.include_router(ExplanationRoutes(dependencies).router(), tags=["records"])
    app.include_router(BreakRoutes(dependencies).router(), tags=["reconciliation"])
    app.include_router(EventRoutes(dependencies).router(), tags=["streams"])
    app.include_router(StreamRoutes(dependencies).router(), tags=["streams"])
    app.include_router(AccountRoutes(dependencies).router(), tags=["administration"])
    app.include_router(KeyRoutes(dependencies).router(), tags=["administration"])
    app.include_router(TokenRoutes(dependencies).router(), tags=["tokens"])
    app.include_router(ControlRoutes(dependencies).router(), tags=["controls"])
    app.include_router(FlattenRoutes(dependencies).router(), tags=["controls"])
    app.include_router(RiskRoutes(dependencies).router(), tags=["controls"])
    app.include_router(ArmingRoutes(dependencies).router(), tags=["streams"])
    app.include_router(PaperRoutes(dependencies).router(), tags=["paper"])
    app.include_router(_service_router(dependencies), tags=["service"])
    for path, application in (mounted or {}).items():
        app.router.routes.append(_Mounted(path, application, methods=["POST"], include_in_schema=False))
    _add_documentation(app)
    app.add_exception_handler(DropcopyError, _on_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    guard = partial(Guard, clock=dependencies.clock, metrics=RestMetrics(dependencies.metrics.registry))
    cors = partial(
        CORSMiddleware,
        allow_origins=cors_origins,
        allow_methods=_CORS_METHODS,
        allow_headers=_CORS_REQUEST_HEADERS,
        expose_headers=_CORS_ANSWER_HEADERS,
    )
    app.add_middleware(guard)
    straight = write.straight()
    around: ASGIApp = guard(straight)
    if cors_origins:
        app.add_middleware(cors)
        around = cors(around)
    app.straight = straight, around
    return app


class _Mounted(Route):
    """A route to another edge's application, named in metrics like our own."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        return match, {**child_scope, "route": self}


def _service_router(dependencies: Dependencies) -> APIRouter:
    """Routes for operators and machines; they need no key and show nothing of an account."""
    router = APIRouter(redirect_slashes=False)

    async def healthz() -> Response:
        return answer({"status": "ok"})

    async def readyz() -> Response:
        if not dependencies.is_ready():
            raise DropcopyError(Code.NOT_READY, "the gateway is starting or shutting down")
        return answer({"status": "ready"})

    async def metrics() -> Response:
        return Response(generate_latest(dependencies.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    described = (
        ("/healthz", healthz, "Whether the process answers", openapi.TRANSPORT_CODES),
        ("/readyz", readyz, "Whether the gateway serves", (*openapi.TRANSPORT_CODES, Code.NOT_READY)),
    )
    for path, endpoint, summary, codes in described:
        router.add_api_route(
            path,
            endpoint,
            summary=summary,
            response_model=None,
            responses=openapi.answers(200, shapes.Health, summary, codes),
        )
    text = {"description": "Prometheus text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
    router.add_api_route(
        "/metrics", metrics, summary="Metrics", response_class=Response, responses={200: text}, response_model=None
    )
    return router


def _add_documentation(app: FastAPI) -> None:
    """/openapi.json and /docs, made at the first request: it takes long, so outside the event loop."""

    @lru_cache(maxsize=1)
    def described() -> tuple[bytes, str]:
        document = openapi.document(app)
        return json.dumps(document).encode(), docs.page(document)

    async def openapi_document() -> Response:
        content, _ = await asyncio.to_thread(described)
        return Response(content, media_type="application/json")

    async def documentation() -> Response:
        _, page = await asyncio.to_thread(described)
        return HTMLResponse(page, headers={"content-security-policy": docs.CONTENT_SECURITY_POLICY})

    app.add_api_route("/openapi.json", openapi_document, include_in_schema=False)
    app.add_api_route("/docs", documentation, include_in_schema=False)


# --- what becomes of exceptions -----------------------------------------------------------------------------------


async def _on_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, DropcopyError):
        raise error
    await note_denial(request, error)
    return problem_response(error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    """What the framework refuses by itself: unknown routes and methods."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:
        return problem_response(DropcopyError(Code.ROUTE_NOT_FOUND, "there is no such route; see /docs"))
    if error.status_code == 405:
        allowed = ", ".join(sorted(_methods_of(request)))
        refusal = DropcopyError(Code.METHOD_NOT_ALLOWED, f"the route allows {allowed}")
        return problem_response(refusal, {"allow": allowed})
    raise error


def _methods_of(request: Request) -> set[str]:
    """The methods that the path has, whichever route has them; HEAD is left unsaid."""
    found: set[str] = set()
    routes = list(request.app.routes)
    while routes:
        route = routes.pop()
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
        routes += getattr(getattr(route, "original_router", None), "routes", ())  # an included router's own
    return found - {"HEAD"}


async def _on_validation_error(_request: Request, _error: Exception) -> Response:
    """No route leaves validation to the framework; were one to, this keeps the shape of refusals."""
    return problem_response(DropcopyError(Code.INVALID_ARGUMENT, "a parameter breaks a rule; see /docs"))


class RestMetrics:
    """Requests by route and status, and how long they took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = remembering(
            Counter("dropcopy_rest_requests", "REST requests", ["route", "status"], registry=registry)
        )
        self.seconds = remembering(
            Histogram(
                "dropcopy_rest_seconds",
                "REST requests, head to the begin of the answer",
                ["route"],
                buckets=_BUCKETS_S,
                registry=registry,
            )
        )


class Guard:
    """Around everything: an exception that nobody foresaw is logged with an id and answered with it; all is counted."""

    def __init__(self, app: ASGIApp, *, clock: Clock, metrics: RestMetrics) -> None:
        self._app = app
        self._clock = clock
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = _GONE
        begun_ns = self._clock.monotonic_ns()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
                took_s = (self._clock.monotonic_ns() - begun_ns) / _NS
                self._metrics.seconds.labels(_route(scope)).observe(took_s)  # a stream goes on after this
                rate = scope.get(RATE_SCOPE)
                if rate is not None:
                    message = {**message, "headers": [*message.get("headers", ()), *rate]}
            await send(message)

        try:
            if _CONTROL.search(scope["path"]):  # patterns of routes stop at a line break, or overlook the last one
                refusal = DropcopyError(Code.MALFORMED_REQUEST, "a path has no control characters")
                await problem_response(refusal)(scope, receive, sending)
                return
            await self._app(scope, receive, sending)
        except ClientDisconnect:
            _log.info("rest.client_gone", route=_route(scope))
        except Exception:
            error_id = secrets.token_hex(6)
            _log.exception("rest.internal", error_id=error_id, route=_route(scope))
            if status != _GONE:
                raise  # half an answer is on its way: the server must cut the connection
            await internal_response(error_id)(scope, receive, sending)
        finally:
            self._metrics.requests.labels(_route(scope), status).inc()


def _route(scope: Scope) -> str:
    """The route's pattern: few and fixed, and without ids."""
    return getattr(scope.get("route"), "path", _NO_ROUTE)
