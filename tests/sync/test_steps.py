"""A task that does one thing after another for a synchronous caller."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, NoReturn

import pytest
from support import (
    LIMIT,
    Gate,
    MakeExecutor,
    echo,
    echo_later,
    fail,
    fail_later,
    in_thread,
    interrupted_at,
    loop_that_calls,
    until,
)

from aiofutures import (
    AsyncExecutor,
    CancelledError,
    ExecutorStatistics,
    Future,
    InvalidStateError,
)
from aiofutures._loops.thread import LoopThread
from aiofutures._sync import call
from aiofutures._sync.steps import EndedError, StepTask


async def refuse(error: BaseException) -> NoReturn:
    """Take a cancellation as it is."""
    raise error


def step_task(
    executor: AsyncExecutor,
    on_cancel: Callable[[BaseException], Awaitable[object]] = refuse,
    timeout: float | None = None,
) -> StepTask:
    """Return one without a task yet."""
    return StepTask(executor._loop_thread, timeout, "steps", on_cancel)


async def current_task() -> asyncio.Task[object]:
    """Return the task that runs this."""
    task = asyncio.current_task()
    assert task
    return task


def cancel(executor: AsyncExecutor, task: asyncio.Task[object], times: int = 1) -> None:
    """Cancel `task` from within its loop, and let it handle that."""

    async def work() -> None:
        for _ in range(times):
            task.cancel()
            for _ in range(5):
                await asyncio.sleep(0)

    executor.submit(work).result(LIMIT)


class TestTurns:
    """When a step is done on the loop."""

    @pytest.fixture
    def steps(self, executor: AsyncExecutor) -> Iterator[StepTask]:
        """One whose task waits."""
        steps = step_task(executor, self.on_cancel)
        steps.run(current_task)
        yield steps
        steps.close(current_task)

    @staticmethod
    async def on_cancel(_: BaseException) -> str:
        """Take a cancellation in."""
        return "cancelled"

    def test_with_the_call(self, executor: AsyncExecutor, steps: StepTask) -> None:
        """It is taken as soon as the loop looks at its queue, not one turn later."""
        order: list[str] = []
        stepping: list[Any] = []

        async def note() -> None:
            order.append("step")

        def submit(*, must_run: bool = False) -> Awaitable[None]:
            asyncio.get_running_loop().call_soon(order.append, "next turn")
            stepping.append(steps._submit(note, must_run=must_run, is_last=False))
            executor._loop_thread._run.drain()
            return echo(None)

        executor.submit(submit).result(LIMIT)
        stepping[0].result(LIMIT)
        executor.submit(asyncio.sleep, 0).result(LIMIT)

        assert order == ["step", "next turn"]

    def test_within_another_task(self, executor: AsyncExecutor, steps: StepTask) -> None:
        """It is taken in the next turn: of two tasks one runs at a time."""
        order: list[str] = []

        async def note() -> str:
            order.append("step")
            return "done"

        async def ask() -> object:
            step = steps._submit(note, must_run=False, is_last=False)
            executor._loop_thread._run.drain()
            order.append("asked")
            return await step

        assert executor.submit(ask).result(LIMIT) == "done"
        assert order == ["asked", "step"]

    @pytest.mark.one_loop("the call drains the queue of the step's loop")
    def test_cancelled_before_that_turn(self, executor: AsyncExecutor, steps: StepTask) -> None:
        """The step gets the outcome of the cancellation, and the next one is taken."""
        task = steps.run(current_task)

        async def ask() -> object:
            step = steps._submit(current_task, must_run=False, is_last=False)
            executor._loop_thread._run.drain()
            task.cancel()
            return await step

        assert executor.submit(ask).result(LIMIT) == "cancelled"
        assert steps.run(current_task) is task


def test_must_run(executor: AsyncExecutor) -> None:
    """A step that must run is done, whatever a cancellation before it has brought."""

    async def on_cancel(_: BaseException) -> str:
        return "cancelled"

    steps = step_task(executor, on_cancel)
    task = steps.run(current_task)
    cancel(executor, task)

    assert steps.run(current_task, must_run=True) is task
    assert steps.run(current_task) is task  # and the outcome of the cancellation is gone
    steps.close(current_task)


class TestRun:
    """`run`."""

    def test_one_task(self, executor: AsyncExecutor) -> None:
        """All steps run in one task, which bears the name."""
        steps = step_task(executor)

        task = steps.run(current_task)

        assert steps.run(current_task) is task
        assert task.get_name() == "steps"
        steps.close(current_task)

    @pytest.mark.parametrize("fn", [echo, echo_later])
    def test_value(self, executor: AsyncExecutor, fn: Callable[[int], Awaitable[int]]) -> None:
        """It returns what the step returns."""
        steps = step_task(executor)

        assert steps.run(lambda: fn(1)) == 1
        assert steps.run(lambda: fn(2), is_last=True) == 2

    @pytest.mark.parametrize("fn", [fail, fail_later])
    def test_error_ends_the_task(
        self, executor: AsyncExecutor, fn: Callable[[BaseException], Awaitable[NoReturn]]
    ) -> None:
        """It raises what the step raises; that was the last step."""
        steps = step_task(executor)
        error = OSError("lost")

        with pytest.raises(OSError, match="lost") as caught:
            steps.run(lambda: fn(error))

        assert caught.value is error
        with pytest.raises(EndedError):
            steps.run(current_task)
        assert executor.tasks == set()

    def test_error_of_the_call(self, executor: AsyncExecutor) -> None:
        """What the function itself raises is the same."""

        def broken() -> Awaitable[int]:
            raise OSError

        with pytest.raises(OSError, match=r"^$"):
            step_task(executor).run(broken)

    def test_last_step(self, executor: AsyncExecutor) -> None:
        """After the last step the task is done."""
        steps = step_task(executor)
        task = steps.run(current_task)

        assert steps.run(current_task, is_last=True) is task

        assert task.done()
        with pytest.raises(EndedError):
            steps.run(current_task)

    def test_after_shutdown(self, executor: AsyncExecutor) -> None:
        """After a shutdown of the executor no step can be done."""
        steps = step_task(executor)
        steps.run(current_task)
        executor.shutdown()

        with pytest.raises(InvalidStateError):
            steps.run(current_task)

    def test_place_is_lent(self, make_executor: MakeExecutor) -> None:
        """A step that waits for another call of the executor lends it its place."""
        executor = make_executor(max_workers=1)
        steps = step_task(executor)

        async def nested() -> int:
            return await executor.submit(echo_later, 1)

        assert steps.run(nested) == 1
        assert steps.run(nested, is_last=True) == 1


def test_task_factory_that_fails() -> None:
    """Where no task can be made the first step fails, and a later one may work."""
    errors = [OSError("no task")]

    def note(coroutine: Any) -> None:
        if errors and coroutine.__qualname__ == "StepTask._serve":
            raise errors.pop()

    with AsyncExecutor(loop_factory=lambda: loop_that_calls(note)) as executor:
        steps = step_task(executor)

        with pytest.raises(OSError, match="no task"):
            steps.run(current_task)

        assert steps.run(current_task, is_last=False).get_name() == "steps"
        steps.close(current_task)


class TestCancellation:
    """The cancellation of the task and of the calls that wait for it."""

    def test_between_two_steps(self, executor: AsyncExecutor) -> None:
        """The task is told, and the next step gets the outcome."""
        seen = []

        async def on_cancel(error: BaseException) -> NoReturn:
            seen.append((error, await current_task()))
            raise OSError

        steps = step_task(executor, on_cancel)
        task = steps.run(current_task)

        cancel(executor, task)

        with pytest.raises(OSError, match=r"^$"):
            steps.run(current_task)
        assert [(type(error), where) for error, where in seen] == [(asyncio.CancelledError, task)]
        with pytest.raises(EndedError):
            steps.run(current_task)

    def test_that_is_handled(self, executor: AsyncExecutor) -> None:
        """Where that returns, the next step gets what it returned, and the task goes on."""
        outcomes = iter([1, 2])

        async def on_cancel(_: BaseException) -> int:
            return next(outcomes)

        steps = step_task(executor, on_cancel)
        task = steps.run(current_task)

        cancel(executor, task, times=2)

        assert steps.run(current_task) == 1
        assert steps.run(current_task) == 2
        assert steps.run(current_task) is task
        steps.close(current_task)

    def test_that_is_handled_before_the_last_step(self, executor: AsyncExecutor) -> None:
        """The last step is done all the same: it has to."""
        steps = step_task(executor, echo)
        task = steps.run(current_task)
        cancel(executor, task)

        assert steps.run(current_task, is_last=True) is task
        assert task.done()

    @pytest.mark.one_loop("blocks one loop")
    def test_while_the_step_arrives(self, executor: AsyncExecutor) -> None:
        """A step that arrives together with a cancellation gets the outcome of that."""

        async def on_cancel(_: BaseException) -> str:
            await asyncio.sleep(0)
            return "cancelled"

        steps = step_task(executor, on_cancel)
        task = steps.run(current_task)

        def cancel_at_once() -> Awaitable[None]:
            task.cancel()
            return echo(None)

        with Gate() as gate:

            async def block() -> None:
                gate.block()

            blocking = executor.submit(block)
            gate.arrived()
            cancelling = executor.submit(cancel_at_once)
            answer = in_thread(steps.run, current_task)
            while executor.statistics().pending < 2:
                threading.Event().wait(0.001)
        assert answer.result(LIMIT) == "cancelled"
        assert blocking.result(LIMIT) is cancelling.result(LIMIT) is None
        assert steps.run(current_task, is_last=True) is task

    def test_of_the_call(self, executor: AsyncExecutor) -> None:
        """Cancelling the call that waits cancels the step."""
        steps = step_task(executor)
        with Gate() as gate:
            answer = in_thread(steps.run, gate.wait)
            gate.arrived()

            executor.cancel_futures()

            with pytest.raises(CancelledError):
                answer.result(LIMIT)
        assert executor.tasks == set()

    def test_at_the_very_start(self, executor: AsyncExecutor) -> None:
        """Cancelling it before the task has begun leaves nobody waiting."""
        begun = []

        async def step() -> None:
            begun.append(1)

        async def start_and_cancel() -> None:
            steps._begin()
            call = steps._submit(step, must_run=False, is_last=False)
            await asyncio.sleep(0)
            call.cancel()
            with suppress(asyncio.CancelledError):
                await call

        steps = step_task(executor)

        executor.submit(start_and_cancel).result(LIMIT)

        assert len(begun) <= 1  # eager tasks have begun by then
        with suppress(EndedError):
            steps.run(current_task, is_last=True)
        assert executor.tasks == set()

    def test_several_steps_that_wait(self, executor: AsyncExecutor) -> None:
        """When a step ends the task, those that wait behind it hear that it has ended."""
        steps = step_task(executor)
        with Gate() as gate:

            async def end() -> None:
                await gate.wait()
                raise OSError

            answer = in_thread(steps.run, end)
            gate.arrived()
            behind = [in_thread(steps.run, current_task) for _ in range(2)]
            until(lambda: executor.statistics() == ExecutorStatistics(2, 1, None))
        with pytest.raises(OSError, match=r"^$"):
            answer.result(LIMIT)
        for late in behind:
            with pytest.raises(EndedError):
                late.result(LIMIT)

    def test_step_that_comes_before_the_task_is_done(self, executor: AsyncExecutor) -> None:
        """The error of the step that ends the task is not that of one that comes just then."""
        steps = step_task(executor)
        behind: list[Future[Any]] = []

        async def end() -> None:
            behind.append(steps._submit(current_task, must_run=False, is_last=False))
            asyncio.get_running_loop().call_soon(executor._loop_thread._run.drain)
            raise OSError

        with pytest.raises(OSError, match=r"^$"):
            steps.run(end)
        with pytest.raises(EndedError):
            behind[0].result(LIMIT)

    def test_of_a_step_behind(self, executor: AsyncExecutor) -> None:
        """Once a step is done, cancelling it is too late to reach the task."""
        steps = step_task(executor)
        task: asyncio.Task[object] = steps.run(current_task)

        async def cancel_late() -> bool:
            step = steps._submit(lambda: echo(1), must_run=False, is_last=False)
            await step
            executor._loop_thread.cancel(step, lambda _: None)
            await asyncio.sleep(0)
            return step.cancel()

        assert not executor.submit(cancel_late).result(LIMIT)
        assert not task.cancelling()
        steps.close(current_task)

    def test_of_a_parked_step(self, executor: AsyncExecutor) -> None:
        """A step that waits for the one before is cancelled at once."""
        steps = step_task(executor)
        with Gate() as gate:
            answer = in_thread(steps.run, gate.wait)
            gate.arrived()
            behind = steps._submit(current_task, must_run=False, is_last=False)
            until(lambda: bool(steps._parked))

            assert behind.cancel()

            assert behind.cancelled()
        answer.result(LIMIT)
        steps.close(current_task)

    @pytest.mark.one_loop("the call drains the queue of the step's loop")
    def test_before_the_task_begins(self, executor: AsyncExecutor) -> None:
        """Where its task is cancelled before it begins, the first step is cancelled too."""
        steps = step_task(executor)
        steps._begin()

        async def start_and_cancel() -> object:
            step = steps._submit(current_task, must_run=False, is_last=False)
            executor._loop_thread._run.drain()
            assert steps._task is not None
            steps._task.cancel()
            return await step

        with pytest.raises(CancelledError):
            executor.submit(start_and_cancel).result(LIMIT)


def test_what_follows_a_step(executor: AsyncExecutor) -> None:
    """What is derived of a step runs on the event loop of its task."""
    steps = step_task(executor)
    steps.run(current_task)
    step = steps._submit(lambda: echo_later(-1), must_run=True, is_last=True)

    assert step.map(abs).result(LIMIT) == 1


class TestPlaces:
    """The places that steps take under a limit."""

    def test_parked_step_takes_none(self, make_executor: MakeExecutor) -> None:
        """A step that waits for the one before holds up nobody that this one waits for."""
        executor = make_executor(max_workers=1)
        steps = step_task(executor)
        with Gate() as gate:

            async def nested() -> int:
                await gate.wait()
                return await executor.submit(echo_later, 1)

            answer = in_thread(steps.run, nested)
            gate.arrived()
            behind = in_thread(steps.run, current_task, is_last=True)
            until(lambda: executor.statistics() == ExecutorStatistics(1, 1, 1))

        assert answer.result(LIMIT) == 1
        assert behind.result(LIMIT)


class TestClose:
    """The end of the task."""

    def test_runs_the_last_step(self, executor: AsyncExecutor) -> None:
        """`close` does one more step, and the task is done."""
        steps = step_task(executor)
        task = steps.run(current_task)
        log = []

        async def last() -> None:
            await asyncio.sleep(0)
            log.append(asyncio.current_task())

        steps.close(last)
        steps.close(last)

        assert log == [task]
        assert task.done()

    def test_interrupted(self, executor: AsyncExecutor) -> None:
        """A close that a signal handler interrupts as it is submitted is done all the same."""
        steps = step_task(executor)
        task: asyncio.Task[object] = steps.run(current_task)

        def interrupt() -> None:
            raise KeyboardInterrupt

        with (
            pytest.raises(KeyboardInterrupt),
            interrupted_at(LoopThread.submit, "if not run.awake:", interrupt),
        ):
            steps.close(current_task)

        until(task.done)

    def test_before_the_first_step(self, executor: AsyncExecutor) -> None:
        """There is nothing to close before the first step."""
        steps = step_task(executor)

        steps.close(current_task)

        assert executor.tasks == set()

    def test_error(self, executor: AsyncExecutor) -> None:
        """`close` raises what the last step raises."""
        steps = step_task(executor)
        steps.run(current_task)

        with pytest.raises(OSError, match=r"^$"):
            steps.close(lambda: fail(OSError()))

    def test_cancelled_meanwhile(self, executor: AsyncExecutor) -> None:
        """Where the task is cancelled meanwhile, it is closed too."""
        steps = step_task(executor)
        task = steps.run(current_task)
        with Gate() as gate:
            closing = in_thread(steps.close, gate.wait)
            gate.arrived()

            executor.cancel_futures()

            assert closing.result(LIMIT) is None
        assert task.done()

    @pytest.mark.one_loop("handles a task in another call")
    def test_cancelled_before_it_began(self, executor: AsyncExecutor) -> None:
        """A close that waits in the queue cannot be cancelled: something would stay open."""
        steps = step_task(executor)
        task = steps.run(current_task)
        closed = threading.Event()

        async def last() -> None:
            closed.set()

        with Gate() as gate:

            async def block() -> None:
                gate.block()

            blocking = executor.submit(block)
            gate.arrived()
            step = steps._submit_last(last)
            assert step

            assert not step.cancel()

        assert closed.wait(LIMIT)
        assert blocking.result(LIMIT) is None
        assert executor.submit(asyncio.wait, [task]).result(LIMIT)

    def test_after_shutdown(self, executor: AsyncExecutor) -> None:
        """After a shutdown, or while it is under way, there is nothing left to close."""
        steps = step_task(executor)
        steps.run(current_task)
        with Gate() as gate:
            running = executor.submit(gate.wait)
            gate.arrived()
            executor.shutdown(wait=False)

            assert steps._submit_last(current_task) is None
            assert not running.done()
        executor.shutdown()
        assert steps._submit_last(current_task) is None

    def test_on_the_own_loop(self, executor: AsyncExecutor) -> None:
        """On the event loop itself `close` does not wait."""
        steps = step_task(executor)
        task: asyncio.Task[object] = steps.run(current_task)

        async def close() -> bool:
            steps.close(current_task)
            done = task.done()
            await asyncio.wait([task])
            return done

        assert executor.submit(close).result(LIMIT) is False


class TestFullStack:
    """What is left to do when there is no room on the caller's stack."""

    @staticmethod
    def overflow() -> NoReturn:
        """Do what a call does there."""
        raise RecursionError

    def test_before_a_step_is_submitted(
        self, executor: AsyncExecutor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The caller stops waiting."""
        steps = step_task(executor)
        monkeypatch.setattr(steps, "submit", lambda _: self.overflow())

        with pytest.raises(RecursionError):
            steps.run(current_task)

        until(lambda: steps._caller.is_waiting is None)

    def test_before_the_wait(
        self, executor: AsyncExecutor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The step is cancelled, and functions for the caller's thread are refused."""
        steps = step_task(executor)
        monkeypatch.setattr(call, "_cancel_and_wait", lambda *_: self.overflow())
        with Gate() as gate:
            with (
                pytest.raises(RecursionError),
                interrupted_at(call.wait, "is_done = future._status", self.overflow),
            ):
                steps.run(gate.wait)

            until(lambda: steps._caller.is_waiting is None and executor.tasks == set())

    def test_close(self, executor: AsyncExecutor) -> None:
        """What is open is closed."""
        steps = step_task(executor)
        task: asyncio.Task[object] = steps.run(current_task)

        steps.start_closing(current_task, RecursionError())

        until(task.done)
