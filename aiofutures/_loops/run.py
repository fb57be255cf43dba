"""One event loop, in one thread of one process."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack
from contextvars import Context
from inspect import CORO_CREATED, getcoroutinestate
from time import monotonic
from types import CoroutineType
from typing import Any, Final
from weakref import ref

from .._asgiref import LOCAL, arrive
from .._contract import Runnable, ignore
from .._coroutines import drop_frame, ensure_coroutine
from .._exceptions import InvalidStateError
from .._logging import log_error
from .._snapshot import snapshot
from .blocking import Event
from .doorbell import Doorbell
from .limit import Limit, running_call
from .worker_future import WorkerFuture
from .workers import Workers, is_worker_thread

_HAS_EAGER_TASKS: Final = sys.version_info >= (3, 12)
# Debuggers and nest_asyncio put another class in its place.
_TASK: Final = asyncio.Task
_EAGER_FACTORIES: Final = (None, getattr(asyncio, "eager_task_factory", None))
# In two steps, to have the task also where the second one raises. Any: `eager_start` is not known
# on Python 3.11.
_new_task: Final[Callable[[Any], asyncio.Task[Any]]] = _TASK.__new__
_init_task: Final[Any] = _TASK.__init__

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

    `is_guarded` goes with `closing`, and says at the end of the interpreter that daemon threads are
    refused; `is_watched`, that somebody wants to know when there is no work; `is_over`, that it
    takes no calls any more, not even from its own tasks; `failure`, why the loop failed or did not
    start; `ended`, that the thread is done. Calls go from the queue to `waiting` if there is no
    place for them, and to `unfinished` while they run or are parked. One stays where it is while it
    starts: `futures` finds it at any moment.

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
        # Those of other threads that have an outcome.
        self.outcomes: deque[WorkerFuture[Any]] = deque()
        # Those that were at the head of the queue when there was no place.
        self.waiting: deque[Runnable] = deque()
        # By the task that runs it or, if it is parked, by itself.
        self.unfinished: dict[object, Runnable] = {}
        # What closes the clients that are open, by a future that is done then. The loop thread's.
        self.closers: dict[Runnable, Callable[[], Coroutine[Any, Any, None]]] = {}
        self.being_closed: Runnable | None = None
        self.awake = False
        self.closing = self.is_guarded = self.is_watched = closing
        self.is_over = False
        self.failure: BaseException | None = None
        self.ended = Event()
        # Of those who wait until it has no work.
        self._idle: list[Event] = []
        # How many of `waiting` were cancelled, or a few more.
        self._withdrawn = 0
        # Tasks that nobody has submitted, which were cancelled and have not ended.
        self._ending: set[asyncio.Future[Any]] = set()
        self._unclaimed = True
        self._workers = workers

    # From any thread.

    def is_current(self) -> bool:
        """Tell whether the caller runs on this event loop."""
        return self.loop is not None and asyncio._get_running_loop() is self.loop

    def is_inside(self) -> bool:
        """Tell whether the caller runs on this event loop or in one of its worker threads."""
        return self.is_current() or self._workers.is_current()

    def is_guest(self) -> bool:
        """Tell whether the caller runs on another event loop, or in a worker thread of one."""
        is_elsewhere = asyncio._get_running_loop() is not None or is_worker_thread()
        return is_elsewhere and not self.is_inside()

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
                loop.call_soon(self.drain, context=Context())
            else:
                bell.ring()
        except BaseException:
            # A signal handler may have raised, when others relied on this call already. Clear the
            # flag, or no later call would wake the loop.
            self.awake = False
            self.call_soon(self.drain)
            raise

    def settle_soon(self, future: WorkerFuture[Any]) -> bool:
        """Settle a future that has an outcome on this loop; False where it is not of this loop."""
        if future.get_loop() is not self.loop:
            return False
        self.outcomes.append(future)
        if not self.awake:
            self.wake()
        return True

    def call_soon(self, callback: Callable[..., object], /, *args: Any) -> bool:
        """Schedule `callback` on the loop; False where there is no loop to do it."""
        loop = self.loop
        if loop is None:
            return False
        try:
            # Not in the context of whoever asks: of what follows, that is no business of his.
            loop.call_soon_threadsafe(callback, *args, context=Context())
        except RuntimeError:
            if loop.is_closed():
                return False
            raise
        return True

    def close(self) -> bool:
        """Take no more calls from outside, and end when none is left; False if it never ran."""
        self.closing = self.is_guarded = self.is_watched = True
        # Not only a look whether it is idle: a signal handler may have raised in `submit`, before
        # that could wake the loop.
        return self.call_soon(self.drain)

    def cancel(self, future: Runnable, asked: Callable[[bool], object]) -> None:
        """Ask for the cancellation of what runs the call of `future`, or forget the call."""
        if not future.done():
            self.call_soon(self._cancel, future, asked)
        elif self.waiting:
            # It goes through the queue once more, to be forgotten.
            self.queue.append(future)
            if not self.awake:
                self.wake()

    def cancel_all(self) -> None:
        """Cancel what waits, at once, and what runs. Each is asked once, whoever raises."""
        futures = self.futures()
        for future in futures:
            future._waves += 1
        with ExitStack() as stack:
            stack.callback(self.call_soon, self.call_soon, self.call_soon, self._end_wave, futures)
            for future in futures:
                stack.callback(future.tell_withdrawn)
            running = [future for future in futures if not future.withdraw()]
            # All are asked before anybody hears of the others: they would be cleaning up by then.
            self.call_soon(self._cancel_each, running)

    def futures(self) -> list[Runnable]:
        """Return the futures that are queued or not finished yet, the oldest first."""
        # In the order in which they go from one to the next, so that none is missed. One that is
        # about to do so may be in two.
        queued = snapshot(self.queue)
        waiting = snapshot(self.waiting)
        return list(dict.fromkeys((*snapshot(self.unfinished.values()), *waiting, *queued)))

    def count(self) -> tuple[int, int]:
        """Return how many calls are pending and how many are running."""
        return count(self.futures())

    def has_work(self) -> bool:
        """Tell whether something that was submitted is left to do."""
        return bool(self.queue or self.waiting or self.unfinished) or not self._workers.is_idle()

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until nothing that was submitted is left to do; return False after the time-out."""
        idle = Event()
        self._idle.append(idle)
        self.is_watched = True
        try:
            return not self.call_soon(self.look_whether_idle) or idle.wait(timeout)
        finally:
            self._idle.remove(idle)

    def end_background_tasks(self) -> bool:
        """Cancel what nobody has submitted, and wait for it; tell whether there was anything.

        If not, close async generators. Then the loop goes on.
        """
        is_done = Event()
        had_tasks: list[bool] = []
        if self.call_soon(self._start_ending, had_tasks, is_done):
            is_done.wait()
        return had_tasks == [True]

    def pass_turn(self, timeout: float) -> None:
        """Wait until the loop has done what it was asked to do so far."""
        is_done = Event()
        if self.call_soon(is_done.set):
            is_done.wait(timeout)

    def tasks(self) -> set[asyncio.Task[Any]]:
        """Return the tasks of the event loop that are not done."""
        return set() if self.loop is None else asyncio.all_tasks(self.loop)

    def report(self, context: dict[str, Any]) -> None:
        """Hand an error that no caller can receive to the event loop's exception handler."""
        loop = self.loop
        if loop is None:
            log_error(context["exception"], context["message"])
        elif not self.call_soon(loop.call_exception_handler, context):
            loop.call_exception_handler(context)

    def refusal(self, advice: str = "") -> Exception:
        """Return the error for a call that comes too late."""
        if self.failure is None:
            return InvalidStateError(f"cannot schedule new futures after shutdown{advice}")
        return _broken(self.failure)

    def fail_all(self, failure: BaseException, error: BaseException | None = None) -> None:
        """Leave no future behind when the event loop has failed, or does not start.

        Args:
            failure: What has happened.
            error: What the futures get, if it is not a BrokenExecutor that tells of it.
        """
        self.failure = failure
        self.closing = self.is_guarded = self.is_over = True
        if self.limit is not None:
            self.limit.close()
        for future in (*self.futures(), *self.closers):
            future.fail(error or _broken(failure))

    # On the loop thread.

    def run(self) -> None:
        """Run the loop until it is closed and nothing is left to do. Loop thread only."""
        loop = self.loop
        assert loop is not None  # noqa: S101
        is_over = False
        while not is_over:
            loop.call_soon(self.drain)
            run_forever(loop)
            # If not, somebody has called loop.stop().
            if not self.closing or self.has_work():
                continue
            if self.closers:
                _run_until_complete(loop, self._close_last())
            else:
                is_over = not self._end_background_tasks(loop)
        self.is_over = True
        _run_until_complete(loop, loop.shutdown_asyncgens())
        while self._end_background_tasks(loop):
            _run_until_complete(loop, asyncio.wait(self._ending))

    def free(self, loop: asyncio.AbstractEventLoop, bell: Doorbell) -> None:
        """Free what the loop has used, which does not run any more. Loop thread only."""
        self.bell = None
        bell.remove()
        loop.close()

    def drain(self) -> None:
        """Start what is queued, for a limited time. Loop thread only."""
        self.awake = False
        loop = asyncio.get_running_loop()
        if self.outcomes:
            self._settle_some()
        end: float | None = None
        while self._start_some(loop):
            now = monotonic()
            end = end or now + _TURN
            if now >= end:
                self.look_soon()
                break
        if self.is_watched:
            self.look_whether_idle()

    def _settle_some(self) -> None:
        """Settle those that have an outcome at this moment. Loop thread only."""
        try:
            for _ in range(len(self.outcomes)):
                self.outcomes.popleft().settle()
        except BaseException:
            # SystemExit, of a task that this has woken.
            asyncio.get_running_loop().call_soon(self.drain, context=Context())
            raise

    def look_soon(self) -> None:
        """Look at the queue in the next turn of the loop. Loop thread only."""
        if (self.queue or self.waiting) and not self.awake:
            self.awake = True
            asyncio.get_running_loop().call_soon(self.drain, context=Context())

    def look_whether_idle(self) -> None:
        """Tell those who wait until the loop has no work, and stop a closing one.

        Loop thread only.
        """
        if self.has_work():
            return
        for idle in snapshot(self._idle):
            idle.set()
        if self.closing and not (self.is_over or self._ending):
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
        if self.is_watched:
            self.look_whether_idle()

    def park(self, future: Runnable, /) -> None:
        """Keep a call that cannot begin yet. Loop thread only."""
        self.unfinished[future] = future

    def unpark(self, future: Runnable, /) -> None:
        """Put a call that was parked before all that wait. Loop thread only."""
        (self.queue if self.limit is None else self.waiting).appendleft(future)
        del self.unfinished[future]
        self.look_soon()

    def _start_some(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Start some of what is queued; tell whether there may be more. Loop thread only."""
        queue, limit = self.queue, self.limit
        eager = _can_start_eagerly(loop)
        # One bound method for all.
        settle_running = self._settle_running
        for _ in range(_SLICE):
            line = queue
            if limit is not None and self.waiting and limit.has_place():
                line = self.waiting
            if not line:
                return False
            future = line[0]
            if (
                limit is not None
                and line is queue
                and not (future._only_waits or limit.has_place())
            ):
                if future.done():
                    self._forget_withdrawn()
                else:
                    self.waiting.append(future)
            elif future._starter is None:
                self._start(future, loop, eager, settle_running)
            else:
                future._starter.start(future, self)
            # A function that turns the loop itself takes more than this one.
            if line and line[0] is future:
                line.popleft()
            # As in `_start`.
            del future
        return True

    def _forget_withdrawn(self) -> None:
        """Forget calls that were cancelled while they waited for a place. Loop thread only."""
        self._withdrawn += 1
        # In proportion: not before they are half of all that wait.
        if self._withdrawn * 2 > len(self.waiting):
            self.waiting = deque(waiting for waiting in self.waiting if not waiting.done())
            self._withdrawn = 0

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
        if LOCAL in sys.modules:
            arrive(context)
        coroutine: Any = None
        task: asyncio.Task[Any] | None = None
        run = context.run
        try:
            # Most calls have no keyword arguments, and this is the faster way.
            coroutine = run(fn, *args) if kwargs is None else run(fn, *args, **kwargs)
            if type(coroutine) is not CoroutineType:
                coroutine = ensure_coroutine(fn, coroutine)
            name = future._name
            if eager:
                task = _new_task(_TASK)
                _init_task(task, coroutine, loop=loop, name=name, context=context, eager_start=True)
            else:
                task = loop.create_task(coroutine, name=name, context=context)
            if not task.done():
                self._keep(future, task, settle_running)
                return
            result = task.result()
        except BaseException as exception:
            _clean_up(coroutine, task)
            _settle_raised(future, exception)
        else:
            future.settle(result)
            del result
        finally:
            if self.limit is not None and future._task is None:
                self.limit.leave(future)
            # The frames of an exception may lead back to this one, which would hold the exception.
            del future, call, fn, args, kwargs, context, run, coroutine, task

    def _keep(
        self,
        future: Runnable,
        task: asyncio.Task[Any],
        settle_running: Callable[[asyncio.Task[Any]], object],
    ) -> None:
        """Note which task runs the call of `future`, until it is done. Loop thread only."""
        future._task = task
        self.unfinished[task] = future
        if type(task) is not _TASK:
            settle_running = _passing(settle_running, task)
        task.add_done_callback(settle_running, context=Context())
        if future._awaiters is not None:
            future._awaiters.begin(task)

    def _settle_running(self, task: asyncio.Task[Any]) -> None:
        """Hand the outcome of a task to its future. Loop thread only."""
        future = self.unfinished[task]
        future._task = None
        try:
            _settle(future, task)
        finally:
            del self.unfinished[task]
            if self.limit is not None:
                self.limit.leave(future)
            if (self.queue or self.waiting) and not self.awake:
                self.drain()
            elif self.is_watched:
                self.look_whether_idle()

    def _cancel(self, future: Runnable, asked: Callable[[bool], object]) -> None:
        """Cancel the task of `future`, unless it is done. Loop thread only."""
        task = future._task
        if not _has_begun(task):
            self.call_soon(self._cancel, future, asked)
            return
        asked(future.done() or (task is not None and task.done()))
        if task is not None:
            task.cancel()

    def _cancel_each(self, running: list[Runnable]) -> None:
        """Cancel the tasks of those that run, whatever one of them raises. Loop thread only."""
        with ExitStack() as stack:
            for future in running:
                stack.callback(self._cancel, future, ignore)

    def _end_wave(self, futures: list[Runnable]) -> None:
        """Note that whoever waits for these has heard that all were cancelled. Loop thread only.

        A task group hands it on to a task one turn of the loop later.
        """
        for future in futures:
            future._waves_asked = future._waves

    def _end_background_tasks(
        self, loop: asyncio.AbstractEventLoop, but: asyncio.Task[Any] | None = None
    ) -> bool:
        """Cancel the tasks that submitted work has left behind, each once.

        Tell whether there is one; its cleanup may submit more. Loop thread only.
        """
        tasks = asyncio.all_tasks(loop).difference(self.unfinished, {but})
        for task in tasks.difference(self._ending):
            self._ending.add(task)
            task.add_done_callback(self._note_end)
            task.cancel()
        return bool(tasks)

    def _start_ending(self, had_tasks: list[bool], is_done: Event) -> None:
        """Run `_end_once` in a task of its own. Loop thread only."""
        task = asyncio.get_running_loop().create_task(self._end_once(had_tasks))
        self._ending.add(task)
        task.add_done_callback(_passing(self._note_end, task))
        task.add_done_callback(lambda _: is_done.set())

    async def _end_once(self, had_tasks: list[bool]) -> None:
        """Do what `end_background_tasks` says. Loop thread only."""
        loop = asyncio.get_running_loop()
        if self.closers:
            had_tasks.append(True)
            await self._close_last()
        elif self._end_background_tasks(loop, but=asyncio.current_task()):
            had_tasks.append(True)
            await asyncio.wait(self._ending.difference({asyncio.current_task()}))
        else:
            await loop.shutdown_asyncgens()

    async def _close_last(self) -> None:
        """Close the client that was opened last, if one is still open. Loop thread only."""
        if not self.closers:
            return
        # What that submits runs before the next one is closed.
        self.being_closed, close = self.closers.popitem()
        # It ends as cancelled if the wait was interrupted.
        await asyncio.wait([asyncio.ensure_future(close())])
        self.being_closed = None

    def _note_end(self, task: asyncio.Task[Any]) -> None:
        """Note that a task has ended that nobody has submitted. Loop thread only."""
        self._ending.discard(task)
        self.look_whether_idle()


def count(futures: Iterable[Runnable]) -> tuple[int, int]:
    """Return how many of these calls are pending and how many are running."""
    left = [future for future in futures if not future.done()]
    running = sum(future.running() for future in left)
    return len(left) - running, running


def _can_start_eagerly(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether a first step can run at once, which asyncio's debug mode does not see."""
    return (
        _HAS_EAGER_TASKS
        and asyncio.Task is _TASK
        and not loop.get_debug()
        and loop.get_task_factory() in _EAGER_FACTORIES
    )


def _has_begun(task: Any) -> bool:
    """Tell whether a task has taken its first step, if it is one, which it does in the next turn.

    If cancelled before, it would end without having awaited, and so cancelled, what it waits for.
    """
    # A task factory may make other objects than tasks.
    get_coroutine = getattr(task, "get_coro", None)
    coroutine = None if get_coroutine is None else get_coroutine()
    return not (
        isinstance(coroutine, CoroutineType) and getcoroutinestate(coroutine) == CORO_CREATED
    )


def _passing(
    callback: Callable[[asyncio.Task[Any]], object], task: asyncio.Task[Any]
) -> Callable[[object], object]:
    """Return a callback that passes `task`, where a wrapper of a task may pass what it wraps."""
    return lambda _: callback(task)


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


def _clean_up(coroutine: Any, task: asyncio.Task[Any] | None) -> None:
    """Leave nothing behind of a call whose first step has raised. Loop thread only."""
    # By type: the class that a result shows may raise.
    if issubclass(type(coroutine), CoroutineType):
        coroutine.close()
    # Or asyncio would report that nobody has looked at it.
    if isinstance(task, asyncio.Future) and not task.cancelled():
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
