"""`make bench`: every figure of the product, side by side with a rival or a baseline, in one run."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Latency of the real daemon first, then fan-out against grpcio's aio server."""
    arguments = sys.argv[1:]
    for script, title in (
        ("latency.py", "REST and stream latency"),
        ("delivery.py", "Commit to delivery"),
        ("transport.py", "Fan-out: what one delivered event costs the server"),
    ):
        print(f"\n== {title}\n", flush=True)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), *sys.path])}
        subprocess.run([sys.executable, str(HERE / script), *arguments], check=True, env=environment)


if __name__ == "__main__":
    main()
