"""Executors over several event loops."""

import asyncio
import concurrent.futures
import threading
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from contextvars import Context
from typing import Any

import pytest
from support import (
    HAS_GIL,
    LIMIT,
    Breaking,
    Gate,
    Halt,
    Running,
    echo,
    in_child,
    in_thread,
    in_threads,
    run_python,
    silence,
    thread_error,
    until,
)
from typing_extensions import override

from aiofutures import (
    AsyncExecutor,
    CancelledError,
    DeadlockError,
    Future,
    InvalidStateError,
    _executor,
    gather,
    in_caller_thread,
    set_default_executor,
    sync_to_async,
    to_sync,
)
from aiofutures._default import _default
from aiofutures._loops import group, lifecycle, run
from aiofutures._loops.group import GroupMember, LoopGroup
from aiofutures._loops.places import Places, SharedLimit
from aiofutures._loops.run import Run
from aiofutures._sync import call


@pytest.fixture(autouse=True)
def _no_gil(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several loops are allowed."""
    monkeypatch.setattr(_executor, "_has_gil", lambda: False)


Make = Callable[..., AsyncExecutor]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes executors over two event loops, and shuts them down after the test."""
    executors: list[AsyncExecutor] = []

    def make_executor(**options: Any) -> AsyncExecutor:
        executors.append(AsyncExecutor(**{"loops": 2, **options}))
        return executors[-1]

    yield make_executor
    for executor in executors:
        executor.shutdown(cancel_futures=True)


def group_of(executor: AsyncExecutor) -> LoopGroup:
    """Return the group of an executor over several loops."""
    assert isinstance(executor._host, LoopGroup)
    return executor._host


async def thread() -> int:
    """Return the thread of the loop."""
    return threading.get_ident()


async def block(gate: Gate) -> int:
    """Block the loop at a gate."""
    gate.block()
    return threading.get_ident()


class TestNumber:
    """How many event loops an executor has."""

    @pytest.mark.parametrize("loops", [0, -1])
    def test_of_zero_or_less(self, loops: int) -> None:
        """It is 1 at least."""
        with pytest.raises(ValueError, match=r"^loops must be greater than 0$"):
            AsyncExecutor(loops=loops)

    @pytest.mark.parametrize("loops", [1.5, "2", None])
    def test_that_is_no_integer(self, loops: Any) -> None:
        """It is an integer."""
        with pytest.raises(TypeError, match=rf"^loops must be an integer, not {loops!r}$"):
            AsyncExecutor(loops=loops)

    def test_with_the_gil(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where Python has the GIL it is 1; the error says so."""
        monkeypatch.setattr(_executor, "_has_gil", lambda: True)

        with pytest.raises(ValueError, match=r"^loops must be 1, not 3, where Python has the GIL"):
            AsyncExecutor(loops=3)
        AsyncExecutor(loops=1)

    def test_by_the_gil_of_this_python(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whether Python has the GIL is known when the executor is made."""
        monkeypatch.undo()

        assert _executor._has_gil() is HAS_GIL

    def test_of_one(self) -> None:
        """An executor over one loop has no group."""
        executor = AsyncExecutor(loops=1)

        assert executor._host is executor._loop_thread


class TestDealing:
    """Which call goes where."""

    def test_in_turn(self, make: Make) -> None:
        """Calls go to the loops in turn, where none has a longer queue."""
        executor = make()
        members, threads = group_of(executor).members, []
        for _ in range(6):
            until(lambda: not any(member._run.queue for member in members))
            threads.append(executor.submit(thread).result(LIMIT))

        assert threads[:2] * 3 == threads
        assert threads[0] != threads[1]

    def test_past_a_busy_loop(self, make: Make) -> None:
        """A call does not wait for one that computes, where another loop is free."""
        executor = make()
        with Gate() as gate:

            def compute() -> Awaitable[int]:
                gate.block()
                return thread()

            computing = executor.submit(compute)
            gate.arrived()

            others = set()
            for _ in range(6):
                # The call before is in its queue until it has ended.
                until(lambda: not group_of(executor).members[1]._run.queue)
                others.add(executor.submit(thread).result(LIMIT))

        assert len(others) == 1
        assert computing.result(LIMIT) not in others

    def test_from_many_threads(self, make: Make) -> None:
        """Threads that submit at the same time lose nothing."""
        executor = make(loops=3)

        def submit(number: int) -> list[int]:
            futures = [executor.submit(echo, (number, n)) for n in range(200)]
            return [future.result(LIMIT)[1] for future in futures]

        assert in_threads(8, submit) == [list(range(200))] * 8

    def test_what_is_derived(self, make: Make) -> None:
        """What is derived from a future runs on its loop."""
        executor = make()
        for _ in range(4):
            source = executor.submit(thread)
            here = source.result(LIMIT)

            assert source.map(lambda _: threading.get_ident()).result(LIMIT) == here
            assert source.then(lambda _: thread()).result(LIMIT) == here
            assert gather(source, thread()).result(LIMIT)[1] == here

    def test_steps(self, make: Make) -> None:
        """A generator and a `with` block take all their steps on one loop."""
        executor = make()

        @to_sync(executor=executor)
        async def threads() -> AsyncGenerator[int, None]:
            for _ in range(5):
                yield threading.get_ident()

        @asynccontextmanager
        async def enter() -> AsyncGenerator[list[int], None]:
            seen = [threading.get_ident()]
            yield seen
            seen.append(threading.get_ident())

        first, second = threads(), threads()
        pairs = list(zip(first, second, strict=True))
        assert len(set(pairs)) == 1
        assert pairs[0][0] != pairs[0][1]
        manager: AbstractAsyncContextManager[list[int]] = enter()
        with to_sync(executor=executor)(lambda: manager)() as seen:
            pass
        assert seen[0] == seen[1]

    def test_shared_clients(self, make: Make) -> None:
        """All shared clients live on one loop, and are closed in the end, the last one first."""
        executor = make()
        log: list[object] = []

        @asynccontextmanager
        async def client(name: str) -> AsyncGenerator[int, None]:
            yield threading.get_ident()
            log.append(name)

        one, two = executor.shared(client, "one"), executor.shared(client, "two")
        assert one() == two()

        executor.shutdown()
        assert log == ["two", "one"]
        with pytest.raises(InvalidStateError, match="shutdown"):
            _ = executor.shared(client, "three")

    def test_worker_threads(self, make: Make) -> None:
        """All loops use the same worker threads, also those that know of no executor."""
        executor = make()

        async def name() -> str:
            names = {
                await executor.sync_to_async(lambda: threading.current_thread().name),
                await sync_to_async(lambda: threading.current_thread().name),
            }
            return names.pop() if len(names) == 1 else ""

        names = {executor.submit(name).result(LIMIT) for _ in range(4)}

        assert len(names) == 1

    def test_sync_to_async_from_elsewhere(self, make: Make) -> None:
        """Another event loop can use the worker threads, too."""
        executor = make()
        executor.submit(echo, 1).result(LIMIT)

        async def use() -> int:
            return await executor.sync_to_async(threading.get_ident)

        assert asyncio.run(use()) != threading.get_ident()


class TestWaiting:
    """Calls that wait for calls on the other loop."""

    def test_await(self, make: Make) -> None:
        """A call awaits one on the other loop, which may fail or be cancelled."""
        executor = make()

        async def work() -> list[object]:
            here, futures = threading.get_ident(), [executor.submit(thread) for _ in range(2)]
            cancelled = [executor.submit(asyncio.sleep, LIMIT) for _ in range(2)]
            for future in cancelled:
                future.cancel()
            outcomes = await asyncio.gather(*cancelled, return_exceptions=True)
            return [{await future for future in futures} - {here}, *map(type, outcomes)]

        others, *outcomes = executor.submit(work).result(LIMIT)
        assert isinstance(others, set)
        assert len(others) == 1
        assert outcomes == [asyncio.CancelledError] * 2

    @pytest.mark.parametrize("turns", [1, 2])
    def test_blocking(self, make: Make, turns: int) -> None:
        """A wait that blocks is a DeadlockError on each of the loops, for a call on any of them."""
        executor = make()
        with Gate() as gate:

            async def work() -> None:
                futures = [executor.submit(gate.wait) for _ in range(2)]
                for future in futures:
                    with pytest.raises(DeadlockError, match="of the executor that has to run it"):
                        future.result()
                with pytest.raises(DeadlockError, match="of the executor that has to run it"):
                    to_sync(executor=executor)(thread)()
                with pytest.raises(DeadlockError):
                    executor.shutdown()

            for _ in range(turns):
                executor.submit(work).result(LIMIT)

    def test_blocking_for_a_fast_call(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        """A `to_sync` call says which one it was, also where the other loop has run it already."""
        monkeypatch.setattr(call, "warn_of_blocked_loop", lambda future, *_: until(future.done))
        executor = make()

        async def work() -> None:
            to_sync(executor=executor)(thread)()

        with pytest.raises(DeadlockError, match=r"^thread\(\) was called on the event loop"):
            executor.submit(work).result(LIMIT)

    def test_in_a_worker_thread(self, make: Make) -> None:
        """A worker thread may wait for calls on all loops."""
        executor = make(max_workers=1)

        async def work() -> list[int]:
            def wait() -> list[int]:
                return [executor.submit(echo, n).result(LIMIT) for n in range(4)]

            return await executor.sync_to_async(wait)

        assert executor.submit(work).result(LIMIT) == [0, 1, 2, 3]


class TestPlaces:
    """The limit, which holds over all loops."""

    @pytest.mark.parametrize("max_workers", [1, 2, 3, 5])
    def test_bound(self, make: Make, max_workers: int) -> None:
        """Never more than that run, of all loops together; and as many do, if there is work."""
        executor = make(loops=3, max_workers=max_workers)
        running = Running()

        async def work(turns: int) -> None:
            with running:
                for _ in range(turns):
                    await asyncio.sleep(0)

        futures = [executor.submit(work, n % 5) for n in range(600)]
        for future in futures:
            future.result(LIMIT)

        assert running.most <= max_workers
        with Gate() as gate:
            held = [executor.submit(gate.wait) for _ in range(max_workers)]
            gate.arrived(max_workers)
        for future in held:
            future.result(LIMIT)

    def test_nested(self, make: Make) -> None:
        """Calls that wait for calls, ten deep and by hundreds, lend each other the only place."""
        executor = make(max_workers=1)

        async def work(depth: int) -> int:
            if depth == 0:
                return 1
            return sum(await asyncio.gather(*(executor.submit(work, depth - 1) for _ in "ab")))

        assert executor.submit(work, 7).result(LIMIT) == 128

    def test_fair(self, make: Make) -> None:
        """A loop that has calls waiting need not wait until the other one has none."""
        executor = make(max_workers=1)
        order: list[int] = []

        async def note() -> None:
            order.append(threading.get_ident())
            await asyncio.sleep(0)

        with Gate() as gate:
            blocking = executor.submit(gate.wait)
            gate.arrived()
            futures = [executor.submit(note) for _ in range(40)]
            members = group_of(executor).members
            until(lambda: all(len(member._run.waiting) == 20 for member in members))
        for future in (blocking, *futures):
            future.result(LIMIT)

        assert len(set(order[:20])) == 2

    def test_in_order_on_each_loop(self, make: Make) -> None:
        """The calls of one loop begin in the order of their submission."""
        executor = make(max_workers=2)
        order: dict[int, list[int]] = {}

        async def note(number: int) -> None:
            order.setdefault(threading.get_ident(), []).append(number)
            await asyncio.sleep(0)

        for future in [executor.submit(note, n) for n in range(300)]:
            future.result(LIMIT)

        assert all(numbers == sorted(numbers) for numbers in order.values())
        assert sum(map(len, order.values())) == 300

    def test_that_comes_between_two_looks(self, make: Make) -> None:
        """A place that another loop gives back goes to the call that waits, not past it."""
        executor = make(max_workers=1)
        order: list[str] = []

        async def note(name: str) -> None:
            order.append(name)

        def look() -> None:
            run.queue.append(second)
            halt.call(run.drain)

        with Gate() as gate, Halt(Run._start_some, "if not line:") as halt:
            holding = executor.submit(gate.wait)
            gate.arrived()
            first = executor.submit(note, "first")
            member = group_of(executor).members[1]
            run, second = member._run, Future(member, note, ("second",), None, Context())
            until(lambda: list(run.waiting) == [first])
            run.call_soon(look)
            # It has found no place for the one that waits, and is about to look at the other one.
            halt.arrived()
            gate.open()
            holding.result(LIMIT)
            until(lambda: _has_place(run))
            halt.go_on()
            second.result(LIMIT)
        assert order == ["first", "second"]

    def test_cancelled_while_they_wait(self, make: Make) -> None:
        """Calls that are cancelled while they wait take no place with them."""
        executor = make(max_workers=2)
        for _ in range(20):
            with Gate() as gate:
                held = [executor.submit(gate.wait) for _ in range(2)]
                gate.arrived(2)
                futures = [executor.submit(echo, n) for n in range(30)]
                for future in futures[::2]:
                    assert future.cancel()
            assert [future.result(LIMIT) for future in futures[1::2]] == list(range(1, 30, 2))
            assert [future.result(LIMIT) for future in held] == [None, None]
        until(lambda: _free(executor) == 2)

    def test_that_come_back_at_the_end_of_a_loop(self) -> None:
        """A place for a loop that runs no more goes to the next one who asks."""
        places = Places(1)
        one, two, three = _limit(places, []), _limit(places, None), _limit(places, [])
        assert places.ask(one)
        assert not places.ask(two)
        assert not places.ask(two)
        assert not places.ask(three)

        places.give(one, 1)

        assert (one.held, two.held, three.held) == (0, 0, 1)

    def test_that_a_loop_leaves(self) -> None:
        """A loop that ends leaves the places that it has, and asks for none any more."""
        places = Places(2)
        one, two = _limit(places, []), _limit(places, [])
        assert places.ask(one)
        assert places.ask(one)
        assert not places.ask(two)

        places.leave(two)
        places.leave(one)

        assert (one.held, two.held) == (0, 0)
        assert places._free == 2

    def test_that_the_collector_asks_for(self) -> None:
        """A finalizer that runs while a loop asks can end a wait there, which asks again."""
        places = Places(1)
        one, two = _limit(places, []), _limit(places, [])

        class Asking(deque[SharedLimit]):
            @override
            def append(self, limit: SharedLimit, /) -> None:
                super().append(limit)
                # As `asyncio.wait` does when its coroutine is collected.
                assert not places.ask(limit)

        places._asking = Asking()
        assert places.ask(one)
        assert not places.ask(two)

        places.give(one, 1)

        assert (one.held, two.held, places._free) == (0, 1, 0)

    def test_that_a_loop_leaves_before_it_is_told(self) -> None:
        """A place that a loop gets at its very end comes back once."""
        places = Places(1)
        loop = _Loop([])
        one, two = _limit(places, []), SharedLimit(places, loop)
        assert places.ask(one)
        assert not places.ask(two)

        def end(*_: object) -> bool:
            places.leave(two)
            return False

        loop.call_soon = end  # type: ignore[method-assign]
        places.give(one, 1)

        assert (one.held, two.held) == (0, 0)
        assert places._free == 1


class _Loop:
    """An event loop, as a limit sees it; without a log it has ended."""

    def __init__(self, log: list[object] | None) -> None:
        self.log = log

    def is_current(self) -> bool:
        return True

    def is_elsewhere(self) -> bool:
        return False

    def is_visitor(self) -> bool:
        return False

    def call_soon(self, callback: Callable[..., object], /, *args: Any) -> bool:
        if self.log is None:
            return False
        self.log.append((callback, args))
        return True

    def look_soon(self) -> None: ...
    def drain(self) -> None: ...


def _limit(places: Places, log: list[object] | None) -> SharedLimit:
    return SharedLimit(places, _Loop(log))


def _has_place(loop: Run) -> bool:
    assert isinstance(loop.limit, SharedLimit)
    return loop.limit.held == 1


def _free(executor: AsyncExecutor) -> int:
    places = group_of(executor).places
    assert places is not None
    return places._free


class TestCancelling:
    """All calls at once."""

    def test_each_once(self, make: Make) -> None:
        """A call that awaits one on the other loop is cancelled once, and so is that."""
        for _ in range(30):
            executor = make()
            log: list[str] = []
            with Gate() as gate:

                async def clean_up(what: str, log: list[str] = log, gate: Gate = gate) -> None:
                    try:
                        await gate.wait()
                    finally:
                        await asyncio.sleep(0.001)
                        log.append(what)

                async def work(
                    log: list[str] = log, executor: AsyncExecutor = executor, run: Any = clean_up
                ) -> None:
                    inner = [executor.submit(run, "inner") for _ in range(2)]
                    try:
                        await asyncio.gather(*inner)
                    finally:
                        await asyncio.sleep(0.001)
                        log.append("outer")

                futures = [executor.submit(work) for _ in range(2)]
                gate.arrived(4)
                executor.cancel_futures()
                for future in futures:
                    with pytest.raises(CancelledError):
                        future.result(LIMIT)
                executor.shutdown()
            assert sorted(log) == ["inner"] * 4 + ["outer"] * 2

    def test_what_no_loop_has_seen(self, make: Make) -> None:
        """What is queued at blocked loops is cancelled at once."""
        executor = make()
        with Gate() as gate:
            blocking = [executor.submit(block, gate) for _ in range(2)]
            gate.arrived(2)
            futures = [executor.submit(echo, n) for n in range(100)]

            executor.cancel_futures()

            assert all(future.cancelled() for future in futures)
        for future in blocking:
            future.result(LIMIT)


class TestShutdown:
    """The loops end together."""

    def test_never_started(self, make: Make) -> None:
        """An executor that was never used has nothing to end."""
        executor = make()
        assert "state=not started" in repr(executor)

        executor.shutdown()
        executor.shutdown()

        assert "state=shut down" in repr(executor)
        with pytest.raises(InvalidStateError, match=r"futures after shutdown$"):
            _ = executor.submit(echo, 1)

    def test_children(self, make: Make) -> None:
        """Calls that run may submit to both loops until the last has ended."""
        executor = make(loops=3)

        async def work(depth: int) -> int:
            await asyncio.sleep(0.001)
            if depth == 0:
                return 1
            children = [executor.submit(work, depth - 1) for _ in range(2)]
            return sum([await child for child in children])

        future = executor.submit(work, 5)
        executor.shutdown()

        assert future.result(0) == 32

    def test_a_call_that_wanders(self, make: Make) -> None:
        """One that goes from loop to loop, and leaves nothing behind, is not overlooked."""
        for _ in range(20):
            executor = make()
            ended = threading.Event()

            async def work(
                left: int,
                executor: AsyncExecutor = executor,
                ended: threading.Event = ended,
                again: list[Any] = [],
            ) -> None:
                if left == 0:
                    ended.set()
                else:
                    _ = executor.submit(again[0], left - 1)

            work.__defaults__ = (executor, ended, [work])
            _ = executor.submit(work, 300)
            executor.shutdown()
            assert ended.is_set()

    def test_background(self, make: Make) -> None:
        """What is left in the background serves until no loop has work, and is cancelled then."""
        executor = make()
        log: list[str] = []

        async def serve(inbox: "asyncio.Queue[Future[str]]") -> None:
            try:
                while True:
                    (await inbox.get()).set_result("served")
            finally:
                await executor.submit(asyncio.sleep, 0.001)
                log.append("cleaned")

        tasks: list[asyncio.Task[None]] = []

        async def start() -> Callable[[Future[str]], object]:
            inbox: asyncio.Queue[Future[str]] = asyncio.Queue()
            tasks.append(asyncio.create_task(serve(inbox)))
            loop = asyncio.get_running_loop()
            return lambda reply: loop.call_soon_threadsafe(inbox.put_nowait, reply)

        ask = executor.submit(start).result(LIMIT)
        executor.submit(start).result(LIMIT)
        with Gate() as gate:

            async def use() -> str:
                await gate.wait()
                reply: Future[str] = Future()
                ask(reply)
                return await reply

            future = executor.submit(use)
            gate.arrived()
            executor.shutdown(wait=False)
            with pytest.raises(InvalidStateError, match="after shutdown"):
                _ = executor.submit(echo, 1)
        executor.shutdown()

        assert future.result(0) == "served"
        assert log == ["cleaned", "cleaned"]

    def test_background_beside_new_work(self, make: Make) -> None:
        """What a loop has in the background is left alone as soon as it has work again."""
        executor = make()
        background: list[asyncio.Task[str]] = []
        with Gate() as gate:

            async def work() -> str:
                background.append(asyncio.create_task(gate.pass_on("not cancelled")))
                await gate.wait()
                return await background[0]

            working = executor.submit(work)
            gate.arrived(2)

            wait = group_of(executor).members[0]._run.begin_ending()

            assert wait()
        assert working.result(LIMIT) == "not cancelled"

    def test_strengthened(self, make: Make) -> None:
        """A later call may cancel what an earlier one waits for."""
        executor = make()
        with Gate() as gate:
            futures = [executor.submit(gate.wait) for _ in range(4)]
            gate.arrived(4)
            executor.shutdown(wait=False)
            waiting = in_thread(executor.shutdown)

            executor.shutdown(cancel_futures=True)

            waiting.result(LIMIT)
        assert all(future.cancelled() for future in futures)

    def test_of_what_comes_late(self, make: Make) -> None:
        """It waits for a call that a function submits which has outlived its own call."""
        executor = make()
        late: list[Future[None]] = []

        def work() -> None:
            executor.shutdown(wait=False, cancel_futures=True)
            assert group_of(executor)._ended.wait(LIMIT)
            # Of the two loops, one has begun, and perhaps ended.
            for _ in range(2):
                with suppress(InvalidStateError):
                    late.append(executor.submit(gate.wait))

        @to_sync(executor=executor)
        async def call() -> None:
            await in_caller_thread(work)

        with Gate() as gate:
            with pytest.raises(CancelledError):
                call()
            waiting = in_thread(executor.shutdown)
            gate.arrived(len(late))
            assert not concurrent.futures.wait([waiting], 0.05).done
        waiting.result(LIMIT)

        assert late
        assert all(future.done() for future in late)

    def test_by_many_threads(self, make: Make) -> None:
        """Threads that shut it down at the same time all wait for its end."""
        for _ in range(30):
            executor = make()
            futures = [executor.submit(asyncio.sleep, 0.001) for _ in range(4)]

            in_threads(8, lambda _, executor=executor: executor.shutdown())  # type: ignore[misc]
            # As a thread does that comes late.
            group_of(executor)._end()

            assert all(future.done() for future in futures)

    def test_at_the_end_of_the_interpreter(self, make: Make) -> None:
        """The end of the interpreter leaves the background to a group that ends already."""
        executor = make()
        with Gate() as gate:
            future = executor.submit(gate.wait)
            gate.arrived()
            executor.shutdown(wait=False)
            waiting = in_thread(executor._loop_thread.end_background_tasks)
            until(lambda: len(group_of(executor)._ended._gates) == 1)
            assert not waiting.done()
        assert not waiting.result(LIMIT)
        assert future.done()

    def test_at_the_end_of_a_multiprocessing_child(self) -> None:
        """There too, the cleanup of the background can submit to all loops."""
        script = """
            import asyncio, multiprocessing
            from aiofutures import AsyncExecutor, _executor
            _executor._has_gil = lambda: False
            kept = []

            async def stay(executor):
                try:
                    await asyncio.sleep(100)
                finally:
                    # The other loop would have ended by now.
                    await asyncio.sleep(0.2)
                    calls = [executor.submit(asyncio.sleep, 0, n) for n in range(4)]
                    print([await call for call in calls], flush=True)

            async def leave_task(executor):
                kept.append((executor, asyncio.ensure_future(stay(executor))))
                await asyncio.sleep(0)

            def work():
                executor = AsyncExecutor(loops=2)
                executor.submit(leave_task, executor).result()
                executor.submit(asyncio.sleep, 0).result()

            child = multiprocessing.get_context("fork").Process(target=work)
            child.start()
            child.join()
            print(child.exitcode)
            """
        assert run_python(script) == "[0, 1, 2, 3]\n0\n"

    def test_without_a_thread_for_it(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where no thread can be had for it, each loop ends when it has no work."""

        def refuse(*_: object) -> None:
            raise RuntimeError("can't start new thread")

        executor = make()
        with Gate() as gate:
            futures = [executor.submit(gate.wait) for _ in range(2)]
            gate.arrived(2)
            with monkeypatch.context() as context:
                context.setattr(lifecycle.Thread, "start", refuse)
                executor.shutdown(wait=False)
        executor.shutdown()
        assert all(future.done() for future in futures)

    def test_dropped(self) -> None:
        """The work of an executor that is dropped finishes, and then the threads end."""
        executor = AsyncExecutor(loops=2)
        with Gate() as gate:
            futures = [executor.submit(gate.pass_on, n) for n in range(4)]
            gate.arrived(4)
            threads = [member._run.thread for member in group_of(executor).members]
            del executor
        assert [future.result(LIMIT) for future in futures] == [0, 1, 2, 3]
        for one in threads:
            assert one is not None
            one.join(LIMIT)
            assert not one.is_alive()

    def test_the_default_executor(self, make: Make) -> None:
        """The error of the default executor says how to take another one."""
        executor = make()
        set_default_executor(executor)
        executor.shutdown()
        try:
            with pytest.raises(InvalidStateError, match="set_default_executor"):
                _ = executor.submit(echo, 1)
        finally:
            _default.clear()

    def test_while_a_client_closes(self, make: Make) -> None:
        """Ctrl-C at the end of a `with` block ends the wait for a client that is being closed."""
        executor = make()
        closing = threading.Event()

        @asynccontextmanager
        async def client() -> AsyncGenerator[None, None]:
            yield
            closing.set()
            await asyncio.sleep(LIMIT)

        executor.shared(client)()
        executor.shutdown(wait=False)
        assert closing.wait(LIMIT)
        until(lambda: executor._host.cancel_closing())
        executor.shutdown()


class TestFailures:
    """What goes wrong with one loop."""

    def test_of_the_factory(self, make: Make) -> None:
        """An error of the loop factory is raised by `submit`, and a later one may work."""
        fails = [True, False, True, False]

        def new_loop() -> asyncio.AbstractEventLoop:
            if fails.pop():
                raise OSError("no loop")
            return asyncio.new_event_loop()

        executor = make(loop_factory=new_loop)
        results: list[int | None] = []
        for n in range(4):
            try:
                results.append(executor.submit(echo, n).result(LIMIT))
            except OSError:
                results.append(None)
        assert results == [0, None, 2, 3]

    def test_of_the_end(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        """An error of the thread that ends the loops leaves nobody waiting for it."""
        executor = make()
        executor.submit(echo, 1).result(LIMIT)

        def fail(_: LoopGroup) -> object:
            raise MemoryError

        with monkeypatch.context() as patch, thread_error(MemoryError):
            patch.setattr(LoopGroup, "_wait_until_idle", fail)

            in_thread(executor.shutdown).result(LIMIT)

    def test_of_a_loop(self, make: Make) -> None:
        """When one loop has failed, the executor is broken; calls on the others end."""
        loops = [Breaking(), Breaking()]
        executor = make(loop_factory=iter(loops).__next__, max_workers=3)
        with Gate() as gate:
            futures = [executor.submit(gate.wait) for _ in range(2)]
            gate.arrived(2)
            with thread_error(OSError):
                silence(executor.tasks)
                loops[0].fail()

                assert isinstance(futures[0].exception(LIMIT), BrokenExecutor)
            for _ in range(3):
                with pytest.raises(BrokenExecutor, match="the event loop has failed: OSError"):
                    _ = executor.submit(echo, 1)
            assert "state=broken" in repr(executor)
        assert futures[1].result(LIMIT) is None
        executor.shutdown()
        until(lambda: _free(executor) == 3)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
class TestForkedChild:
    """What a child has of it."""

    @pytest.mark.parametrize("max_workers", [None, 1])
    def test_begins_anew(self, make: Make, max_workers: int | None) -> None:
        """It begins with new loops, places and worker threads, shared as before."""
        executor = make(max_workers=max_workers)
        with Gate() as gate:
            held = executor.submit(gate.wait)
            gate.arrived()

            def use() -> None:
                with pytest.raises(BrokenExecutor):
                    held.result(0)
                assert len({executor.submit(thread).result(LIMIT) for _ in range(4)}) == 2
                first, second = group_of(executor).members
                assert first._workers._own_pool is second._workers._own_pool
                executor.shutdown()

            in_child(use)
        held.result(LIMIT)

    def test_after_a_shutdown(self, make: Make) -> None:
        """The child of one that was shutting down refuses calls, too."""
        executor = make()
        with Gate() as gate:
            held = executor.submit(gate.wait)
            gate.arrived()
            executor.shutdown(wait=False)

            def use() -> None:
                with pytest.raises(InvalidStateError, match="after shutdown"):
                    _ = executor.submit(echo, 1)
                executor.shutdown()

            in_child(use)
        held.result(LIMIT)


def test_watched(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Each loop is watched, under its own name."""
    executor = make(blocked_loop_timeout=0.02, thread_name_prefix="mine")

    async def hold() -> None:
        until(lambda: bool(caplog.records))

    executor.submit(echo, 1).result(LIMIT)
    executor.submit(hold).result(LIMIT)

    assert "the event loop mine-1 has been blocked" in caplog.records[0].getMessage()


def test_looks(make: Make) -> None:
    """`tasks`, `statistics` and `repr` show all loops as one."""
    executor = make(max_workers=3, thread_name_prefix="mine")
    with Gate() as gate:
        futures = [executor.submit(gate.wait) for _ in range(5)]
        gate.arrived(3)

        # A task is in sight a little after its first step.
        until(lambda: len(executor.tasks) == 3)
        statistics = executor.statistics()
        assert (statistics.pending, statistics.running, statistics.max_workers) == (2, 3, 3)
        assert repr(executor) == (
            "<AsyncExecutor name=mine max_workers=3 pending=2 running=3 state=running>"
        )
    for future in futures:
        future.result(LIMIT)


class TestSlowly:
    """Waits of the end that take longer than one look."""

    def test_for_work(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        """The end waits on where a look finds a loop at work."""
        monkeypatch.setattr(group, "_LOOK", 0.001)
        looks: list[float] = []
        wait = GroupMember.wait_until_idle

        def wait_until_idle(member: GroupMember, timeout: float) -> bool:
            looks.append(timeout)
            return wait(member, timeout)

        monkeypatch.setattr(GroupMember, "wait_until_idle", wait_until_idle)
        executor = make()
        with Gate() as gate:
            future = executor.submit(gate.wait)
            gate.arrived()
            executor.shutdown(wait=False)
            until(lambda: len(looks) > 5)
        executor.shutdown()
        assert future.done()

    def test_twice_at_once(self) -> None:
        """Two that end what is left in the background do not wait for each other."""
        with AsyncExecutor() as executor, Gate() as gate:

            async def start() -> None:
                tasks.append(asyncio.create_task(asyncio.sleep(LIMIT)))
                gate.block()

            tasks: list[asyncio.Task[None]] = []
            starting = executor.submit(start)
            gate.arrived()
            waits = [executor._loop_thread._run.begin_ending() for _ in range(2)]
            # Their tasks begin in one turn of the loop, when no call is left.
            gate.open()
            starting.result(LIMIT)
            assert all(in_thread(wait).result(LIMIT) for wait in waits)

    def test_for_the_background(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        """It waits on where what was left in the background takes its time."""
        monkeypatch.setattr(run, "_LOOK", 0.001)
        executor = make()
        log: list[str] = []

        async def background() -> None:
            try:
                await asyncio.sleep(LIMIT)
            finally:
                await asyncio.sleep(0.05)
                log.append("cleaned")

        tasks: list[asyncio.Task[None]] = []

        async def start() -> None:
            tasks.append(asyncio.create_task(background()))
            await asyncio.sleep(0)

        executor.submit(start).result(LIMIT)
        executor.shutdown()
        assert log == ["cleaned"]


EXIT = """
import asyncio, threading
from aiofutures import AsyncExecutor, _executor
_executor._has_gil = lambda: False

async def work(depth):
    try:
        await asyncio.sleep(WAIT)
        if depth:
            await asyncio.gather(*(executor.submit(work, depth - 1) for _ in "ab"))
        print("done ", end="", flush=True)
    except asyncio.CancelledError:
        await asyncio.sleep(0.01)
        print("cancelled ", end="", flush=True)
        raise

executor = AsyncExecutor(loops=2, OPTIONS)
_ = [executor.submit(work, 1) for _ in "ab"]
END
"""


UNTIL_THEY_RUN = "while executor.statistics().running < 2: pass"


@pytest.mark.parametrize(
    ("wait", "options", "end", "printed"),
    [
        ("0.05", "max_workers=1", "", ["done"] * 6),
        ("0.05", "", "executor.shutdown(wait=False)", ["done"] * 6),
        ("60", "cancel_at_exit=True", UNTIL_THEY_RUN, ["cancelled"] * 2),
    ],
)
def test_end_of_the_interpreter(wait: str, options: str, end: str, printed: list[str]) -> None:
    """It waits for the calls on all loops, or cancels them once; cleanup runs."""
    script = EXIT.replace("WAIT", wait).replace("OPTIONS", options).replace("END", end)

    assert run_python(script).split() == printed
