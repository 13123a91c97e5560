"""Latency on the broker's clock: commands and reports are under way, in order, whatever speed time has."""

import asyncio
from dataclasses import replace
from pathlib import Path

from dropcopyd.brokers.paper.plan import REALISTIC, Parameters, Plan, Profile
from dropcopyd.domain.report import Acknowledged, ReportKind, Unknown
from tests.brokers.build import ACCOUNT, D, kinds, submission, terms
from tests.brokers.service import Service, serving

LATE = Plan(
    profile=Profile.REALISTIC,
    seed=4,
    parameters=Parameters(order_latency_ms=D(20), report_latency_ms=D(30)),
)


async def settled(service: Service) -> None:
    """Everything that can happen at this time has happened."""
    for _ in range(20):
        service.broker.turn()
        await service.book.writer.drained()
        await asyncio.sleep(0.002)


async def told(service: Service, count: int) -> None:
    """So many reports are told, while time goes on."""
    async with asyncio.timeout(60):
        while len(service.listener.of(ACCOUNT)) < count:
            service.clock.advance(0.001)
            service.broker.turn()
            await asyncio.sleep(0.0005)


async def test_a_command_and_its_reports_take_their_time(tmp_path: Path) -> None:
    """20 ms to the exchange, 30 ms back: nothing after 19 ms, the order works after 20, is acknowledged after 50."""
    async with serving(tmp_path, plans={ACCOUNT: LATE}) as service, asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(service.broker.submit(submission("A", asked=terms(5, "90")), 60))
        await settled(service)
        service.clock.advance(0.019)
        await settled(service)
        assert not service.book.image.orders
        service.clock.advance(0.001)
        await settled(service)
        assert len(service.book.image.orders) == 1
        service.clock.advance(0.029)
        await settled(service)
        assert not answer.done()
        assert not service.listener.of(ACCOUNT)
        service.clock.advance(0.001)
        assert isinstance(await asyncio.wait_for(answer, 20), Acknowledged)
        await service.listener.until_reports(1)
        assert kinds(service.listener.of(ACCOUNT)) == [ReportKind.ACCEPTED]


async def test_nothing_overtakes_on_a_line(tmp_path: Path) -> None:
    """Thirty commands with random latencies arrive in the order in which they were sent."""
    plan = replace(LATE, parameters=REALISTIC)
    async with serving(tmp_path, plans={ACCOUNT: plan}) as service, asyncio.TaskGroup() as tasks:
        sent = []
        for number in range(30):
            sent.append(tasks.create_task(service.broker.submit(submission(f"C{number}", asked=terms(1, "90")), 60)))
            await asyncio.sleep(0)
        await told(service, 30)
        while not all(one.done() for one in sent):  # an answer takes its time back, by this clock
            service.clock.advance(0.05)
            await settled(service)
        assert all(isinstance(one.result(), Acknowledged) for one in sent)
        assert [report.broker_command_id for report in service.listener.of(ACCOUNT)] == [f"C{n}" for n in range(30)]


async def test_a_command_whose_caller_gave_up_arrives_all_the_same(tmp_path: Path) -> None:
    async with serving(tmp_path, plans={ACCOUNT: LATE}) as service:
        assert isinstance(await service.broker.submit(submission("A", asked=terms(5, "90")), 0.02), Unknown)
        service.clock.advance(0.05)
        await told(service, 1)
