"""A cancellation of all reaches each call once, and a time-out loses no value."""

import asyncio
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
from support import LIMIT, Gate, MakeExecutor, echo, echo_later, in_thread, is_in, run_python, until
from typing_extensions import override

from aiofutures import (
    AsyncExecutor,
    CancelledError,
    Future,
    Results,
    first,
    gather,
    in_executor,
    to_sync,
)
from aiofutures._loops import waves
from aiofutures._loops.run import Run
from aiofutures._loops.waves import cancel_all, is_cleaning_up
from aiofutures._sync import call as sync_call
from aiofutures._sync.call import _is_done_when_cancelled

Wait = Callable[[AsyncExecutor, Future[str]], Any]


async def _await(future: Future[str]) -> str:
    return await future


async def _await_in_group(future: Future[str]) -> str:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_await(future))
    return task.result()


async def _await_in_threads(executor: AsyncExecutor, future: Future[str]) -> str:
    return await executor.sync_to_async(future.result, LIMIT)


WAITS: dict[str, Wait] = {
    "map": lambda _, future: future.map(str),
    "then": lambda _, future: future.then(echo).then(echo),
    "recover": lambda _, future: future.recover(OSError, str),
    "zip": lambda executor, future: future.zip(executor.submit(echo, 1)),
    "gather": lambda _, future: gather(future, future.map(str)),
    "gather with a coroutine": lambda _, future: gather(future, asyncio.sleep(LIMIT)),
    "first": lambda _, future: first(future, future.map(str)),
    "await": lambda executor, future: executor.submit(_await, future),
    "await twice": lambda executor, future: [executor.submit(_await, future) for _ in range(2)],
    "task group": lambda executor, future: executor.submit(_await_in_group, future),
    "thread": lambda executor, future: executor.submit(_await_in_threads, executor, future),
    "chain": lambda executor, future: executor.submit(_await, executor.submit(_await, future)),
}


class Transaction:
    """A call whose cleanup takes some turns of the loop, and which may wait for another one."""

    def __init__(self, awaited: Future[None] | None = None) -> None:
        self.awaited = awaited
        self.log: list[str] = []
        self.started = threading.Event()

    async def __call__(self) -> str:
        """Wait, and clean up."""
        self.started.set()
        try:
            await (asyncio.sleep(LIMIT) if self.awaited is None else self.awaited)
        finally:
            self.log.append("begun")
            for _ in range(20):
                await asyncio.sleep(0.001)
            self.log.append("finished")
        return "done"


class TestCleanup:
    """A cleanup that has begun is not cut off."""

    @pytest.mark.parametrize("how", ["cancel_futures", "shutdown", "with"])
    @pytest.mark.parametrize("wait", WAITS)
    def test_when_all_is_cancelled(self, make_executor: MakeExecutor, wait: str, how: str) -> None:
        """It is asked once, whoever else waits for it."""
        executor = make_executor()
        transaction = Transaction()
        future = executor.submit(transaction)
        waiting = WAITS[wait](executor, future)
        assert transaction.started.wait(LIMIT)
        until(lambda: executor.statistics().pending == 0)

        if how == "cancel_futures":
            executor.cancel_futures()
        elif how == "shutdown":
            executor.shutdown(cancel_futures=True)
        else:
            with pytest.raises(KeyboardInterrupt), executor:
                raise KeyboardInterrupt

        with pytest.raises(CancelledError):
            future.result(LIMIT)
        executor.shutdown()
        assert transaction.log == ["begun", "finished"]
        del waiting

    @pytest.mark.parametrize("close", [Results.close, list])
    def test_of_results(
        self, make_executor: MakeExecutor, close: Callable[[Results[str]], object]
    ) -> None:
        """The end of an iteration does not ask once more either."""
        executor = make_executor()
        transactions = [Transaction() for _ in range(3)]
        results = executor.map(lambda call: call(), transactions)
        for transaction in transactions:
            assert transaction.started.wait(LIMIT)

        executor.cancel_futures()
        with suppress(CancelledError):
            close(results)

        executor.shutdown()
        assert [transaction.log for transaction in transactions] == [["begun", "finished"]] * 3

    @pytest.mark.parametrize("asked", ["cancel", "cancel_futures", "close", "waiter"])
    @pytest.mark.parametrize("count", [1, 2])
    def test_when_a_block_is_left_later(
        self, make_executor: MakeExecutor, asked: str, count: int
    ) -> None:
        """What is being cancelled is not asked once more by the end of a `with` block."""
        executors = [make_executor() for _ in range(count)]
        transaction = Transaction()
        results = executors[-1].map(lambda call: call(), [transaction])
        future = results.futures[0]
        waiting = executors[0].submit(_await, future)
        assert transaction.started.wait(LIMIT)
        until(lambda: executors[0].statistics().pending == 0)

        with pytest.raises(KeyboardInterrupt), ExitStack() as stack:
            for executor in executors:
                stack.enter_context(executor)
            if asked == "cancel":
                future.cancel()
            elif asked == "cancel_futures":
                executors[-1].cancel_futures()
            elif asked == "close":
                results.close()
            else:
                waiting.cancel()
            until(lambda: transaction.log == ["begun"])
            raise KeyboardInterrupt

        assert waiting.cancelled()
        assert transaction.log == ["begun", "finished"]

    def test_when_a_block_is_left_before_it_has_begun(self, make_executor: MakeExecutor) -> None:
        """Nor is it when its cleanup is yet to begin."""
        for _ in range(100):
            executor = make_executor()
            transaction = Transaction()
            future = executor.submit(transaction)
            assert transaction.started.wait(LIMIT)
            with pytest.raises(KeyboardInterrupt), executor:
                future.cancel()
                raise KeyboardInterrupt

            assert transaction.log == ["begun", "finished"]

    def test_that_was_not_asked(self, make_executor: MakeExecutor) -> None:
        """A last step that waited for a place when all was cancelled is asked by the block."""
        executor = make_executor(max_workers=1)
        transaction = Transaction()

        @to_sync(executor=executor)
        @asynccontextmanager
        async def manage() -> AsyncGenerator[None, None]:
            yield
            await transaction()

        manager = manage()
        manager.__enter__()
        with Gate() as gate:
            _ = executor.submit(gate.wait)
            gate.arrived()
            leaving = in_thread(manager.__exit__, None, None, None)
            until(lambda: executor.statistics().pending == 1)
            executor.cancel_futures()
        assert transaction.started.wait(LIMIT)

        with pytest.raises(KeyboardInterrupt), executor:
            raise KeyboardInterrupt

        with pytest.raises(CancelledError):
            leaving.result(LIMIT)
        assert transaction.log == ["begun", "finished"]

    def test_when_its_time_is_up(self, make_executor: MakeExecutor) -> None:
        """The time-out of a `to_sync` call does not interrupt its cleanup either."""
        executor = make_executor()
        transaction = Transaction()
        call = to_sync(transaction, timeout=0.05, executor=executor)  # type: ignore[call-overload]
        calling = in_thread(call)
        assert transaction.started.wait(LIMIT)
        time.sleep(0.03)

        executor.cancel_futures()

        with pytest.raises((TimeoutError, CancelledError)):
            calling.result(LIMIT)
        executor.shutdown()
        assert transaction.log == ["begun", "finished"]

    @pytest.mark.skipif(sys.platform == "win32", reason="needs SIGTERM for one process")
    @pytest.mark.parametrize(
        "wait",
        [
            "to_sync(work, executor=executor)()",
            "list(executor.map(lambda _: work(), [1]))",
            "list(to_sync(generate, executor=executor)())",
            "executor.submit(work).result()",
        ],
    )
    def test_when_a_signal_handler_cancels_and_exits(self, wait: str) -> None:
        """What the handler has cancelled is not cancelled once more by its exception."""
        output = run_python(
            f"""
            import asyncio, os, signal, threading
            from aiofutures import AsyncExecutor, to_sync

            begun = threading.Event()
            executor = AsyncExecutor()

            async def work():
                threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
                try:
                    await asyncio.sleep(100)
                finally:
                    begun.set()
                    await asyncio.sleep(0.1)
                    print("cleaned up")

            async def generate():
                yield await work()

            def terminate(*_):
                executor.shutdown(wait=False, cancel_futures=True)
                begun.wait(10)
                raise SystemExit

            signal.signal(signal.SIGTERM, terminate)
            with executor:
                {wait}
            """
        )

        assert output == "cleaned up\n"

    def test_that_awaits_another_executor(
        self, make_executor: MakeExecutor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """At the end, a call whose awaited call is cancelled first is asked before it cleans up."""
        executor, other = make_executor(), make_executor()
        transaction = Transaction(other.submit(asyncio.sleep, LIMIT))
        waiting = executor.submit(transaction)
        until(lambda: waiting.running() and other.statistics().pending == 0)
        call_soon = Run.call_soon

        def call_late(run: Run, callback: Callable[..., object], /, *args: Any) -> bool:
            if callback == run.cancel_each and run in executor._host.runs:
                time.sleep(0.02)
            return call_soon(run, callback, *args)

        with monkeypatch.context() as patch:
            patch.setattr(Run, "call_soon", call_late)
            cancel_all([executor._host.runs, other._host.runs], is_cleaning_up)

        executor.shutdown()
        assert transaction.log == ["begun", "finished"]

    @pytest.mark.parametrize("limit", [None, 1])
    @pytest.mark.parametrize("is_elsewhere", [False, True])
    def test_calls_of_a_cleanup(
        self, make_executor: MakeExecutor, limit: int | None, is_elsewhere: bool
    ) -> None:
        """The end of a block spares what a cleanup has submitted, and what that has submitted."""
        executor = make_executor(max_workers=limit)
        other = make_executor(max_workers=limit) if is_elsewhere else executor
        log: list[str] = []
        begun = threading.Event()

        async def roll_back() -> None:
            await asyncio.sleep(0.02)
            log.append("rolled back")

        async def notify() -> None:
            all_done = gather(other.submit(roll_back), other.submit(echo_later, 1))
            begun.set()
            await all_done
            log.append("notified")

        async def work() -> None:
            try:
                await asyncio.sleep(LIMIT)
            finally:
                await executor.submit(notify)
                log.append("finished")

        with pytest.raises(KeyboardInterrupt), executor, other:
            working = executor.submit(work)
            until(working.running)
            working.cancel()
            assert begun.wait(LIMIT)
            raise KeyboardInterrupt

        assert working.cancelled()
        assert log == ["rolled back", "notified", "finished"]

    def test_calls_of_a_cleanup_that_is_over(self, make_executor: MakeExecutor) -> None:
        """What a cleanup has left behind is cancelled with all others."""
        executor = make_executor()
        left: list[Future[None]] = []

        async def work() -> None:
            try:
                await asyncio.sleep(LIMIT)
            finally:
                left.append(executor.submit(asyncio.sleep, LIMIT))

        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt), executor:
            working = executor.submit(work)
            until(working.running)
            working.cancel()
            until(working.done)
            raise KeyboardInterrupt

        assert left[0].cancelled()
        assert time.monotonic() - start < LIMIT / 2

    @pytest.mark.parametrize("limit", [None, 1])
    def test_in_nested_blocks(self, make_executor: MakeExecutor, limit: int | None) -> None:
        """The end of an inner block cancels what a call of the outer one awaits, and that once."""
        executor, other = make_executor(max_workers=limit), make_executor()
        log: list[str] = []

        async def wait(future: Future[None]) -> None:
            try:
                await future
            finally:
                log.append("begun")
                await asyncio.sleep(0.02)
                log.append("finished")

        with pytest.raises(KeyboardInterrupt), executor:
            waiting = executor.submit(wait, other.submit(asyncio.sleep, LIMIT))
            until(waiting.running)
            with suppress(KeyboardInterrupt), other:
                raise KeyboardInterrupt
            until(lambda: log == ["begun"])
            raise KeyboardInterrupt

        assert waiting.cancelled()
        assert log == ["begun", "finished"]

    def test_that_is_over(self, make_executor: MakeExecutor) -> None:
        """Whoever has handled the cancellation of what it awaited is asked by the outer block."""
        executor, other = make_executor(), make_executor()
        goes_on = threading.Event()

        async def go_on(future: Future[None]) -> None:
            with suppress(asyncio.CancelledError):
                await future
            goes_on.set()
            await asyncio.sleep(LIMIT)

        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt), executor:
            waiting = executor.submit(go_on, other.submit(asyncio.sleep, LIMIT))
            until(waiting.running)
            other.cancel_futures()
            assert goes_on.wait(LIMIT)
            raise KeyboardInterrupt

        assert waiting.cancelled()
        assert time.monotonic() - start < LIMIT / 2

    def test_of_another_executors_call(self, make_executor: MakeExecutor) -> None:
        """A block that is left passes no cancellation on to what is being cancelled elsewhere."""
        executor, other = make_executor(), make_executor()
        transaction = Transaction()
        future = other.submit(transaction)
        assert transaction.started.wait(LIMIT)

        with pytest.raises(KeyboardInterrupt), executor:
            waiting = executor.submit(_await, future)
            until(waiting.running)
            future.cancel()
            until(lambda: transaction.log == ["begun"])
            raise KeyboardInterrupt

        assert waiting.cancelled()
        other.shutdown()
        assert transaction.log == ["begun", "finished"]

    def test_of_one_that_starts_meanwhile(self, make_executor: MakeExecutor) -> None:
        """Nor is it where some calls have not started when all is cancelled."""
        for _ in range(20):
            executor = make_executor(max_workers=1)
            transaction = Transaction()
            future: Future[Any] = executor.submit(transaction)
            assert transaction.started.wait(LIMIT)
            for _ in range(200):
                future = future.then(echo)
            executor.cancel_futures()
            executor.shutdown()
            assert transaction.log == ["begun", "finished"]

    @pytest.mark.one_loop("blocks one loop")
    def test_of_one_that_hears_of_others_first(self, make_executor: MakeExecutor) -> None:
        """One that awaits what has just been cancelled with it is asked before it cleans up."""
        executor = make_executor()
        log: list[str] = []
        with Gate() as gate:

            async def work() -> None:
                source = executor.submit(echo, 1)
                gate.block()
                try:
                    await source
                finally:
                    log.append("begun")
                    await asyncio.sleep(0.01)
                    log.append("finished")

            future = executor.submit(work)
            gate.arrived()
            executor.cancel_futures()
        with pytest.raises(CancelledError):
            future.result(LIMIT)

        assert log == ["begun", "finished"]

    def test_that_the_user_cuts_off(self, executor: AsyncExecutor) -> None:
        """A second cancellation of the user's goes through, by a waiter too."""
        transaction = Transaction()
        future = executor.submit(transaction)
        derived = future.map(str)
        assert transaction.started.wait(LIMIT)
        until(derived.running)
        executor.cancel_futures()
        until(lambda: transaction.log == ["begun"])

        derived.cancel()

        with pytest.raises(CancelledError):
            future.result(LIMIT)
        assert transaction.log == ["begun"]

    def test_of_another_executor(self, make_executor: MakeExecutor) -> None:
        """What a cancelled call waits for elsewhere is cancelled, once."""
        one, other = make_executor(), make_executor()
        transaction = Transaction()
        future = other.submit(transaction)
        assert transaction.started.wait(LIMIT)
        waiting = [one.submit(_await, future), future.map(str).map(str)]
        until(lambda: one.statistics().running == 1 and other.statistics().running == 3)

        one.cancel_futures()

        with pytest.raises(CancelledError):
            waiting[0].result(LIMIT)
        assert transaction.log == ["begun", "finished"]

    def test_costs_in_proportion(self, make_executor: MakeExecutor) -> None:
        """A long chain is cancelled in a moment, also while it starts."""
        executor = make_executor(max_workers=1)
        future: Future[Any] = executor.submit(asyncio.sleep, LIMIT)
        for _ in range(3_000):
            future = future.then(echo)

        begin = time.process_time()
        executor.cancel_futures()
        executor.shutdown()

        # One after another would take some 10 seconds.
        assert time.process_time() - begin < 3


@pytest.mark.parametrize(
    "combine",
    [gather, first, lambda future: future.zip(future), lambda future: future.map(abs)],
    ids=["gather", "first", "zip", "map"],
)
def test_combined_while_all_are_cancelled(
    make_executor: MakeExecutor,
    monkeypatch: pytest.MonkeyPatch,
    combine: Callable[[Future[int]], Future[Any]],
) -> None:
    """A call that combines a cancelled call with others is cancelled before it cleans up."""
    executor = make_executor(max_workers=1)
    log: list[str] = []
    withdrawn = threading.Event()
    cancel_each = waves._cancel_each

    def cancel_late(*args: Any) -> None:
        withdrawn.set()
        time.sleep(0.05)
        cancel_each(*args)

    monkeypatch.setattr(waves, "_cancel_each", cancel_late)
    with Gate() as gate:

        async def work() -> None:
            queued = executor.submit(echo, 1)
            gate.block()
            assert withdrawn.wait(LIMIT)
            try:
                await combine(queued)
            finally:
                await asyncio.sleep(0.1)
                log.append("cleaned up")

        running = executor.submit(work)
        gate.arrived()
        cancelling = in_thread(executor.cancel_futures)
        gate.open()
        cancelling.result(LIMIT)
        with pytest.raises(CancelledError):
            running.result(LIMIT)

    assert log == ["cleaned up"]


class TestBackgroundTasks:
    """Tasks that nobody has submitted, when their executor is shut down."""

    @pytest.mark.parametrize("waits", [True, False])
    def test_cleanup_submits(self, executor: AsyncExecutor, waits: bool) -> None:
        """What the cleanup of one submits is finished, with the tasks that it makes."""
        log: list[str] = []

        async def child(name: str) -> None:
            await asyncio.sleep(0.01)
            log.append(name)

        async def save() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(child("one"))
                group.create_task(child("two"))
            log.append("saved")

        async def background() -> None:
            try:
                await asyncio.sleep(LIMIT)
            finally:
                saving = executor.submit(save)
                if waits:
                    await saving

        tasks: list[asyncio.Task[None]] = []

        async def start() -> None:
            tasks.append(asyncio.create_task(background()))
            await asyncio.sleep(0)

        executor.submit(start).result(LIMIT)
        executor.shutdown()

        assert log == ["one", "two", "saved"]
        assert tasks[0].cancelled()

    def test_stop_while_it_closes(self, executor: AsyncExecutor) -> None:
        """Somebody who stops the loop meanwhile cuts nothing off."""
        transaction = Transaction()

        async def background() -> None:
            try:
                await transaction()
            finally:
                asyncio.get_running_loop().stop()
                await executor.submit(echo, 1)
                transaction.log.append("closed")

        async def start() -> None:
            tasks.append(asyncio.create_task(background()))
            await asyncio.sleep(0)

        tasks: list[asyncio.Task[None]] = []
        executor.submit(start).result(LIMIT)
        executor.shutdown()

        assert transaction.log == ["begun", "finished", "closed"]

    def test_one_that_leaves_others(self, executor: AsyncExecutor) -> None:
        """Those that a cleanup leaves behind are cancelled, too, each once."""
        transactions = [Transaction() for _ in range(3)]
        tasks: set[asyncio.Task[str]] = set()

        async def start(number: int) -> None:
            tasks.add(asyncio.create_task(background(number)))
            await asyncio.sleep(0)

        async def background(number: int) -> str:
            try:
                return await transactions[number]()
            finally:
                if number < 2:
                    await start(number + 1)

        executor.submit(start, 0).result(LIMIT)
        executor.shutdown()

        assert [transaction.log for transaction in transactions] == [["begun", "finished"]] * 3


class TestTimeout:
    """`to_sync(timeout=)` at the last moment."""

    @pytest.mark.one_loop("a queue of asyncio is of one loop")
    def test_value_that_is_there(
        self, default_executor: AsyncExecutor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A value that is there before the loop takes the cancellation is returned."""
        monkeypatch.setattr(sync_call, "_LOOP_SECONDS", LIMIT)

        async def busy(queue: asyncio.Queue[str]) -> None:
            waiting: Any = queue
            while not waiting._getters:
                await asyncio.sleep(0)
            queue.put_nowait("order 17")
            gate.block()

        async def make() -> asyncio.Queue[str]:
            return asyncio.Queue()

        with Gate() as gate:
            queue = default_executor.submit(make).result(LIMIT)
            blocking = in_executor(busy)(queue)
            caller = threading.current_thread()

            def open_late() -> None:
                until(lambda: is_in(caller, _is_done_when_cancelled))
                gate.open()

            opening = in_thread(open_late)
            # The time is up when it is there, and the loop is blocked.
            monkeypatch.setattr(sync_call, "wait_until_done", lambda *_: gate.arrived())

            assert to_sync(timeout=LIMIT)(queue.get)() == "order 17"

            blocking.result(LIMIT)
            opening.result(LIMIT)

    def test_error_that_is_there(self, default_executor: AsyncExecutor) -> None:
        """So is an error, which is raised."""

        @to_sync(timeout=0.3)
        async def fail() -> None:
            await asyncio.sleep(0)
            time.sleep(0.6)
            raise OSError("refused")

        with pytest.raises(OSError, match="refused"):
            fail()

    def test_blocked_loop(self, default_executor: AsyncExecutor) -> None:
        """A loop that is blocked keeps nobody for more than a second."""
        with Gate() as gate:

            async def block() -> None:
                gate.block()

            blocking = default_executor.submit(block)
            gate.arrived()
            begin = time.monotonic()

            with pytest.raises(TimeoutError, match=r"Event.wait\(\) was cancelled"):
                to_sync(timeout=0.05)(asyncio.Event().wait)()

            assert time.monotonic() - begin < LIMIT / 2
        blocking.result(LIMIT)

    def test_value_of_the_cleanup(self, default_executor: AsyncExecutor) -> None:
        """What comes of the cancellation itself is not the value of the call."""

        @to_sync(timeout=0.02)
        async def swallow() -> str:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(LIMIT)
            return "too late"

        for _ in range(10):
            with pytest.raises(TimeoutError):
                swallow()


class TestRaising:
    """Whatever is raised while all is cancelled, all the rest is cancelled."""

    def test_callbacks(self, make_executor: MakeExecutor) -> None:
        """A SystemExit of a callback is raised when all are cancelled."""
        executor = make_executor(max_workers=1)
        with Gate() as gate:
            running = executor.submit(gate.wait)
            gate.arrived()
            futures = [executor.submit(echo, number) for number in range(10)]
            for future in futures:
                future.add_done_callback(_exit)

            with pytest.raises(SystemExit):
                executor.cancel_futures()

            assert all(future.cancelled() for future in futures)
            with pytest.raises(CancelledError):
                running.result(LIMIT)

    @pytest.mark.one_loop("sets up one loop")
    def test_tasks(self, executor: AsyncExecutor, logged_errors: list[Any]) -> None:
        """A task that cannot be cancelled does not keep the others from it."""

        class Stubborn(asyncio.Task[Any]):
            @override
            def cancel(self, msg: Any = None) -> bool:
                if self.get_name() == "Gate.wait" and not released:
                    raise RuntimeError("not me")
                return super().cancel(msg)

        released: list[bool] = []

        async def use_factory() -> None:
            asyncio.get_running_loop().set_task_factory(
                lambda loop, coro, **options: Stubborn(coro, loop=loop, **options)
            )

        executor.submit(use_factory).result(LIMIT)
        with Gate() as gate:
            stubborn = executor.submit(gate.wait)
            others = [executor.submit(asyncio.sleep, LIMIT) for _ in range(5)]
            gate.arrived()
            until(lambda: executor.statistics().pending == 0)

            executor.cancel_futures()

            for other in others:
                with pytest.raises(CancelledError):
                    other.result(LIMIT)
            assert not stubborn.done()
            released.append(True)
        stubborn.result(LIMIT)
        assert logged_errors.pop().exc_info


def _exit(_: object) -> None:
    raise SystemExit
