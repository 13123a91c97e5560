"""Browsers' streams over plain HTTP: a client of gRPC-Web, Connect and server-sent events that keeps what it hears.

Its framing shares no code with the product.
"""

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote

import httpx2
from google.protobuf.json_format import MessageToDict, MessageToJson, Parse

from dropcopy import proto as pb
from tests.support.streams import ALL_KINDS

WAIT_S = 20.0
FORMS = ("grpc-web+proto", "grpc-web-text+proto", "connect+proto", "connect+json", "sse")
CALLS = FORMS[:4]


@dataclass(frozen=True)
class End:
    """How a stream ended: its stable code and its text; `status` is gRPC's or Connect's word, "" for SSE."""

    code: str
    status: str
    text: str
    facts: dict[str, str] = field(default_factory=dict)


def subscribe(account_id: str, kinds: tuple[int, ...] = ALL_KINDS, **fields: Any) -> pb.Subscribe:
    """A Subscribe."""
    request = pb.Subscribe(trading_account_id=account_id, **fields)
    request.subscriptions.extend(kinds)  # type: ignore[arg-type]
    return request


class WebStream:
    """One stream in one form. `events` grows; `end` is how it ended, `answer` the response once it has begun."""

    def __init__(self, base_url: str, form: str, account_id: str, *, headers: dict[str, str], **options: Any) -> None:
        self.events: list[pb.TradingEvent] = []
        self.ids: list[str] = []
        self.end: End | None = None
        self.answer: httpx2.Response | None = None
        self._form = form
        self._account_id = account_id
        self._headers = headers
        self._options = options
        self._client = httpx2.AsyncClient(base_url=base_url, timeout=httpx2.Timeout(WAIT_S, read=None))
        self._grown = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._buffer = b""
        self._decoded = b""

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._reader is not None
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._client.aclose()

    async def until(self, is_so: Callable[[list[pb.TradingEvent]], Any], what: str = "that") -> Any:
        """Wait until the predicate over all events so far is true; its value."""
        assert self._reader is not None
        try:
            async with asyncio.timeout(WAIT_S):
                while not (value := is_so(self.events)):
                    assert not self._reader.done(), f"the stream ended before {what}: {self.end or self._reader}"
                    self._grown.clear()
                    await self._grown.wait()
                return value
        except TimeoutError:
            tail = [event.WhichOneof("event") for event in self.events[-12:]]
            raise AssertionError(f"waited in vain for {what}; last events: {tail}") from None

    async def ended(self) -> End:
        """Wait for the end."""
        assert self._reader is not None
        await asyncio.wait_for(asyncio.shield(self._reader), WAIT_S)
        assert self.end is not None, "the stream ended without a word"
        return self.end

    @property
    def journal(self) -> list[pb.TradingEvent]:
        """The journal events among those heard."""
        return [event for event in self.events if event.sequence]

    def of(self, kind: str) -> list[Any]:
        """Every message of one oneof member, in order."""
        return [getattr(event, kind) for event in self.events if event.WhichOneof("event") == kind]

    async def _read(self) -> None:
        try:
            async with self._request() as answer:
                self.answer = answer
                if answer.status_code != 200:
                    problem = json.loads(await answer.aread())
                    self.end = End(problem["code"], str(answer.status_code), problem["detail"], problem)
                    return
                async for data in answer.aiter_raw():
                    self.take(data)
                    self._grown.set()
        finally:
            self._grown.set()

    def _request(self) -> Any:
        if self._form == "sse":
            path = f"/v1/accounts/{self._account_id}/events"
            return self._client.stream("GET", path, params=self._options, headers=self._headers)
        request = subscribe(self._account_id, **self._options)
        body = MessageToJson(request).encode() if self._form.endswith("json") else request.SerializeToString()
        return self._client.stream(
            "POST",
            pb.SUBSCRIBE_EVENTS_PATH,
            content=framed(body, self._form),
            headers=headers(self._form, self._headers),
        )

    def take(self, data: bytes) -> None:
        """What came from the server."""
        self._buffer += data
        if self._form == "sse":
            *whole, self._buffer = self._buffer.split(b"\n\n")
            for text in whole:
                self._take_event(text.decode())
            return
        if self._form.startswith("grpc-web-text"):
            self._buffer = self._take_text(self._buffer)
            return
        self._buffer = self._take_frames(self._buffer)

    def _take_text(self, text: bytes) -> bytes:
        whole = len(text) - len(text) % 4
        for start in range(0, whole, 4):
            self._decoded += base64.b64decode(text[start : start + 4])
        self._decoded = self._take_frames(self._decoded)
        return text[whole:]

    def _take_frames(self, data: bytes) -> bytes:
        while len(data) >= 5 and len(data) >= 5 + (size := int.from_bytes(data[1:5], "big")):
            self._take_frame(data[0], data[5 : 5 + size])
            data = data[5 + size :]
        return data

    def _take_frame(self, flags: int, message: bytes) -> None:
        if flags == 0x80:
            trailers = dict(line.split(": ", 1) for line in message.decode().splitlines())
            text = unquote(trailers.get("grpc-message", ""))
            self.end = End(trailers["dropcopy-code"], trailers["grpc-status"], text, trailers)
        elif flags == 2:
            last = json.loads(message)
            facts = {name: values[0] for name, values in last["metadata"].items()}
            self.end = End(facts["dropcopy-code"], last["error"]["code"], last["error"]["message"], facts)
        elif self._form.endswith("json"):
            self.events.append(Parse(message, pb.TradingEvent()))
        else:
            assert flags == 0
            self.events.append(pb.TradingEvent.FromString(message))

    def _take_event(self, text: str) -> None:
        fields = dict(line.split(": ", 1) for line in text.splitlines())
        if "retry" in fields:
            return
        if fields.get("event") == "end":
            facts = json.loads(fields["data"])
            self.end = End(facts["code"], "", facts["detail"], facts)
            return
        event = Parse(fields["data"], pb.TradingEvent())
        assert json.loads(fields["data"]) == MessageToDict(event, preserving_proto_field_name=True)
        assert ("id" in fields) == bool(event.sequence)
        self.ids.append(fields.get("id", ""))
        self.events.append(event)


def framed(message: bytes, form: str) -> bytes:
    """A request body."""
    frame = b"\x00" + len(message).to_bytes(4, "big") + message
    return base64.b64encode(frame) if "text" in form else frame


def headers(form: str, more: dict[str, str]) -> dict[str, str]:
    """The headers that a library would send."""
    protocol = {"x-grpc-web": "1"} if form.startswith("grpc-web") else {"connect-protocol-version": "1"}
    return {"content-type": f"application/{form}", **protocol, **more}
