"""An answer's head leaves with what follows at once, and by itself where nothing does."""

import asyncio
from typing import cast

import pytest

from dropcopyd.rest.protocol import _Joining

GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


class Transport:
    """What was written, one entry a call."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        assert not self.is_closed
        self.written.append(data)

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


@pytest.fixture
def transport() -> Transport:
    return Transport()


@pytest.fixture
async def joining(transport: Transport) -> _Joining:
    return _Joining(cast("asyncio.Transport", transport), asyncio.get_running_loop())


async def test_head_and_body_are_one_write(joining: _Joining, transport: Transport) -> None:
    for part in (b"head", b"body", b"more"):
        joining.write(part)
    assert transport.written == [b"headbody", b"more"]
    await asyncio.sleep(0)
    assert transport.written == [b"headbody", b"more"]


async def test_a_head_that_nothing_follows_leaves_in_the_same_turn_of_the_loop(
    joining: _Joining, transport: Transport
) -> None:
    joining.write(b"head")
    await asyncio.sleep(0)
    assert transport.written == [b"head"]
    joining.write(b"body")
    assert transport.written == [b"head", b"body"]


async def test_go_on_is_not_held(joining: _Joining, transport: Transport) -> None:
    joining.write(GO_ON)
    assert transport.written == [GO_ON]
    joining.write(b"head")
    joining.write(b"body")
    assert transport.written == [GO_ON, b"headbody"]


async def test_a_head_alone_is_written_before_the_end(joining: _Joining, transport: Transport) -> None:
    joining.write(b"head")
    joining.close()
    assert transport.written == [b"head"]
    assert transport.is_closed
    await asyncio.sleep(0)
    assert transport.written == [b"head"]


async def test_what_was_cut_is_written_no_more(joining: _Joining, transport: Transport) -> None:
    joining.write(b"head")
    transport.close()  # by another's hand
    await asyncio.sleep(0)
    assert transport.written == []
