"""The thread that runs the event loop: its start and its end."""

import asyncio
import contextlib
import gc
import logging
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support import (
    LIMIT,
    Breaking,
    Gate,
    Halt,
    MakeExecutor,
    Pausing,
    echo,
    echo_later,
    fail_later,
    in_thread,
    interrupted_at,
    run_python,
    run_untraced,
    silence,
    thread_error,
    until,
)

from aiofutures import (
    AsyncExecutor,
    BrokenExecutor,
    ExecutorStatistics,
    Future,
    InvalidStateError,
)
from aiofutures._loops.run import Run
from aiofutures._loops.thread import LoopThread

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


async def thread_name() -> str:
    """Return the name of the loop thread."""
    return threading.current_thread().name


class TestStart:
    """The start of the thread."""

    def test_lazy(self, executor: AsyncExecutor) -> None:
        """The thread starts with the first submit and serves all that follow."""
        before = set(threading.enumerate())

        executor.submit(echo, 1).result(LIMIT)
        executor.submit(echo, 1).result(LIMIT)

        assert len(set(threading.enumerate()) - before) == 1

    def test_is_a_daemon(self, executor: AsyncExecutor) -> None:
        """The thread is a daemon: it serves others after the interpreter has joined its threads."""
        before = set(threading.enumerate())

        executor.submit(echo, 1).result(LIMIT)

        assert [thread.daemon for thread in set(threading.enumerate()) - before] == [True]

    def test_exception_handler(self) -> None:
        """The exception handler that `loop_factory` sets is kept."""
        contexts: list[dict[str, Any]] = []

        def factory() -> asyncio.AbstractEventLoop:
            loop = asyncio.new_event_loop()
            loop.set_exception_handler(lambda _, context: contexts.append(context))
            return loop

        async def work() -> None:
            asyncio.get_running_loop().call_exception_handler({"message": "seen"})

        with AsyncExecutor(loop_factory=factory) as executor:
            executor.submit(work).result(LIMIT)

        assert contexts == [{"message": "seen"}]

    def test_name(self, make_executor: MakeExecutor) -> None:
        """The thread's name is the prefix; without one it is numbered."""
        executor = make_executor(thread_name_prefix="fetching")
        first, second = make_executor(), make_executor()

        names = [each.submit(thread_name).result(LIMIT) for each in (executor, first, second)]

        assert names[0] == "fetching"
        assert names[1].startswith("AsyncExecutor-")
        assert names[1] != names[2]

    def test_by_many_threads(self, loop_factory: LoopFactory) -> None:
        """Threads that submit first, all at once, start one loop thread; other loops are closed."""
        barrier = threading.Barrier(3)

        def make_loop() -> asyncio.AbstractEventLoop:
            barrier.wait(LIMIT)
            return loop_factory()

        with AsyncExecutor(loop_factory=make_loop) as executor:
            threads = [in_thread(executor.submit, thread_name) for _ in range(3)]
            names = {thread.result(LIMIT).result(LIMIT) for thread in threads}

        assert len(names) == 1

    def test_overtaken_by_a_shutdown(self, loop_factory: LoopFactory) -> None:
        """A submit whose start is overtaken by a shutdown is refused; nothing has started."""

        def make_loop() -> asyncio.AbstractEventLoop:
            executor.shutdown()
            return loop_factory()

        executor = AsyncExecutor(loop_factory=make_loop)

        with pytest.raises(InvalidStateError, match="after shutdown"):
            _ = executor.submit(echo, 1)

        assert executor.statistics() == ExecutorStatistics(0, 0, None)

    def test_failing_loop_factory(self, loop_factory: LoopFactory) -> None:
        """An error of the loop factory is raised by `submit`; a later call may succeed."""
        errors = [OSError("no loop"), KeyboardInterrupt()]

        def make_loop() -> asyncio.AbstractEventLoop:
            if errors:
                raise errors.pop(0)
            return loop_factory()

        with AsyncExecutor(loop_factory=make_loop) as executor:
            with pytest.raises(OSError, match="no loop"):
                _ = executor.submit(echo, 1)
            with pytest.raises(KeyboardInterrupt):
                _ = executor.submit(echo, 1)
            assert executor.statistics() == ExecutorStatistics(0, 0, None)

            assert executor.submit(echo, 2).result(LIMIT) == 2

    def test_failing_loop_factory_and_shutdown(self) -> None:
        """An executor that could not start can be shut down."""

        def make_loop() -> asyncio.AbstractEventLoop:
            raise OSError("no loop")

        executor = AsyncExecutor(loop_factory=make_loop)
        with pytest.raises(OSError, match="no loop"):
            _ = executor.submit(echo, 1)

        executor.cancel_futures()
        executor.shutdown()

    @pytest.mark.skipif(sys.platform != "linux", reason="a stack that is too large is of Linux")
    def test_no_thread_to_be_had(self, loop_factory: LoopFactory) -> None:
        """Where no thread can start, `submit` says so and closes the loop; a later call works."""
        executor = AsyncExecutor(loop_factory=loop_factory)
        threading.stack_size(1 << 47)  # more than there are addresses
        try:
            with pytest.raises(RuntimeError, match="can't start new thread"):
                _ = executor.submit(echo, 1)
        finally:
            threading.stack_size(0)

        assert executor.statistics() == ExecutorStatistics(0, 0, None)
        assert executor.tasks == set()
        assert executor.submit(echo, 2).result(LIMIT) == 2
        executor.shutdown()

    @pytest.mark.skipif(sys.platform != "linux", reason="a stack that is too large is of Linux")
    def test_queued_while_no_thread_is_to_be_had(self) -> None:
        """A call that another thread has queued at a start that fails, fails with its error."""
        executor = AsyncExecutor()
        with Halt(LoopThread._start_thread, "thread.start()") as halt:
            failing = in_thread(halt.call, lambda: executor.submit(echo, 1))
            halt.arrived()
            queued = executor.submit(echo, 2)
            threading.stack_size(1 << 47)
            try:
                halt.go_on()
                with pytest.raises(RuntimeError, match="can't start new thread"):
                    _ = failing.result(LIMIT)
            finally:
                threading.stack_size(0)

        assert str(queued.exception(LIMIT)) == "can't start new thread"
        assert executor.submit(echo, 3).result(LIMIT) == 3
        executor.shutdown()

    @pytest.mark.skipif(sys.platform != "linux", reason="a stack that is too large is of Linux")
    def test_callback_while_no_thread_is_to_be_had(self) -> None:
        """A done callback of such a call may wait for a thread that starts the loop itself."""
        executor = AsyncExecutor()
        with Halt(LoopThread._start_thread, "thread.start()") as halt:
            failing = in_thread(halt.call, lambda: executor.submit(echo, 1))
            halt.arrived()
            others: list[int] = []

            def submit(_: Future[int]) -> None:
                threading.stack_size(0)
                another = in_thread(lambda: executor.submit(echo, 3).result(LIMIT))
                others.append(another.result(LIMIT))

            queued = executor.submit(echo, 2)
            queued.add_done_callback(submit)
            threading.stack_size(1 << 47)
            try:
                halt.go_on()
                with pytest.raises(RuntimeError, match="can't start new thread"):
                    _ = failing.result(2 * LIMIT)
            finally:
                threading.stack_size(0)

        assert others == [3]
        executor.shutdown()

    @pytest.mark.skipif(sys.platform != "linux", reason="a stack that is too large is of Linux")
    def test_waiting_while_no_thread_is_to_be_had(self) -> None:
        """Threads that wait for somebody's queued call are woken when the start fails."""
        executor = AsyncExecutor()
        with Halt(LoopThread._start_thread, "thread.start()") as halt:
            failing = in_thread(halt.call, lambda: executor.submit(echo, 1))
            halt.arrived()
            queued = executor.submit(echo, 2)
            waiting = in_thread(queued.exception, LIMIT)
            called = threading.Event()
            queued.add_done_callback(lambda _: called.set())
            threading.stack_size(1 << 47)
            try:
                halt.go_on()
                with pytest.raises(RuntimeError, match="can't start new thread"):
                    _ = failing.result(LIMIT)
            finally:
                threading.stack_size(0)

        assert str(waiting.result(LIMIT)) == "can't start new thread"
        assert called.wait(LIMIT)

    @pytest.mark.parametrize("line", ["running_loop_threads[loop] = self", "thread.start()"])
    def test_interrupted(self, line: str) -> None:
        """Ctrl-C during the start is raised; what others have queued fails; a later call works."""
        executor = AsyncExecutor()
        queued: list[Future[int]] = []

        def handle() -> None:
            queued.append(executor.submit(echo, 2))
            raise KeyboardInterrupt

        with (
            pytest.raises(KeyboardInterrupt),
            interrupted_at(LoopThread._start_thread, line, handle),
        ):
            _ = executor.submit(echo, 1)

        assert executor.statistics() == ExecutorStatistics(0, 0, None)
        for future in queued:
            with pytest.raises(BrokenExecutor, match=r"start of the .*loop was interrupted"):
                future.result(LIMIT)
        assert executor.submit(echo, 3).result(LIMIT) == 3
        executor.shutdown()

    def test_full_stack(self) -> None:
        """Wherever the stack is full, nothing is half started: a later call works."""
        output = run_untraced(
            """
            import sys
            from aiofutures import AsyncExecutor

            async def work():
                pass

            def deeper(levels):
                return deeper(levels - 1) if levels else executor.submit(work)

            refused = 0
            for levels in range(150, 200):
                executor = AsyncExecutor()
                sys.setrecursionlimit(200)
                try:
                    deeper(levels)
                except RecursionError:
                    refused += 1
                sys.setrecursionlimit(1000)
                executor.submit(work).result(10)
                executor.shutdown()
            print(refused > 20)
            """
        )

        assert output == "True\n"

    def test_interrupted_after_the_thread_has_started(self) -> None:
        """A thread whose start was given up ends without a loop."""
        executor = AsyncExecutor()

        def interrupt() -> None:
            raise KeyboardInterrupt

        with Halt(LoopThread._serve, "if not run.claim()") as halt:
            halt.in_new_threads()
            with (
                pytest.raises(KeyboardInterrupt),
                interrupted_at(threading.Thread.start, "self._started.wait()", interrupt),
            ):
                _ = executor.submit(echo, 1)
            halt.arrived()

        assert executor.submit(echo, 2).result(LIMIT) == 2
        executor.shutdown()

    def test_interrupted_when_the_thread_runs(self) -> None:
        """A thread that has begun to run the loop goes on, and serves later calls."""
        executor = AsyncExecutor()
        run = executor._loop_thread._run

        def interrupt() -> None:
            until(lambda: not hasattr(run, "_unclaimed"))
            raise KeyboardInterrupt

        with (
            pytest.raises(KeyboardInterrupt),
            interrupted_at(threading.Thread.start, "self._started.wait()", interrupt),
        ):
            _ = executor.submit(echo, 1)

        assert executor.submit(echo, 2).result(LIMIT) == 2
        assert executor._loop_thread._run is run
        executor.shutdown()

    @pytest.mark.skipif(sys.platform != "linux", reason="a stack that is too large is of Linux")
    def test_shut_down_while_no_thread_is_to_be_had(self) -> None:
        """An executor that is shut down during a start that fails takes no later call."""
        executor = AsyncExecutor()
        with Halt(LoopThread._start_thread, "thread.start()") as halt:
            failing = in_thread(halt.call, lambda: executor.submit(echo, 1))
            halt.arrived()
            executor.shutdown(wait=False)
            threading.stack_size(1 << 47)
            try:
                halt.go_on()
                with pytest.raises(RuntimeError, match="can't start new thread"):
                    _ = failing.result(LIMIT)
            finally:
                threading.stack_size(0)

        with pytest.raises(InvalidStateError, match="after shutdown"):
            _ = executor.submit(echo, 2)
        executor.shutdown()

    @pytest.mark.skipif(sys.platform != "linux", reason="a stack that is too large is of Linux")
    def test_unfetched_where_no_thread_is_to_be_had(
        self, logged_errors: list[logging.LogRecord]
    ) -> None:
        """What was queued at a start that fails, and that nobody looks at, is logged."""
        executor = AsyncExecutor()
        with Halt(LoopThread._start_thread, "thread.start()") as halt:
            failing = in_thread(halt.call, lambda: executor.submit(echo, 1))
            halt.arrived()
            queued = executor.submit(echo, 2)
            threading.stack_size(1 << 47)
            try:
                halt.go_on()
                with pytest.raises(RuntimeError, match="can't start new thread"):
                    _ = failing.result(LIMIT)
            finally:
                threading.stack_size(0)

        assert queued.done()
        del queued, failing
        gc.collect()

        assert [(record.name, record.getMessage()) for record in logged_errors] == [
            ("aiofutures", "Future exception was never retrieved")
        ]
        logged_errors.clear()

    @pytest.mark.skipif(sys.platform != "linux", reason="needs eventfd")
    def test_no_file_to_be_had(self) -> None:
        """Where no file descriptor is left, `submit` says so; a later call works."""
        import resource

        loops = [asyncio.new_event_loop() for _ in range(2)]
        executor = AsyncExecutor(loop_factory=loops.pop)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
        try:
            with pytest.raises(OSError, match="Too many open files"):
                _ = executor.submit(echo, 1)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

        assert executor.submit(echo, 2).result(LIMIT) == 2
        executor.shutdown()

    def test_closed_loop(self) -> None:
        """A loop factory that returns a closed loop is an error of `submit`."""
        loop = asyncio.new_event_loop()
        loop.close()
        executor = AsyncExecutor(loop_factory=lambda: loop)

        with pytest.raises(RuntimeError, match="closed"):
            _ = executor.submit(echo, 1)

        executor.shutdown()

    def test_loop_that_does_not_run(self) -> None:
        """A loop that cannot run breaks the executor; nothing hangs."""
        loop = Breaking()
        loop.broken = True
        executor = AsyncExecutor(loop_factory=lambda: loop)

        with thread_error(OSError):
            with contextlib.suppress(InvalidStateError):
                assert isinstance(executor.submit(echo, 1).exception(LIMIT), BrokenExecutor)
            executor.shutdown()

    @pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs SIGUSR1")
    def test_signal_handler_that_submits(self) -> None:
        """A signal handler may submit while its thread starts the loop thread."""
        output = run_python(
            """
            import os, signal, sys
            sys.path.insert(0, "tests")
            from support import Watch, echo, line_of
            from aiofutures import AsyncExecutor
            from aiofutures._loops.thread import LoopThread

            executor = AsyncExecutor()
            futures = []
            signal.signal(signal.SIGUSR1, lambda *_: futures.append(executor.submit(echo, 1)))

            def interrupt(line):
                if line == number and not futures:
                    os.kill(os.getpid(), signal.SIGUSR1)

            code, number = line_of(LoopThread._start_thread, "bell = doorbell")
            watch = Watch(code, interrupt)
            watch.start()
            with watch.here():
                futures.append(executor.submit(echo, 2))
            print(*sorted(future.result(10) for future in futures))
            """
        )

        assert output == "1 2\n"


class TestCallSoon:
    """`LoopThread.call_soon`."""

    def test_is_no_call(self, make_executor: MakeExecutor) -> None:
        """It runs where there is no place for a call, and counts as none."""
        executor, arrived = make_executor(max_workers=1), Gate()
        with Gate() as gate:
            running = executor.submit(gate.pass_on, 1)
            gate.arrived()

            assert executor._loop_thread.call_soon(lambda _: arrived._arrivals.release(), 1)

            arrived.arrived()
            assert executor.statistics().pending == 0
        assert running.result(LIMIT) == 1

    def test_without_a_loop(self) -> None:
        """It says so where no event loop runs."""
        executor = AsyncExecutor()

        assert not executor._loop_thread.call_soon(print)

        executor.submit(asyncio.sleep, 0).result(LIMIT)
        executor.shutdown()
        assert not executor._loop_thread.call_soon(print)


class TestBroken:
    """An event loop that fails."""

    @pytest.mark.parametrize("max_workers", [None, 1])
    @pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
    def test_nothing_is_left_pending(self, max_workers: int | None) -> None:
        """Where the event loop itself fails, all futures fail with BrokenExecutor."""
        loop = Breaking()
        executor = AsyncExecutor(loop_factory=lambda: loop, max_workers=max_workers)
        with Gate() as gate:
            futures = [executor.submit(gate.wait) for _ in range(3)]
            gate.arrived(3 if max_workers is None else 1)
            waiting = in_thread(futures[-1].exception, LIMIT)

            with thread_error(OSError):
                silence(executor.tasks)
                loop.fail()

                error = waiting.result(LIMIT)
            executor.shutdown()

        assert isinstance(error, BrokenExecutor)
        assert str(error) == "the event loop has failed: OSError('the selector has failed')"
        assert isinstance(error.__cause__, OSError)
        assert all(isinstance(future.exception(0), BrokenExecutor) for future in futures)
        with pytest.raises(BrokenExecutor, match="the event loop has failed: OSError"):
            _ = executor.submit(echo, 1)
        gc.collect()

    def test_loop_that_is_stopped(self, executor: AsyncExecutor) -> None:
        """A task that stops the event loop stops nothing: the loop goes on."""

        async def stop() -> None:
            asyncio.get_running_loop().stop()

        executor.submit(stop).result(LIMIT)

        assert executor.submit(echo_later, 1).result(LIMIT) == 1

    @pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
    def test_background_task_that_exits(
        self, executor: AsyncExecutor, error: type[BaseException]
    ) -> None:
        """SystemExit of a task that a call has left behind does not end the loop."""
        kept: list[asyncio.Task[None]] = []

        async def work() -> None:
            kept.append(asyncio.create_task(fail_later(error())))

        executor.submit(work).result(LIMIT)
        until(lambda: kept[0].done())

        assert executor.submit(echo_later, 1).result(LIMIT) == 1
        assert type(kept[0].exception()) is error

    @pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
    def test_exit_while_it_ends(self, executor: AsyncExecutor, error: type[BaseException]) -> None:
        """SystemExit in the cleanup of a background task does not keep the loop from its end."""
        kept: list[asyncio.Task[None]] = []
        cleaned = threading.Event()
        with Gate() as gate:

            async def background() -> None:
                try:
                    await gate.wait()
                finally:
                    raise error

            async def other() -> None:
                try:
                    await gate.wait()
                finally:
                    for _ in range(3):
                        await asyncio.sleep(0)
                    cleaned.set()

            async def work() -> None:
                kept.extend(asyncio.create_task(each()) for each in (background, other))

            executor.submit(work).result(LIMIT)
            gate.arrived(2)

            executor.shutdown()

        assert cleaned.is_set()
        assert type(kept[0].exception()) is error


class TestLateSubmit:
    """A submit that races the shutdown is refused or completed, never left pending."""

    def test_refused_or_completed(self) -> None:
        """Threads that submit while the executor shuts down get a result or an error."""
        for _ in range(30):
            executor = AsyncExecutor()
            executor.submit(echo, 0).result(LIMIT)
            barrier = threading.Barrier(4)

            def submit(
                executor: AsyncExecutor = executor, barrier: threading.Barrier = barrier
            ) -> list[Future[int]]:
                futures: list[Future[int]] = []
                barrier.wait(LIMIT)
                with contextlib.suppress(InvalidStateError):
                    while True:
                        futures.append(executor.submit(echo, len(futures)))
                return futures

            threads = [in_thread(submit) for _ in range(3)]
            barrier.wait(LIMIT)
            executor.shutdown()

            for thread in threads:
                futures = thread.result(LIMIT)
                assert [future.result(0) for future in futures] == list(range(len(futures)))

    def test_appended_after_the_end(self) -> None:
        """A submit that was let in and comes after the end takes its job back."""
        executor = AsyncExecutor()
        executor.submit(echo, 0).result(LIMIT)
        with Halt(LoopThread.submit, "run.queue.append(future)") as halt:
            late = in_thread(halt.call, lambda: executor.submit(echo, 1))
            halt.arrived()
            executor.shutdown()
            halt.go_on()

            with pytest.raises(InvalidStateError, match="after shutdown"):
                _ = late.result(LIMIT)

        assert executor.statistics() == ExecutorStatistics(0, 0, None)

    def test_appended_before_the_last_look(self) -> None:
        """A submit from outside that has overlooked the shutdown takes its call back."""
        executor = AsyncExecutor()
        with Halt(Run.run, "if not self.closing or self.has_work()") as ending:
            ending.in_new_threads()
            executor.submit(echo, 0).result(LIMIT)
            with Halt(LoopThread.submit, "run.queue.append(future)") as halt:
                late = in_thread(halt.call, lambda: executor.submit(echo, 1))
                halt.arrived()
                executor.shutdown(wait=False)
                ending.arrived()
                halt.go_on()
                with pytest.raises(InvalidStateError, match="after shutdown"):
                    _ = late.result(LIMIT)
            ending.go_on()
            executor.shutdown()

        assert executor.statistics() == ExecutorStatistics(0, 0, None)

    def test_taken_before_it_is_taken_back(self) -> None:
        """A call that the loop has begun by then completes."""
        executor = AsyncExecutor()
        executor.submit(echo, 0).result(LIMIT)
        with Halt(LoopThread.submit, "if run.is_guarded and self._refuses(run) and") as halt:
            late = in_thread(halt.call, lambda: executor.submit(echo, 1))
            halt.arrived()
            executor.shutdown()
            halt.go_on()

            assert late.result(LIMIT).result(0) == 1

    def test_appended_after_the_end_while_another_wakes(self) -> None:
        """A late submit that finds a wake-up under way is not left pending either."""
        loop = Pausing()
        executor = AsyncExecutor(loop_factory=lambda: loop)
        executor.submit(echo, 0).result(LIMIT)
        until(lambda: not executor._loop_thread._run.awake)  # the wake-up of the start was served
        with Gate() as gate, Halt(LoopThread.submit, "run.queue.append(future)") as halt:
            late = in_thread(halt.call, lambda: executor.submit(echo, 2))
            halt.arrived()

            def wake() -> Future[int]:
                loop.gates[threading.get_ident()] = gate
                return executor.submit(echo, 1)

            with Halt(Run.wake, "self.awake = True") as waking_halt:
                waking = in_thread(waking_halt.call, wake)
                waking_halt.arrived()
                executor.submit(echo, 3).result(LIMIT)  # its wake-up serves both
            gate.arrived()  # the flag is set again
            assert waking.running()
            executor.shutdown()
            halt.go_on()
            outcome: list[Future[int]] = []
            with contextlib.suppress(InvalidStateError):
                outcome.append(late.result(LIMIT))
            gate.open()
            assert waking.result(LIMIT).result(LIMIT) == 1

        assert all(future.done() for future in outcome)

    def test_background_work_before_the_end(self) -> None:
        """Work that comes while background tasks are cancelled is finished before the end."""
        executor = AsyncExecutor()
        children: list[Future[int]] = []
        kept: list[asyncio.Task[None]] = []
        with Gate() as gate:

            async def background() -> None:
                try:
                    await gate.wait()
                finally:
                    children.append(executor.submit(echo_later, 1))

            async def work() -> None:
                kept.append(asyncio.create_task(background()))

            executor.submit(work).result(LIMIT)
            gate.arrived()
            executor.shutdown()

        assert children[0].result(0) == 1

    def test_generators_cannot_submit_any_more(self) -> None:
        """What runs after the end, the `finally` of a left generator, is refused."""
        executor = AsyncExecutor()
        errors: list[BaseException] = []
        kept: list[Any] = []

        async def numbers() -> Any:
            try:
                yield 1
            finally:
                try:
                    _ = executor.submit(echo, 1)
                except InvalidStateError as error:
                    errors.append(error)

        async def work() -> None:
            kept.append(numbers())
            await anext(kept[0])

        executor.submit(work).result(LIMIT)
        executor.shutdown()

        assert [str(error) for error in errors] == ["cannot schedule new futures after shutdown"]


class TestRunning:
    """`LoopThread.running`."""

    def test_nowhere(self) -> None:
        """No loop thread runs outside, nor under a loop that is not one's."""

        async def main() -> LoopThread | None:
            return LoopThread.running()

        assert LoopThread.running() is None
        assert asyncio.run(main()) is None

    def test_on_the_loop(self, executor: AsyncExecutor) -> None:
        """On the loop of an executor its loop thread runs."""

        async def work() -> LoopThread | None:
            return LoopThread.running()

        assert executor.submit(work).result(LIMIT) is executor._loop_thread


class TestDefaultExecutorOfTheLoop:
    """`loop.run_in_executor(None, ...)` and `asyncio.to_thread`."""

    def test_uses_the_worker_threads(self, make_executor: MakeExecutor) -> None:
        """What asyncio runs in threads runs in the worker threads."""
        executor = make_executor(thread_name_prefix="mine")

        async def work() -> str:
            return (await asyncio.to_thread(threading.current_thread)).name

        assert executor.submit(work).result(LIMIT).startswith("mine-worker")

    def test_needs_no_thread_of_the_callers_pool(self, make_executor: MakeExecutor) -> None:
        """A busy pool of the caller's, or one that was shut down, is of no concern to it."""
        with ThreadPoolExecutor(1) as pool, Gate() as gate:
            executor = make_executor(pool)

            async def work() -> int:
                busy = executor.sync_to_async(gate.block)
                length = await asyncio.to_thread(len, "ab")
                gate.open()
                await busy
                pool.shutdown()
                return length + await asyncio.to_thread(len, "abc")

            assert executor.submit(work).result(LIMIT) == 5


def test_started_already(executor: AsyncExecutor) -> None:
    """Starting a loop thread that runs changes nothing."""
    executor.submit(echo, 1).result(LIMIT)
    loop = executor._loop_thread._run.loop

    executor._loop_thread.wake()

    assert executor._loop_thread._run.loop is loop
    assert executor.submit(echo, 2).result(LIMIT) == 2


def test_second_to_start(executor: AsyncExecutor) -> None:
    """Of two threads that are about to start the loop one does, and the other one's call runs."""
    with Halt(LoopThread._start, "locked(self._start_lock") as second:
        late = in_thread(lambda: second.call(executor.submit, echo, 2))
        second.arrived()
        first = executor.submit(echo, 1)
        assert first.result(LIMIT) == 1
        second.go_on()

        assert late.result(LIMIT).result(LIMIT) == 2


class TestFullStack:
    """A call that is submitted where the stack is full."""

    def test_anywhere(self) -> None:
        """Wherever it is, the caller gets a RecursionError, and the calls of others run."""
        output = run_untraced(
            """
            import sys, time
            from aiofutures import AsyncExecutor

            async def work():
                pass

            def deeper(levels):
                return deeper(levels - 1) if levels else executor.submit(work)

            executor = AsyncExecutor()
            executor.submit(work).result(10)
            refused = 0
            sys.setrecursionlimit(200)
            for levels in range(180, 200):
                time.sleep(0.01)
                try:
                    deeper(levels)
                except RecursionError:
                    refused += 1
                others = executor.submit(work)
                others.result(10)
            sys.setrecursionlimit(1000)
            time.sleep(0.01)
            print(refused > 2, executor.statistics().pending)
            """
        )

        assert output == "True 0\n"

    def test_before_the_loop_is_woken(self, executor: AsyncExecutor) -> None:
        """The call is cancelled, and the loop woken for those that others have queued."""
        run = executor._loop_thread._run
        executor.submit(echo, 0).result(LIMIT)

        def overflow() -> None:
            raise RecursionError

        with (
            pytest.raises(RecursionError),
            interrupted_at(LoopThread.submit, "if not run.awake:", overflow),
        ):
            _ = executor.submit(echo, 1)

        until(lambda: not run.queue)
