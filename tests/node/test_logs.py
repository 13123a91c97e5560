"""Log lines: in order, complaints at once, the others together, and none lost in an orderly end."""

import io
import subprocess
import sys
import threading

from dropcopyd.observe import LogLines


class Stream(io.StringIO):
    """Counts its writes, and says when there was one."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.written = threading.Event()

    def write(self, text: str) -> int:
        self.writes += 1
        result = super().write(text)
        self.written.set()
        return result


def test_a_complaint_is_written_at_once_and_after_what_waits() -> None:
    stream = Stream()
    lines = LogLines(stream)
    for number in range(100):
        lines.info(f"line {number}")
    lines.warning("a complaint")
    assert stream.getvalue().splitlines() == [*(f"line {number}" for number in range(100)), "a complaint"]
    assert stream.writes <= 2, "together (or, on a slow machine, with a moment in between)"


def test_a_line_is_written_a_moment_later_by_itself() -> None:
    stream = Stream()
    lines = LogLines(stream)
    for text in ("first", "second"):
        stream.written.clear()
        lines.info(text)
        assert stream.written.wait(30)
    assert stream.getvalue() == "first\nsecond\n"


def test_no_more_than_so_many_lines_wait() -> None:
    stream = Stream()
    lines = LogLines(stream)
    for number in range(25_000):
        lines.debug(str(number))
    lines.flush()
    assert stream.getvalue().splitlines() == [str(number) for number in range(25_000)]
    assert stream.writes >= 3


def test_a_stream_that_is_gone_fails_nobody() -> None:
    stream = Stream()
    lines = LogLines(stream)
    stream.close()
    lines.info("nobody reads this")
    lines.error("nor this")


def test_nothing_is_lost_when_the_process_ends() -> None:
    program = """
import structlog
from dropcopyd.observe import configure_logs
configure_logs("info", as_json=True)
for number in range(5_000):
    structlog.get_logger().info("line", number=number)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert [f'"number": {number},' in line for number, line in enumerate(ended.stderr.splitlines())] == [True] * 5_000
