"""Nothing starves: nested calls under a limit, worker threads that wait for the loop."""

import asyncio
import concurrent.futures
from collections.abc import Callable
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED

import pytest
from support import (
    LIMIT,
    Gate,
    MakeExecutor,
    Running,
    echo,
    echo_later,
    in_thread,
    limit_of,
    until,
)

from aiofutures import AsyncExecutor, DeadlockError, Future, to_sync


class TestNested:
    """Calls that wait for calls of the same executor, under `max_workers`."""

    @pytest.mark.parametrize("max_workers", [1, 2, 5])
    def test_tree(self, make_executor: MakeExecutor, max_workers: int) -> None:
        """A tree of awaited calls ends, and `max_workers` of them run at once, never more."""
        executor = make_executor(max_workers=max_workers)
        running = Running()

        async def node(depth: int) -> int:
            with running:
                await (asyncio.sleep(0) if depth else gate.wait())
            if depth == 0:
                return 1
            children = [executor.submit(node, depth - 1) for _ in range(3)]
            total = sum([await child for child in children])
            with running:
                await asyncio.sleep(0)
            return total

        with Gate() as gate:
            root = executor.submit(node, 4)
            gate.arrived(max_workers)
        assert root.result(LIMIT) == 81
        assert running.most == max_workers

    @pytest.mark.parametrize("max_workers", [1, 2, 5])
    def test_tree_of_threads(self, make_executor: MakeExecutor, max_workers: int) -> None:
        """The same where worker threads wait."""
        executor = make_executor(max_workers=max_workers)
        running = Running()

        def children(depth: int) -> int:
            with running:
                pass
            futures = [executor.submit(node, depth - 1) for _ in range(2)]
            total = sum(future.result() for future in futures)
            with running:
                pass
            return total

        async def node(depth: int) -> int:
            return 1 if depth == 0 else await executor.sync_to_async(children, depth)

        assert executor.submit(node, 5).result(LIMIT) == 32
        assert running.most <= max_workers

    @pytest.mark.parametrize(
        "collect",
        [
            lambda futures: [future.result() for future in futures],
            lambda futures: [future.result() for future in concurrent.futures.wait(futures).done],
            lambda futures: [f.result() for f in concurrent.futures.as_completed(futures)],
        ],
        ids=["result", "wait", "as_completed"],
    )
    def test_ways_of_waiting(
        self, make_executor: MakeExecutor, collect: Callable[[list[Future[int]]], list[int]]
    ) -> None:
        """In a worker thread each way of waiting lends the place."""
        executor = make_executor(max_workers=1)

        def work() -> list[int]:
            return sorted(collect([executor.submit(echo_later, n) for n in range(3)]))

        async def outer() -> list[int]:
            return await executor.sync_to_async(work)

        assert executor.submit(outer).result(LIMIT) == [0, 1, 2]

    @pytest.mark.parametrize("as_completed", [False, True])
    def test_map(self, make_executor: MakeExecutor, *, as_completed: bool) -> None:
        """So does iterating the results of `map`."""
        executor = make_executor(max_workers=1)

        def work() -> list[int]:
            results = executor.map(echo_later, range(3))
            return sorted(results.as_completed() if as_completed else results)

        async def outer() -> list[int]:
            return await executor.sync_to_async(work)

        assert executor.submit(outer).result(LIMIT) == [0, 1, 2]

    def test_to_thread(self, make_executor: MakeExecutor) -> None:
        """`asyncio.to_thread` of a call is as good as `sync_to_async`."""
        executor = make_executor(max_workers=1)
        double = to_sync(executor=executor)(echo_later)

        async def outer() -> int:
            return await asyncio.to_thread(double, 2)

        assert executor.submit(outer).result(LIMIT) == 2

    def test_time_out_of_a_wait(self, make_executor: MakeExecutor) -> None:
        """A wait in a worker thread that times out ends on time, also when no place is free."""
        executor = make_executor(max_workers=1)
        with Gate() as gate:

            def work() -> bool:
                other = executor.submit(gate.wait)
                while not other.running():
                    concurrent.futures.wait([other], 0.01)
                with pytest.raises(TimeoutError):
                    other.result(0.01)
                return concurrent.futures.wait([other], 0.01).done == set()

            async def outer() -> bool:
                return await executor.sync_to_async(work)

            assert executor.submit(outer).result(LIMIT)

    def test_cancelled_thread_at_the_end(self, make_executor: MakeExecutor) -> None:
        """A thread whose task was cancelled gets its place back while the executor shuts down."""
        for _ in range(20):
            executor = make_executor(max_workers=1)
            outcomes: list[BaseException | None] = []
            with Gate() as started, Gate() as gate:

                def work(
                    executor: AsyncExecutor = executor,
                    started: Gate = started,
                    gate: Gate = gate,
                    outcomes: list[BaseException | None] = outcomes,
                ) -> None:
                    child = executor.submit(gate.wait)
                    started.block()
                    outcomes.append(child.exception())

                async def outer(work: Callable[[], None] = work) -> None:
                    await asyncio.to_thread(work)

                future = executor.submit(outer)
                started.arrived()
                future.cancel()
                started.open()
                gate.arrived()
                shutdown = in_thread(executor.shutdown)
                gate.open()

                shutdown.result(LIMIT)
            assert outcomes == [None]


class TestSandwiches:
    """Loop, worker thread, loop, worker thread, and so on."""

    def run(self, executor: AsyncExecutor, count: int, depth: int) -> None:
        def layer(depth: int) -> int:
            return 0 if depth == 0 else 1 + executor.submit(task, depth - 1).result()

        async def task(depth: int) -> int:
            return await executor.sync_to_async(layer, depth)

        futures = [executor.submit(task, depth) for _ in range(count)]

        assert [future.result(6 * LIMIT) for future in futures] == [depth] * count

    def test_many(self, executor: AsyncExecutor) -> None:
        """Hundreds of them, several layers deep, do not starve."""
        self.run(executor, 200, 3)

    @pytest.mark.parametrize("is_other", [False, True])
    def test_own_loops(
        self, executor: AsyncExecutor, make_executor: MakeExecutor, *, is_other: bool
    ) -> None:
        """Nor do event loops in worker threads that themselves wait for worker threads."""
        other = make_executor() if is_other else executor

        def layer(depth: int) -> int:
            return 0 if depth == 0 else 1 + asyncio.run(task(other, depth - 1))

        async def task(executor: AsyncExecutor, depth: int) -> int:
            return await executor.sync_to_async(layer, depth)

        futures = [executor.submit(task, executor, depth) for depth in (40, *[2] * 40)]

        assert [future.result(6 * LIMIT) for future in futures] == [40, *[2] * 40]

    @pytest.mark.slow
    @pytest.mark.parametrize("loop_factory", ["asyncio", "uvloop"], indirect=True)
    def test_thousands(self, executor: AsyncExecutor) -> None:
        """Nor do thousands."""
        self.run(executor, 2000, 3)

    def test_all_ways_of_waiting(self, executor: AsyncExecutor) -> None:
        """More waiting threads than the pool has do not starve, in whichever way they wait."""

        async def leaf(number: int) -> int:
            return await executor.sync_to_async(abs, -number)

        def collect(number: int) -> int:
            futures = [executor.submit(leaf, n) for n in range(3)]
            if number % 3 == 0:
                concurrent.futures.wait(futures)
            elif number % 3 == 1:
                list(concurrent.futures.as_completed(futures))
            else:
                assert sorted(executor.map(leaf, range(3)).as_completed()) == [0, 1, 2]
            return sum(future.result() for future in futures)

        async def outer(number: int) -> int:
            return await executor.sync_to_async(collect, number)

        assert list(executor.map(outer, range(60), timeout=LIMIT)) == [3] * 60


class TestOwnThreads:
    """Threads of `asyncio.to_thread` belong to the executor as those of `sync_to_async` do."""

    @pytest.mark.parametrize("callers_pool", [False, True])
    def test_shutdown(self, make_executor: MakeExecutor, *, callers_pool: bool) -> None:
        """A shutdown that would wait for its own thread is refused."""
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            executor = make_executor(pool if callers_pool else None)

            async def work() -> None:
                await asyncio.to_thread(executor.shutdown)

            with pytest.raises(DeadlockError):
                executor.submit(work).result(LIMIT)

    @pytest.mark.one_loop("looks into one loop")
    @pytest.mark.parametrize("callers_pool", [False, True])
    def test_children_while_it_drains(
        self, make_executor: MakeExecutor, *, callers_pool: bool
    ) -> None:
        """They may submit while the executor shuts down, and the shutdown waits for them."""
        with concurrent.futures.ThreadPoolExecutor(2) as pool, Gate() as gate:
            executor = make_executor(pool if callers_pool else None)
            results: list[int] = []

            def block() -> None:
                gate.block()
                results.append(executor.submit(echo_later, 1).result(LIMIT))

            async def start() -> None:
                kept.append(asyncio.ensure_future(asyncio.to_thread(block)))

            kept: list[asyncio.Future[None]] = []
            executor.submit(start).result(LIMIT)
            gate.arrived()
            shutdown = in_thread(executor.shutdown)
            until(lambda: executor._loop_thread._run.closing)
            gate.open()

            shutdown.result(LIMIT)
            assert results == [1]


@pytest.mark.parametrize("return_when", [ALL_COMPLETED, FIRST_COMPLETED])
def test_wait_for_several_executors(make_executor: MakeExecutor, return_when: str) -> None:
    """A thread that waits for futures of several executors lends its place, whichever is first."""
    executor, other = make_executor(max_workers=1), make_executor(max_workers=1)

    def work() -> int:
        futures = [other.submit(echo_later, 1), executor.submit(echo, 2)]
        if return_when == FIRST_COMPLETED:
            futures[0] = other.submit(asyncio.sleep, LIMIT, 0)
        done = len(concurrent.futures.wait(futures, LIMIT, return_when).done)
        futures[0].cancel()
        return done

    for _ in range(20):  # the order is that of a set
        done: int = executor.submit(executor.sync_to_async, work).result(LIMIT)
        assert done == (2 if return_when == ALL_COMPLETED else 1)


@pytest.mark.one_loop("looks into one loop")
def test_cancelled_while_it_waits_for_its_place(make_executor: MakeExecutor) -> None:
    """A task that wants back the place that it has lent can be cancelled, and timed out."""
    executor = make_executor(max_workers=2)
    outcomes: list[str] = []
    with Gate() as source_gate, Gate() as gate:
        source: list[Future[None]] = []

        async def wait_for_it(seconds: float) -> None:
            try:
                async with asyncio.timeout(seconds):
                    await source[0]
                    await gate.wait()
            except TimeoutError:
                outcomes.append("out of time")
            except asyncio.CancelledError:
                outcomes.append("cancelled")
                raise

        source.append(executor.submit(source_gate.wait))
        source_gate.arrived()
        waiting = [executor.submit(wait_for_it, LIMIT), executor.submit(wait_for_it, 0.1)]
        until(lambda: len(limit_of(executor)._lent) == 2)
        others = [executor.submit(gate.wait)]
        gate.arrived()
        others.append(executor.submit(gate.wait))
        source_gate.open()
        gate.arrived()  # now others run in both places
        until(lambda: len(limit_of(executor)._returning) == 2 or bool(outcomes))

        waiting[0].cancel()

        until(lambda: sorted(outcomes) == ["cancelled", "out of time"])
        assert not any(other.done() for other in others)


def test_time_out_of_a_thread_that_wants_its_place(make_executor: MakeExecutor) -> None:
    """A wait with a time-out ends in time also where its place is taken."""
    executor = make_executor(max_workers=1)
    with Gate() as source_gate, Gate() as gate:

        def work() -> str:
            return executor.submit(source_gate.pass_on, "value").result(1)

        working: Future[str] = executor.submit(executor.sync_to_async, work)
        source_gate.arrived()
        other = executor.submit(gate.wait)
        source_gate.open()
        gate.arrived()  # it has the place

        assert working.result(LIMIT) == "value"
        assert not other.done()
