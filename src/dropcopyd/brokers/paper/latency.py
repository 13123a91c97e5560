"""How long an account's commands and reports are under way. One line each: nothing overtakes on it."""

from dropcopyd.brokers.chance import delay_ns, draw
from dropcopyd.brokers.paper.plan import Plan


class Latency:
    """The two lines of one account, with the latency of its plan."""

    def __init__(self, account_id: str, plan: Plan) -> None:
        self._account_id = account_id
        self._plan = plan
        self._arrived_ns = 0
        self._told_ns = 0

    def arrival_ns(self, now_ns: int, command_id: str) -> int:
        """When a command that is sent now arrives; 0 where there is no latency."""
        parameters = self._plan.parameters
        delay = delay_ns(
            parameters.order_latency_ms, parameters.order_latency_tail_ms, self._draw("order latency", command_id)
        )
        if not delay:
            return 0
        self._arrived_ns = max(self._arrived_ns, now_ns + delay)
        return self._arrived_ns

    def answer_ns(self, now_ns: int, command_id: str) -> int:
        """When the answer to a command that has arrived now is back."""
        return now_ns + self._report_delay("answer latency", command_id)

    def report_ns(self, made_ns: int, number: int) -> int:
        """When a report that was made at that time is there; 0 where there is no latency."""
        delay = self._report_delay("report latency", number)
        if not delay:
            return 0
        self._told_ns = max(self._told_ns, made_ns + delay)
        return self._told_ns

    def _report_delay(self, purpose: str, name: object) -> int:
        parameters = self._plan.parameters
        return delay_ns(parameters.report_latency_ms, parameters.report_latency_tail_ms, self._draw(purpose, name))

    def _draw(self, purpose: str, name: object) -> int:
        return draw(self._plan.seed, purpose, self._account_id, name)
