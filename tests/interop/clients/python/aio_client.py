"""Prints what happens on an account, one line of JSON an event; grpcio's asyncio API."""

import argparse
import asyncio
import json
import os
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from trading import trading_service_pb2 as pb
from trading import trading_service_pb2_grpc as rpc
from trading.trading_types_pb2 import EVENT_TYPE_UNSPECIFIED, EventType

ACCOUNT = os.environ["DROPCOPY_ACCOUNT"]


def connect() -> grpc.aio.Channel:
    """TLS where a CA file is named, else plaintext."""
    target, ca = os.environ["DROPCOPY_GRPC"], os.environ.get("DROPCOPY_CA")
    if ca is None:
        return grpc.aio.insecure_channel(target)
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(Path(ca).read_bytes()))


def subscribe(resume: str | None) -> pb.StreamEventsRequest:
    """Every kind of event of the account, after the cursor if there is one."""
    request = pb.Subscribe(trading_account_id=ACCOUNT)
    request.subscriptions.extend(kind for kind in EventType.values() if kind != EVENT_TYPE_UNSPECIFIED)
    if resume:
        epoch, sequence, chain = resume.split(":")
        request.resume.add(account_id=ACCOUNT, epoch=epoch, sequence=int(sequence), chain=int(chain))
    return pb.StreamEventsRequest(subscribe=request)


def unsubscribe() -> pb.StreamEventsRequest:
    """No more events of the account; the stream stays open."""
    return pb.StreamEventsRequest(unsubscribe=pb.Unsubscribe(trading_account_id=ACCOUNT))


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resume", metavar="EPOCH:SEQUENCE:CHAIN", help="the last event that was processed")
    parser.add_argument("--unsubscribe-after", type=int, default=0, metavar="N", help="journal events; 0 = never")
    options = parser.parse_args()

    async with connect() as channel:
        key = (("x-api-key", os.environ["DROPCOPY_API_KEY"]),)
        call = rpc.TradingServiceStub(channel).StreamEvents(metadata=key)
        heard = 0
        try:
            await call.write(subscribe(options.resume))
            async for event in call:
                print(json.dumps(MessageToDict(event)), flush=True)
                heard += event.sequence > 0
                if event.sequence > 0 and heard == options.unsubscribe_after:
                    await call.write(unsubscribe())
        except grpc.aio.AioRpcError as error:
            trailers: Any = error.trailing_metadata() or ()
            code = next((value for name, value in trailers if name == "dropcopy-code"), None)
            end = {"status": error.code().name, "message": error.details(), "code": code}
            print(json.dumps({"end": end}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
