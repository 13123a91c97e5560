"""A daemon whose accounts are kept by the broker at the end of a socket, for benchmarks.

    python -m bench.gateway FOLDER PORT ACCOUNT[,ACCOUNT...]

It says where it is in one line of JSON, and ends by SIGTERM. Everything but the broker is the program's own.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path

from bench.counterparty import SocketBroker, run
from dropcopyd.collecting import tune_collector
from dropcopyd.config import load
from dropcopyd.node import Addresses, Node
from dropcopyd.observe import configure_logs
from dropcopyd.system import allow_open_files


async def _run(folder: Path, port: int, account_ids: list[str]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    def ready(addresses: Addresses) -> None:
        tune_collector()
        print(json.dumps({"rest": addresses.rest, "grpc": addresses.grpc}), flush=True)

    # the counterparty lists nothing: a look at it would find every order missing
    settings = load(None, data=folder, rest_port=0, grpc_port=0, limits={"reconcile_s": 0})
    await Node(settings, broker=SocketBroker(port, account_ids)).run(ready, stop)


if __name__ == "__main__":
    configure_logs("warning")
    allow_open_files()
    run(_run(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(",")))
