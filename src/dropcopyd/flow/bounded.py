"""Calls of a broker's adapter, bounded in time and told apart from our own end."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

_Answer = TypeVar("_Answer")


async def bounded(call: Awaitable[_Answer], timeout_s: float) -> _Answer:
    """The broker's answer in time.

    Raises TimeoutError, whatever the adapter raises, and ConnectionError for a call that its adapter cancelled: that
    has failed, and is no cancellation of ours.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await call
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionError("the adapter cancelled its call") from error
