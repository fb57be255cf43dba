"""The thread that runs an event loop: its start, its end, and what a fork leaves of it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context
from inspect import iscoroutinefunction
from typing import Any, Protocol

from ._contract import Runnable
from ._doorbell import Doorbell, doorbell
from ._exceptions import InvalidStateError
from ._lifecycle import abandonable, exiting, started
from ._scheduler import CLOSING, OPEN, SEALED, Scheduler
from ._typing import P, T, override
from ._watchers import LendingEvent


class Workers(Protocol):
    """What a loop thread knows of the worker threads that its tasks use."""

    def submit(
        self,
        notice: Callable[[], object],
        fn: Callable[P, T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> concurrent.futures.Future[T]: ...
    def default_executor(
        self, submit: Callable[..., concurrent.futures.Future[Any]], /
    ) -> ThreadPoolExecutor: ...
    def busy(self) -> bool: ...
    def is_current(self) -> bool: ...
    def shutdown(self) -> None: ...


class Watchdog(Protocol):
    """What a loop thread knows of the watchdog that watches it."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None: ...
    def stop(self) -> None: ...
    def abandon(self) -> None: ...


class LoopThread(Scheduler):
    """An event loop in a thread of its own. It starts with the first job and ends after the last.

    Args:
        loop_factory: Makes the event loop.
        name: The thread's name.
        workers: The worker threads; they end with the loop.
        max_workers: The most tasks in flight; None for no limit.
        cancel_at_exit: Whether the end of the interpreter cancels what is left.
        watchdog: Watches the event loop; None for no watch.
    """

    def __init__(
        self,
        *,
        loop_factory: Callable[[], asyncio.AbstractEventLoop],
        name: str,
        workers: Workers,
        max_workers: int | None,
        cancel_at_exit: bool,
        watchdog: Watchdog | None,
    ) -> None:
        self.cancel_at_exit = cancel_at_exit
        self._loop_factory = loop_factory
        self._name = name
        self._workers = workers
        self._watchdog = watchdog
        self._parents: list[object] = []  # what a forked child keeps so that nothing closes it
        # Lets one thread alone start the loop thread. Nothing of the user's runs under it but
        # signal handlers, which may submit: hence reentrant.
        self._start_lock = threading.RLock()
        super().__init__(max_workers)
        abandonable.add(self)

    @override
    def _reset(self) -> None:
        super()._reset()
        self._thread: threading.Thread | None = None
        self._doorbell: Doorbell | None = None
        self._ended = LendingEvent()  # set when the thread has ended

    # From any thread.

    @staticmethod
    def running() -> LoopThread | None:
        """Return the loop thread on whose event loop the caller runs."""
        loop = asyncio._get_running_loop()
        loop_thread = None if loop is None else started.get(loop)
        return loop_thread if isinstance(loop_thread, LoopThread) else None

    @override
    def wake(self) -> None:
        """Have the loop thread look at its queue, starting it where it is not running yet."""
        # In a context of its own: the loop would keep that of the first caller, and its variables.
        loop = self._loop or Context().run(self._start)
        bell = self._doorbell
        if bell is None:  # the thread has ended, or looks at its queue as soon as it has started
            return
        self._awake = True
        try:
            if asyncio._get_running_loop() is loop:
                loop.call_soon(self._drain)
            else:
                bell.ring()
        except BaseException:
            self._awake = False  # or no later call would wake it
            # A signal handler may have raised, when others relied on this call already.
            self.call_soon(self._drain)
            raise

    def close(self) -> None:
        """Take no more work from outside, and end when there is none left."""
        if self._phase == OPEN:
            self._phase = CLOSING
        # Not only a look whether it is idle: a signal handler may have raised in `submit`, before
        # that could wake the loop.
        self.call_soon(self._drain)

    def join(self) -> None:
        """Wait until the thread has ended."""
        with self._start_lock:  # not while it is about to start
            thread, ended = self._thread, self._ended
        if thread is None:
            self._workers.shutdown()
            return
        # First this: before Python 3.13 a thread counts as ended when Ctrl-C interrupts its `join`,
        # and the interpreter would not wait for it any more.
        ended.wait()
        thread.join()

    def run_in_worker(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run a function that blocks in a worker thread, for the event loop that is running."""
        if iscoroutinefunction(fn):
            raise TypeError(f"{fn!r} is async already: await it instead")
        loop = asyncio.get_running_loop()
        if self._phase != OPEN and not self._is_inside():
            raise self._refusal()
        return asyncio.wrap_future(self._submit_to_worker(fn, *args, **kwargs), loop=loop)

    def _submit_to_worker(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]:
        return self._workers.submit(self._notice_worker, fn, *args, **kwargs)

    def _notice_worker(self) -> None:
        """Look whether a worker was the last that a closing loop waited for."""
        if self._phase != OPEN:
            self.call_soon(self._stop_if_idle)

    @override
    def _is_inside(self) -> bool:
        """Tell whether the caller belongs to a task: on the loop or in a worker thread."""
        return self.is_current() or self._workers.is_current()

    def _start(self) -> asyncio.AbstractEventLoop:
        if exiting.is_set():
            raise InvalidStateError("cannot schedule new futures after interpreter shutdown")
        loop = self._loop_factory()
        queued: list[Runnable] = []  # while a start that fails was under way
        try:
            with self._start_lock:
                return self._start_thread(loop, queued)
        except BaseException as exception:
            self._fail(queued, exception)
            raise
        finally:
            if self._loop is not loop:  # another thread was first, or this one has failed
                loop.close()

    def _start_thread(
        self, loop: asyncio.AbstractEventLoop, queued: list[Runnable]
    ) -> asyncio.AbstractEventLoop:
        if self._loop is None and self._phase != OPEN and not self._is_inside():
            raise self._refusal()
        # No signal handler can run between this look and the assignment, as neither is a call.
        if self._loop is not None:
            return self._loop
        unclaimed = [loop]  # whoever takes it decides whether the thread runs it
        try:
            self._loop = loop  # at once: a signal handler may submit from here on
            started[loop] = self
            self._doorbell = bell = doorbell(loop, self._drain)
            self._thread = thread = threading.Thread(
                target=self._run,
                args=(unclaimed, bell, self._ended),
                name=self._name,
                daemon=False,
            )
            thread.start()
        except BaseException:  # no thread to be had, or a signal handler has raised
            with suppress(IndexError):  # it runs nevertheless
                unclaimed.pop()
                started.pop(loop, None)
                queued.extend(self._queue)
                self._reset()
            raise
        return loop

    def _fail(self, jobs: list[Runnable], exception: BaseException) -> None:
        """Leave none of those behind that were queued while the thread did not start."""
        if not isinstance(exception, Exception):
            exception = BrokenExecutor(f"the start of the loop was interrupted: {exception!r}")
        for job in jobs:
            job.fail(exception)

    # On the loop thread.

    def _run(
        self, unclaimed: list[asyncio.AbstractEventLoop], bell: Doorbell, ended: LendingEvent
    ) -> None:
        """Run the event loop until it is closed and nothing is left to do."""
        try:
            loop = unclaimed.pop()
        except IndexError:
            return
        try:
            self._run_loop(loop)
        except BaseException as exception:
            self._break(exception)
            raise
        finally:
            try:
                self._end(loop, bell)
            finally:
                ended.set()

    def _run_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.set_default_executor(self._workers.default_executor(self._submit_to_worker))
        if self._watchdog is not None:
            self._watchdog.start(loop)
        loop.call_soon(self._drain)  # whoever found no doorbell relies on it
        while self._phase != SEALED:
            run_forever(loop)
            self._end_background_tasks(loop)
            self._seal(loop)
        _run_until_complete(loop, loop.shutdown_asyncgens())
        self._end_background_tasks(loop)

    def _end(self, loop: asyncio.AbstractEventLoop, bell: Doorbell) -> None:
        """Free what the event loop has used. It does not run any more."""
        if self.limit is not None:
            self.limit.close()
        self._workers.shutdown()
        if self._watchdog is not None:
            self._watchdog.stop()
        self._doorbell = None
        bell.remove()
        started.pop(loop, None)
        loop.close()

    @override
    def _stop_if_idle(self) -> None:
        """Stop a closing loop that has nothing submitted left to do. Loop thread only."""
        if self._phase != OPEN and not self._has_work():
            asyncio.get_running_loop().stop()

    def _has_work(self) -> bool:
        return bool(self._queue or self._running) or self._workers.busy()

    def _end_background_tasks(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel the tasks that submitted work has left behind. Loop thread only."""
        if self._phase == OPEN:  # somebody has called loop.stop()
            return
        # More than once: their cleanup may leave tasks behind, too.
        while tasks := asyncio.all_tasks(loop).difference(self._running):
            for task in tasks:
                task.cancel()
            _run_until_complete(loop, asyncio.wait(tasks))

    def _seal(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take no more work from anyone, unless some has come meanwhile. Loop thread only."""
        if self._phase == OPEN or self._has_work():
            return
        # First the phase, then the last look: a job that the look misses was appended after the
        # phase was set, and `submit` takes it back.
        self._phase = SEALED
        if self._queue:
            self._phase = CLOSING
            # A signal handler may raise in the thread that was about to wake the loop.
            loop.call_soon(self._drain)

    # In a forked child.

    def abandon(self) -> None:
        """Begin anew: the thread is the parent's.

        Its loop must never be closed here. That would take the parent's sockets out of the epoll
        set that both processes share.
        """
        broken = BrokenExecutor("the process that runs this call was forked; submit it again here")
        for job in (*self._queue, *self._running.values()):
            job.abandon(broken)
        tasks = self.tasks()
        for task in tasks:
            setattr(task, "_log_destroy_pending", False)  # noqa: B010  asyncio's own switch
        # Kept here, where the frames of the parent's thread keep it too, and nothing frees those:
        # else the `finally` blocks of the parent's tasks would run at the end of the child.
        self._parents.append((self._loop, self._doorbell, tasks, self._queue))
        if self._watchdog is not None:
            self._watchdog.abandon()
        if self._phase != OPEN:
            self._phase = SEALED
        self._start_lock = threading.RLock()  # a thread of the parent's may hold the other one
        self._reset()


def run_forever(loop: asyncio.AbstractEventLoop) -> None:
    """Run `loop` until it is stopped.

    SystemExit and KeyboardInterrupt of a task are in its future; asyncio raises them here too.
    """
    while True:
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt):
            continue
        return


def _run_until_complete(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any]
) -> None:
    """Run `loop` until `coroutine` has ended, whatever other tasks raise meanwhile."""
    task = loop.create_task(coroutine)
    task.add_done_callback(lambda _: loop.stop())
    while not task.done():
        run_forever(loop)
