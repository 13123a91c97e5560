"""Prints what happens on an account, one line of JSON an event; grpcio's synchronous API and the guide's names."""

import argparse
import json
import os
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import streaming_pb2 as pb
import streaming_pb2_grpc as rpc
from google.protobuf.json_format import MessageToDict

ACCOUNT = os.environ["DROPCOPY_ACCOUNT"]


def connect() -> grpc.Channel:
    """TLS where a CA file is named, else plaintext."""
    target, ca = os.environ["DROPCOPY_GRPC"], os.environ.get("DROPCOPY_CA")
    if ca is None:
        return grpc.insecure_channel(target)
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(Path(ca).read_bytes()))


def subscribe(resume: str | None) -> pb.StreamRequest:
    """Every kind of event of the account, after the cursor if there is one."""
    request = pb.Subscribe(trading_account_id=ACCOUNT)
    request.subscriptions.extend(kind for kind in pb.EventType.values() if kind != pb.EVENT_TYPE_UNSPECIFIED)
    if resume:
        epoch, sequence, chain = resume.split(":")
        request.resume.add(account_id=ACCOUNT, epoch=epoch, sequence=int(sequence), chain=int(chain))
    return pb.StreamRequest(subscribe=request)


def unsubscribe() -> pb.StreamRequest:
    """No more events of the account; the stream stays open."""
    return pb.StreamRequest(unsubscribe=pb.Unsubscribe(trading_account_id=ACCOUNT))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resume", metavar="EPOCH:SEQUENCE:CHAIN", help="the last event that was processed")
    parser.add_argument("--unsubscribe-after", type=int, default=0, metavar="N", help="journal events; 0 = never")
    options = parser.parse_args()

    requests: queue.SimpleQueue[pb.StreamRequest] = queue.SimpleQueue()
    requests.put(subscribe(options.resume))
    outgoing: Iterator[pb.StreamRequest] = iter(requests.get, None)
    with connect() as channel:
        key = (("x-api-key", os.environ["DROPCOPY_API_KEY"]),)
        events = rpc.StreamingServiceStub(channel).Stream(outgoing, metadata=key)
        heard = 0
        try:
            for event in events:
                print(json.dumps(MessageToDict(event)), flush=True)
                heard += event.sequence > 0
                if event.sequence > 0 and heard == options.unsubscribe_after:
                    requests.put(unsubscribe())
        except grpc.RpcError as error:
            trailers: Any = error.trailing_metadata() or ()
            code = next((value for name, value in trailers if name == "dropcopy-code"), None)
            end = {"status": error.code().name, "message": error.details(), "code": code}
            print(json.dumps({"end": end}), flush=True)
            requests.put(None)  # lets the thread that sends requests end


if __name__ == "__main__":
    main()
