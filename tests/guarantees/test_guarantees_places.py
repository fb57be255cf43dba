"""No place under `max_workers` is lost, and none is given twice."""

import asyncio
import gc
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from functools import partial
from threading import Thread
from typing import Any, cast
from weakref import ref

import pytest
from support import LIMIT, Gate, MakeExecutor, Running, echo, limit_of, until
from typing_extensions import override

from aiofutures import AsyncExecutor, Future, first, gather, in_caller_thread, to_sync

T = Any


class TestWhatOnlyWaits:
    """What only waits takes no place."""

    @pytest.mark.one_loop("the order of calls is that of one loop")
    def test_first(self, make_executor: MakeExecutor) -> None:
        """`first` answers when the first call is done, and cancels the others at once."""
        executor = make_executor(max_workers=1)
        with Gate() as gate:
            short = executor.submit(echo, "short")
            long = executor.submit(gate.wait)
            last = executor.submit(echo, "last")

            assert first(short, long).result(LIMIT) == "short"

            assert last.result(LIMIT) == "last"
            assert long.cancelled()

    @pytest.mark.one_loop("the order of calls is that of one loop")
    def test_gather(self, make_executor: MakeExecutor) -> None:
        """`gather` fails when the first call has failed."""
        executor = make_executor(max_workers=1)

        async def fail() -> None:
            raise OSError("refused")

        with Gate() as gate:
            failing, waiting = executor.submit(fail), executor.submit(gate.wait)

            with pytest.raises(OSError, match="refused"):
                gather(waiting, failing, executor.submit(echo, 1)).result(LIMIT)

    @pytest.mark.one_loop("the order of calls is that of one loop")
    @pytest.mark.parametrize("method", ["map", "recover", "zip", "gather", "first"])
    def test_beside_a_call(self, make_executor: MakeExecutor, method: str) -> None:
        """All that follows a future is there, though another call has the only place."""
        executor = make_executor(max_workers=1)
        source = executor.submit(echo, 1)
        other = executor.submit(echo, 2)
        with Gate() as gate:
            occupying = executor.submit(gate.wait)
            gate.arrived()

            derived: dict[str, Future[Any]] = {
                "map": source.map(str),
                "recover": source.recover(OSError, repr),
                "zip": source.zip(other),
                "gather": gather(source, other),
                "first": first(source, other),
            }

            assert derived[method].result(LIMIT) in ("1", 1, (1, 2))
        occupying.result(LIMIT)

    def test_then(self, make_executor: MakeExecutor) -> None:
        """The coroutine that `then` makes takes a place when it starts."""
        executor = make_executor(max_workers=2)
        running = Running()
        sources = [executor.submit(running) for _ in range(6)]

        async def follow(_: None) -> None:
            await running()

        followers = [source.then(follow).then(follow) for source in sources]

        gather(*followers).result(LIMIT)
        assert running.most <= 2
        until(lambda: limit_of(executor)._taken == set())

    def test_then_while_it_waits_for_a_place(self, make_executor: MakeExecutor) -> None:
        """It can be cancelled meanwhile."""
        executor = make_executor(max_workers=1)
        source = executor.submit(echo, 1)
        source.result(LIMIT)
        with Gate() as gate:
            occupying = executor.submit(gate.wait)
            gate.arrived()
            follower = source.then(echo)
            until(follower.running)

            follower.cancel()

            until(follower.cancelled)
        occupying.result(LIMIT)
        assert executor.submit(echo, 2).result(LIMIT) == 2

    def test_coroutines_take_one(self, make_executor: MakeExecutor) -> None:
        """What has work of its own takes a place, as other calls do."""
        executor = make_executor(max_workers=1)
        running = Running()
        source = executor.submit(running)

        gather(source, *(gather(source, running()) for _ in range(3))).result(LIMIT)

        assert running.most == 1


class TestCancelledCalls:
    """Calls that are cancelled while they wait for a place."""

    def test_are_forgotten(self, make_executor: MakeExecutor) -> None:
        """They do not stay in the queue, though no place is free for the rest of the day."""
        executor = make_executor(max_workers=1)
        with Gate() as gate:
            occupying = executor.submit(gate.wait)
            gate.arrived()
            last = executor.submit(echo, 1)
            for _ in range(20):
                futures = [executor.submit(echo, number) for number in range(1_000)]
                while futures:
                    futures.pop().cancel()

            until(lambda: len(executor._loop_thread._run.futures()) < 1_000)
        assert last.result(LIMIT) == 1
        occupying.result(LIMIT)

    @pytest.mark.one_loop("the order of calls is that of one loop")
    def test_keep_the_order(self, make_executor: MakeExecutor) -> None:
        """The others run in the order of their submission."""
        executor = make_executor(max_workers=1)
        started: list[int] = []

        async def note(number: int) -> None:
            started.append(number)

        with Gate() as gate:
            occupying = executor.submit(gate.wait)
            gate.arrived()
            futures = [executor.submit(note, number) for number in range(3_000)]
            for number, future in enumerate(futures):
                if number % 3:
                    future.cancel()
        occupying.result(LIMIT)
        gather(*futures[::3]).result(LIMIT)

        assert started == list(range(0, 3_000, 3))

    def test_by_a_time_limit(self, make_executor: MakeExecutor) -> None:
        """So it is with calls that `to_sync` has given up."""
        executor = make_executor(max_workers=1)
        call = to_sync(echo, timeout=0.001, executor=executor)  # type: ignore[call-overload]
        with Gate() as gate:
            occupying = executor.submit(gate.wait)
            gate.arrived()
            for number in range(100):
                with pytest.raises(TimeoutError):
                    call(number)

            until(lambda: len(executor._loop_thread._run.futures()) < 10)
        occupying.result(LIMIT)


async def _await(future: Future[Any]) -> Any:
    return await future


class TestElsewhere:
    """Calls of other executors that come back."""

    @pytest.mark.parametrize("limit", [None, 1, 2])
    def test_of_one_that_is_not_awaited(
        self, make_executor: MakeExecutor, limit: int | None
    ) -> None:
        """A call that runs on meanwhile keeps its place."""
        executor, other = make_executor(max_workers=1), make_executor(max_workers=limit)
        running = Running()

        async def come_back() -> None:
            await executor.submit(running)

        async def start() -> Future[None]:
            future = other.submit(come_back)
            await running(0.05)
            return future

        started = [executor.submit(start) for _ in range(2)]
        for future in started:
            future.result(LIMIT).result(LIMIT)

        assert running.most == 1

    @pytest.mark.parametrize("limit", [None, 1, 2])
    @pytest.mark.parametrize("late", [False, True])
    def test_of_one_that_is_awaited(
        self, make_executor: MakeExecutor, limit: int | None, late: bool
    ) -> None:
        """A call that waits for it lends its place."""
        executor, other = make_executor(max_workers=1), make_executor(max_workers=limit)
        running = Running()

        async def come_back() -> None:
            if late:
                await asyncio.sleep(0.01)
            await executor.submit(running)
            await executor.submit(running)

        async def start() -> None:
            future = other.submit(come_back)
            if not late:
                await asyncio.sleep(0.02)
            await future
            await running()

        gather(*[executor.submit(start) for _ in range(3)]).result(LIMIT)

        assert running.most == 1
        counts = limit_of(executor)
        until(lambda: not any((counts._taken, counts._lent, counts._paused, counts._visitors)))

    def test_to_and_fro(self, make_executor: MakeExecutor) -> None:
        """Two executors of one place each call each other, to any depth."""
        executors = [make_executor(max_workers=1) for _ in range(2)]

        async def descend(depth: int) -> int:
            if depth == 0:
                return 0
            return 1 + await executors[depth % 2].submit(descend, depth - 1)

        assert executors[0].submit(descend, 30).result(LIMIT) == 30

    def test_from_a_thread(self, make_executor: MakeExecutor) -> None:
        """A worker thread that waits elsewhere lends the place for what comes back."""
        executor, other = make_executor(max_workers=1), make_executor()

        async def come_back() -> int:
            return await executor.submit(echo, 1)

        async def start() -> int:
            return await executor.sync_to_async(lambda: other.submit(come_back).result(LIMIT))

        assert executor.submit(start).result(LIMIT) == 1

    def test_in_a_loop_of_a_worker_thread(self, make_executor: MakeExecutor) -> None:
        """So does an event loop in a worker thread, one of our own."""
        executor = make_executor(max_workers=1)

        async def start() -> int:
            return await executor.sync_to_async(
                lambda: asyncio.run(_await(executor.submit(echo, 1)))
            )

        assert executor.submit(start).result(LIMIT) == 1

    def test_in_a_thread_of_another_executor(self, make_executor: MakeExecutor) -> None:
        """So does a thread of another executor that the task waits for."""
        executor, other = make_executor(max_workers=1), make_executor(max_workers=1)

        async def start() -> int:
            return await other.sync_to_async(lambda: executor.submit(echo, 1).result())

        assert executor.submit(start).result(LIMIT) == 1
        limit = limit_of(executor)
        until(lambda: not (limit._taken or limit._lent or limit._visitors or limit._paused))

    @pytest.mark.parametrize("wait", ["await", "asyncio.wait", "result", "map"])
    @pytest.mark.parametrize("limit", [None, 2])
    def test_of_one_that_another_submitted(
        self, make_executor: MakeExecutor, limit: int | None, wait: str
    ) -> None:
        """A call lends its place whoever submitted the one elsewhere that it waits for."""
        executor, other = make_executor(max_workers=1), make_executor(max_workers=limit)

        async def come_back() -> int:
            await gate.wait()
            future = executor.submit(echo, 1)
            if wait == "asyncio.wait":
                await asyncio.wait([asyncio.wrap_future(future)])
            elif wait == "result":
                return await other.sync_to_async(future.result)
            elif wait == "map":
                return await future.map(abs)
            return await future

        async def start() -> int:
            return await awaited

        with Gate() as gate:
            awaited = other.submit(come_back)
            futures = [executor.submit(start) for _ in range(3)]
            until(lambda: executor.statistics().running > 0)
        assert [future.result(LIMIT) for future in futures] == [1, 1, 1]

    def test_shared_client(self, make_executor: MakeExecutor) -> None:
        """So it does while it waits for a shared client elsewhere to open."""
        executor, other = make_executor(max_workers=1), make_executor()

        @other.shared
        @asynccontextmanager
        async def client() -> AsyncGenerator[int, None]:
            yield await executor.submit(echo, 1)

        async def start() -> int:
            return await client

        assert executor.submit(start).result(LIMIT) == 1

    @pytest.mark.parametrize("limit", [1, 2, 3])
    def test_turns_in_the_callers_thread(self, make_executor: MakeExecutor, limit: int) -> None:
        """So do calls whose turn it is not yet in the thread of their caller."""
        executor = make_executor(max_workers=limit)

        def save() -> int:
            return executor.submit(echo, 1).result()

        async def view() -> int:
            return await in_caller_thread(save)

        @to_sync(executor=executor)
        async def page() -> list[int]:
            return await asyncio.gather(*[executor.submit(view) for _ in range(limit + 2)])

        assert page() == [1] * (limit + 2)

    @pytest.mark.parametrize("is_other", [False, True])
    @pytest.mark.parametrize("threads", [1, 2])
    def test_thread_of_the_callers_pool(
        self, make_executor: MakeExecutor, threads: int, *, is_other: bool
    ) -> None:
        """So do calls that wait for a thread of the caller's pool."""
        with ThreadPoolExecutor(threads) as pool:
            executor = make_executor(None if is_other else pool, max_workers=1)
            of_threads = make_executor(pool) if is_other else executor

            def work() -> int:
                time.sleep(0.01)  # until the others wait for a thread
                return executor.submit(echo, 1).result()

            async def start() -> int:
                return await of_threads.sync_to_async(work)

            futures = [executor.submit(start) for _ in range(threads + 2)]
            assert [future.result(LIMIT) for future in futures] == [1] * (threads + 2)

    @pytest.mark.parametrize("way", ["pool", "caller"])
    def test_thread_that_comes_back(self, make_executor: MakeExecutor, way: str) -> None:
        """A thread gets its place back from a call that waits for this thread."""
        with ThreadPoolExecutor(1) as pool, Gate() as gate:
            executor, other = make_executor(pool, max_workers=1), make_executor(max_workers=1)
            run = executor.sync_to_async if way == "pool" else in_caller_thread
            awaited = [other.submit(gate.wait)]
            begun: list[None] = []

            def work() -> None:
                if awaited:
                    awaited.pop().result(LIMIT)

            async def start() -> None:
                begun.append(None)
                if len(begun) == 2:  # It has the place of the first.
                    gate.open()
                await run(work)

            @to_sync(executor=executor, timeout=LIMIT)
            async def page() -> None:
                await asyncio.gather(*[executor.submit(start) for _ in range(3)])

            page()

    def test_loop_of_a_thread_that_is_not_ours(self, make_executor: MakeExecutor) -> None:
        """An event loop in a thread that a call has started lends the place of the call."""
        executor = make_executor(max_workers=1)

        async def start() -> int:
            run = partial(asyncio.run, _await(executor.submit(echo, 1)))
            with ThreadPoolExecutor(1) as pool:
                task = asyncio.wrap_future(pool.submit(copy_context().run, run))
                return cast("int", await task)

        assert executor.submit(start).result(LIMIT) == 1

    def test_limit_of_what_runs_elsewhere(self, make_executor: MakeExecutor) -> None:
        """Calls that wait for what runs elsewhere count, while nothing elsewhere waits for them."""
        executor, other = make_executor(max_workers=2), make_executor()
        running = Running()

        async def start() -> None:
            await other.submit(running)

        gather(*[executor.submit(start) for _ in range(6)]).result(LIMIT)

        assert running.most == 2

    @pytest.mark.one_loop("the order of calls is that of one loop")
    def test_shutdown_of_the_executor_of_the_thread(self, make_executor: MakeExecutor) -> None:
        """Who has the place meanwhile can wait for the end of the thread's executor."""
        executor, other = make_executor(max_workers=1), make_executor()
        ends: list[Future[None]] = []

        async def end() -> None:
            await asyncio.to_thread(other.shutdown)

        def work() -> int:
            first = executor.submit(echo, 1)
            ends.append(executor.submit(end))
            return first.result()

        async def start() -> int:
            return await other.sync_to_async(work)

        assert executor.submit(start).result(LIMIT) == 1
        ends[0].result(LIMIT)

    def test_shutdown_that_blocks_the_loop(self, make_executor: MakeExecutor) -> None:
        """So can who blocks the event loop of the call that waits for the thread."""
        executor, other = make_executor(max_workers=2), make_executor()
        begun, gate = threading.Event(), threading.Event()

        def work() -> bool:
            begun.set()
            return gate.wait(LIMIT)

        async def start() -> bool:
            return await other.sync_to_async(work)

        async def end() -> None:
            begun.wait(LIMIT)
            threading.Timer(0.1, gate.set).start()
            other.shutdown()

        future = executor.submit(start)
        executor.submit(end).result(LIMIT)
        assert future.result(LIMIT)

    def test_thread_that_outlives_the_executor_of_its_call(
        self, make_executor: MakeExecutor
    ) -> None:
        """A thread that lent the place of a call goes on when that call's executor has ended."""
        executor, other = make_executor(max_workers=1), make_executor(max_workers=1)
        limit = limit_of(executor)
        with Gate() as held, Gate() as gate:
            future = other.submit(gate.wait)
            run = partial(Thread, target=lambda context: context.run(future.result), daemon=True)
            threads: list[Thread] = []

            async def start() -> None:
                threads.append(run(args=(copy_context(),)))
                threads[0].start()
                await held.wait()

            call = executor.submit(start)
            until(lambda: bool(limit._lent))
            held.open()
            call.result(LIMIT)
            executor.shutdown()
            gate.open()
            threads[0].join(LIMIT)

            assert not threads[0].is_alive()


WAITS: list[Callable[[Any], Awaitable[Any]]] = [
    lambda future: asyncio.wait([future]),
    lambda future: asyncio.wait([future], return_when=asyncio.FIRST_COMPLETED),
    lambda future: asyncio.wait_for(future, LIMIT),
    asyncio.shield,
    asyncio.wrap_future,
]


class TestAsyncio:
    """Functions of asyncio with our futures."""

    @pytest.mark.parametrize("wait", WAITS)
    def test_lend_the_place(
        self, make_executor: MakeExecutor, wait: Callable[[Any], Awaitable[Any]]
    ) -> None:
        """A task that waits in one for a call of its executor lends its place."""
        executor = make_executor(max_workers=1)

        async def start() -> int:
            future = executor.submit(echo, 1)
            await wait(future)
            return future.result(0)

        assert executor.submit(start).result(LIMIT) == 1
        limit = limit_of(executor)
        until(lambda: not (limit._taken or limit._lent))

    def test_leave_nothing_behind(self, make_executor: MakeExecutor) -> None:
        """When `asyncio.wait` ends before the call, the task has its place again."""
        executor = make_executor(max_workers=1)
        with Gate() as gate:

            async def start() -> None:
                future = executor.submit(gate.wait)
                await asyncio.wait([cast(Any, future)], timeout=0.01)
                gate.open()
                future.remove_done_callback(print)
                await future

            executor.submit(start).result(LIMIT)
        limit = limit_of(executor)
        until(lambda: not (limit._taken or limit._lent or limit._returning))

    @pytest.mark.parametrize("wait", WAITS)
    def test_from_any_loop(
        self, executor: AsyncExecutor, wait: Callable[[Any], Awaitable[Any]]
    ) -> None:
        """They work from whichever loop, and end when the call does."""

        async def main() -> list[int]:
            with Gate() as gate:
                futures = [executor.submit(gate.pass_on, number) for number in range(3)]
                asyncio.get_running_loop().call_later(0.01, gate.open)
                for future in futures:
                    await wait(future)
                return [future.result(0) for future in futures]

        assert asyncio.run(main()) == [0, 1, 2]
        assert executor.submit(main).result(LIMIT) == [0, 1, 2]

    def test_wait_for_many(self, executor: AsyncExecutor) -> None:
        """`asyncio.wait` tells which are done, failed and cancelled ones too."""

        async def fail() -> None:
            raise OSError

        async def main() -> tuple[int, int]:
            with Gate() as gate:
                pending: Future[Any] = executor.submit(gate.wait)
                cancelled: Future[Any] = executor.submit(asyncio.sleep, LIMIT)
                others: list[Future[Any]] = [executor.submit(fail), executor.submit(echo, 1)]
                asyncio.get_running_loop().call_later(0.01, cancelled.cancel)
                done: Any = set()
                left: set[Any] = {pending, cancelled, *others}
                while len(left) > 1:
                    now, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
                    done |= now
                others[0].exception()
                return len(done), len(left)

        assert asyncio.run(main()) == (3, 1)


class TestRemoveDoneCallback:
    """`remove_done_callback`."""

    def test_removes_all_of_one(self, executor: AsyncExecutor) -> None:
        """It removes each instance of a callback, and says how many there were."""
        called: list[str] = []

        def note(_: object) -> None:
            called.append("removed")

        with Gate() as gate:
            future = executor.submit(gate.wait)
            for _ in range(3):
                future.add_done_callback(lambda _: called.append("other"))
            for _ in range(2):
                future.add_done_callback(note)

            assert future.remove_done_callback(note) == 2
            assert future.remove_done_callback(note) == 0
        future.result(LIMIT)

        until(lambda: called == ["other"] * 3)

    def test_while_others_are_added_and_called(self) -> None:
        """The callbacks may change while they are compared, which Python code of theirs may do."""
        future: Future[int] = Future()
        # The first two comparisons look for the callback, the others remove it.
        changes: list[Callable[[], object]] = [
            int,
            int,
            lambda: future.add_done_callback(called.append),
            lambda: future.set_result(1),
        ]
        called: list[object] = []

        class Callback:
            def __call__(self, _: object) -> None: ...

            @override
            def __eq__(self, other: object) -> bool:
                if changes:
                    changes.pop(0)()
                return self is other

            __hash__ = None  # type: ignore[assignment]  # nobody asks for it

        other, callback = Callback(), Callback()
        future.add_done_callback(other)
        future.add_done_callback(callback)

        assert future.remove_done_callback(callback) == 0
        assert called == [future]

    def test_of_a_future_without_any(self, executor: AsyncExecutor) -> None:
        """There are none to remove."""
        assert executor.submit(echo, 1).remove_done_callback(print) == 0


def test_nothing_is_kept_of_who_asked(executor: AsyncExecutor) -> None:
    """A failed future that is asked again keeps the frames of nobody."""

    async def fail() -> None:
        raise OSError

    class Page:
        """Something that a caller has."""

    def ask() -> None:
        page = Page()
        pages.append(ref(page))
        with pytest.raises(OSError):  # noqa: PT011
            future.result(LIMIT)
        with pytest.raises(OSError):  # noqa: PT011
            asyncio.run(_await(future))

    pages: list[Any] = []
    future = executor.submit(fail)
    for _ in range(20):
        ask()
    gc.collect()

    error = future.exception(LIMIT)
    depth = 0
    traceback = None if error is None else error.__traceback__
    while traceback is not None:
        depth, traceback = depth + 1, traceback.tb_next
    assert depth < 12
    assert sum(page() is not None for page in pages) <= 1


def test_slot_of_a_loop_in_a_worker_thread(make_executor: MakeExecutor) -> None:
    """Worker threads that await in a loop of their own take no slot of the pool meanwhile."""
    executor = make_executor()
    size = executor._loop_thread._workers._own_pool._size
    barrier = threading.Barrier(size)

    async def call_back() -> int:
        return await executor.sync_to_async(abs, -1)

    async def both() -> int:
        return sum(await asyncio.gather(executor.submit(call_back), executor.submit(call_back)))

    def work() -> int:
        barrier.wait(LIMIT)
        return asyncio.run(both())

    async def start() -> int:
        return sum(await asyncio.gather(*(executor.sync_to_async(work) for _ in range(size))))

    assert executor.submit(start).result(LIMIT) == 2 * size
    until(lambda: executor._loop_thread._workers._own_pool._free == size)
