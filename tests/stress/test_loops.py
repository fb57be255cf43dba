"""Races over executors with several event loops."""

import asyncio
import random
import sys
from collections.abc import Iterator

import pytest
from support import Running, in_threads
from test_races import ROUNDS, THREADS, all_done

from aiofutures import AsyncExecutor, Future, InvalidStateError, _executor
from aiofutures._loops.group import LoopGroup

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 + 60 * ROUNDS)]


@pytest.fixture(autouse=True)
def _several_loops(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Several loops are allowed, and the interpreter changes threads as often as it can."""
    monkeypatch.setattr(_executor, "_has_gil", lambda: False)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("max_workers", [None, 1, 3])
@pytest.mark.parametrize("loops", [2, 3])
def test_submit_and_shutdown(loops: int, max_workers: int | None) -> None:
    """Calls that submit to all loops race a shutdown: none is lost, the limit holds, places too."""
    submitted = 0
    while submitted < 10_000 * ROUNDS:
        executor = AsyncExecutor(loops=loops, max_workers=max_workers)
        stop_after, running = random.randrange(1, 400), Running()

        async def work(number: int, running: Running = running) -> int:
            await running(0)
            return number

        async def parent(number: int, executor: AsyncExecutor = executor) -> int:
            children = [executor.submit(asyncio.sleep, 0, 1) for _ in range(3)]
            return number - 3 + sum([await child for child in children])

        def submit(
            thread: int, executor: AsyncExecutor = executor, stop_after: int = stop_after
        ) -> list[tuple[int, Future[int]]]:
            futures: list[tuple[int, Future[int]]] = []
            for n in range(300):
                if thread == 0 and n == stop_after:
                    executor.shutdown(wait=n % 2 == 0)
                try:
                    futures.append((n, executor.submit(random.choice((work, parent)), n)))
                except InvalidStateError:
                    break
            return futures

        for futures in in_threads(THREADS, submit):
            assert all_done([future for _, future in futures])
            assert all(future.result(0) == n for n, future in futures)
            submitted += len(futures)
        executor.shutdown()
        assert max_workers is None or running.most <= max_workers
        assert isinstance(executor._host, LoopGroup)
        places = executor._host.places
        assert places is None or places._free == max_workers
