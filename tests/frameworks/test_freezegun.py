"""freezegun, which stops the clocks of the process."""

import asyncio
import time
from datetime import UTC, datetime

import pytest
from freezegun import freeze_time

from aiofutures import TimeoutError, to_sync

pytestmark = pytest.mark.usefixtures("default_executor")

sleep = to_sync(asyncio.sleep)


async def tell() -> int:
    """Return the year."""
    await asyncio.sleep(0.01)
    return datetime.now(UTC).year


def test_real_asyncio() -> None:
    """With `real_asyncio=True` the event loop has the real time, and its tasks the frozen one."""
    sleep(0)
    with freeze_time("2020-01-01", real_asyncio=True):
        assert to_sync(tell)() == 2020


def test_time_limit() -> None:
    """Without it `asyncio.sleep` does not end; the time limit of a call is real all the same."""
    sleep(0)
    begin = time.monotonic()
    with freeze_time("2020-01-01"), pytest.raises(TimeoutError, match=r"0\.2 seconds"):
        to_sync(timeout=0.2)(asyncio.sleep)(0.01)

    assert 0.2 <= time.monotonic() - begin < 5
