"""What an event loop has to do: the queue of jobs, and the tasks that run them.

Any thread may append to the queue. The loop thread alone takes from it, starts tasks and counts
them, so that none of this needs a lock.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from inspect import CORO_CREATED, getcoroutinestate
from time import monotonic
from types import CoroutineType
from typing import Any, Final

from ._calls import ensure_coroutine, name_of
from ._contract import Host, Runnable
from ._exceptions import InvalidStateError
from ._jobs import broken, clean_up, settle, settle_raised
from ._limit import Limit

_LOGGER = logging.getLogger("aiofutures")

_HAS_EAGER_TASKS: Final = sys.version_info >= (3, 12)
_EAGER_FACTORIES: Final = (None, getattr(asyncio, "eager_task_factory", None))
# In two steps, to have the task also where the second one raises. Any: `eager_start` is not known
# on Python 3.11.
_new_task: Final[Callable[[Any], asyncio.Task[Any]]] = asyncio.Task.__new__
_init_task: Final[Any] = asyncio.Task.__init__

_Settle = Callable[[asyncio.Task[Any]], object]

# Calls are started in slices, for so many seconds, before timers and sockets get their turn. The
# longer, the fewer times the threads that wait and the loop thread take turns.
_SLICE: Final = 64
_TURN: Final = 0.002

# Who may submit. Open takes work from everyone, closing from its own tasks, sealed from nobody.
OPEN: Final = 0
CLOSING: Final = 1
SEALED: Final = 2


class Scheduler(ABC):
    """Starts queued jobs as tasks of an event loop, and settles them.

    Args:
        max_workers: The most tasks in flight; None for no limit.
    """

    def __init__(self, max_workers: int | None) -> None:
        self.max_workers = max_workers
        self._phase = OPEN
        self._reset()

    def _reset(self) -> None:
        """Return to the state before the first job."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: deque[Runnable] = deque()
        self._running: dict[asyncio.Task[Any], Runnable] = {}
        self.limit = None if self.max_workers is None else Limit(self.max_workers, self)
        self._awake = False  # a _drain is scheduled that has not begun to look at the queue
        self._failure: BaseException | None = None  # of the event loop itself

    @abstractmethod
    def wake(self) -> None:
        """Have the event loop look at the queue soon."""

    @abstractmethod
    def _is_inside(self) -> bool:
        """Tell whether the caller belongs to a task."""

    @abstractmethod
    def _stop_if_idle(self) -> None:
        """Stop a closing loop that has nothing submitted left to do. Loop thread only."""

    # From any thread.

    @property
    def local(self) -> Host:
        """The host of what follows a future: this one."""
        return self

    def is_current(self) -> bool:
        """Tell whether the caller runs on this event loop."""
        return self._loop is not None and asyncio._get_running_loop() is self._loop

    def submit(self, job: Runnable) -> None:
        """Queue `job`, starting the thread with the first.

        Raises:
            InvalidStateError: The loop thread takes no more work.
            BrokenExecutor: Its event loop has failed.
            Exception: What went wrong at the start of the thread. A later call may succeed.
        """
        if self._phase != OPEN and not self._is_inside():
            raise self._refusal()
        try:
            self._queue.append(job)
            if not self._awake:
                self.wake()
        except BaseException:  # also of a signal handler
            if not job.cancel():
                job.exception()  # it is raised here, and needs no report
            raise
        # A job appended after the last look at the queue is nobody's: take it back.
        if self._phase == SEALED and job.take() is not None:
            job.settle_cancelled()
            raise self._refusal()

    def _refusal(self) -> Exception:
        """Return the error for work that comes too late."""
        if self._failure is None:
            return InvalidStateError("cannot schedule new futures after shutdown")
        return broken(self._failure)

    def cancel(self, job: Runnable, /) -> None:
        """Ask for the cancellation of the task that runs `job`."""
        self.call_soon(self._cancel_task, job)

    def cancel_all(self) -> None:
        """Cancel what is queued, at once, and what runs."""
        for job in self._queue.copy():
            if not job.running():
                job.cancel()
        self.call_soon(self._cancel_tasks)

    def tasks(self) -> set[asyncio.Task[Any]]:
        """Return the tasks of the event loop that are not done."""
        return set() if self._loop is None else asyncio.all_tasks(self._loop)

    def count(self) -> tuple[int, int]:
        """Return how many jobs are pending and how many are running."""
        # The queue first, so that a job on its way from it is found; and as a set, as the head of
        # the queue may have a task already.
        queued = self._queue.copy()
        jobs = [job for job in {*queued, *tuple(self._running.values())} if not job.done()]
        running = sum(job.running() for job in jobs)
        return len(jobs) - running, running

    def report(self, context: dict[str, Any], /) -> None:
        """Hand an error that no caller can receive to the event loop's exception handler."""
        loop = self._loop
        if loop is None:
            _LOGGER.error(context["message"], exc_info=context["exception"])
        elif not self.call_soon(loop.call_exception_handler, context):
            loop.call_exception_handler(context)

    def call_soon(self, callback: Callable[..., object], /, *args: Any) -> bool:
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

    # On the loop thread.

    def _drain(self) -> None:
        """Start what is queued, for a limited time. Loop thread only."""
        # Clear the flag first: whoever appends from now on wakes the loop again.
        self._awake = False
        loop = asyncio.get_running_loop()
        end: float | None = None
        while self._start_slice(loop):
            now = monotonic()
            end = end or now + _TURN
            if now >= end:
                self._awake = True
                loop.call_soon(self._drain)
                break
        if self._phase != OPEN:
            self._stop_if_idle()

    def _start_slice(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Start some of what is queued; tell whether there may be more. Loop thread only."""
        queue = self._queue
        eager = _HAS_EAGER_TASKS and loop.get_task_factory() in _EAGER_FACTORIES
        limit = self.limit
        settle_running = self._settle_running  # one bound method for all, not one for each
        for _ in range(_SLICE):
            if not queue or (limit is not None and not limit.has_place()):
                return False
            # The job stays in the queue while it starts, so that a fork at any moment finds it.
            job = queue[0]
            self._start_job(job, loop, eager, settle_running)
            if queue and queue[0] is job:  # a function that turns the loop itself takes more
                queue.popleft()
            del job  # the traceback of an exception holds this frame, as that of _start_job
        return True

    def _start_job(
        self, job: Runnable, loop: asyncio.AbstractEventLoop, eager: bool, settle_running: _Settle
    ) -> None:
        """Call the function and make a task of what it returns. Loop thread only."""
        call = job.take()
        if call is None:  # cancelled
            return
        fn, args, kwargs, context = call
        if self.limit is not None:
            self.limit.take(job, context)
        coroutine: Any = None
        task: asyncio.Task[Any] | None = None
        try:
            if kwargs is None:  # most calls have none, and this is the faster way
                coroutine = context.run(fn, *args)
            else:
                coroutine = context.run(fn, *args, **kwargs)
            if not isinstance(coroutine, CoroutineType):
                coroutine = ensure_coroutine(fn, coroutine)
            name = getattr(fn, "__qualname__", None) or name_of(fn)
            if eager:
                task = _new_task(asyncio.Task)
                _init_task(task, coroutine, loop=loop, name=name, context=context, eager_start=True)
            else:
                task = loop.create_task(coroutine, name=name, context=context)
            if not task.done():
                job._task = task
                self._running[task] = job
                task.add_done_callback(settle_running)
                del job, call, args, coroutine, task  # as below
                return
            result = task.result()
        except BaseException as exception:
            clean_up(coroutine, task)
            settle_raised(job, exception)
        else:
            job.settle(result)
            del result
        if self.limit is not None:
            self.limit.leave(job)
        # The frames of an exception may lead back to this one, which would hold the exception.
        del job, call, args, coroutine, task

    def _settle_running(self, task: asyncio.Task[Any]) -> None:
        """Hand the outcome of a task to its future. Loop thread only."""
        job = self._running[task]
        job._task = None
        settle(job, task)
        del self._running[task]
        if self.limit is not None:
            self.limit.leave(job)
        if self._queue and not self._awake:
            self._drain()
        elif self._phase != OPEN:
            self._stop_if_idle()

    def look_soon(self) -> None:
        """Look at the queue soon, as there is a place. Loop thread only."""
        if self._queue and not self._awake:
            self._awake = True
            asyncio.get_running_loop().call_soon(self._drain)

    def _cancel_task(self, job: Runnable) -> None:
        """Cancel the task of `job`, unless it is done. Loop thread only."""
        task = job._task
        if task is None:
            return
        coroutine = task.get_coro()
        if isinstance(coroutine, CoroutineType) and getcoroutinestate(coroutine) == CORO_CREATED:
            # It would end without having awaited, and so cancelled, what it is derived from.
            task.get_loop().call_soon(self._cancel_task, job)  # its first step comes before
            return
        task.cancel()

    def _cancel_tasks(self) -> None:
        """Cancel the tasks of all running jobs. Loop thread only."""
        for job in tuple(self._running.values()):
            self._cancel_task(job)

    def _break(self, exception: BaseException) -> None:
        """Leave no future behind when the event loop itself has failed. Loop thread only."""
        self._failure = exception
        self._phase = SEALED
        for job in (*self._queue.copy(), *self._running.values()):
            job.fail(broken(exception))
