"""What the exchange keeps in memory: open orders and what is not yet durable; the book has the rest.

An adjustment that its caller has named is kept for its name alone, until it is durable; who names one again is answered
from the book.

A closed order may be forgotten once its last decision is committed and no lookup is under way that began before
that: whoever needs it again reads its final state from the book.

A command that arrives may be a repetition of one that was forgotten. The book is asked only where that can be: the ids
that arrived lately are kept, and a command that was made after all others had arrived is a new one.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from dropcopyd.brokers.paper.records import AdjustmentRecord, CommandRecord, Decision, Image, PaperOrder
from dropcopyd.brokers.paper.turn import order_number_of
from dropcopyd.domain.command import Command
from dropcopyd.ports import Submission

_ARRIVED_MAX: Final = 20_000
_FOREVER_NS: Final = 2**63 - 1
_Name = int | str | tuple[str, str]


class Memory:
    """Chains of the image: loads those that a command names, lets those go that are closed and durable.

    Serial numbers count decisions: `serial` is that of the last one made.
    """

    def __init__(self, image: Image, begun_ns: int = _FOREVER_NS) -> None:
        """`begun_ns`: commands that were made later have not arrived before; without it the book is asked for each."""
        self._image = image
        self._arrived: OrderedDict[str, int] = OrderedDict()
        """Ids of the commands that arrived last, with when each was made."""
        self._known_ns = begun_ns
        """Every command made after this that has arrived is among them."""
        self._commands_of: dict[int, list[str]] = {}
        self._retired: OrderedDict[_Name, int] = OrderedDict()
        """Closed orders by number, commands without an order by id, adjustments by account and name: the last decision
        about each, ascending.
        """
        self._lookups: list[int] = []
        """How far the book was committed when each lookup under way began, ascending."""
        for record in image.commands.values():
            self._index(record)

    def missing(self, submission: Submission) -> tuple[list[str], list[int]]:
        """The command ids and order numbers that a command names and that are not in memory."""
        command, original_id, known = submission.command, submission.original_command_id, self._image.commands
        ids = []
        if command.broker_command_id not in known and self._may_be_forgotten(command):
            ids.append(command.broker_command_id)
        if original_id and original_id not in known:
            ids.append(original_id)
        number = order_number_of(self._image, submission.external_order_id)
        return ids, [] if number is None or number in self._image.orders else [number]

    def _may_be_forgotten(self, command: Command) -> bool:
        """Whether a command that is not in the image may be in the book."""
        return command.broker_command_id in self._arrived or command.stamps.committed_ns <= self._known_ns

    def arrived(self, command: Command) -> None:
        """A command has arrived and is decided about."""
        self._arrived[command.broker_command_id] = command.stamps.committed_ns
        if len(self._arrived) > _ARRIVED_MAX:
            _, made_ns = self._arrived.popitem(last=False)
            self._known_ns = max(self._known_ns, made_ns)

    def begin_lookup(self, committed: int) -> None:
        """A read begins; what it may find stays in memory until `end_lookup` is called with the same number."""
        self._lookups.append(committed)

    def end_lookup(self, committed: int) -> None:
        self._lookups.remove(committed)

    def adopt(self, commands: Iterable[CommandRecord], orders: Iterable[PaperOrder], serial: int) -> None:
        """Take in what was read; what is here already is newer and stays."""
        for order in orders:
            if order.number not in self._image.orders:
                self._image.orders[order.number] = order
                self._retire(order.number, serial)
        for record in commands:
            if record.broker_command_id not in self._image.commands:
                self._image.commands[record.broker_command_id] = record
                self._index(record)
                if record.order_number is None:
                    self._retire(record.broker_command_id, serial)

    def adopt_adjustment(self, record: AdjustmentRecord, serial: int) -> None:
        """Take in a named adjustment that was read."""
        name = record.account_id, record.key
        if name not in self._image.adjustments:
            self._image.adjustments[name] = record
            self._retire(name, serial)

    def note(self, decision: Decision, serial: int) -> None:
        """A decision was made: what it closed, or said of something closed, may go once it is durable."""
        for record in decision.commands:
            self._index(record)
            if record.order_number is None:
                self._retire(record.broker_command_id, serial)
            elif not self._image.orders[record.order_number].is_open:
                self._retire(record.order_number, serial)
        for order in decision.orders.values():
            if not order.is_open:
                self._retire(order.number, serial)
        for one in decision.adjustments:
            if one.key:
                self._retire((one.account_id, one.key), serial)

    def forget(self, committed: int) -> None:
        """Let go what is durable by now."""
        through = self._lookups[0] if self._lookups else committed
        while self._retired:
            name, serial = next(iter(self._retired.items()))
            if serial > through:
                return
            del self._retired[name]
            if isinstance(name, str):
                self._image.commands.pop(name, None)
                continue
            if isinstance(name, tuple):
                self._image.adjustments.pop(name, None)
                continue
            if name in self._image.pinned:  # its run retires it once more
                continue
            del self._image.orders[name]
            for command_id in self._commands_of.pop(name, ()):
                del self._image.commands[command_id]

    def _index(self, record: CommandRecord) -> None:
        if record.order_number is not None:
            self._commands_of.setdefault(record.order_number, []).append(record.broker_command_id)

    def _retire(self, name: _Name, serial: int) -> None:
        self._retired[name] = serial
        self._retired.move_to_end(name)
