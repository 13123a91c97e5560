"""What brokers do to orders late, unasked or out of order, through a whole node: REST, stream, journal, restart."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from dropcopy import proto as pb
from dropcopyd.brokers.scripted import ScriptedBroker
from dropcopyd.domain.instrument import AssetClass
from dropcopyd.domain.order import OrderSide, OrderTerms, OrderType, TimeInForce
from dropcopyd.domain.report import OrderReport, ReportedOrder, ReportKind
from dropcopyd.ports import Submission
from dropcopyd.store.audit import audit
from tests.contract.public_contract import PublicContract
from tests.support.node import Running, running, until
from tests.support.streams import StreamClient, has

K = ReportKind
SENT_NS = 1_795_615_200_000_000_000
DESK = ReportedOrder(
    key=(AssetClass.EQUITY, "AAPL"),
    order_side=OrderSide.BUY,
    terms=OrderTerms(
        order_type=OrderType.LIMIT,
        quantity=Decimal(10),
        time_in_force=TimeInForce.DAY,
        limit_price=Decimal(100),
    ),
)


class Site:
    """A node over a broker that says what the test wants, and a client on its stream."""

    def __init__(self, node: Running, broker: ScriptedBroker, stream: StreamClient) -> None:
        self.node = node
        self.broker = broker
        self.stream = stream

    async def say(self, kind: ReportKind, command_id: str = "", **facts: Any) -> None:
        amounts = ("quantity", "cumulative_quantity", "last_quantity", "last_price")
        given: dict[str, Any] = {name: Decimal(value) if name in amounts else value for name, value in facts.items()}
        await self.broker.say(self.node.rest.account_id, OrderReport(kind=kind, broker_command_id=command_id, **given))

    async def fill(self, exec_id: str, quantity: str, price: str, command_id: str = "", **facts: Any) -> None:
        figures = {"exec_id": exec_id, "last_quantity": quantity, "last_price": price, "broker_sent_at_ns": SENT_NS}
        await self.say(K.TRADE, command_id, **figures, **facts)

    async def create(self) -> Submission:
        """A buy of ten at 100 that the broker has accepted."""
        await self.node.rest.create("AAPL", "BUY", "10", price="100")
        sent = await self.broker.arrived()
        await self.say(K.ACCEPTED, sent.command.broker_command_id)
        await self.node.until(sent.command.intent_id, order_status="NEW")
        return sent

    async def statuses(self, count: int) -> list[str]:
        """The first so many order states that the stream told."""
        await self.stream.until(has("broker_order", count))
        told = [order.order_status for order in self.stream.of("broker_order")[:count]]
        return [pb.OrderStatus.Name(status).removeprefix("ORDER_STATUS_") for status in told]

    async def held(self, quantity: str) -> None:
        async def look() -> bool:
            return [row["quantity"] for row in await self.node.rest.all("positions")] == [quantity]

        await until(look)


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    made: list[ScriptedBroker] = []

    def new_broker(account_id: str) -> ScriptedBroker:
        made.append(ScriptedBroker([account_id]))
        return made[0]

    async with (
        running(folder, broker=new_broker) as node,
        StreamClient(node.info["grpc"], node.info["api_key"]) as stream,
    ):
        await made[0].is_up.wait()
        stream.subscribe(node.rest.account_id)
        await stream.until(has("status"))
        yield Site(node, made[0], stream)


async def test_an_unsolicited_cancel_of_an_order_from_outside_and_a_fill_after_it(tmp_path: Path) -> None:
    """Somebody at the broker's desk buys ten: four trade, the rest is cancelled by nobody here, then two more were
    traded before that. The order stays cancelled with six, and a restart changes nothing."""
    folder = tmp_path / "data"
    desk: dict[str, Any] = {"external_order_id": "desk-1", "order": DESK}
    async with site(folder) as here:
        await here.say(K.ACCEPTED, **desk, quantity="10", cumulative_quantity="0")
        await here.fill("e1", "4", "100", **desk)
        await here.say(K.CANCELLED, **desk, reason="the desk took it back")
        await here.fill("e2", "2", "99", **desk)
        await here.held("6")
        assert await here.statuses(4) == ["NEW", "PARTIALLY_FILLED", "CANCELLED", "CANCELLED"]
        (order,) = await here.node.rest.all("orders")
        assert (order["origin"], order["order_status"], order["reason"]) == (
            "EXTERNAL",
            "CANCELLED",
            "the desk took it back",
        )
        assert (order["filled_quantity"], order["leaves_quantity"]) == ("6", "0")
        assert Decimal(order["average_price"]) * 6 - (4 * 100 + 2 * 99) < Decimal("1e-15")
    async with site(folder) as here:
        assert await here.node.rest.all("orders") == [order]
        await here.fill("e2", "2", "99", **desk)  # told again
        await here.fill("e3", "1", "98", **desk)
        await here.held("7")
        (again,) = await here.node.rest.all("orders")
        assert (again["order_id"], again["order_status"], again["filled_quantity"]) == (
            order["order_id"],
            "CANCELLED",
            "7",
        )
        assert len(await here.node.rest.all("trades")) == 3
    assert audit(folder).differences == ()


async def test_an_amendment_waits_over_a_restart_for_the_execution_that_it_names(tmp_path: Path) -> None:
    """The correction of an execution that never came (to 3 at 98) and the bust of another: nothing moves. After a
    restart the executions come, 4 at 100 and 5 at 101: what is left is 3 at 98."""
    folder = tmp_path / "data"
    async with site(folder) as here:
        sent = await here.create()
        command_id, intent_id = sent.command.broker_command_id, sent.command.intent_id
        amended = {"exec_id": "c1", "exec_ref_id": "e1", "last_quantity": "3", "last_price": "98"}
        await here.say(K.CORRECTION, command_id, **amended)
        await here.say(K.BUST, command_id, exec_id="b1", exec_ref_id="e2")
        await here.say(K.RESTATED, command_id, quantity="9")  # told after it: what was said before is durable
        order = await here.node.until(intent_id, quantity="9")
        assert (order["order_status"], order["filled_quantity"]) == ("NEW", "0")
    async with site(folder) as here:
        await here.fill("e1", "4", "100", command_id)
        await here.fill("e2", "5", "101", command_id)
        order = await here.node.until(intent_id, order_status="PARTIALLY_FILLED", filled_quantity="3")
        assert Decimal(order["average_price"]) == 98
        await here.held("3")
        await here.stream.until(has("trade_amendment", 2))
        public = PublicContract().message("TradingEvent")
        told = [public.FromString(event.SerializeToString()) for event in here.stream.journal]
        trades = [event.broker_trade for event in told if event.WhichOneof("event") == "broker_trade"]
        assert [(one.quantity, one.price) for one in trades] == [("4", "100"), ("5", "101")], "a bust is no trade"
        await here.fill("e1", "4", "100", command_id)  # told again, after its correction
        await here.fill("e4", "1", "97", command_id)
        await here.node.until(intent_id, filled_quantity="4")
    assert audit(folder).differences == ()


async def test_a_fill_that_crossed_our_cancel_counts(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with site(folder) as here:
        sent = await here.create()
        intent_id = sent.command.intent_id
        payload = {"ref_intent_id": intent_id}
        assert (await here.node.rest.submit({"action_type": "CANCEL", "payload": payload})).status_code == 201
        cancel = await here.broker.arrived()
        await here.say(K.CANCELLED, cancel.command.broker_command_id)
        await here.node.until(intent_id, order_status="CANCELLED", filled_quantity="0")
        await here.fill("e1", "4", "100", sent.command.broker_command_id)
        order = await here.node.until(intent_id, order_status="CANCELLED", filled_quantity="4")
        assert (order["order_state"], order["leaves_quantity"]) == ("CLOSED", "0")
        await here.held("4")
        (outcome,) = [o for o in here.stream.of("command_outcome") if o.seq == 2 and o.outcome != 1]
        assert outcome.outcome == pb.COMMAND_OUTCOME_KIND_ACCEPTED
    assert audit(folder).differences == ()
