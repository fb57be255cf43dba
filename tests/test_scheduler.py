"""The queue of jobs, and the tasks that run them."""

import asyncio
from collections.abc import Callable

import pytest
from support import (
    LIMIT,
    Gate,
    Halt,
    Refusing,
    echo,
    in_thread,
    until,
)

from aiofutures import (
    AsyncExecutor,
    ExecutorStatistics,
    Future,
    InvalidStateError,
)
from aiofutures._scheduler import Scheduler

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
        with Halt(Scheduler._drain, "if self._phase != OPEN") as halt:
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
        with Halt(Scheduler._drain, "queue = self._queue") as halt:
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
            until(lambda: not executor._loop_thread._awake)
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

    @pytest.mark.parametrize("line", ["if queue and queue[0] is job", "queue.popleft()"])
    def test_started_job_counts_once(self, line: str) -> None:
        """A job that has a task and is still at the head of the queue counts once."""
        executor = AsyncExecutor()
        with Gate() as gate, Halt(Scheduler._drain, line) as halt:
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
        with Halt(Scheduler.submit, "self._queue.append(job)") as halt:
            late = in_thread(halt.call, lambda: executor.submit(echo, 1))
            halt.arrived()
            executor.shutdown()
            halt.go_on()
            with pytest.raises(InvalidStateError):
                _ = late.result(LIMIT)

        assert executor.statistics() == ExecutorStatistics(0, 0, None)
