"""The writer as a process of its own: the daemon hands it batches over a socket and hears what became of them.

An order costs as much to write as to decide, and within one process the two take the interpreter from one another. The
daemon's end is driven by its event loop, without a thread. The process (`dropcopyd.journalling`) has nothing but the
journal; it holds the folder's lock together with the daemon, so that after the death of either nobody else comes upon a
file that is still being written, and it ends when the daemon's end of the socket is closed.
"""

import asyncio
import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Self, cast

import structlog

from dropcopyd.domain.account import Account
from dropcopyd.domain.event import Batch
from dropcopyd.errors import Code, StoreError
from dropcopyd.ports import Encoder
from dropcopyd.store import parcel
from dropcopyd.store.committing import GROUP_BATCHES_MAX, Committer, Group, Work
from dropcopyd.store.writer import Entry, Outcomes, Queued, Readmission, Task, carried_out

_log = structlog.get_logger()
_READ_BYTES: Final = 1 << 18
_SOCKET_BYTES: Final = 1 << 20
_END_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Apart:
    """How to start the writer's process: a module and its arguments; it is told the socket's number behind them.

    `on_lost` is called in the loop when the process has ended though nobody told it to: what is under way is durable or
    not, nobody here knows.
    """

    module: str
    arguments: Sequence[str]
    on_lost: Callable[[], None] = field(repr=False)


class ApartWriter:
    """The daemon's end."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        encoder: Encoder,
        start_process: Callable[[], "WriterProcess"],
        loop: asyncio.AbstractEventLoop,
        outcomes: Outcomes,
        on_lost: Callable[[], None],
    ) -> None:
        """`connection`: for tasks, which are carried out here while the process has nothing to do."""
        self._connection = connection
        self.encoder = encoder
        self._start_process = start_process
        self._process: WriterProcess
        self._loop = loop
        self.outcomes = outcomes
        self._on_lost = on_lost
        self._packer = parcel.Packer()
        self._frames = parcel.Frames()
        self._tasks = ThreadPoolExecutor(1, thread_name_prefix="dropcopy-tasks")
        self._queue: deque[Queued] = deque()
        """What is to be sent, or waits behind a task."""
        self._sent: deque[Entry | Readmission] = deque()
        """What the process has been sent and has not answered."""
        self._outgoing = bytearray()
        self._is_blocked = self._is_send_due = self._is_at_task = self._is_lost = False
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    def start(self) -> None:
        self._process = self._start_process()
        self._loop.add_reader(self._process.socket, self._read)

    @property
    def has_work(self) -> bool:
        return not self._is_idle.is_set()

    def put(self, entry: Queued) -> None:
        self._queue.append(entry)
        self._is_idle.clear()
        if not self._is_send_due:
            self._is_send_due = True
            self._loop.call_soon(self._send_due)

    async def stop(self) -> None:
        await self._is_idle.wait()
        self._forget_socket()
        await asyncio.to_thread(self._process.end)
        self._tasks.shutdown()
        self._connection.close()

    def _send_due(self) -> None:
        self._is_send_due = False
        self._send()

    def _send(self) -> None:
        """Send what is queued, up to the next task; that begins when all before it is answered."""
        if self._is_lost:
            self._refuse_all()
            return
        items: list[parcel.Item] = []
        while self._queue and not self._is_at_task:
            entry = self._queue[0]
            if isinstance(entry, Task):
                if not self._sent:
                    self._queue.popleft()
                    self._begin_task(entry)
                break
            self._queue.popleft()
            self._sent.append(entry)
            items.append(_item_of(entry))
        if items:
            self._outgoing += parcel.frame(self._packed(items))
            self._write()

    def _packed(self, items: list[parcel.Item]) -> bytes:
        """The items as a body: each has its place there, since answers are told apart by their order alone."""
        try:
            return self._packer.pack(items)
        except Exception as error:  # noqa: BLE001  a bug; its batch is refused, and halts its account, in its turn
            _log.error("store.not_packed", cause=f"{type(error).__name__}: {error}")
            return self._packer.pack([item if self._is_packable(item) else _without_batch(item) for item in items])

    def _is_packable(self, item: parcel.Item) -> bool:
        try:
            self._packer.pack([item])
        except Exception:  # noqa: BLE001  whatever it is
            return False
        return True

    def _begin_task(self, task: Task) -> None:
        self._is_at_task = True
        doing = self._loop.run_in_executor(self._tasks, carried_out, self._connection, task)
        doing.add_done_callback(lambda done: self._task_done(task, done.result()))

    def _task_done(self, task: Task, result: object) -> None:
        self._is_at_task = False
        try:
            self.outcomes.tell_result(task.done, result)
        finally:
            self._go_on()

    def _go_on(self) -> None:
        if self._queue:
            self._send()
        self._settle()

    def _settle(self) -> None:
        if not self._queue and not self._sent and not self._is_at_task:
            self._is_idle.set()

    def _write(self) -> None:
        """As much as the socket takes; the rest when it takes more."""
        try:
            while self._outgoing:
                count = self._process.socket.send(self._outgoing)
                del self._outgoing[:count]
        except BlockingIOError:
            if not self._is_blocked:
                self._is_blocked = True
                self._loop.add_writer(self._process.socket, self._write)
            return
        except OSError:
            return  # the reader hears of it
        if self._is_blocked:
            self._is_blocked = False
            self._loop.remove_writer(self._process.socket)

    def _read(self) -> None:
        try:
            data = self._process.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost()
            return
        for body in self._frames.take(data):
            self._tell(parcel.unpack_group(body))
        self._go_on()

    def _tell(self, group: Group) -> None:
        entries = [self._sent.popleft() for _ in group.refusals]
        try:
            if isinstance(entries[0], Readmission):  # always alone
                self.outcomes.tell_result(entries[0].done, None)
            else:
                self.outcomes.tell(cast("list[Entry]", entries), group)
        except Exception as error:  # noqa: BLE001  as for any callback of the loop: the next group is told all the same
            self._loop.call_exception_handler({"message": "what was committed could not be told", "exception": error})

    def _lost(self) -> None:
        self._is_lost = True
        self._forget_socket()
        _log.critical("store.writer_lost", pid=self._process.pid, unanswered=len(self._sent))
        self._on_lost()
        self._refuse_all()

    def _forget_socket(self) -> None:
        self._loop.remove_reader(self._process.socket)
        if self._is_blocked:
            self._is_blocked = False
            self._loop.remove_writer(self._process.socket)

    def _refuse_all(self) -> None:
        """For whoever goes on all the same."""
        for entry in (*self._sent, *self._queue):
            self.outcomes.tell_result(entry.done, StoreError(Code.STORE_FAILED, "the journal's writer is gone"))
        self._sent.clear()
        self._queue.clear()
        self._settle()


def _item_of(entry: Entry | Readmission) -> parcel.Item:
    if isinstance(entry, Readmission):
        return entry.account
    return entry.account, entry.batch, entry.encoded


def _without_batch(item: parcel.Item) -> parcel.Item:
    """In place of a batch that cannot be sent: nothing that can be committed."""
    account = item if isinstance(item, Account) else item[0]
    return account, cast("Batch", None), ()


class WriterProcess:
    """The process, by its number, and the daemon's end of the socket to it."""

    def __init__(self, apart: Apart, path: Path, lock: IO[str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
            command = [sys.executable, "-P", "-m", apart.module, *apart.arguments, str(path), str(theirs.fileno())]
            try:
                self._process = subprocess.Popen(  # noqa: S603  our own program
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(), lock.fileno()),
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                )
            except BaseException:
                ours.close()
                raise
        self.socket = ours
        self.socket.setblocking(False)

    @property
    def pid(self) -> int:
        return self._process.pid

    def end(self) -> None:
        """Let it go, and wait until it has ended."""
        self.socket.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            _log.error("store.writer_kept_on", pid=self.pid)
            self._process.kill()
            self._process.wait()


class Counterpart:
    """The process's end: carries out what comes, until the daemon is gone."""

    def __init__(self, end: socket.socket, committer: Committer, on_committed: Callable[[], None]) -> None:
        """`on_committed` is called when a group is durable and its answer is on its way."""
        self._socket = end
        self._committer = committer
        self._on_committed = on_committed
        self._frames = parcel.Frames()
        self._items: deque[parcel.Item] = deque()

    @classmethod
    def of(cls, number: int, committer: Committer, on_committed: Callable[[], None]) -> Self:
        """On the socket with that number."""
        return cls(socket.socket(fileno=number), committer, on_committed)

    def run(self) -> None:
        """Whatever is waiting is one group. What had been read when the daemon died is committed, no more."""
        with contextlib.suppress(ConnectionError), self._socket:
            while self._receive():
                while self._items:
                    self._carry_out()

    def _receive(self) -> bool:
        """Wait until something is there; False: the daemon is gone."""
        while not self._items:
            data = self._socket.recv(_READ_BYTES)
            if not data:
                return False
            self._take(data)
        return True

    def _take(self, data: bytes) -> None:
        for body in self._frames.take(data):
            self._items.extend(parcel.unpack(body))

    def _take_waiting(self) -> None:
        """Take what has arrived meanwhile."""
        try:
            self._take(self._socket.recv(_READ_BYTES, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return

    def _carry_out(self) -> None:
        self._take_waiting()
        works: list[Work] = []
        while self._items and len(works) < GROUP_BATCHES_MAX and isinstance(item := self._items[0], tuple):
            works.append(item)
            self._items.popleft()
        if works:
            group = self._committer.commit(works)
        else:
            self._committer.readmit(cast("Account", self._items.popleft()))
            group = Group([None])
        self._socket.sendall(parcel.frame(parcel.pack_group(group)))
        self._on_committed()
