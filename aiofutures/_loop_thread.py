"""The thread that runs an event loop, and the queue that feeds it.

Any thread may append to the queue. The loop thread alone takes from it, starts tasks and counts
them, so that none of this needs a lock.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import sys
import threading
from _thread import LockType, allocate_lock
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from concurrent.futures._base import PENDING, RUNNING
from contextlib import suppress
from functools import partial
from inspect import iscoroutinefunction
from types import CoroutineType
from typing import Any, Final, Protocol
from weakref import ref

from ._calls import ensure_coroutine, name_of
from ._doorbell import Doorbell, doorbell
from ._exceptions import InvalidStateError
from ._lifecycle import abandonable, exiting, started
from ._places import Places, holder
from ._typing import Call, P, T

_LOGGER = logging.getLogger("aiofutures")

_Task: Final = asyncio.Task
_EAGER_FACTORIES: Final = (None, getattr(asyncio, "eager_task_factory", None))

_SLICE: Final = 64  # calls started in a row before timers and sockets get their turn

# The phases of a loop thread. Open takes work from everyone, closing from its own tasks, sealed
# from nobody.
_OPEN: Final = 0
_CLOSING: Final = 1
_SEALED: Final = 2


class Job(Protocol):
    """What a loop thread knows of a future: a call to take, an outcome to settle."""

    @property
    def _host(self) -> object: ...

    _status: str
    _task: asyncio.Task[Any] | None

    def cancel(self) -> bool: ...
    def exception(self) -> BaseException | None: ...
    def _take(self) -> Call | None: ...
    def _withdraw(self) -> bool: ...
    def _settle(self, result: Any, /) -> None: ...
    def _settle_exception(self, exception: BaseException, /) -> None: ...
    def _settle_cancelled(self) -> None: ...
    def _abandon(self, exception: BaseException, /) -> None: ...


class Workers(Protocol):
    """What a loop thread knows of the worker threads that its tasks use."""

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
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


class LoopThread:
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
        self.max_workers = max_workers
        self.cancel_at_exit = cancel_at_exit
        self._loop_factory = loop_factory
        self._name = name
        self._workers = workers
        self._watchdog = watchdog
        self._phase = _OPEN
        self._parents: list[object] = []  # what a forked child keeps so that nothing closes it
        self._reset()
        abandonable.add(self)

    def _reset(self) -> None:
        """Return to the state before the start."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._doorbell: Doorbell | None = None
        self._queue: deque[Job] = deque()
        self._running: dict[asyncio.Task[Any], Job] = {}
        self._places: Places[Job] = Places(self.max_workers)
        self._returning: dict[object, Callable[[], object]] = {}  # threads that want a place back
        self._ended = allocate_lock()  # locked until the thread has ended
        self._ended.acquire()
        self._awake = False  # a _drain is scheduled that has not begun to look at the queue
        # Lets one thread alone start the loop thread. Nothing of the user's runs under it but
        # signal handlers, which may submit: hence reentrant.
        self._start_lock = threading.RLock()

    # From any thread.

    @staticmethod
    def running() -> LoopThread | None:
        """Return the loop thread on whose event loop the caller runs."""
        loop = asyncio._get_running_loop()
        loop_thread = None if loop is None else started.get(loop)
        return loop_thread if isinstance(loop_thread, LoopThread) else None

    def is_current(self) -> bool:
        """Tell whether the caller runs on this event loop."""
        return self._loop is not None and asyncio._get_running_loop() is self._loop

    def submit(self, job: Job) -> None:
        """Queue `job`, starting the thread with the first.

        Raises:
            InvalidStateError: The loop thread takes no more work.
            Exception: What went wrong at the start of the thread. A later call may succeed.
        """
        if self._phase != _OPEN and not self._is_inside():
            raise InvalidStateError("cannot schedule new futures after shutdown")
        try:
            self._queue.append(job)
            if not self._awake:
                self.wake()
        except BaseException:  # also of a signal handler
            if not job.cancel():
                job.exception()  # it is raised here, and needs no report
            raise
        # A job appended after the last look at the queue is nobody's: take it back.
        if self._phase == _SEALED and job._take() is not None:
            job._settle_cancelled()
            raise InvalidStateError("cannot schedule new futures after shutdown")

    def wake(self) -> None:
        """Have the loop thread look at its queue, starting it where it is not running yet."""
        loop = self._loop or self._start()
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
            self._call_soon(self._drain)
            raise

    def request_cancel(self, job: Job, /) -> None:
        """Ask for the cancellation of the task that runs `job`."""
        self._call_soon(self._cancel_task, job)

    def lend_place(self) -> Job | None:
        """Let another job run while the caller waits for one of this loop thread.

        Returns:
            The job whose place was lent, for `take_place_back`; None where none is needed.
        """
        if self.max_workers is None:
            return None
        reference = holder.get()
        job: Job | None = None if reference is None else reference()
        if job is None or job._host is not self:
            return None
        if self.is_current():
            self._lend_place(job)
        else:
            self._call_soon(self._lend_place, job)
        return job

    def take_place_back(self, job: Job, resume: Callable[[], object]) -> None:
        """Call `resume` when the job has a place again."""
        if self.is_current():
            self._places.take_back(job, resume)
            return
        key = object()
        self._returning[key] = resume
        # First the entry, then the look: a loop that has ended sees the one, or is seen here.
        self._call_soon(self._places.take_back, job, partial(self._resume, key))
        if self._loop is None or self._phase == _SEALED:
            self._resume(key)

    def _resume(self, key: object) -> None:
        """Let a thread go on that wanted a place back, once."""
        resume = self._returning.pop(key, None)
        if resume is not None:
            resume()

    def cancel_all(self) -> None:
        """Cancel what is queued, at once, and what runs."""
        for job in self._queue.copy():
            job._withdraw()
        self._call_soon(self._cancel_tasks)

    def close(self) -> None:
        """Take no more work from outside, and end when there is none left."""
        if self._phase == _OPEN:
            self._phase = _CLOSING
        # Not only a look whether it is idle: a signal handler may have raised in `submit`, before
        # that could wake the loop.
        self._call_soon(self._drain)

    def join(self) -> None:
        """Wait until the thread has ended."""
        with self._start_lock:  # not while it is about to start
            thread, ended = self._thread, self._ended
        if thread is None:
            self._workers.shutdown()
            return
        # First this: before Python 3.13 a thread counts as ended when Ctrl-C interrupts its `join`,
        # and the interpreter would not wait for it any more.
        with ended:
            pass
        thread.join()

    def tasks(self) -> set[asyncio.Task[Any]]:
        """Return the tasks of the event loop that are not done."""
        return set() if self._loop is None else asyncio.all_tasks(self._loop)

    def count(self) -> tuple[int, int]:
        """Return how many jobs are pending and how many are running."""
        # The queue first, so that a job on its way from it is found; and as a set, as the head of
        # the queue may have a task already.
        queued = self._queue.copy()
        states = [job._status for job in {*queued, *tuple(self._running.values())}]
        return states.count(PENDING), states.count(RUNNING)

    def run_in_worker(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run a function that blocks in a worker thread, for the event loop that is running."""
        if iscoroutinefunction(fn):
            raise TypeError(f"{fn!r} is async already: await it instead")
        loop = asyncio.get_running_loop()
        if self._phase != _OPEN and not self._is_inside():
            raise InvalidStateError("cannot schedule new futures after shutdown")
        return asyncio.wrap_future(self._submit_to_worker(fn, *args, **kwargs), loop=loop)

    def call_exception_handler(self, context: dict[str, Any], /) -> None:
        """Hand an error that no caller can receive to the event loop's exception handler."""
        loop = self._loop
        if loop is None:
            _LOGGER.error(context["message"], exc_info=context["exception"])
        elif not self._call_soon(loop.call_exception_handler, context):
            loop.call_exception_handler(context)

    def _submit_to_worker(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]:
        call = self._workers.submit(fn, *args, **kwargs)
        try:
            call.add_done_callback(self._notice_worker)
        except (
            BaseException
        ):  # a signal handler has raised: `shutdown` must hear of it all the same
            call.add_done_callback(self._notice_worker)
            raise
        return call

    def _notice_worker(self, _: object) -> None:
        """Look whether a worker was the last that a closing loop waited for."""
        if self._phase != _OPEN:
            self._call_soon(self._stop_if_idle)

    def _is_inside(self) -> bool:
        """Tell whether the caller belongs to a task: on the loop or in a worker thread."""
        return self.is_current() or self._workers.is_current()

    def _call_soon(self, callback: Callable[..., object], *args: Any) -> bool:
        """Schedule `callback` on the loop; False where there is no loop to do it."""
        loop = self._loop
        if loop is None:
            return False
        try:
            loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            if loop.is_closed():
                return False
            raise
        return True

    def _start(self) -> asyncio.AbstractEventLoop:
        if exiting.is_set():
            raise InvalidStateError("cannot schedule new futures after interpreter shutdown")
        loop = self._loop_factory()
        with self._start_lock:
            first = self._loop
            if first is None and (self._phase == _OPEN or self._is_inside()):
                return self._start_thread(loop)
        loop.close()
        if first is None:  # `shutdown` was first
            raise InvalidStateError("cannot schedule new futures after shutdown")
        return first  # another thread was first

    def _start_thread(self, loop: asyncio.AbstractEventLoop) -> asyncio.AbstractEventLoop:
        # No signal handler can run between this look and the assignment, as neither is a call.
        if self._loop is not None:
            loop.close()
            return self._loop
        unclaimed = [loop]  # whoever takes it decides whether the thread runs it
        try:
            self._loop = loop  # at once: a signal handler may submit from here on
            self._thread = thread = threading.Thread(
                target=self._run, args=(unclaimed, self._ended), name=self._name, daemon=False
            )
            started[loop] = self
            self._doorbell = doorbell(loop, self._drain)
            thread.start()
        except BaseException as exception:  # no thread to be had, or a signal handler has raised
            with suppress(IndexError):  # it runs nevertheless
                unclaimed.pop()
                self._undo_start(loop, exception)
            raise
        return loop

    def _undo_start(self, loop: asyncio.AbstractEventLoop, exception: BaseException) -> None:
        """Return to the state before the start; what was queued meanwhile fails."""
        if not isinstance(exception, Exception):
            exception = BrokenExecutor(f"the start of the loop was interrupted: {exception!r}")
        started.pop(loop, None)
        queue = self._queue
        self._reset()
        loop.close()
        for job in queue:
            job._take()
            job._settle_exception(exception)

    # On the loop thread.

    def _run(self, unclaimed: list[asyncio.AbstractEventLoop], ended: LockType) -> None:
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
                self._end(loop)
            finally:
                ended.release()

    def _run_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.set_default_executor(self._workers.default_executor(self._submit_to_worker))
        if self._watchdog is not None:
            self._watchdog.start(loop)
        loop.call_soon(self._drain)  # whoever found no doorbell relies on it
        while self._phase != _SEALED:
            run_forever(loop)
            self._end_background_tasks(loop)
            self._seal(loop)
        _run_until_complete(loop, loop.shutdown_asyncgens())
        self._end_background_tasks(loop)

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        """Free what the event loop has used. It does not run any more."""
        for key in tuple(self._returning):
            self._resume(key)
        self._workers.shutdown()
        if self._watchdog is not None:
            self._watchdog.stop()
        if self._doorbell is not None:
            self._doorbell.remove()
            self._doorbell = None
        started.pop(loop, None)
        loop.close()

    def _stop_if_idle(self) -> None:
        """Stop a closing loop that has nothing submitted left to do. Loop thread only."""
        if self._phase != _OPEN and not self._has_work():
            asyncio.get_running_loop().stop()

    def _has_work(self) -> bool:
        return bool(self._queue or self._running) or self._workers.busy()

    def _end_background_tasks(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel the tasks that submitted work has left behind. Loop thread only."""
        if self._phase == _OPEN:  # somebody has called loop.stop()
            return
        # More than once: their cleanup may leave tasks behind, too.
        while tasks := asyncio.all_tasks(loop).difference(self._running):
            for task in tasks:
                task.cancel()
            _run_until_complete(loop, asyncio.wait(tasks))

    def _seal(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take no more work from anyone, unless some has come meanwhile. Loop thread only."""
        if self._phase == _OPEN or self._has_work():
            return
        # First the phase, then the last look: a job that the look misses was appended after the
        # phase was set, and `submit` takes it back.
        self._phase = _SEALED
        if self._queue:
            self._phase = _CLOSING
            # A signal handler may raise in the thread that was about to wake the loop.
            loop.call_soon(self._drain)

    def _break(self, exception: BaseException) -> None:
        """Leave no future behind when the event loop itself has failed. Loop thread only."""
        self._phase = _SEALED
        for job in (*self._queue.copy(), *self._running.values()):
            broken = BrokenExecutor(f"the event loop has failed: {exception!r}")
            broken.__cause__ = exception
            job._take()
            job._settle_exception(broken)

    def _drain(self) -> None:
        """Start what is queued, a slice at a time. Loop thread only."""
        # Clear the flag first: whoever appends from now on wakes the loop again.
        self._awake = False
        queue = self._queue
        for _ in range(_SLICE):
            if not queue or (self.max_workers is not None and not self._places.free()):
                break
            # The job stays in the queue while it starts, so that a fork at any moment finds it.
            job = queue[0]
            self._start_job(job)
            if queue and queue[0] is job:
                queue.popleft()
            del job  # the traceback of an exception holds this frame, as that of _start_job
        else:
            self._awake = True
            asyncio.get_running_loop().call_soon(self._drain)
        if self._phase != _OPEN:
            self._stop_if_idle()

    def _start_job(self, job: Job) -> None:
        """Call the function and make a task of what it returns. Loop thread only."""
        call = job._take()
        if call is None:  # cancelled
            return
        fn, args, kwargs, context = call
        if self.max_workers is not None:
            self._places.take(job)
            context.run(holder.set, ref(job))
        coroutine: Any = None
        task: asyncio.Task[Any] | None = None
        try:
            coroutine = context.run(fn, *args, **kwargs)
            if not isinstance(coroutine, CoroutineType):
                coroutine = ensure_coroutine(fn, coroutine)
            name = getattr(fn, "__qualname__", None) or name_of(fn)
            loop = asyncio.get_running_loop()
            if sys.version_info >= (3, 12) and loop.get_task_factory() in _EAGER_FACTORIES:
                # In two steps, to have the task also when the second one raises.
                task = _Task.__new__(_Task)
                _Task.__init__(
                    task, coroutine, loop=loop, name=name, context=context, eager_start=True
                )
            else:
                task = loop.create_task(coroutine, name=name, context=context)
            if not task.done():
                job._task = task
                self._running[task] = job
                task.add_done_callback(self._settle_running)
                return
            result = task.result()
        except BaseException as exception:
            _clean_up(coroutine, task)
            _settle_raised(job, exception)
        else:
            job._settle(result)
        if self.max_workers is not None:
            self._places.leave(job)
        # The traceback of an exception holds this frame, which would hold the exception.
        del job, task

    def _settle_running(self, task: asyncio.Task[Any]) -> None:
        """Hand the outcome of a task to its future. Loop thread only."""
        job = self._running[task]
        job._task = None
        _settle(job, task)
        del self._running[task]
        self._places.leave(job)
        if self._queue and not self._awake:
            self._drain()
        elif self._phase != _OPEN:
            self._stop_if_idle()

    def _lend_place(self, job: Job) -> None:
        """Give the place of `job` to another one. Loop thread only."""
        self._places.lend(job)
        if self._queue and not self._awake:
            self._awake = True
            asyncio.get_running_loop().call_soon(self._drain)

    def _cancel_task(self, job: Job) -> None:
        """Cancel the task of `job`, unless it is done. Loop thread only."""
        if job._task is not None:
            job._task.cancel()

    def _cancel_tasks(self) -> None:
        """Cancel the tasks of all running jobs. Loop thread only."""
        for task in tuple(self._running):
            task.cancel()

    # In a forked child.

    def abandon(self) -> None:
        """Begin anew: the thread is the parent's.

        Its loop must never be closed here. That would take the parent's sockets out of the epoll
        set that both processes share.
        """
        broken = BrokenExecutor("the process that runs this call was forked; submit it again here")
        for job in (*self._queue, *self._running.values()):
            job._abandon(broken)
        tasks = self.tasks()
        for task in tasks:
            setattr(task, "_log_destroy_pending", False)  # noqa: B010  asyncio's own switch
        # Kept here, where the frames of the parent's thread keep it too, and nothing frees those:
        # else the `finally` blocks of the parent's tasks would run at the end of the child.
        self._parents.append((self._loop, self._doorbell, tasks, self._queue))
        if self._watchdog is not None:
            self._watchdog.abandon()
        if self._phase != _OPEN:
            self._phase = _SEALED
        self._reset()


def _settle(job: Job, task: asyncio.Task[Any]) -> None:
    """Hand the outcome of `task` to `job`. Loop thread only."""
    if task.cancelled():
        job._settle_cancelled()
        return
    exception = task.exception()
    if exception is None:
        job._settle(task.result())
    else:
        job._settle_exception(exception)


def _clean_up(coroutine: object, task: asyncio.Task[Any] | None) -> None:
    """Leave nothing behind of a first step that has raised. Loop thread only."""
    if isinstance(coroutine, Coroutine):
        coroutine.close()
    if task is not None and not task.cancelled():
        task.exception()  # or asyncio would report that nobody has looked at it


def _settle_raised(job: Job, exception: BaseException) -> None:
    """Hand what its first step has raised to `job`. Loop thread only."""
    if isinstance(exception, asyncio.CancelledError):
        job._settle_cancelled()
        return
    if exception.__traceback__ is not None:
        # Without our own frame: it would keep the job, and with it the exception, alive.
        exception.__traceback__ = exception.__traceback__.tb_next
    if isinstance(exception, StopIteration):  # would end the caller's loop in silence (PEP 479)
        error = RuntimeError("the function raised StopIteration")
        error.__cause__ = exception
        exception = error
    job._settle_exception(exception)


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
