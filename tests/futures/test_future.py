"""The future: its outcome, its cancellation, and all who wait for it."""

import asyncio
import concurrent.futures
import dataclasses
import gc
import logging
import sys
import threading
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any, NoReturn

import pytest
from support import (
    LIMIT,
    Gate,
    Halt,
    MakeExecutor,
    echo,
    echo_later,
    fail,
    fail_later,
    frees_at_once,
    in_thread,
    let_go,
    on_each_loop,
    until,
)
from typing_extensions import override

from aiofutures import (
    AsyncExecutor,
    CancelledError,
    DeadlockError,
    Future,
    InvalidStateError,
    to_sync,
)
from aiofutures._futures import base
from aiofutures._futures.waiters import UnfetchedException

ECHOES = [echo, echo_later]
FAILURES = [fail, fail_later]


class TestResult:
    """`result` and `exception`."""

    @pytest.mark.parametrize("fn", ECHOES)
    def test_result(self, executor: AsyncExecutor, fn: Callable[[int], Any]) -> None:
        """`result` waits and returns what the function returned."""
        future = executor.submit(fn, 1)

        assert future.result(LIMIT) == 1
        assert future.exception() is None
        assert future.done()

    @pytest.mark.parametrize("fn", FAILURES)
    def test_exception(self, executor: AsyncExecutor, fn: Callable[[BaseException], Any]) -> None:
        """What the function raises is raised by `result` and returned by `exception`."""
        error = OSError("lost")

        future = executor.submit(fn, error)

        with pytest.raises(OSError, match="lost") as caught:
            future.result(LIMIT)
        assert caught.value is error
        assert future.exception() is error

    def test_timeout_only_ends_the_wait(self, executor: AsyncExecutor) -> None:
        """`result` and `exception` give up after the time-out, and the call goes on."""
        with Gate() as gate:
            future = executor.submit(gate.pass_on, 1)
            gate.arrived()

            with pytest.raises(TimeoutError):
                future.result(timeout=0.001)
            with pytest.raises(TimeoutError):
                future.exception(timeout=0)

            assert future.running()
        assert future.result(LIMIT) == 1

    @pytest.mark.parametrize("timeout", [0, -1])
    def test_no_time_to_wait(self, executor: AsyncExecutor, timeout: float) -> None:
        """A time-out of 0 or less asks for the outcome without waiting."""
        with Gate() as gate:
            future = executor.submit(gate.pass_on, 1)

            with pytest.raises(TimeoutError):
                future.result(timeout)

        future.result(LIMIT)
        assert future.result(timeout) == 1

    def test_state_while_running(self, executor: AsyncExecutor) -> None:
        """`running`, `done` and `cancelled` are truthful."""
        with Gate() as gate:
            future = executor.submit(gate.wait)
            gate.arrived()

            assert (future.running(), future.done(), future.cancelled()) == (True, False, False)

        future.result(LIMIT)
        assert (future.running(), future.done(), future.cancelled()) == (False, True, False)

    @pytest.mark.parametrize("turns", [0, 1])
    @pytest.mark.parametrize("max_workers", [None, 1])
    def test_exception_dies_without_the_collector(
        self, max_workers: int | None, turns: int
    ) -> None:
        """A future whose exception was raised and handled leaves no reference cycle."""

        class Special(Exception):
            """Can be referred to weakly."""

        async def work() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            raise Special

        def fetch() -> weakref.ref[Special]:
            try:
                executor.submit(work).result(LIMIT)
            except Special as error:
                return weakref.ref(error)
            raise AssertionError

        gc.disable()
        try:
            with AsyncExecutor(max_workers=max_workers) as executor:
                reference = fetch()
                let_go(executor)

                assert reference() is None
        finally:
            gc.enable()


class TestCancel:
    """`cancel` of what is queued, what runs and what is done."""

    def test_queued(self, make_executor: MakeExecutor) -> None:
        """A call that has not started is cancelled at once and never runs."""
        executor = make_executor(max_workers=1)
        started = threading.Event()

        async def mark() -> None:
            started.set()

        with Gate() as gate:
            first = executor.submit(gate.wait)
            gate.arrived()
            second = executor.submit(mark)

            assert second.cancel()

            assert second.cancelled()
            assert second.done()
            assert not second.running()
            with pytest.raises(CancelledError):
                second.result(0)
            with pytest.raises(CancelledError):
                second.exception(0)
        first.result(LIMIT)
        executor.submit(echo, 1).result(LIMIT)
        assert not started.is_set()

    def test_queued_twice(self, make_executor: MakeExecutor) -> None:
        """Cancelling a cancelled future succeeds again."""
        executor = make_executor(max_workers=1)
        with Gate() as gate:
            executor.submit(gate.wait).add_done_callback(lambda _: None)
            gate.arrived()
            future = executor.submit(echo, 1)

            assert future.cancel()
            assert future.cancel()

        assert future.cancelled()

    def test_running(self, executor: AsyncExecutor) -> None:
        """The task of a running call is cancelled, and `result` waits for its cleanup."""
        with Gate() as start, Gate() as cleanup:

            async def work() -> None:
                try:
                    await start.wait()
                finally:
                    await cleanup.wait()

            future = executor.submit(work)
            start.arrived()

            assert future.cancel()

            cleanup.arrived()
            assert future.running()
            assert not future.done()
            with pytest.raises(TimeoutError):
                future.result(0.001)
            cleanup.open()
            with pytest.raises(CancelledError):
                future.result(LIMIT)
        assert future.cancelled()

    def test_running_twice(self, executor: AsyncExecutor) -> None:
        """Cancelling once more interrupts the cleanup too, as with a task."""
        interrupted = threading.Event()
        with Gate() as start, Gate() as cleanup:

            async def work() -> None:
                try:
                    await start.wait()
                finally:
                    try:
                        await cleanup.wait()
                    except asyncio.CancelledError:
                        interrupted.set()

            future = executor.submit(work)
            start.arrived()
            assert future.cancel()
            cleanup.arrived()

            assert future.cancel()

            with pytest.raises(CancelledError):
                future.result(LIMIT)
        assert interrupted.is_set()

    def test_swallowed(self, executor: AsyncExecutor) -> None:
        """A task that swallows the cancellation delivers its value."""
        with Gate() as gate:

            async def work() -> str:
                try:
                    await gate.wait()
                except asyncio.CancelledError:
                    return "kept"
                return "not cancelled"

            future = executor.submit(work)
            gate.arrived()

            assert future.cancel()

            assert future.result(LIMIT) == "kept"
        assert not future.cancelled()

    def test_failing_cleanup(self, executor: AsyncExecutor) -> None:
        """A task that raises something else while it is cancelled delivers that."""
        with Gate() as gate:

            async def work() -> None:
                try:
                    await gate.wait()
                except asyncio.CancelledError:
                    raise OSError("cleanup") from None

            future = executor.submit(work)
            gate.arrived()

            assert future.cancel()

            with pytest.raises(OSError, match="cleanup"):
                future.result(LIMIT)

    @pytest.mark.parametrize("fn", ECHOES)
    def test_done(self, executor: AsyncExecutor, fn: Callable[[int], Any]) -> None:
        """A finished future cannot be cancelled."""
        future = executor.submit(fn, 1)
        future.result(LIMIT)

        assert not future.cancel()

        assert not future.cancelled()
        assert future.result() == 1

    def test_from_within(self, executor: AsyncExecutor) -> None:
        """A call may cancel its own future; it ends at its next await."""
        futures: list[Future[None]] = []
        with Gate() as gate:

            async def work() -> None:
                await gate.wait()
                assert futures[0].cancel()
                await asyncio.sleep(LIMIT)

            futures.append(executor.submit(work))
            gate.arrived()

        with pytest.raises(CancelledError):
            futures[0].result(LIMIT)

    def test_before_the_first_suspension(self, executor: AsyncExecutor) -> None:
        """A call that is cancelled before it has a task ends at its next await."""
        with Gate() as inside, Gate() as cancelled:

            async def work() -> None:
                inside.block()
                await cancelled.wait()
                cancelled.block()  # only reached if the request was lost
                await asyncio.sleep(LIMIT)

            future = executor.submit(work)
            inside.arrived()

            assert future.cancel()

            inside.open()
            with pytest.raises(CancelledError):
                future.result(LIMIT)

    def test_raised_by_the_task_itself(self, executor: AsyncExecutor) -> None:
        """A call that raises CancelledError of its own is cancelled."""
        for fn in FAILURES:
            future = executor.submit(fn, asyncio.CancelledError())

            with pytest.raises(CancelledError):
                future.result(LIMIT)

            assert future.cancelled()

    def test_raised_before_there_is_a_coroutine(self, executor: AsyncExecutor) -> None:
        """A function that raises CancelledError when it is called is cancelled."""

        def refuse() -> Any:
            raise asyncio.CancelledError

        future = executor.submit(refuse)

        with pytest.raises(CancelledError):
            future.result(LIMIT)

    def test_wakes_who_waits(self, make_executor: MakeExecutor) -> None:
        """Cancelling a queued call wakes the threads that wait for it."""
        executor = make_executor(max_workers=1)
        with Gate() as gate:
            executor.submit(gate.wait).add_done_callback(lambda _: None)
            gate.arrived()
            future = executor.submit(echo, 1)
            waiting = in_thread(concurrent.futures.wait, [future], LIMIT)
            blocked = in_thread(future.exception, LIMIT)

            future.cancel()

            assert waiting.result(LIMIT).done == {future}
            with pytest.raises(CancelledError):
                blocked.result(LIMIT)

    def test_races_the_start(self, executor: AsyncExecutor) -> None:
        """Whichever is first, the start of a call or its cancellation, wins alone."""
        for _ in range(50):
            started = threading.Event()
            barrier = threading.Barrier(2)

            async def work(started: threading.Event = started) -> None:
                started.set()
                await asyncio.sleep(LIMIT)

            def start(barrier: threading.Barrier = barrier) -> Any:
                barrier.wait(LIMIT)
                return executor.submit(work)

            starting = in_thread(start)
            barrier.wait(LIMIT)
            future: Future[None] = starting.result(LIMIT)
            assert future.cancel()
            with pytest.raises(CancelledError):
                future.result(LIMIT)

    def test_interrupted_while_it_notifies(self) -> None:
        """Where a callback raises KeyboardInterrupt into `cancel`, nobody is left waiting."""
        future: Future[int] = Future()
        called: list[object] = []

        def interrupt(_: object) -> None:
            raise KeyboardInterrupt

        future.add_done_callback(interrupt)
        future.add_done_callback(called.append)

        with pytest.raises(KeyboardInterrupt):
            future.cancel()

        assert future.cancelled()
        assert called == [future]


class TestCallbacks:
    """`add_done_callback`."""

    @pytest.mark.parametrize("fn", ECHOES)
    def test_called_once_in_order(self, executor: AsyncExecutor, fn: Callable[[int], Any]) -> None:
        """Callbacks run once each, in the order in which they were added, on the loop thread."""
        calls: list[tuple[int, object, str]] = []
        done = threading.Event()

        def note(number: int, future: object) -> None:
            calls.append((number, future, threading.current_thread().name))

        with Gate() as gate:

            async def work() -> Any:
                await gate.wait()
                return await fn(1)

            future = executor.submit(work)
            gate.arrived()
            for number in range(3):
                future.add_done_callback(partial(note, number))
            future.add_done_callback(lambda _: done.set())
        assert done.wait(LIMIT)

        (thread,) = {name for _, _, name in calls}
        assert [(number, argument) for number, argument, _ in calls] == [
            (0, future),
            (1, future),
            (2, future),
        ]
        assert thread != threading.current_thread().name

    def test_done_already(self, executor: AsyncExecutor) -> None:
        """A callback that is added to a finished future runs at once, in the caller's thread."""
        future = executor.submit(echo, 1)
        future.result(LIMIT)
        threads: list[threading.Thread] = []

        future.add_done_callback(lambda _: threads.append(threading.current_thread()))

        assert threads == [threading.current_thread()]

    def test_cancelled_while_pending(self, make_executor: MakeExecutor) -> None:
        """The thread that cancels a pending future runs its callbacks."""
        executor = make_executor(max_workers=1)
        threads: list[threading.Thread] = []
        with Gate() as gate:
            executor.submit(gate.wait).add_done_callback(lambda _: None)
            gate.arrived()
            future = executor.submit(echo, 1)
            future.add_done_callback(lambda _: threads.append(threading.current_thread()))

            future.cancel()

        assert threads == [threading.current_thread()]

    @pytest.mark.parametrize("error", [OSError, SystemExit, KeyboardInterrupt, BaseException])
    def test_error_on_the_loop(
        self,
        executor: AsyncExecutor,
        logged_errors: list[logging.LogRecord],
        error: type[BaseException],
    ) -> None:
        """What a callback raises on the loop is logged; the others run and the loop goes on."""
        called = threading.Event()

        def broken(_: object) -> None:
            raise error("in a callback")

        with Gate() as gate:
            future = executor.submit(gate.wait)
            gate.arrived()
            future.add_done_callback(broken)
            future.add_done_callback(lambda _: called.set())
        assert called.wait(LIMIT)

        assert executor.submit(echo_later, 1).result(LIMIT) == 1
        (record,) = logged_errors
        assert (record.name, record.exc_info and record.exc_info[0]) == ("aiofutures", error)
        assert record.getMessage() == f"exception calling callback for {future!r}"
        logged_errors.clear()

    def test_error_in_the_callers_thread(self, logged_errors: list[logging.LogRecord]) -> None:
        """An Exception of a callback that runs at once is logged too, and not raised."""
        future: Future[int] = Future()
        future.set_result(1)

        def broken(_: object) -> None:
            raise OSError

        future.add_done_callback(broken)

        assert len(logged_errors) == 1
        logged_errors.clear()

    def test_base_exception_in_the_callers_thread(self) -> None:
        """Ctrl-C in a callback that the caller's own thread runs is the caller's."""
        future: Future[int] = Future()
        called: list[object] = []

        def interrupt(_: object) -> None:
            raise KeyboardInterrupt

        future.add_done_callback(interrupt)
        future.add_done_callback(called.append)

        with pytest.raises(KeyboardInterrupt):
            future.set_result(1)

        assert called == [future]

    def test_callback_may_add_another(self, executor: AsyncExecutor) -> None:
        """A callback may add callbacks to its own future."""
        called = threading.Event()
        with Gate() as gate:
            future = executor.submit(gate.wait)
            gate.arrived()

            future.add_done_callback(lambda done: done.add_done_callback(lambda _: called.set()))

        assert called.wait(LIMIT)

    def test_settled_between_the_append_and_the_look(self) -> None:
        """A callback that is added while the future is settled runs once."""
        future: Future[int] = Future()
        called: list[object] = []
        with Halt(Future.add_done_callback, "if self.done()") as halt:
            adding = in_thread(halt.call, future.add_done_callback, called.append)
            halt.arrived()

            future.set_result(1)

            halt.go_on()
            adding.result(LIMIT)
        assert called == [future]

    def test_settled_before_the_append(self) -> None:
        """A callback that is added after the future was settled runs, however late it is."""
        future: Future[int] = Future()
        called: list[object] = []
        with Halt(Future.add_done_callback, "self._watch().add(fn)") as halt:
            adding = in_thread(halt.call, future.add_done_callback, called.append)
            halt.arrived()

            future.set_result(1)

            halt.go_on()
            adding.result(LIMIT)
        assert called == [future]

    def test_two_threads_run_the_callbacks(self) -> None:
        """Two threads that find the same callbacks run each of them once."""
        future: Future[int] = Future()
        called: list[object] = []
        with Halt(Future._run_callbacks, "callback = callbacks.popleft()") as halt:
            future.add_done_callback(called.append)
            settling = in_thread(halt.call, future.set_result, 1)
            halt.arrived()

            future._notify()

            halt.go_on()
            settling.result(LIMIT)
        assert called == [future]


class TestAwait:
    """Awaiting a future, from its own event loop and from another one."""

    def test_on_the_own_loop(self, executor: AsyncExecutor) -> None:
        """A task may await a future of its own executor."""

        async def parent() -> int:
            return await executor.submit(echo_later, 1) + await executor.submit(echo, 2)

        assert executor.submit(parent).result(LIMIT) == 3

    def test_on_a_foreign_loop(self, executor: AsyncExecutor) -> None:
        """A future can be awaited on any other event loop."""

        async def main() -> int:
            return await executor.submit(echo_later, 1) + await executor.submit(echo, 2)

        assert asyncio.run(main()) == 3

    def test_on_the_loop_of_another_executor(
        self, executor: AsyncExecutor, make_executor: MakeExecutor
    ) -> None:
        """A task of one executor may await a future of another one."""
        other = make_executor()

        async def parent() -> int:
            return await other.submit(echo_later, 1)

        assert executor.submit(parent).result(LIMIT) == 1

    @pytest.mark.parametrize("fn", FAILURES)
    def test_exception(self, executor: AsyncExecutor, fn: Callable[[BaseException], Any]) -> None:
        """What the call raises is raised by the await."""

        async def parent() -> str:
            with pytest.raises(OSError, match="lost") as caught:
                await executor.submit(fn, OSError("lost"))
            return str(caught.value)

        assert executor.submit(parent).result(LIMIT) == "lost"
        assert asyncio.run(parent()) == "lost"

    def test_finished(self, executor: AsyncExecutor) -> None:
        """Awaiting a finished future does not suspend."""
        future = executor.submit(echo, 1)
        future.result(LIMIT)

        with pytest.raises(StopIteration) as stopped:
            next(future.__await__())

        assert stopped.value.value == 1

    def test_many_await_one(self, executor: AsyncExecutor) -> None:
        """Any number of tasks may await one future."""
        with Gate() as gate:
            future = executor.submit(gate.pass_on, 1)

            async def wait() -> int:
                return await future

            async def main() -> list[int]:
                waiting = asyncio.gather(*(wait() for _ in range(3)))
                await asyncio.sleep(0)
                gate.open()
                return await waiting

            assert asyncio.run(main()) == [1, 1, 1]
            assert executor.submit(main).result(LIMIT) == [1, 1, 1]

    @pytest.mark.parametrize("own", [True, False])
    def test_cancelling_the_future(self, executor: AsyncExecutor, own: bool) -> None:
        """The await of a future that is cancelled raises asyncio's CancelledError."""
        with Gate() as gate:

            async def main() -> str:
                future = executor.submit(gate.wait)
                asyncio.get_running_loop().call_soon(future.cancel)
                try:
                    await future
                except asyncio.CancelledError:
                    return "cancelled"
                return "not cancelled"

            outcome = executor.submit(main).result(LIMIT) if own else asyncio.run(main())

        assert outcome == "cancelled"

    @pytest.mark.parametrize("own", [True, False])
    def test_cancelling_who_awaits(self, executor: AsyncExecutor, own: bool) -> None:
        """Cancelling a task that awaits cancels the future, and waits for its cleanup."""
        events: list[str] = []
        with Gate() as gate:

            async def work() -> None:
                try:
                    await gate.wait()
                finally:
                    await asyncio.sleep(0)
                    events.append("cleanup")

            async def wait(future: Future[None]) -> None:
                try:
                    await future
                finally:
                    events.append("awaited")

            async def main() -> bool:
                future = executor.submit(work)
                task = asyncio.ensure_future(wait(future))
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                return task.cancelled() and future.cancelled()

            assert executor.submit(main).result(LIMIT) if own else asyncio.run(main())

        assert events[-2:] == ["cleanup", "awaited"] or events == ["awaited"]

    def test_cancelling_who_awaits_a_running_call(self, executor: AsyncExecutor) -> None:
        """The task that awaits goes on only when the cleanup of the call is done."""
        events: list[str] = []
        with Gate() as gate, Gate() as cleanup:

            async def work() -> None:
                try:
                    await gate.wait()
                finally:
                    await cleanup.wait()
                    events.append("cleanup")

            future = executor.submit(work)
            gate.arrived()

            async def wait() -> None:
                try:
                    await future
                finally:
                    events.append("awaited")

            async def main() -> bool:
                task = asyncio.ensure_future(wait())
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.to_thread(cleanup.arrived)
                events.append("opening")
                cleanup.open()
                await asyncio.wait([task])
                return task.cancelled()

            assert asyncio.run(main())

        assert events == ["opening", "cleanup", "awaited"]

    def test_cancelling_who_awaits_a_call_that_swallows_it(self, executor: AsyncExecutor) -> None:
        """A call that swallows the cancellation delivers its value to the task that awaits."""
        with Gate() as gate:

            async def work() -> str:
                try:
                    await gate.wait()
                except asyncio.CancelledError:
                    return "kept"
                return "not cancelled"

            future = executor.submit(work)
            gate.arrived()

            async def wait() -> str:
                return await future

            async def main() -> str:
                task = asyncio.ensure_future(wait())
                await asyncio.sleep(0)
                task.cancel()
                return await task

            assert asyncio.run(main()) == "kept"

    def test_timeout_around_an_await(self, executor: AsyncExecutor) -> None:
        """`asyncio.timeout` and `asyncio.wait_for` cancel the call that they wait for."""
        with Gate() as gate:
            futures = [executor.submit(gate.wait) for _ in range(2)]
            gate.arrived(2)

            async def main() -> None:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.001):
                        await futures[0]
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(futures[1], 0.001)

            asyncio.run(main())

            assert [future.cancelled() for future in futures] == [True, True]

    def test_shield_keeps_the_call(self, executor: AsyncExecutor) -> None:
        """`asyncio.shield` keeps a call from being cancelled with the task that awaits it."""
        with Gate() as gate:
            future = executor.submit(gate.pass_on, 1)
            gate.arrived()

            async def main() -> None:
                inner = asyncio.ensure_future(future)
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(inner), 0.001)
                gate.open()
                assert await inner == 1

            asyncio.run(main())

    def test_gather(self, executor: AsyncExecutor) -> None:
        """`asyncio.gather` takes futures of an executor."""

        async def main() -> list[int]:
            return await asyncio.gather(*map(executor.submit, [echo_later] * 3, [1, 2, 3]))

        assert asyncio.run(main()) == [1, 2, 3]


def _result(_: AsyncExecutor, future: Future[None]) -> None:
    future.result()


def _exception(_: AsyncExecutor, future: Future[None]) -> None:
    future.exception()


def _wait(_: AsyncExecutor, future: Future[None]) -> None:
    concurrent.futures.wait([future])


def _as_completed(_: AsyncExecutor, future: Future[None]) -> None:
    next(concurrent.futures.as_completed([future]))


def _shutdown(executor: AsyncExecutor, _: Future[None]) -> None:
    executor.shutdown()


BLOCKING = [_result, _exception, _wait, _as_completed]


class TestDeadlock:
    """Waits that could never end."""

    @pytest.mark.parametrize("block", [*BLOCKING, _shutdown])
    def test_in_a_task(
        self, executor: AsyncExecutor, block: Callable[[AsyncExecutor, Future[None]], None]
    ) -> None:
        """A wait on the very loop that has to run the call raises at once."""
        with Gate() as gate:

            async def work() -> None:
                future = executor.submit(gate.wait)
                with pytest.raises(DeadlockError, match=r"use "):
                    block(executor, future)
                gate.open()
                await future

            executor.submit(work).result(LIMIT)

    @pytest.mark.parametrize("block", [*BLOCKING, _shutdown])
    def test_in_a_done_callback(
        self, executor: AsyncExecutor, block: Callable[[AsyncExecutor, Future[None]], None]
    ) -> None:
        """The same holds in callbacks, which run on the loop too."""
        raised: list[BaseException] = []
        done = threading.Event()

        def callback(_: object) -> None:
            try:
                block(executor, other)
            except BaseException as error:
                raised.append(error)
            done.set()

        with Gate() as gate, Gate() as other_gate:
            future = executor.submit(gate.wait)
            other = executor.submit(other_gate.wait)
            gate.arrived()
            other_gate.arrived()
            future.add_done_callback(callback)

            gate.open()

            assert done.wait(LIMIT)
        other.result(LIMIT)
        assert [type(error) for error in raised] == [DeadlockError]

    @pytest.mark.parametrize("block", BLOCKING)
    def test_finished_future_is_fine(
        self, executor: AsyncExecutor, block: Callable[[AsyncExecutor, Future[None]], None]
    ) -> None:
        """A finished future never blocks, so that asking it is fine on its own loop."""
        future = executor.submit(asyncio.sleep, 0)
        future.result(LIMIT)

        async def work() -> None:
            block(executor, future)

        executor.submit(work).result(LIMIT)

    def test_no_wait_no_deadlock(self, executor: AsyncExecutor) -> None:
        """Asking without waiting is a time-out, also on the own loop."""
        with Gate() as gate:

            async def work() -> None:
                future = executor.submit(gate.wait)
                with pytest.raises(TimeoutError):
                    future.result(timeout=0)
                gate.open()
                await future

            executor.submit(work).result(LIMIT)

    def test_message(self, executor: AsyncExecutor) -> None:
        """The message names the future and says what to do instead."""
        with Gate() as gate:

            async def work() -> str:
                future = executor.submit(gate.wait)
                with pytest.raises(DeadlockError) as caught:
                    future.result()
                gate.open()
                await future
                return str(caught.value)

            message = executor.submit(work).result(LIMIT)

        assert "<Future at 0x" in message
        assert "use 'await future' instead" in message

    @pytest.mark.parametrize("block", BLOCKING)
    def test_foreign_loop_may_block(
        self,
        executor: AsyncExecutor,
        block: Callable[[AsyncExecutor, Future[None]], None],
    ) -> None:
        """Under another running loop a wait works, as notebooks need it."""

        async def main() -> None:
            block(executor, executor.submit(asyncio.sleep, 0))

        asyncio.run(main())

    def test_loop_thread_of_another_executor_may_block(
        self, executor: AsyncExecutor, make_executor: MakeExecutor
    ) -> None:
        """It is the running loop that counts: that of another executor may be blocked."""
        other = make_executor()

        async def work() -> int:
            return other.submit(echo_later, 1).result(LIMIT)

        assert executor.submit(work).result(LIMIT) == 1


class TestBaseException:
    """SystemExit and its like go into the future; the loop goes on."""

    @pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
    @pytest.mark.parametrize("fn", FAILURES)
    def test_in_a_task(
        self,
        executor: AsyncExecutor,
        fn: Callable[[BaseException], Any],
        error: BaseException,
    ) -> None:
        """A BaseException of one call is in its future, and all others go on."""
        with Gate() as gate:
            other = executor.submit(gate.pass_on, 1)
            gate.arrived()

            future = executor.submit(fn, error)

            assert future.exception(LIMIT) is error
        assert other.result(LIMIT) == 1
        assert executor.submit(echo_later, 2).result(LIMIT) == 2

    @pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
    def test_in_the_function_itself(self, executor: AsyncExecutor, error: BaseException) -> None:
        """A BaseException that the function raises when it is called is in the future too."""

        def refuse() -> Any:
            raise error

        assert executor.submit(refuse).exception(LIMIT) is error
        assert executor.submit(echo_later, 2).result(LIMIT) == 2

    @pytest.mark.parametrize("fn", FAILURES)
    def test_stop_iteration(
        self, executor: AsyncExecutor, fn: Callable[[BaseException], Any]
    ) -> None:
        """StopIteration in a coroutine becomes a RuntimeError, as Python has it."""
        error = executor.submit(fn, StopIteration()).exception(LIMIT)

        assert isinstance(error, RuntimeError)

    def test_stop_iteration_of_the_function_itself(self, executor: AsyncExecutor) -> None:
        """StopIteration of a plain function becomes a RuntimeError too."""

        def refuse() -> Any:
            return next(iter(()))

        error = executor.submit(refuse).exception(LIMIT)

        assert isinstance(error, RuntimeError)
        assert str(error) == "the function raised StopIteration"
        assert isinstance(error.__cause__, StopIteration)


class TestUnfetched:
    """Exceptions that nobody looks at."""

    @pytest.mark.parametrize("fn", FAILURES)
    def test_reported_once(
        self,
        executor: AsyncExecutor,
        logged_errors: list[logging.LogRecord],
        fn: Callable[[BaseException], Any],
    ) -> None:
        """An exception that nobody fetches is reported once, when the future dies."""
        future = executor.submit(fn, OSError("lost"))
        concurrent.futures.wait([future], LIMIT)

        del future
        gc.collect()
        on_each_loop(executor, echo_later, 1)

        (record,) = logged_errors
        assert record.name == "asyncio"
        assert record.getMessage().startswith("Future exception was never retrieved")
        assert record.exc_info
        assert isinstance(record.exc_info[1], OSError)
        logged_errors.clear()

    @frees_at_once
    def test_reported_to_the_exception_handler(self, executor: AsyncExecutor) -> None:
        """The report goes to the exception handler of the event loop."""
        contexts: list[dict[str, Any]] = []
        handled = threading.Event()

        def handle(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            contexts.append(context)
            handled.set()

        async def set_handler() -> None:
            asyncio.get_running_loop().set_exception_handler(handle)

        on_each_loop(executor, set_handler)

        future = executor.submit(fail, OSError("lost"))
        concurrent.futures.wait([future], LIMIT)
        del future
        gc.collect()

        assert handled.wait(LIMIT)
        assert [str(context["exception"]) for context in contexts] == ["lost"]

    def test_reported_after_the_shutdown(
        self, executor: AsyncExecutor, logged_errors: list[logging.LogRecord]
    ) -> None:
        """A future that dies after its event loop was closed is reported all the same."""
        future = executor.submit(fail, OSError("lost"))
        executor.shutdown()

        del future
        gc.collect()

        assert [record.getMessage() for record in logged_errors] == [
            "Future exception was never retrieved"
        ]
        logged_errors.clear()

    @pytest.mark.parametrize(
        "look",
        [
            lambda future: future.exception(LIMIT),
            lambda future: _raises(future),
            lambda future: future.add_done_callback(lambda _: None),
            lambda future: asyncio.run(_await(future)),
        ],
        ids=["exception", "result", "add_done_callback", "await"],
    )
    @pytest.mark.parametrize("late", [True, False])
    @pytest.mark.parametrize("fn", FAILURES)
    def test_looked_at(
        self,
        executor: AsyncExecutor,
        fn: Callable[[BaseException], Any],
        look: Callable[[Future[Any]], object],
        late: bool,
    ) -> None:
        """An exception that somebody has looked at is never reported."""
        with Gate() as gate:

            async def work() -> None:
                await gate.wait()
                await fn(OSError("seen"))

            future = executor.submit(work)
            gate.arrived()
            looking = None if late else in_thread(look, future)
        concurrent.futures.wait([future], LIMIT)
        if looking is None:
            look(future)
        else:
            looking.result(LIMIT)

        del future, looking
        gc.collect()
        executor.submit(echo_later, 1).result(LIMIT)

    def test_callback_just_before_the_outcome(self, executor: AsyncExecutor) -> None:
        """Nor is one that a callback gets which was added while the future failed."""
        future: Future[int] = Future(executor.submit(echo_later, 1)._host)
        called: list[object] = []
        with Halt(Future.fail, "is_decided = ") as halt:
            failing = in_thread(halt.call, future.fail, OSError("seen"))
            halt.arrived()
            future.add_done_callback(called.append)
            halt.go_on()
            failing.result(LIMIT)

        assert called == [future]
        del future, called
        gc.collect()
        executor.submit(echo_later, 1).result(LIMIT)

    def test_future_without_an_executor(self) -> None:
        """Futures that are made directly report nothing, as those of the standard library."""
        future: Future[int] = Future()

        future.set_exception(OSError("lost"))

        del future
        gc.collect()


def _raises(future: Future[Any]) -> None:
    with pytest.raises(OSError, match="seen"):
        future.result(LIMIT)


async def _await(future: Future[Any]) -> None:
    with pytest.raises(OSError, match="seen"):
        await future


class TestDirectUse:
    """Futures that are made directly, as in tests of other libraries."""

    def test_claim_outcome_once(self) -> None:
        """Of two threads that finish one running future, one alone succeeds."""
        future: Future[int] = Future()
        future.set_running_or_notify_cancel()
        with Halt(Future._decide, "self._result = result") as halt:
            setting = in_thread(halt.call, future.set_result, 1)
            halt.arrived()

            with pytest.raises(InvalidStateError, match="is already done"):
                future.set_result(2)
            with pytest.raises(InvalidStateError, match="is already done"):
                future.set_exception(OSError())

            halt.go_on()
            setting.result(LIMIT)
        assert future.result() == 1

    def test_cancel_between_claim_and_outcome(self) -> None:
        """A pending future whose outcome is being written cannot be cancelled any more."""
        future: Future[int] = Future()
        with Halt(Future._decide, "self._result = result") as halt:
            setting = in_thread(halt.call, future.set_result, 1)
            halt.arrived()

            assert not future.cancel()

            halt.go_on()
            setting.result(LIMIT)
        assert future.result() == 1

    @pytest.mark.parametrize("fn", [echo, fail])
    def test_outcome_set_by_somebody_else(
        self, executor: AsyncExecutor, fn: Callable[[Any], Any]
    ) -> None:
        """The outcome that somebody sets on a running future stays, whatever its call does."""
        with Gate() as gate:

            async def work() -> Any:
                await gate.wait()
                return await fn(OSError("dropped"))

            future: Future[Any] = executor.submit(work)
            gate.arrived()

            future.set_result("set")

            assert future.result() == "set"
        executor.shutdown()
        assert future.result() == "set"

    def test_set_while_the_call_fails(self, executor: AsyncExecutor) -> None:
        """Who sets an outcome when the call has just got its own is told so."""
        with Gate() as gate:

            async def work() -> int:
                await gate.wait()
                raise OSError("lost")

            future = executor.submit(work)
            gate.arrived()
            with Halt(Future._decide, "del self._context") as halt:
                setting = in_thread(halt.call, future.set_result, 1)
                halt.arrived()

                gate.open()
                until(future.done)

            with pytest.raises(InvalidStateError, match="is already done"):
                setting.result(LIMIT)

        assert str(future.exception()) == "lost"
        with pytest.raises(OSError, match="lost"):
            future.result()

    def test_set_before_the_exception(
        self, executor: AsyncExecutor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An outcome that was set just before that of the call stays."""
        with Gate() as gate:

            async def work() -> int:
                await gate.wait()
                raise OSError("dropped")

            def make(exception: BaseException, report: Callable[..., object]) -> UnfetchedException:
                future.set_result(1)
                return UnfetchedException(exception, report)

            monkeypatch.setattr(base, "UnfetchedException", make)
            future = executor.submit(work)
            gate.arrived()
        executor.shutdown()

        assert future.result() == 1
        assert future.exception() is None

    def test_outcome_set_and_task_cancelled(self, executor: AsyncExecutor) -> None:
        """The outcome that somebody sets stays also when the task is cancelled."""
        with Gate() as gate:
            future: Future[Any] = executor.submit(gate.wait)
            gate.arrived()
            future.set_result("set")

            executor.shutdown(cancel_futures=True)

        assert future.result() == "set"

    @pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="of CPython only")
    def test_result_is_kept_once(self, executor: AsyncExecutor) -> None:
        """The executor keeps neither a finished future nor its result."""
        result = Gate()
        future = executor.submit(echo, result)
        future.result(LIMIT)
        reference = weakref.ref(future)

        del future
        executor.submit(echo, 1).result(LIMIT)
        executor.submit(echo, 1).result(LIMIT)

        assert reference() is None


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    """An exception that refuses attributes."""

    key: str


class Slotted(Exception):
    """An exception that refuses all but some."""

    __slots__ = ()

    @override
    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(name)


def _refuse(_: object) -> NoReturn:
    raise RuntimeError("not yet")


#: An exception whose class is not to be had, as with some lazy proxies.
Proxy: Any = type("Proxy", (Exception,), {"__class__": property(_refuse)})

UNUSUAL: list[Callable[[], Exception]] = [lambda: Frozen("a"), Slotted, Proxy]


class TestUnusualExceptions:
    """Whatever an object of the user's does, its future ends."""

    @pytest.mark.parametrize("make", UNUSUAL, ids=["frozen", "slotted", "proxy"])
    @pytest.mark.parametrize("fn", [fail, fail_later])
    def test_of_a_call(
        self,
        make_executor: MakeExecutor,
        fn: Callable[[BaseException], Any],
        make: Callable[[], Exception],
    ) -> None:
        """It is raised, and the place of its call is free again."""
        executor, error = make_executor(max_workers=1), make()

        caught = executor.submit(fn, error).exception(LIMIT)

        assert caught is error
        assert executor.submit(echo, 1).result(LIMIT) == 1

    @pytest.mark.parametrize("make", UNUSUAL, ids=["frozen", "slotted", "proxy"])
    def test_of_a_step(self, executor: AsyncExecutor, make: Callable[[], Exception]) -> None:
        """It is raised at the item of a generator."""
        error = make()

        @to_sync(executor=executor)
        async def items() -> AsyncGenerator[int, None]:
            yield 1
            raise error

        generator = items()
        assert next(generator) == 1
        caught: list[BaseException] = []
        try:
            next(generator)
        except BaseException as raised:
            caught.append(raised)
        assert caught[0] is error

    def test_result_without_a_class(self, executor: AsyncExecutor) -> None:
        """A result whose class is not to be had is returned."""
        result = Proxy()

        assert to_sync(executor=executor)(echo_later)(result) is result


def test_callbacks_cost_in_proportion(executor: AsyncExecutor) -> None:
    """Many callbacks of one future run in the order in which they were added, each once."""
    called: list[int] = []

    def note(number: int, _: object) -> None:
        called.append(number)

    with Gate() as gate:
        future = executor.submit(gate.wait)
        gate.arrived()
        for number in range(20_000):
            future.add_done_callback(partial(note, number))
    executor.shutdown()

    assert called == [*range(20_000)]
    assert isinstance(future._watch().callbacks, deque)  # no pop(0) of a list
