"""What the exchange keeps in memory: everything open, nothing closed that the book has, nothing closed too early."""

from dataclasses import replace

from dropcopyd.brokers.paper.memory import Memory
from dropcopyd.domain.order import ActionType
from dropcopyd.ports import Submission
from tests.brokers.build import Floor, quote, submission, terms


def _filled(floor: Floor, memory: Memory, name: str, serial: int) -> None:
    floor.show(quote("9.99", "10.00"))
    floor.create(name, 1)
    memory.note(floor.decisions[-1], serial)


def test_a_closed_order_goes_when_its_last_decision_is_durable() -> None:
    floor = Floor()
    memory = Memory(floor.exchange.image)
    _filled(floor, memory, "c1", 1)
    _filled(floor, memory, "c2", 2)
    memory.forget(0)
    assert set(floor.exchange.image.commands) == {"c1", "c2"}
    memory.forget(1)
    assert set(floor.exchange.image.commands) == {"c2"}
    assert set(floor.exchange.image.orders) == {2}


def test_a_later_word_about_a_closed_order_keeps_it_until_that_is_durable_too() -> None:
    floor = Floor()
    memory = Memory(floor.exchange.image)
    _filled(floor, memory, "c1", 1)
    floor.cancel("x1", "c1")
    memory.note(floor.decisions[-1], 2)
    memory.forget(1)
    assert set(floor.exchange.image.commands) == {"c1", "x1"}
    memory.forget(2)
    assert not floor.exchange.image.commands
    assert not floor.exchange.image.orders


def test_an_open_order_stays() -> None:
    floor = Floor()
    memory = Memory(floor.exchange.image)
    floor.create("c1", 1, "9.00")
    memory.note(floor.decisions[-1], 1)
    memory.forget(1)
    assert "c1" in floor.exchange.image.commands
    assert floor.order("c1").is_open


def test_nothing_goes_that_became_durable_after_a_lookup_began() -> None:
    floor = Floor()
    memory = Memory(floor.exchange.image)
    _filled(floor, memory, "c1", 1)
    memory.begin_lookup(0)
    memory.begin_lookup(1)
    memory.forget(1)
    assert "c1" in floor.exchange.image.commands
    memory.end_lookup(0)
    memory.forget(1)
    assert "c1" not in floor.exchange.image.commands


def test_what_was_read_again_goes_again() -> None:
    floor = Floor()
    memory = Memory(floor.exchange.image)
    _filled(floor, memory, "c1", 1)
    order, command = floor.order("c1"), floor.exchange.image.commands["c1"]
    memory.forget(1)
    sent = submission("x1", ActionType.CANCEL, terms(1), original="c1", external_order_id=order.external_order_id)
    assert memory.missing(sent) == (["x1", "c1"], [1])
    memory.adopt([command], [order], 1)
    assert memory.missing(sent) == (["x1"], [])
    assert floor.order("c1") == order
    memory.forget(1)
    assert not floor.exchange.image.orders
    assert not floor.exchange.image.commands


def _made(name: str, at_ns: int) -> Submission:
    one = submission(name, ActionType.CREATE, terms(1))
    stamps = replace(one.command.stamps, received_ns=at_ns, committed_ns=at_ns)
    return replace(one, command=replace(one.command, stamps=stamps))


def test_only_a_command_that_may_have_arrived_before_is_looked_up() -> None:
    memory = Memory(Floor().exchange.image, begun_ns=100)
    assert memory.missing(_made("old", 100)) == (["old"], []), "the book may have it"
    assert memory.missing(_made("new", 101)) == ([], [])
    memory.arrived(_made("new", 101).command)
    assert memory.missing(_made("new", 101)) == (["new"], []), "a repetition"


def test_the_oldest_arrivals_are_forgotten_and_looked_up_then() -> None:
    memory = Memory(Floor().exchange.image, begun_ns=100)
    for number in range(1, 20_003):
        memory.arrived(_made(f"c{number}", 100 + number).command)
    assert memory.missing(_made("c2", 102)) == (["c2"], []), "forgotten"
    assert memory.missing(_made("other", 102)) == (["other"], []), "as old as what is forgotten"
    assert memory.missing(_made("other", 103)) == ([], [])


def test_without_a_beginning_everything_is_looked_up() -> None:
    assert Memory(Floor().exchange.image).missing(_made("new", 2**62)) == (["new"], [])
