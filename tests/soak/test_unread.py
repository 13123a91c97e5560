"""A reader that does not read costs the gateway no memory, is cut with its cursor, and loses nothing."""

from pathlib import Path

import pytest

from dropcopy import proto as pb
from tests.soak import unread
from tests.soak.gateway import running, two_organizations
from tests.support.peer import EndedError, Peer, header_block

_GROWTH_BYTES_MAX = 7 * 1024 * 1024
_EVENT_BYTES = 250


@pytest.mark.timeout(240)
async def test_memory_stays_flat_past_a_reader_that_does_not_read(tmp_path: Path) -> None:
    events = 50_000
    assert events * _EVENT_BYTES > 1.5 * _GROWTH_BYTES_MAX, "too few to tell"
    figures = await unread.run(tmp_path / "data", events=events, stall_s=10, warm_up=20_000)
    print(figures)
    assert figures.unread_events > events * 0.9, "it was to take nothing"
    assert figures.passing_bytes < _GROWTH_BYTES_MAX
    assert figures.catch_up_bytes < _GROWTH_BYTES_MAX


async def test_a_stream_cut_without_a_cursor_says_why(tmp_path: Path) -> None:
    """Nothing is subscribed: heartbeats alone fill the window."""
    (member, _) = two_organizations(tmp_path / "data", accounts=2)
    async with running(tmp_path / "data", (member,), stall_s=0.5, heartbeat_s=0.2) as gateway:
        peer = await Peer.connect(gateway.grpc, window=50)
        call = peer.open(header_block(pb.STREAM_EVENTS_PATH, x_api_key=member.api_key), lambda _: None)
        call.stall()
        with pytest.raises(EndedError):
            await call.until(lambda: False, "the cut")
        assert call.trailers is not None
        assert call.trailers["dropcopy-code"] == "stream_stalled"
        assert call.trailers["grpc-status"] == "8"
        assert "dropcopy-cursor" not in call.trailers


async def test_a_cut_stream_names_as_many_cursors_as_a_client_takes(tmp_path: Path) -> None:
    (member, _) = two_organizations(tmp_path / "data", accounts=200)
    async with running(tmp_path / "data", (member,), stall_s=1, heartbeat_s=0.2) as gateway:
        subscribe = pb.Subscribe(subscriptions=[pb.EVENT_TYPE_BROKER_ORDER])
        peer = await Peer.connect(gateway.grpc, window=100_000)
        heads: set[str] = set()

        def take(raw: bytes) -> None:
            heads.update(head.account_id for head in pb.TradingEvent.FromString(raw).heartbeat.heads)

        block = header_block(pb.STREAM_EVENTS_PATH, x_api_key=member.api_key)
        call = peer.open(block, take, pb.StreamEventsRequest(subscribe=subscribe).SerializeToString())
        await call.until(lambda: len(heads) == 100)
        call.stall()
        await gateway.burst(1, 2_000)
        with pytest.raises(EndedError):
            await call.until(lambda: False, "the cut")
        assert call.trailers is not None
        assert call.trailers["dropcopy-code"] == "stream_stalled"
        named = [cursor.split(" ")[0] for cursor in call.trailers["dropcopy-cursor"].split(", ")]
        assert set(named) <= set(member.account_ids)
        assert len(named) > 40
        assert len(call.trailers["dropcopy-cursor"]) <= 4_096
