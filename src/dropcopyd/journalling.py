"""The process that writes a daemon's journal and does nothing else: started by the daemon, ended with it.

    python -m dropcopyd.journalling [--kill-at POINT] --log-level LEVEL [--log-json] --cache-bytes N DATABASE SOCKET

Nobody else starts it: the socket is one end of a pair that the daemon made, see `store.apart`.
"""

import argparse
import signal
from pathlib import Path

from dropcopyd.collecting import tune_collector
from dropcopyd.observe import configure_logs
from dropcopyd.store.apart import Counterpart
from dropcopyd.store.checkpointing import Checkpoints
from dropcopyd.store.committing import Committer
from dropcopyd.store.migrate import connect
from dropcopyd.system import KillAt, NoFailpoints
from dropcopyd.wire import ProtobufEncoder


def main() -> None:
    """Serve the daemon until it is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # sent to the whole group: the daemon decides
        signal.signal(number, signal.SIG_IGN)
    parser = argparse.ArgumentParser(prog="dropcopyd-journal", description=__doc__)
    parser.add_argument("--kill-at", default="")
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--log-json", action="store_true")
    parser.add_argument("--cache-bytes", type=int, required=True)
    parser.add_argument("database", type=Path)
    parser.add_argument("socket", type=int)
    options = parser.parse_args()
    configure_logs(options.log_level, as_json=options.log_json)
    failpoints = KillAt(options.kill_at) if options.kill_at else NoFailpoints()
    connection = connect(options.database, cache_bytes=options.cache_bytes)
    try:
        committer = Committer(connection, ProtobufEncoder(), failpoints)
        with Checkpoints(options.database, connection) as checkpoints:
            counterpart = Counterpart.of(options.socket, committer, checkpoints.committed)
            tune_collector()
            counterpart.run()
    finally:
        connection.close()


if __name__ == "__main__":
    main()
