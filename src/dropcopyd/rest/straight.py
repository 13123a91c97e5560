"""The route that trades, straight from the server: what a framework does for any route is done for an order by nobody.

The same endpoint, the same answers to its exceptions, the same metrics; the framework keeps the route in its document.
"""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from dropcopyd.errors import DropcopyError
from dropcopyd.rest.errors import problem_response
from dropcopyd.rest.gate import note_denial

Endpoint = Callable[[Request], Awaitable[Response]]


class Straight:
    """One route's endpoint as an ASGI application."""

    def __init__(self, route: Route, endpoint: Endpoint) -> None:
        """`route`: the framework's own, which knows the pattern of the path."""
        self._route = route
        self._endpoint = endpoint
        self._methods = route.methods or set()

    def takes(self, scope: Scope) -> bool:
        """Whether the request is the route's; it is then marked as such."""
        if scope["type"] != "http" or scope["method"] not in self._methods:
            return False
        match = self._route.path_regex.match(scope["path"])
        if match is None:
            return False
        scope["path_params"] = match.groupdict()
        scope["route"] = self._route
        return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request that it takes."""
        request = Request(scope, receive)
        try:
            response = await self._endpoint(request)
        except DropcopyError as error:
            await note_denial(request, error)
            response = problem_response(error)
        await response(scope, receive, send)


class Application(FastAPI):
    """The framework's application, and beside it the routes that do without."""

    straight: tuple[Straight, ASGIApp] | None = None
    """One, and what is around it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or connection."""
        if self.straight is not None and self.straight[0].takes(scope):
            await self.straight[1](scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
