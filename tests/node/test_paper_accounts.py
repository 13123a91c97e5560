"""Paper accounts as the operator makes them: a profile, a seed and money, recorded for good."""

import asyncio
from pathlib import Path

import pytest

from tests.node.test_operator import run
from tests.support.daemon import Daemon, Rest


async def filled(daemon: Daemon, quantity: str) -> dict[str, object]:
    """A market order's record once it is no longer open."""
    async with Rest(daemon.info) as rest:
        await rest.create("AAPL", "BUY", quantity)
        for _ in range(400):
            order = (await rest.all("orders"))[0]
            if order["order_state"] != "OPEN":
                return order
            await asyncio.sleep(0.05)
    raise AssertionError("the order did not end")


async def test_dev_takes_a_profile_and_keeps_it(tmp_path: Path) -> None:
    """1,000,000 shares at once: no displayed size has that, `instant` fills it; and nobody changes it afterwards."""
    folder = tmp_path / "dev"
    words = ("--profile", "instant", "--seed", "7", "--cash", "unlimited")
    async with Daemon(folder, *words) as daemon:
        order = await filled(daemon, "1000000")
        assert order["order_status"] == "FILLED"
    async with Daemon(folder) as daemon:
        assert (await filled(daemon, "2000000"))["order_status"] == "FILLED"
    line = run("dev", "--data", str(folder), "--profile", "realistic", fails=True)
    assert "opened with another profile" in line


async def test_what_cannot_be_paid_is_refused_with_the_sums(tmp_path: Path) -> None:
    async with Daemon(tmp_path / "dev", "--cash", "USD=100", "--profile", "instant") as daemon:
        order = await filled(daemon, "10")
        assert order["order_status"] == "REJECTED"
        assert order["reason_code"] == "insufficient_funds"
        assert str(order["reason"]).endswith("available 100 USD")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cash", "USD"), "NAME=VALUE"),
        (("--profile-option", "luck=1"), "there is no parameter 'luck'"),
        (("--profile", "scripted"), "needs a scenario"),
    ],
)
def test_an_account_that_cannot_be_is_not_added(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    data = ("--data", str(tmp_path / "data"))
    run("orgs", "add", "acme", *data)
    assert said in run("accounts", "add", "main", "--org", "acme", *words, *data, fails=True)
    run("accounts", "add", "main", "--org", "acme", *data)
