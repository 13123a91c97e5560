"""A client on a raw HTTP/2 connection that opens a stream and then does not read: for tests of stalls."""

import socket
from typing import TYPE_CHECKING

import h2.config
import h2.connection
import h2.events
import h2.settings

from dropcopy import proto as pb
from tests.support.streams import ALL_KINDS

if TYPE_CHECKING:
    from tests.stream.site import Tenant

_WINDOW = 4_096
_WAIT_S = 20.0


class SlowReader:
    """One SubscribeEvents call whose window is never opened again: what does not fit stays at the server."""

    def __init__(self, tenant: "Tenant") -> None:
        host, port = tenant.site.daemon.info["grpc"].split(":")
        self.events: list[pb.TradingEvent] = []
        self._api_key = tenant.api_key
        self._socket = socket.create_connection((host, int(port)), timeout=_WAIT_S)
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._data = b""
        self._trailers: dict[str, str] = {}

    def open(self, account_id: str) -> None:
        """Subscribe to everything, and take what comes until it is confirmed."""
        connection = self._connection
        connection.initiate_connection()
        connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW})
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", pb.SUBSCRIBE_EVENTS_PATH),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("x-api-key", self._api_key),
        ]
        subscribe = pb.Subscribe(trading_account_id=account_id)
        subscribe.subscriptions.extend(ALL_KINDS)
        body = subscribe.SerializeToString()
        connection.send_headers(1, headers)
        connection.send_data(1, b"\0" + len(body).to_bytes(4, "big") + body, end_stream=True)
        self._socket.sendall(connection.data_to_send())
        while not any(event.HasField("status") for event in self.events):
            self._read()

    def peek_end(self, wait_s: float = 0.2) -> dict[str, str]:
        """The trailers, if the call has ended; what still fitted into the window is kept."""
        self._socket.settimeout(wait_s)
        try:
            while not self._trailers:
                self._read()
        except TimeoutError:
            pass
        return self._trailers

    def close(self) -> None:
        self._socket.close()

    def _read(self) -> None:
        data = self._socket.recv(65_536)
        assert data, "the server closed the connection"
        for event in self._connection.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                self._data += event.data or b""
            elif isinstance(event, h2.events.TrailersReceived):
                self._trailers = {str(name): str(value) for name, value in event.headers or ()}
        self._socket.sendall(self._connection.data_to_send())
        while len(self._data) >= 5 and len(self._data) >= 5 + (size := int.from_bytes(self._data[1:5], "big")):
            self.events.append(pb.TradingEvent.FromString(self._data[5 : 5 + size]))
            self._data = self._data[5 + size :]
