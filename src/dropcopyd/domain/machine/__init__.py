"""The account's state machine: (state, input) -> Batch. Pure: time and ids come in, nothing goes out.

Inputs are the caller's commands, the legs of an attempt, and the broker's reports. Every input is applied in
whatever state the order is; an input that changes nothing (a duplicate, a late echo) yields None.

`commands` takes what callers ask and what became of the attempt, `reports` what a broker says of an order (`external`
finds or adopts it), `executions` its fills and their amendments, `positions` what they make of a position,
`adjustments` what else moves positions and money, `connection` the account's line, `tickets` what a reconciliation
found, `resolving` what a person decides about it, `placeholders` what a person books until the real one comes; `draft`
is the batch in the making
that they share, `story` the one order in it.
"""

from dropcopyd.domain.machine.adjustments import roll_day, take_adjustment, take_balance
from dropcopyd.domain.machine.commands import (
    acknowledge,
    amend,
    amend_many,
    begin_attempt,
    create,
    doubt,
    expire,
    not_sent,
    refuse,
    withhold,
)
from dropcopyd.domain.machine.connection import move_connection, take_cursor, take_listed
from dropcopyd.domain.machine.executions import execution_key
from dropcopyd.domain.machine.external import adopted_order_id, is_about
from dropcopyd.domain.machine.reports import take_parked, take_report
from dropcopyd.domain.machine.resolving import CLOSED_BY_HAND, Decision, actions_for, resolve
from dropcopyd.domain.machine.tickets import Findings, settle

__all__ = [
    "CLOSED_BY_HAND",
    "Decision",
    "Findings",
    "acknowledge",
    "actions_for",
    "adopted_order_id",
    "amend",
    "amend_many",
    "begin_attempt",
    "create",
    "doubt",
    "execution_key",
    "expire",
    "is_about",
    "move_connection",
    "not_sent",
    "refuse",
    "resolve",
    "roll_day",
    "settle",
    "take_adjustment",
    "take_balance",
    "take_cursor",
    "take_listed",
    "take_parked",
    "take_report",
    "withhold",
]
