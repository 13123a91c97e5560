"""`make sim N=20000 SEED=7`: a month of random orders under chaos, twice, and what must hold.

`MISHAPS=1`: the broker busts, corrects and fills late as well."""

import hashlib
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

import structlog

from tests.sim.test_sim import mishaps, run


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    orders, seed = int(sys.argv[1]), int(sys.argv[2])
    plan = mishaps(seed) if sys.argv[3:] == ["1"] else None
    data = Path(os.environ["DROPCOPY_SPEC"]) / "data"
    base = "/dev/shm" if Path("/dev/shm").is_dir() else None
    digests = []
    for number in (1, 2):
        with tempfile.TemporaryDirectory(dir=base) as name:
            begun = time.monotonic()
            summary, journal = run(Path(name), data, orders, seed, plan=plan)
            digests.append(hashlib.sha256(b"".join(event.payload for event in journal)).hexdigest())
            print(f"run {number}: {orders} orders, seed {seed}, {time.monotonic() - begun:.0f} s")
            print(summary)
            print(f"journal     sha256 {digests[-1]}\n")
    print("the same to the byte" if digests[0] == digests[1] else "THE RUNS DIFFER")
    sys.exit(digests[0] != digests[1])


main()
