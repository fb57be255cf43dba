"""All calls are cancelled at once, and their waiters learn of it."""

import asyncio

import pytest
from support import LIMIT, MakeExecutor

from aiofutures import CancelledError, Future
from aiofutures._loops.waves import begin_wave, end_wave, numbers_of


def test_waves_that_overlap() -> None:
    """The end of one wave says nothing about the next, which has begun, or even ended."""
    future: Future[int] = Future()
    first = numbers_of([future])
    begin_wave(first)
    second = numbers_of([future])
    begin_wave(second)
    begin_wave(first)

    end_wave(first)
    assert (future._waves, future._waves_asked) == (2, 1)
    end_wave(second)
    end_wave(first)

    assert (future._waves, future._waves_asked) == (2, 2)


async def _await(future: Future[int]) -> int:
    return await future


def test_await_elsewhere(make_executor: MakeExecutor) -> None:
    """Who awaits a call on an event loop of his own is not cancelled along with it."""
    future: Future[int] = Future()
    begin_wave(numbers_of([future]))
    future.cancel()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(_await(future))
    with pytest.raises(CancelledError):
        make_executor().submit(_await, future).result(LIMIT)


def test_without_a_loop(make_executor: MakeExecutor) -> None:
    """Where no event loop runs yet, or none any more, no call is told to wait for one."""
    executor = make_executor()
    executor.cancel_futures()
    assert not any(run.is_in_wave for run in executor._host.runs)

    executor.submit(asyncio.sleep, 0).result(LIMIT)
    runs = executor._host.runs
    executor.shutdown()
    executor.cancel_futures()
    assert not any(run.is_in_wave for run in (*runs, *executor._host.runs))
