"""The private parts of grpclib and h2 that rpc/ relies on: an upgrade that moves them must fail here, by name."""

import importlib.metadata
import inspect
from collections.abc import Callable
from typing import Any

import grpclib.events
import grpclib.metadata
import grpclib.protocol
import grpclib.server
import h2.config
import h2.connection
import h2.events
import h2.settings
import h2.stream
import pytest

HINT = "rpc/ relies on this private part; read its new form and adapt rpc/ before the upgrade"


@pytest.mark.parametrize(("package", "minor"), [("grpclib", "0.4."), ("h2", "4.4.")])
def test_the_minor_version_is_the_one_that_was_read(package: str, minor: str) -> None:
    assert importlib.metadata.version(package).startswith(minor), HINT


SIGNATURES: list[tuple[Callable[..., Any], str]] = [
    (grpclib.protocol.Stream.__init__, "self connection h2_connection transport stream_id wrapper"),
    (grpclib.protocol.Stream.init_stream, "self stream_id connection"),
    (grpclib.protocol.Stream.send_headers, "self headers end_stream"),
    (grpclib.protocol.Stream.send_data, "self data end_stream"),
    (grpclib.protocol.Stream.reset_nowait, "self error_code"),
    (grpclib.protocol.Connection.__init__, "self connection transport config"),
    (grpclib.protocol.Connection.create_stream, "self stream_id wrapper"),
    (grpclib.protocol.Connection.ack, "self stream_id size"),
    (grpclib.protocol.EventsProcessor.__init__, "self handler connection"),
    (grpclib.protocol.EventsProcessor.process, "self event"),
    (grpclib.protocol.EventsProcessor.process_request_received, "self event"),
    (grpclib.protocol.EventsProcessor.process_stream_reset, "self event"),
    (grpclib.protocol.AbstractHandler.accept, "self stream headers release_stream"),
    (grpclib.protocol.AbstractHandler.cancel, "self stream"),
    (
        grpclib.server.Stream.__init__,
        "self stream method_name cardinality recv_type send_type "  # noqa: ISC004  one string
        "codec status_details_codec dispatch deadline user_agent",
    ),
    (grpclib.server.Stream.send_trailing_metadata, "self status status_message status_details metadata"),
    (h2.connection.H2Connection.receive_data, "self data"),
    (h2.connection.H2Connection.acknowledge_received_data, "self acknowledged_size stream_id"),
]


@pytest.mark.parametrize(("function", "parameters"), SIGNATURES, ids=lambda value: getattr(value, "__qualname__", ""))
def test_a_signature_is_as_it_was(function: Callable[..., Any], parameters: str) -> None:
    assert " ".join(inspect.signature(function).parameters) == parameters, HINT


def server_connection() -> h2.connection.H2Connection:
    return h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))


def test_h2_counts_windows_in_plain_attributes_that_sending_reads() -> None:
    client = h2.connection.H2Connection()
    client.initiate_connection()
    client.send_headers(1, [(":method", "POST"), (":path", "/"), (":scheme", "http"), (":authority", "a")])
    server = server_connection()
    server.initiate_connection()
    server.receive_data(client.data_to_send())
    server.send_headers(1, [(":status", "200")])
    stream = server.streams[1]
    assert isinstance(stream, h2.stream.H2Stream), HINT
    assert server.outbound_flow_control_window == stream.outbound_flow_control_window == 65_535, HINT
    assert isinstance(vars(server)["outbound_flow_control_window"], int), HINT
    assert isinstance(vars(stream)["outbound_flow_control_window"], int), HINT

    before = (server.state_machine.state, stream.state_machine.state)
    server.send_data(1, b"x" * 100)
    assert (server.state_machine.state, stream.state_machine.state) == before, "DATA must change no state: " + HINT
    assert server.outbound_flow_control_window == stream.outbound_flow_control_window == 65_435, HINT
    stream.outbound_flow_control_window -= 400
    assert server.local_flow_control_window(1) == 65_035, HINT
    server.send_headers(1, [("grpc-status", "0")], end_stream=True)  # and trailers may follow


def test_h2s_settings_can_be_in_force_before_they_are_sent() -> None:
    server = server_connection()
    server.local_settings.update({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 7})
    server.local_settings.acknowledge()
    assert server.local_settings.max_concurrent_streams == 7, HINT
    assert server.decoder.max_header_list_size == h2.connection.H2Connection.DEFAULT_MAX_HEADER_LIST_SIZE, HINT
    assert server.encoder.header_table_size == 4_096, HINT


def test_h2_has_the_other_attributes() -> None:
    server = server_connection()
    for name in ("max_outbound_frame_size", "highest_inbound_stream_id", "_frame_dispatch_table", "MAX_CLOSED_STREAMS"):
        assert hasattr(server, name), f"{name}: {HINT}"
    assert inspect.signature(h2.events.StreamReset).parameters.keys() >= {"remote_reset"}, HINT


def test_grpclibs_state_has_its_names() -> None:
    stream = grpclib.server.Stream
    flags = ("_send_initial_metadata_done", "_send_message_done", "_send_trailing_metadata_done", "_cancel_done")
    for name in (*flags, "_messages_received", "_content_type"):
        assert hasattr(stream, name), f"{name}: {HINT}"
    source = inspect.getsource(grpclib.server.Stream.__init__)
    for name in ("_stream", "_method_name", "_cardinality", "_recv_type", "_codec", "_dispatch"):
        assert f"self.{name} =" in source, f"{name}: {HINT}"
    source = inspect.getsource(grpclib.protocol)
    for name in (
        "buffer.add(",
        "buffer.eof(",
        "buffer.unacked_size(",
        "window_updated",
        "write_ready",
        "_h2_connection",
    ):
        assert name in source, f"{name}: {HINT}"
    assert grpclib.events._DispatchServerEvents(), HINT
    assert callable(grpclib.metadata.decode_metadata), HINT


def test_grpclib_still_lacks_what_we_add() -> None:
    """When one of these fails, grpclib has caught up: the workaround can perhaps go."""
    assert h2.events.UnknownFrameReceived not in processors(), "unknown frames"
    source = inspect.getsource(grpclib.protocol.H2Protocol.data_received)
    assert "self.processor.close('Protocol error')" in source, "GOAWAY on protocol errors"
    assert "MAX_CONCURRENT_STREAMS" not in inspect.getsource(grpclib.protocol), "settings"


def processors() -> dict[Any, Any]:
    handler: Any = None
    connection: Any = None
    return grpclib.protocol.EventsProcessor(handler, connection).processors
