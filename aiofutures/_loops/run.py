"""One event loop, in one thread of one process."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import BrokenExecutor
from inspect import CORO_CREATED, getcoroutinestate
from time import monotonic
from types import CoroutineType
from typing import Any, Final
from weakref import ref

from .._contract import Runnable
from .._coroutines import drop_frame, ensure_coroutine, name_of
from .._exceptions import InvalidStateError
from .blocking import Event
from .doorbell import Doorbell
from .limit import Limit, running_call
from .workers import Workers

_LOGGER = logging.getLogger("aiofutures")

_HAS_EAGER_TASKS: Final = sys.version_info >= (3, 12)
_EAGER_FACTORIES: Final = (None, getattr(asyncio, "eager_task_factory", None))
# In two steps, to have the task also where the second one raises. Any: `eager_start` is not known
# on Python 3.11.
_new_task: Final[Callable[[Any], asyncio.Task[Any]]] = asyncio.Task.__new__
_init_task: Final[Any] = asyncio.Task.__init__

# Calls are started in slices, for so many seconds, before timers and sockets get their turn. The
# longer, the fewer times the threads that wait and the loop thread take turns.
_SLICE: Final = 64
_TURN: Final = 0.002


class Run:
    """An event loop in a thread, from the first call to the last.

    Any thread may append to `queue`. The loop thread alone takes from it, starts tasks and counts
    them, so that none of this needs a lock. Two flags are read and written by all:

    - `awake` says that a look at the queue is to come. The look clears it first: who appends after
      that rings the bell again, and nothing is missed.
    - `closing` is set once and for all. A thread from outside that has appended looks at it
      afterwards, and takes back what it has appended. The loop looks at the queue once more after
      `closing`: one of the two sees the other.

    `is_over` says that it takes no calls any more, not even from its own tasks, `failure` why the
    loop failed or did not start, and `ended` that the thread is done. A call stays in the queue
    while it starts, and `unfinished` has it while it runs or is parked: `futures` finds it at any
    moment.

    Args:
        max_workers: Maximum number of calls that run at once; None for no limit.
        workers: The worker threads of the calls.
        closing: Whether it takes no calls from outside.
    """

    def __init__(self, max_workers: int | None, workers: Workers, *, closing: bool) -> None:
        # There as soon as the loop is about to run; the bell until it does so no more.
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread: threading.Thread | None = None
        self.bell: Doorbell | None = None
        self.limit = None if max_workers is None else Limit(max_workers, self)
        self.queue: deque[Runnable] = deque()
        # By the task that runs it or, if it is parked, by itself.
        self.unfinished: dict[object, Runnable] = {}
        self.awake = False
        self.closing = closing
        self.is_over = False
        self.failure: BaseException | None = None
        self.ended = Event()
        self._unclaimed = True
        self._workers = workers

    # From any thread.

    def is_current(self) -> bool:
        """Tell whether the caller runs on this event loop."""
        return self.loop is not None and asyncio._get_running_loop() is self.loop

    def claim(self) -> bool:
        """Decide, once, whether the thread runs the loop: True for the first who asks."""
        try:
            del self._unclaimed
        except AttributeError:
            return False
        return True

    def wake(self) -> None:
        """Have the loop look at the queue soon."""
        bell, loop = self.bell, self.loop
        if bell is None or loop is None:
            return
        self.awake = True
        try:
            if asyncio._get_running_loop() is loop:
                loop.call_soon(self.drain)
            else:
                bell.ring()
        except BaseException:
            # A signal handler may have raised, when others relied on this call already. Clear the
            # flag, or no later call would wake the loop.
            self.awake = False
            self.call_soon(self.drain)
            raise

    def call_soon(self, callback: Callable[..., object], /, *args: Any) -> bool:
        """Schedule `callback` on the loop; False where there is no loop to do it."""
        loop = self.loop
        if loop is None:
            return False
        try:
            loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            if loop.is_closed():
                return False
            raise
        return True

    def close(self) -> bool:
        """Take no more calls from outside, and end when none is left; False if it never ran."""
        self.closing = True
        # Not only a look whether it is idle: a signal handler may have raised in `submit`, before
        # that could wake the loop.
        return self.call_soon(self.drain)

    def cancel(self, future: Runnable) -> None:
        """Ask for the cancellation of what runs the call of `future`."""
        self.call_soon(self._cancel, future)

    def cancel_all(self) -> None:
        """Cancel what waits, at once, and what runs."""
        for future in self.futures():
            if not future.running():
                future.cancel()
        self.call_soon(self._cancel_running)

    def futures(self) -> set[Runnable]:
        """Return the futures that are queued or not finished yet."""
        # The queue first, so that a future on its way from it is found; and as a set, as the head
        # of the queue may have a task already.
        queued = self.queue.copy()
        return {*queued, *tuple(self.unfinished.values())}

    def count(self) -> tuple[int, int]:
        """Return how many calls are pending and how many are running."""
        futures = [future for future in self.futures() if not future.done()]
        running = sum(future.running() for future in futures)
        return len(futures) - running, running

    def tasks(self) -> set[asyncio.Task[Any]]:
        """Return the tasks of the event loop that are not done."""
        return set() if self.loop is None else asyncio.all_tasks(self.loop)

    def report(self, context: dict[str, Any]) -> None:
        """Hand an error that no caller can receive to the event loop's exception handler."""
        loop = self.loop
        if loop is None:
            _LOGGER.error(context["message"], exc_info=context["exception"])
        elif not self.call_soon(loop.call_exception_handler, context):
            loop.call_exception_handler(context)

    def refusal(self) -> Exception:
        """Return the error for a call that comes too late."""
        if self.failure is None:
            return InvalidStateError("cannot schedule new futures after shutdown")
        return _broken(self.failure)

    def fail_all(self, failure: BaseException, error: BaseException | None = None) -> None:
        """Leave no future behind when the event loop has failed, or does not start.

        Args:
            failure: What has happened.
            error: What the futures get, if it is not a BrokenExecutor that tells of it.
        """
        self.failure = failure
        self.closing = self.is_over = True
        if self.limit is not None:
            self.limit.close()
        for future in self.futures():
            future.fail(error or _broken(failure))

    # On the loop thread.

    def run(self) -> None:
        """Run the loop until it is closed and nothing is left to do. Loop thread only."""
        loop = self.loop
        assert loop is not None  # noqa: S101
        while True:
            loop.call_soon(self.drain)
            run_forever(loop)
            self._end_background_tasks(loop)
            if self.closing and not self._has_work():
                break
        self.is_over = True
        _run_until_complete(loop, loop.shutdown_asyncgens())
        self._end_background_tasks(loop)

    def free(self, loop: asyncio.AbstractEventLoop, bell: Doorbell) -> None:
        """Free what the loop has used, which does not run any more. Loop thread only."""
        self.bell = None
        bell.remove()
        loop.close()

    def drain(self) -> None:
        """Start what is queued, for a limited time. Loop thread only."""
        self.awake = False
        loop = asyncio.get_running_loop()
        end: float | None = None
        while self._start_some(loop):
            now = monotonic()
            end = end or now + _TURN
            if now >= end:
                self.look_soon()
                break
        if self.closing:
            self.stop_if_idle()

    def look_soon(self) -> None:
        """Look at the queue in the next turn of the loop. Loop thread only."""
        if self.queue and not self.awake:
            self.awake = True
            asyncio.get_running_loop().call_soon(self.drain)

    def stop_if_idle(self) -> None:
        """Stop a closing loop that has nothing submitted left to do. Loop thread only."""
        if self.closing and not self._has_work():
            asyncio.get_running_loop().stop()

    # For tasks that take one call after another.

    def begin(self, future: Runnable, task: asyncio.Task[Any], /) -> None:
        """Note that `task` runs the call of `future` now. Loop thread only."""
        if self.limit is not None:
            self.limit.take(future)
        future._task = task
        self.unfinished[task] = future

    def end(self, future: Runnable, /) -> None:
        """Note that the call of `future` is done. Loop thread only."""
        del self.unfinished[future._task]
        future._task = None
        # Without a limit nothing waits in the queue.
        if self.limit is not None:
            self.limit.leave(future)
            self.look_soon()
        if self.closing:
            self.stop_if_idle()

    def park(self, future: Runnable, /) -> None:
        """Keep a call that cannot begin yet. Loop thread only."""
        self.unfinished[future] = future

    def unpark(self, future: Runnable, /) -> None:
        """Put a call that was parked at the head of the queue. Loop thread only."""
        self.queue.appendleft(future)
        del self.unfinished[future]
        self.look_soon()

    def _start_some(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Start some of what is queued; tell whether there may be more. Loop thread only."""
        queue, limit = self.queue, self.limit
        eager = _HAS_EAGER_TASKS and loop.get_task_factory() in _EAGER_FACTORIES
        # One bound method for all.
        settle_running = self._settle_running
        for _ in range(_SLICE):
            if not queue or (limit is not None and not limit.has_place()):
                return False
            future = queue[0]
            if future._starter is None:
                self._start(future, loop, eager, settle_running)
            else:
                future._starter.start(future, self)
            # A function that turns the loop itself takes more than this one.
            if queue and queue[0] is future:
                queue.popleft()
            # As in `_start`.
            del future
        return True

    def _start(
        self,
        future: Runnable,
        loop: asyncio.AbstractEventLoop,
        eager: bool,
        settle_running: Callable[[asyncio.Task[Any]], object],
    ) -> None:
        """Call the function and make a task of what it returns. Loop thread only."""
        call = future.take()
        if call is None:
            return
        fn, args, kwargs, context = call
        if self.limit is not None:
            self.limit.take(future)
            context.run(running_call.set, ref(future))
        coroutine: Any = None
        task: asyncio.Task[Any] | None = None
        try:
            # Most calls have no keyword arguments, and this is the faster way.
            if kwargs is None:
                coroutine = context.run(fn, *args)
            else:
                coroutine = context.run(fn, *args, **kwargs)
            if type(coroutine) is not CoroutineType:
                coroutine = ensure_coroutine(fn, coroutine)
            name = getattr(fn, "__qualname__", None) or name_of(fn)
            if eager:
                task = _new_task(asyncio.Task)
                _init_task(task, coroutine, loop=loop, name=name, context=context, eager_start=True)
            else:
                task = loop.create_task(coroutine, name=name, context=context)
            if not task.done():
                self._keep(future, task)
                task.add_done_callback(settle_running)
                del future, call, args, coroutine, task
                return
            result = task.result()
        except BaseException as exception:
            _clean_up(coroutine, task)
            _settle_raised(future, exception)
        else:
            future.settle(result)
            del result
        if self.limit is not None:
            self.limit.leave(future)
        # The frames of an exception may lead back to this one, which would hold the exception.
        del future, call, args, coroutine, task

    def _keep(self, future: Runnable, task: asyncio.Task[Any]) -> None:
        """Note which task runs the call of `future`. Loop thread only."""
        future._task = task
        self.unfinished[task] = future
        if future._awaiters is not None:
            future._awaiters.begin(task)

    def _settle_running(self, task: asyncio.Task[Any]) -> None:
        """Hand the outcome of a task to its future. Loop thread only."""
        future = self.unfinished[task]
        future._task = None
        _settle(future, task)
        del self.unfinished[task]
        if self.limit is not None:
            self.limit.leave(future)
        if self.queue and not self.awake:
            self.drain()
        elif self.closing:
            self.stop_if_idle()

    def _cancel(self, future: Runnable) -> None:
        """Cancel the task of `future`, unless it is done. Loop thread only."""
        task = future._task
        if task is None:
            return
        coroutine = task.get_coro()
        if isinstance(coroutine, CoroutineType) and getcoroutinestate(coroutine) == CORO_CREATED:
            # It would end without having awaited, and so cancelled, what it is derived from. Its
            # first step comes in this turn of the loop.
            task.get_loop().call_soon(self._cancel, future)
            return
        task.cancel()

    def _cancel_running(self) -> None:
        """Cancel the tasks of all calls that run. Loop thread only."""
        for future in tuple(self.unfinished.values()):
            self._cancel(future)

    def _has_work(self) -> bool:
        """Tell whether something that was submitted is left to do. Loop thread only."""
        return bool(self.queue or self.unfinished) or self._workers.busy()

    def _end_background_tasks(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel the tasks that submitted work has left behind. Loop thread only."""
        # If it is not closing, somebody has called loop.stop(). More than once, as the cleanup of
        # these may leave tasks behind, too.
        while self.closing and (tasks := self._background_tasks(loop)):
            for task in tasks:
                task.cancel()
            _run_until_complete(loop, asyncio.wait(tasks))

    def _background_tasks(self, loop: asyncio.AbstractEventLoop) -> set[asyncio.Task[Any]]:
        return asyncio.all_tasks(loop).difference(self.unfinished)


def _settle(future: Runnable, task: asyncio.Task[Any]) -> None:
    """Hand the outcome of `task` to `future`. Loop thread only."""
    if task.cancelled():
        future.settle_cancelled()
        return
    exception = task.exception()
    if exception is None:
        future.settle(task.result())
    else:
        future.fail(exception)


def _settle_raised(future: Runnable, exception: BaseException) -> None:
    """Hand what its first step has raised to `future`. Loop thread only."""
    # By type: the class that an exception shows may raise.
    if issubclass(type(exception), asyncio.CancelledError):
        future.settle_cancelled()
        return
    drop_frame(exception)
    # It would end the caller's loop in silence (PEP 479).
    if issubclass(type(exception), StopIteration):
        error = RuntimeError("the function raised StopIteration")
        error.__cause__ = exception
        exception = error
    future.fail(exception)


def _clean_up(coroutine: object, task: asyncio.Task[Any] | None) -> None:
    """Leave nothing behind of a call whose first step has raised. Loop thread only."""
    if isinstance(coroutine, Coroutine):
        coroutine.close()
    # Or asyncio would report that nobody has looked at it.
    if task is not None and not task.cancelled():
        task.exception()


def _broken(failure: BaseException) -> BrokenExecutor:
    """Return the error for what an event loop that has failed does not do."""
    error = BrokenExecutor(f"the event loop has failed: {failure!r}")
    error.__cause__ = failure
    return error


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
