"""The queue of calls, and the tasks that run them."""

import asyncio
import concurrent.futures
import gc
import sys
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from support import (
    LIMIT,
    Breaking,
    Gate,
    Halt,
    Refusing,
    echo,
    echo_later,
    in_thread,
    is_in,
    limit_of,
    loop_that_calls,
    silence,
    thread_error,
    until,
)

from aiofutures import (
    AsyncExecutor,
    BrokenExecutor,
    CancelledError,
    ExecutorStatistics,
    Future,
    InvalidStateError,
)
from aiofutures._loops.limit import Limit
from aiofutures._loops.run import Run
from aiofutures._loops.thread import LoopThread
from aiofutures._loops.workers import Workers

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class TestWakeUp:
    """No job is lost between the queue and the loop."""

    def test_appended_while_the_queue_is_drained(self) -> None:
        """A job that comes while the loop drains its queue wakes it again."""
        with AsyncExecutor() as executor:
            executor.submit(echo, 1).result(LIMIT)
            with Gate() as gate:

                async def block() -> None:
                    gate.block()

                blocker = executor.submit(block)
                gate.arrived()

                future = executor.submit(echo, 2)

            blocker.result(LIMIT)
            assert future.result(LIMIT) == 2

    def test_appended_after_the_last_look(self) -> None:
        """A job that comes after the loop's last look at its queue wakes it again."""
        executor = AsyncExecutor()
        with Halt(Run.drain, "if self.is_watched") as halt:
            halt.in_new_threads()
            first = executor.submit(echo, 1)
            halt.arrived()

            second = executor.submit(echo, 2)

            halt.go_on()
            assert (first.result(LIMIT), second.result(LIMIT)) == (1, 2)
            executor.shutdown()

    def test_appended_before_the_first_look(self) -> None:
        """A job that comes between the wake-up and the first look is not lost."""
        executor = AsyncExecutor()
        with Halt(Run._start_some, "queue, limit = self.queue") as halt:
            halt.in_new_threads()
            first = executor.submit(echo, 1)
            halt.arrived()

            second = executor.submit(echo, 2)

            halt.go_on()
            assert (first.result(LIMIT), second.result(LIMIT)) == (1, 2)
            executor.shutdown()

    @pytest.mark.parametrize("times", [1, 2])
    def test_wake_up_that_fails(self, times: int) -> None:
        """A wake-up that fails is an error of that submit alone: the next one wakes the loop."""

        loop = Refusing()
        with AsyncExecutor(loop_factory=lambda: loop) as executor:
            executor.submit(echo, 1).result(LIMIT)
            until(lambda: not executor._loop_thread._run.awake)
            loop.errors = [OSError("no buffer space") for _ in range(times)]

            with pytest.raises(OSError, match="no buffer space"):
                _ = executor.submit(echo, 2)

            assert executor.submit(echo, 3).result(LIMIT) == 3
            assert executor.statistics() == ExecutorStatistics(0, 0, None)

    @pytest.mark.parametrize(
        "request_",
        [lambda _, future: future.cancel(), lambda executor, _: executor.shutdown()],
    )
    def test_request_that_fails(
        self, request_: Callable[[AsyncExecutor, Future[None]], object]
    ) -> None:
        """An error of an open event loop is not taken for a closed one."""

        loop = Refusing()
        with Gate() as gate, AsyncExecutor(loop_factory=lambda: loop) as executor:
            future = executor.submit(gate.wait)
            gate.arrived()
            loop.errors = [RuntimeError("refused")]

            with pytest.raises(RuntimeError, match="refused"):
                request_(executor, future)

            gate.open()
            future.result(LIMIT)


class TestStatistics:
    """What is counted while it changes."""

    @pytest.mark.parametrize("line", ["if line and line[0] is future", "line.popleft()"])
    def test_started_job_counts_once(self, line: str) -> None:
        """A job that has a task and is still at the head of the queue counts once."""
        executor = AsyncExecutor()
        with Gate() as gate, Halt(Run._start_some, line) as halt:
            halt.in_new_threads()
            future = executor.submit(gate.wait)
            halt.arrived()

            assert executor.statistics() == ExecutorStatistics(0, 1, None)

            halt.go_on()
            gate.open()
            future.result(LIMIT)
            executor.shutdown()

    def test_refused_job_does_not_count(self) -> None:
        """A submit that was refused after all is neither pending nor running."""
        executor = AsyncExecutor()
        executor.submit(echo, 0).result(LIMIT)
        with Halt(LoopThread.submit, "run.queue.append(future)") as halt:
            late = in_thread(halt.call, lambda: executor.submit(echo, 1))
            halt.arrived()
            executor.shutdown()
            halt.go_on()
            with pytest.raises(InvalidStateError):
                _ = late.result(LIMIT)

        assert executor.statistics() == ExecutorStatistics(0, 0, None)


class TestStart:
    """The start of a job."""

    def test_function_that_turns_the_loop(self, executor: AsyncExecutor) -> None:
        """A function that has the queue drained itself, as nested event loops do, loses no job."""

        def work() -> Awaitable[int]:
            others.extend(executor.submit(echo, number) for number in range(3))
            executor._loop_thread._run.drain()
            started.extend(other.running() or other.done() for other in others)
            return echo(3)

        others: list[Future[int]] = []
        started: list[bool] = []

        assert executor.submit(work).result(LIMIT) == 3
        assert started == [True] * 3
        assert [other.result(LIMIT) for other in others] == [0, 1, 2]
        assert executor.submit(echo_later, 4).result(LIMIT) == 4

    def test_task_factory_of_the_user(self) -> None:
        """A loop with a task factory of its own makes the tasks with it."""
        names: list[str] = []

        def make_loop() -> asyncio.AbstractEventLoop:
            return loop_that_calls(lambda coroutine: names.append(coroutine.__qualname__))

        with AsyncExecutor(loop_factory=make_loop) as executor:
            assert executor.submit(echo, 1).result(LIMIT) == 1

        assert names

    def test_context_of_the_start(self) -> None:
        """What starts after a call has ended sees nothing of its context variables."""
        variable = ContextVar("variable", default="unset")
        seen: set[str] = set()

        def make_loop() -> asyncio.AbstractEventLoop:
            return loop_that_calls(lambda _: seen.add(variable.get()))

        def submit(executor: AsyncExecutor, number: int) -> None:
            variable.set("of a call")
            _ = executor.submit(echo_later, number)

        with AsyncExecutor(max_workers=1, loop_factory=make_loop) as executor:
            for number in range(3):
                copy_context().run(submit, executor, number)

        assert seen == {"unset"}

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="a task does not tell its context")
    def test_context_that_is_in_use(self, executor: AsyncExecutor) -> None:
        """A thread that is in the context of a task when that ends holds up nobody."""
        entered, left = threading.Event(), threading.Event()
        threads: list[concurrent.futures.Future[bool]] = []

        def stay() -> bool:
            entered.set()
            return left.wait(LIMIT)

        async def work() -> int:
            task: Any = asyncio.current_task()
            task.add_done_callback(enter)
            await asyncio.sleep(0)
            return 1

        def enter(task: Any) -> None:
            threads.append(in_thread(task.get_context().run, stay))
            entered.wait(LIMIT)

        try:
            assert executor.submit(work).result(LIMIT) == 1
            until(lambda: bool(threads))
        finally:
            left.set()
        assert [thread.result(LIMIT) for thread in threads] == [True]

    def test_cancelled_before_the_first_step(self) -> None:
        """A task that is cancelled before its first step cancels what it is derived from."""

        def make_loop() -> asyncio.AbstractEventLoop:
            loop = asyncio.new_event_loop()
            loop.set_task_factory(
                lambda loop, coroutine, **options: asyncio.Task(coroutine, loop=loop, **options)
            )
            return loop

        executor = AsyncExecutor(loop_factory=make_loop)
        source: Future[int] = Future(executor._loop_thread)
        with Halt(Run._start, "if kwargs is None") as halt:
            halt.in_new_threads()
            derived = source.then(echo)
            halt.arrived()

            assert derived.cancel()

            halt.go_on()
            for future in (derived, source):
                with pytest.raises(CancelledError):
                    future.result(LIMIT)
            executor.shutdown()


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_exit_in_the_turn_that_stops(executor: AsyncExecutor, error: type[BaseException]) -> None:
    """An exit that a callback raises as the loop is stopped does not keep the loop running."""

    def leave(_: object) -> None:
        raise error

    with Gate() as gate:

        async def work() -> None:
            task = asyncio.current_task()
            assert task
            await gate.wait()
            task.add_done_callback(leave)

        future = executor.submit(work)
        gate.arrived()
        shutdown = in_thread(executor.shutdown)
        until(lambda: all(run.closing for run in executor._host.runs))
        gate.open()

        assert future.result(LIMIT) is None
        shutdown.result(LIMIT)


class TestPlaceOfAThread:
    """A worker thread that wants its place back from an event loop that fails."""

    def test_sees_that_the_loop_has_failed(self) -> None:
        """One that asks after the loop has failed goes on by itself."""
        loop = Breaking()
        executor = AsyncExecutor(loop_factory=lambda: loop, max_workers=1)
        halt = Halt(Limit._take_back, "self._threads[key] = resume")
        with Gate() as gate, halt:

            def work() -> int:
                return halt.call(executor.submit(gate.pass_on, 1).result, LIMIT)

            future: Future[int] = executor.submit(executor.sync_to_async, work)
            gate.arrived()
            with thread_error(OSError):
                silence(executor.tasks)
                loop.fail()
                halt.arrived()
                until(lambda: is_in(executor._loop_thread._run.thread, Workers.shutdown))
                halt.go_on()
            executor.shutdown()

        assert isinstance(future.exception(LIMIT), BrokenExecutor)
        gc.collect()

    def test_is_seen_by_the_loop_that_fails(self) -> None:
        """One that has asked before is let go on by the loop, once."""
        loop = Breaking()
        executor = AsyncExecutor(loop_factory=lambda: loop, max_workers=1)
        halt = Halt(Limit._take_back, "if self._is_closed")
        with Gate() as first, Gate() as second, halt:

            def work() -> int:
                return halt.call(executor.submit(first.pass_on, 1).result, LIMIT)

            futures: list[Future[int]] = [executor.submit(executor.sync_to_async, work)]
            first.arrived()
            futures.append(executor.submit(second.pass_on, 2))
            with thread_error(OSError):
                first.open()
                second.arrived()  # it has the place that the thread has lent
                halt.arrived()
                silence(executor.tasks)
                loop.fail()
                until(lambda: not limit_of(executor)._threads)
                halt.go_on()
            executor.shutdown()

        assert [type(future.exception(LIMIT)) for future in futures] == [BrokenExecutor] * 2
        gc.collect()
