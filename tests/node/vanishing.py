"""A network that goes away under open streams: run in a network namespace of its own (test_vanished.py).

    unshare --map-root-user --net python -m tests.node.vanishing FOLDER

The loopback device is taken down, so that nothing any more answers the gateway, not even the peers' kernels; it comes
up again when the gateway must have noticed. Prints the edges of the streams listed before and after, as JSON.
"""

import asyncio
import fcntl
import json
import socket
import struct
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from tests.support.daemon import Daemon, Rest
from tests.support.streams import StreamClient, has
from tests.support.web import FORMS, WebStream

_SET_FLAGS = 0x8914
_UP = 0x1
STALL_S = 0.5
_GONE_S = 22.0
"""Longer than `stall_s` and the ten seconds that a silent connection has; the kernel looks only now and then."""


def loopback(*, is_up: bool) -> None:
    """Bring the namespace's loopback device up or down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", _UP if is_up else 0))


async def edges(rest: Rest) -> list[str]:
    """The edges of the open streams."""
    listed = (await rest.client.get("/v1/streams")).json()["data"]
    return sorted(str(entry["edge"]) for entry in listed)


async def main(folder: Path) -> None:
    loopback(is_up=True)
    settings = {
        "DROPCOPYD_LIMITS__STALL_S": str(STALL_S),
        "DROPCOPYD_TRANSPORT__PING_INTERVAL_S": "1",
        "DROPCOPYD_TRANSPORT__PING_TIMEOUT_S": "1",
    }
    async with Daemon(folder / "data", "--heartbeat-s", "0.3", **settings) as daemon, AsyncExitStack() as stack:
        credential = {"x-api-key": daemon.info["api_key"]}
        for form in FORMS:
            stream = WebStream(daemon.info["rest"], form, daemon.info["account_id"], headers=credential)
            await (await stack.enter_async_context(stream)).until(has("status"))
        native = StreamClient(daemon.info["grpc"], daemon.info["api_key"])
        await (await stack.enter_async_context(native)).until(has("heartbeat"))
        async with Rest(daemon.info) as rest:
            before = await edges(rest)
        loopback(is_up=False)
        await asyncio.sleep(_GONE_S)
        loopback(is_up=True)
        async with Rest(daemon.info) as rest:
            print(json.dumps([before, await edges(rest)]), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
