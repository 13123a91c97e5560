"""Each pair of the transition table by a history that makes it; nothing outside the table happens in any of them."""

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise

import pytest

from dropcopyd.domain.order import ActionType, OrderStatus
from dropcopyd.domain.report import ReportKind
from dropcopyd.domain.transitions import TRANSITIONS
from tests.domain.build import Play, bust, report, trade

K, S = ReportKind, OrderStatus


def last(play: Play, action: ActionType) -> str:
    """The broker's id of the last such command."""
    commands = play.state.chains["o1"].commands.values()
    return [one.broker_command_id for one in commands if one.action_type is action][-1]


def lose(play: Play) -> None:
    """The create is proven never to have arrived."""
    (command,) = play.state.chains["o1"].commands.values()
    play.doubt(command)
    play.not_sent(command)


def about(kind: ReportKind, action: ActionType, **facts: Decimal) -> Callable[[Play], object]:
    return lambda play: play.report(report(kind, last(play, action), **facts))


STEPS: dict[str, Callable[[Play], object]] = {
    "accept": lambda play: play.report(report(K.ACCEPTED)),
    "reject": lambda play: play.report(report(K.REJECTED)),
    "part": lambda play: play.report(trade("e1", "4", "100")),
    "rest": lambda play: play.report(trade("e2", "6", "100")),
    "all": lambda play: play.report(trade("e1", "10", "100")),
    "bust": lambda play: play.report(bust("b1", "e1")),
    "end": lambda play: play.report(report(K.CANCELLED)),
    "stop": lambda play: play.report(report(K.STOPPED)),
    "done": lambda play: play.report(report(K.DONE_FOR_DAY)),
    "restate": lambda play: play.report(report(K.RESTATED)),
    "ask-cancel": lambda play: play.begin(play.cancel()),
    "ask-replace": lambda play: play.begin(play.replace(quantity="12")),
    "pend-cancel": about(K.PENDING_CANCEL, ActionType.CANCEL),
    "pend-replace": about(K.PENDING_REPLACE, ActionType.REPLACE),
    "cancelled": about(K.CANCELLED, ActionType.CANCEL),
    "replaced": about(K.REPLACED, ActionType.REPLACE),
    "cut": about(K.REPLACED, ActionType.REPLACE, quantity=Decimal(4)),
    "keep-cancel": about(K.REQUEST_REFUSED, ActionType.CANCEL),
    "keep-replace": about(K.REQUEST_REFUSED, ActionType.REPLACE),
    "lose": lose,
}
CANCELLING, REPLACING = "ask-cancel pend-cancel", "ask-replace pend-replace"
HISTORIES: dict[tuple[OrderStatus, OrderStatus], str] = {
    (S.PENDING_NEW, S.NEW): "accept",
    (S.PENDING_NEW, S.REJECTED): "reject",
    (S.PENDING_NEW, S.PARTIALLY_FILLED): "part",
    (S.PENDING_NEW, S.FILLED): "all",
    (S.PENDING_NEW, S.CANCELLED): "end",
    (S.PENDING_NEW, S.PENDING_CANCEL): CANCELLING,
    (S.PENDING_NEW, S.PENDING_REPLACE): REPLACING,
    (S.PENDING_NEW, S.STOPPED): "stop",
    (S.NEW, S.PARTIALLY_FILLED): "accept part",
    (S.NEW, S.FILLED): "accept all",
    (S.NEW, S.CANCELLED): "accept end",
    (S.NEW, S.PENDING_CANCEL): f"accept {CANCELLING}",
    (S.NEW, S.PENDING_REPLACE): f"accept {REPLACING}",
    (S.NEW, S.STOPPED): "accept stop",
    (S.NEW, S.REJECTED): "accept reject",
    (S.PARTIALLY_FILLED, S.FILLED): "accept part rest",
    (S.PARTIALLY_FILLED, S.CANCELLED): "accept part end",
    (S.PARTIALLY_FILLED, S.PENDING_CANCEL): f"accept part {CANCELLING}",
    (S.PARTIALLY_FILLED, S.PENDING_REPLACE): f"accept part {REPLACING}",
    (S.PARTIALLY_FILLED, S.STOPPED): "accept part stop",
    (S.PARTIALLY_FILLED, S.NEW): "accept part bust",
    (S.PENDING_CANCEL, S.CANCELLED): f"accept {CANCELLING} cancelled",
    (S.PENDING_CANCEL, S.NEW): f"accept {CANCELLING} keep-cancel",
    (S.PENDING_CANCEL, S.PARTIALLY_FILLED): f"accept part {CANCELLING} keep-cancel",
    (S.PENDING_CANCEL, S.FILLED): f"accept {CANCELLING} all keep-cancel",
    (S.PENDING_CANCEL, S.PENDING_REPLACE): f"accept {REPLACING} {CANCELLING} keep-cancel",
    (S.PENDING_CANCEL, S.STOPPED): f"accept stop {CANCELLING} keep-cancel",
    (S.PENDING_CANCEL, S.REJECTED): f"accept {CANCELLING} reject",
    (S.PENDING_REPLACE, S.NEW): f"accept {REPLACING} replaced",
    (S.PENDING_REPLACE, S.PARTIALLY_FILLED): f"accept part {REPLACING} keep-replace",
    (S.PENDING_REPLACE, S.FILLED): f"accept part {REPLACING} cut",
    (S.PENDING_REPLACE, S.PENDING_CANCEL): f"accept {REPLACING} {CANCELLING}",
    (S.PENDING_REPLACE, S.CANCELLED): f"accept {REPLACING} end keep-replace",
    (S.PENDING_REPLACE, S.STOPPED): f"accept stop {REPLACING} replaced",
    (S.PENDING_REPLACE, S.REJECTED): f"accept {REPLACING} reject",
    (S.FILLED, S.PARTIALLY_FILLED): "accept part rest bust",
    (S.FILLED, S.PENDING_REPLACE): f"accept all {REPLACING}",
    (S.FILLED, S.PENDING_CANCEL): f"accept all {CANCELLING}",
    (S.FILLED, S.NEW): "accept all bust",
    (S.FILLED, S.CANCELLED): "accept end all bust",
    (S.FILLED, S.STOPPED): "accept stop all bust",
    (S.CANCELLED, S.FILLED): "accept end all",
    (S.CANCELLED, S.NEW): "accept done restate",
    (S.CANCELLED, S.PARTIALLY_FILLED): "accept part done restate",
    (S.CANCELLED, S.STOPPED): "accept stop done restate",
    (S.CANCELLED, S.PENDING_CANCEL): "accept ask-cancel end pend-cancel",
    (S.CANCELLED, S.PENDING_REPLACE): "accept ask-replace end pend-replace",
    (S.STOPPED, S.FILLED): "accept stop all",
    (S.STOPPED, S.CANCELLED): "accept stop end",
    (S.STOPPED, S.REJECTED): "accept stop reject",
    (S.STOPPED, S.PENDING_CANCEL): f"accept stop {CANCELLING}",
    (S.STOPPED, S.PENDING_REPLACE): f"accept stop {REPLACING}",
    (S.REJECTED, S.NEW): "lose accept",
    (S.REJECTED, S.PARTIALLY_FILLED): "lose part",
    (S.REJECTED, S.FILLED): "lose all",
    (S.REJECTED, S.STOPPED): "lose stop",
    (S.REJECTED, S.CANCELLED): "lose end",
    (S.REJECTED, S.PENDING_CANCEL): f"lose {CANCELLING}",
    (S.REJECTED, S.PENDING_REPLACE): f"lose {REPLACING}",
}
"""The shortest course of things that ends with the pair, by the names of STEPS."""


def test_every_pair_has_a_history_and_no_other_one_does() -> None:
    assert set(HISTORIES) == set(TRANSITIONS)


@pytest.mark.parametrize("pair", list(HISTORIES), ids=lambda pair: "-".join(pair))
def test_the_history_makes_the_pair(pair: tuple[OrderStatus, OrderStatus]) -> None:
    play = Play()
    play.begin(play.create())
    course = [play.order().status]
    for step in HISTORIES[pair].split():
        STEPS[step](play)
        course.append(play.order().status)
    steps = [(before, after) for before, after in pairwise(course) if before is not after]
    assert steps[-1] == pair, course
    assert set(steps) <= set(TRANSITIONS), course
