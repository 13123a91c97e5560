"""Activity: which instruments a broker's reports are about, so that a comparison knows whether one came in between."""

from collections import Counter
from collections.abc import Hashable

from dropcopyd.domain.instrument import InstrumentKey, key_of
from dropcopyd.domain.report import AdjustmentReport, BalanceReport, BrokerReport
from dropcopyd.domain.state import AccountState

Subject = InstrumentKey | str | None
"""An instrument, a currency, or None: it is not known what a report is about, so it may be about anything."""


def subject_of(state: AccountState, report: BrokerReport) -> Subject:
    """What a report is about, as far as memory tells."""
    if isinstance(report, BalanceReport):
        return report.currency
    if isinstance(report, AdjustmentReport):
        return report.key or report.currency
    if report.order is not None:
        return report.order.key
    named = state.find_command(report.broker_command_id)
    chain = named[0] if named else state.find_order(report.broker_command_id, report.external_order_id)
    return None if chain is None else key_of(chain.order.instrument)


class Activity:
    """One account's reports, in numbers: a subject is quiet since a mark when none of its reports came, or is still
    being taken in."""

    def __init__(self) -> None:
        self._serial = 0
        self._last: dict[Hashable, int] = {}
        """subject -> the last report's number; as many as the account has instruments and currencies."""
        self._taking: Counter[Hashable] = Counter()

    def mark(self) -> int:
        """The moment now."""
        return self._serial

    def begin(self, subject: Subject) -> None:
        """A report has come."""
        self._taking[subject] += 1
        self._note(subject)

    def end(self, subject: Subject) -> None:
        """It has been taken in, or given up."""
        self._taking[subject] -= 1
        self._note(subject)

    def is_quiet(self, subject: Subject, since: int) -> bool:
        """Whether nothing was said of the subject since a mark."""
        return all(not self._taking[one] and self._last.get(one, 0) <= since for one in (subject, None))

    def _note(self, subject: Subject) -> None:
        self._serial += 1
        self._last[subject] = self._serial
