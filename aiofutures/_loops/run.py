"""One event loop, in one thread of one process."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, suppress
from contextvars import Context
from inspect import CORO_CREATED, getcoroutinestate
from time import monotonic
from types import CoroutineType
from typing import Any, Final, NamedTuple, TypeAlias
from weakref import ref

from .._common.asgiref_support import LOCAL, arrive
from .._common.contract import Runnable, ignore
from .._common.coroutines import drop_frame, ensure_coroutine
from .._common.exceptions import InvalidStateError
from .._common.logging import log_error
from .._common.snapshot import snapshot
from .blocking import Event
from .doorbell import Doorbell
from .lifecycle import running_loop_threads
from .limit import Limit, running_call
from .waves import cancel, nobody
from .worker_future import WorkerFuture
from .workers import Workers, is_worker_thread

_Settle: TypeAlias = Callable[[asyncio.Task[Any]], object]

_HAS_EAGER_TASKS: Final = sys.version_info >= (3, 12)
# Debuggers and nest_asyncio replace it by another class.
_TASK: Final = asyncio.Task
_EAGER_FACTORIES: Final = (None, getattr(asyncio, "eager_task_factory", None))
# A task is created in two steps, so that it is known even if the second one raises. Any: Python
# 3.11 does not have `eager_start`.
_new_task: Final[Callable[[Any], asyncio.Task[Any]]] = _TASK.__new__
_init_task: Final[Any] = _TASK.__init__

# Calls are started in slices, for this many seconds, before timers and sockets get their turn. The
# longer, the less often the waiting threads and the loop thread switch.
_SLICE: Final = 64
_TURN: Final = 0.002
# After so many seconds a wait for something on the loop looks whether the loop has ended.
_LOOK: Final = 1.0


class OpenClient(NamedTuple):
    """A shared client: the task in which it is open, and the function that closes it."""

    task: asyncio.Task[Any]
    close: Callable[[], Coroutine[Any, Any, None]]


class Run:
    """An event loop in a thread, from the first call to the last.

    Any thread may append to `queue`. Only the loop thread takes from it, starts tasks and counts
    them, so none of this needs a lock. All threads read and write two flags:

    - `awake` means that the loop is about to look at the queue. It clears the flag first, so that
      later submits ring the bell again and nothing is missed.
    - `closing` is set once and for all. After appending, a thread from outside checks it and takes
      back its call if it is set. After `closing`, the loop looks at the queue once more. So one of
      the two sees the other.

    `is_guarded` is set along with `closing`, or at the end of the interpreter, when daemon threads
    are refused. `is_watched` means that somebody waits until there is no work; `is_over`, that it
    accepts no more calls, not even from its own tasks. `failure` is why the loop failed or did not
    start; `ended` is set when the thread is done. Calls move from the queue to `waiting` if there
    is no place for them, and to `unfinished` while they run or are parked. While a call starts, it
    stays where it is, so that `futures` always finds it.

    Args:
        max_workers: Maximum number of calls that run at once; None means no limit.
        workers: The worker threads of the calls.
        closing: Whether it accepts no calls from outside.
    """

    def __init__(self, max_workers: int | None, workers: Workers, *, closing: bool) -> None:
        # The loop is set when it is about to run, and the bell is removed when it has stopped.
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread: threading.Thread | None = None
        self.bell: Doorbell | None = None
        self.limit = None if max_workers is None else Limit(max_workers, self)
        self.queue: deque[Runnable] = deque()
        # The futures of worker threads that have an outcome.
        self.outcomes: deque[WorkerFuture[Any]] = deque()
        # Calls that reached the head of the queue when there was no place.
        self.waiting: deque[Runnable] = deque()
        # The key is the task that runs the call or, if it is parked, the future itself.
        self.unfinished: dict[object, Runnable] = {}
        # The call that takes its first step now.
        self._starting: Runnable | None = None
        # The open clients, by a future that is done when they are closed. Loop thread only.
        self.open_clients: dict[Runnable, OpenClient] = {}
        # Those to be closed first. What is opened meanwhile comes after the background tasks, which
        # could open it again. None until the first one is closed.
        self._to_close: Sequence[Runnable] | None = None
        self.being_closed: Runnable | None = None
        self.awake = False
        self.closing = self.is_guarded = self.is_watched = closing
        self.is_over = self.is_in_wave = False
        self.failure: BaseException | None = None
        self.ended = Event()
        # The events of threads that wait until there is no work.
        self._idle: list[Event] = []
        # How many of `waiting` were cancelled, or slightly more.
        self._withdrawn = 0
        # Cancelled tasks that were not submitted and have not ended.
        self._ending: set[asyncio.Future[Any]] = set()
        # Those of them that end the others: two that came at once would wait for each other.
        self._enders: set[asyncio.Task[Any]] = set()
        self._unclaimed = True
        self._workers = workers

    # From any thread.

    def is_current(self) -> bool:
        """Tell whether the caller runs on this event loop."""
        return self.loop is not None and asyncio._get_running_loop() is self.loop

    def is_inside(self) -> bool:
        """Tell whether the caller runs on this event loop or in one of its worker threads."""
        return self.is_current() or self._workers.is_current()

    def is_elsewhere(self) -> bool:
        """Tell whether the caller runs on another's event loop, or in its worker threads."""
        return _is_ours() and not self.is_inside()

    def is_visitor(self) -> bool:
        """Tell whether the caller is part of some call, but not on this event loop."""
        return not self.is_current() and (running_call.get() is not None or _is_ours())

    def claim(self) -> bool:
        """Claim the right to decide whether the thread runs the loop; True for the first caller."""
        try:
            del self._unclaimed
        except AttributeError:
            return False
        return True

    def wake(self) -> None:
        """Make the loop look at the queue soon."""
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
            # A signal handler may have raised when other threads already relied on this wake-up.
            # Clear the flag, or no later call would wake the loop.
            self.awake = False
            self.call_soon(self.drain)
            raise

    def settle_soon(self, future: WorkerFuture[Any]) -> bool:
        """Settle a future that has an outcome; False if it belongs to another loop."""
        if future.get_loop() is not self.loop:
            return False
        self.outcomes.append(future)
        if not self.awake:
            self.wake()
        return True

    def call_soon(self, callback: Callable[..., object], /, *args: Any) -> bool:
        """Schedule `callback` on the loop; False if there is no loop."""
        loop = self.loop
        if loop is None:
            return False
        try:
            # In an empty context: what follows has nothing to do with the caller's.
            loop.call_soon_threadsafe(callback, *args, context=Context())
        except RuntimeError:
            if loop.is_closed():
                return False
            raise
        return True

    def close(self) -> bool:
        """Accept no more calls from outside, and end when none is left; False if it never ran."""
        self.closing = self.is_guarded = self.is_watched = True
        # More than a check whether it is idle: a signal handler may have raised in `submit`, before
        # it could wake the loop.
        return self.call_soon(self.drain)

    def cancel(self, future: Runnable, asked: Callable[[bool], object]) -> None:
        """Request the cancellation of the task of `future`, or forget the call."""
        if not future.done():
            self.call_soon(self._cancel, future, asked)
        elif self.waiting:
            # It goes through the queue once more, and is forgotten there.
            self.queue.append(future)
            if not self.awake:
                self.wake()

    def futures(self) -> list[Runnable]:
        """Return the queued and unfinished futures, the oldest first."""
        # In the order in which calls move from one to the next, so that none is missed. A call that
        # is moving may be in two.
        queued = snapshot(self.queue)
        waiting = snapshot(self.waiting)
        return list(dict.fromkeys((*snapshot(self.unfinished.values()), *waiting, *queued)))

    def count(self) -> tuple[int, int]:
        """Return how many calls are pending and how many are running."""
        return count(self.futures())

    def has_work(self) -> bool:
        """Tell whether submitted work is left to do."""
        return bool(self.queue or self.waiting or self.unfinished) or not self._workers.is_idle()

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until all submitted work is done; return False after the time-out."""
        idle = Event()
        self._idle.append(idle)
        self.is_watched = True
        try:
            return not self.call_soon(self.look_whether_idle) or idle.wait(timeout)
        finally:
            self._idle.remove(idle)

    def begin_ending(self) -> Callable[[], bool]:
        """Cancel tasks that were not submitted; if there are none, close async generators.

        Afterwards, the loop continues.

        Returns:
            Waits for that, and tells whether there were any.
        """
        is_done = Event()
        had_tasks: list[bool] = []
        is_running = self.call_soon(self._start_ending, had_tasks, is_done)

        def wait() -> bool:
            # A loop that ends by itself meanwhile may not come to it.
            while is_running and not (is_done.wait(_LOOK) or self.ended.is_set()):
                pass
            return had_tasks == [True]

        return wait

    def pass_turn(self, timeout: float) -> None:
        """Wait until the loop has run everything scheduled so far."""
        is_done = Event()
        if self.call_soon(is_done.set):
            is_done.wait(timeout)

    def tasks(self) -> set[asyncio.Task[Any]]:
        """Return the unfinished tasks of the event loop."""
        return set() if self.loop is None else asyncio.all_tasks(self.loop)

    def report(self, context: dict[str, Any]) -> None:
        """Pass an error that no caller can receive to the event loop's exception handler."""
        loop = self.loop
        if loop is None:
            log_error(context["exception"], context["message"])
        elif not self.call_soon(loop.call_exception_handler, context):
            loop.call_exception_handler(context)

    def refusal(self, advice: str = "") -> Exception:
        """Return the error for a call after the shutdown."""
        if self.failure is None:
            return InvalidStateError(f"cannot schedule new futures after shutdown{advice}")
        return _broken(self.failure)

    def fail_all(self, failure: BaseException, error: BaseException | None = None) -> None:
        """Fail all futures when the event loop has failed, or does not start.

        Args:
            failure: The reason.
            error: The exception of the futures; None means a BrokenExecutor with the reason.
        """
        self.failure = failure
        self.closing = self.is_guarded = self.is_over = True
        if self.limit is not None:
            self.limit.close()
        for future in (*self.futures(), *self.open_clients):
            future.fail(error or _broken(failure))

    # On the loop thread.

    def run(self) -> None:
        """Run the loop until it is closing and nothing is left to do. Loop thread only."""
        loop = self.loop
        assert loop is not None  # noqa: S101
        is_over = False
        while not is_over:
            loop.call_soon(self.drain)
            run_forever(loop)
            # Otherwise somebody called loop.stop().
            if not self.closing or self.has_work():
                continue
            if self.next_to_close() is not None:
                _run_until_complete(loop, self._close_next())
            else:
                is_over = not (self._end_background_tasks(loop) or self._must_close_more())
        self.is_over = True
        _run_until_complete(loop, loop.shutdown_asyncgens())
        while self._end_background_tasks(loop):
            _run_until_complete(loop, asyncio.wait(self._ending))

    def free(self, loop: asyncio.AbstractEventLoop, bell: Doorbell) -> None:
        """Free the resources of the loop, which has stopped. Loop thread only."""
        self.bell = None
        bell.remove()
        if self.limit is not None:
            self.limit.close()
        loop.close()

    def drain(self) -> None:
        """Start queued calls, for a limited time. Loop thread only."""
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
        """Settle the futures that have an outcome now. Loop thread only."""
        try:
            for _ in range(len(self.outcomes)):
                self.outcomes.popleft().settle()
        except BaseException:
            # SystemExit, raised by a task that `settle` woke.
            asyncio.get_running_loop().call_soon(self.drain, context=Context())
            raise

    def look_soon(self) -> None:
        """Look at the queue in the next turn of the loop. Loop thread only."""
        if (self.queue or self.waiting) and not self.awake:
            self.awake = True
            asyncio.get_running_loop().call_soon(self.drain, context=Context())

    def look_whether_idle(self) -> None:
        """If the loop has no work, notify waiting threads, and stop it if it is closing.

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

    def running_call(self) -> Runnable | None:
        """Return the call that the current task runs, if any. Loop thread only."""
        return self.unfinished.get(asyncio.current_task()) or self._starting

    def park(self, future: Runnable, /) -> None:
        """Keep a call that cannot begin yet. Loop thread only."""
        self.unfinished[future] = future

    def unpark(self, future: Runnable, /) -> None:
        """Put a parked call in front of all waiting ones. Loop thread only."""
        (self.queue if self.limit is None else self.waiting).appendleft(future)
        del self.unfinished[future]
        self.look_soon()

    def _start_some(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Start some queued calls; tell whether there may be more. Loop thread only."""
        queue, limit = self.queue, self.limit
        eager = _can_start_eagerly(loop)
        # One bound method for all calls.
        settle_running = self._settle_running
        for _ in range(_SLICE):
            line = queue
            if limit is not None and self.waiting and limit.has_place():
                line = self.waiting
            if not line:
                return False
            future = line[0]
            # Not past those that wait: another loop may give back a place at any moment.
            if (
                limit is not None
                and line is queue
                and not future._only_waits
                and (self.waiting or not limit.has_place())
            ):
                if future.done():
                    self._forget_withdrawn()
                else:
                    self.waiting.append(future)
            elif future._starter is None:
                self._start(future, loop, eager, settle_running)
            else:
                future._starter.start(future, self)
            # A function that runs the loop itself takes more calls than this one.
            if line and line[0] is future:
                line.popleft()
            # As in `_start`.
            del future
        return True

    def _forget_withdrawn(self) -> None:
        """Forget calls that were cancelled while they waited for a place. Loop thread only."""
        self._withdrawn += 1
        # Only when they may be half of all waiting calls, so that the cost stays proportional.
        if self._withdrawn * 2 > len(self.waiting):
            self.waiting = deque(waiting for waiting in self.waiting if not waiting.done())
            self._withdrawn = 0

    def _start(
        self, future: Runnable, loop: asyncio.AbstractEventLoop, eager: bool, settle: _Settle
    ) -> None:
        """Call the function, and run the awaitable it returns as a task. Loop thread only."""
        if (call := future.take()) is None:
            return
        fn, args, kwargs, context = call
        if context and LOCAL in sys.modules:
            arrive(context)
        if self.limit is not None:
            self.limit.take(future)
            context.run(running_call.set, ref(future))
        coro: Any = None
        task: asyncio.Task[Any] | None = None
        self._starting = future
        try:
            # Faster without keyword arguments, which most calls do not have.
            coro = context.run(fn, *args) if kwargs is None else context.run(fn, *args, **kwargs)
            if type(coro) is not CoroutineType:
                coro = ensure_coroutine(fn, coro)
            name = future._name
            if eager:
                task = _new_task(_TASK)
                _init_task(task, coro, loop=loop, name=name, context=context, eager_start=True)
            else:
                task = loop.create_task(coro, name=name, context=context)
            if not task.done():
                self._keep(future, task, settle)
                return
            result = task.result()
        except BaseException as exception:
            try:
                _clean_up(coro, task)
            finally:
                _settle_raised(future, exception)
        else:
            future.settle(result)
            del result
        finally:
            self._starting = None
            if self.limit is not None and future._task is None:
                self.limit.leave(future)
            # The traceback of an exception may lead to this frame, which would keep it alive.
            del future, call, fn, args, kwargs, context, coro, task

    def _keep(self, future: Runnable, task: asyncio.Task[Any], settle_running: _Settle) -> None:
        """Note which task runs the call of `future`, until it is done. Loop thread only."""
        if type(task) is not _TASK:
            settle_running = _passing(settle_running, task)
        # First this: with a task of a factory, it may raise.
        task.add_done_callback(settle_running, context=Context())
        self.unfinished[task] = future
        future._task = task
        if future._awaiters is not None:
            future._awaiters.begin(task)

    def _settle_running(self, task: asyncio.Task[Any]) -> None:
        """Pass the outcome of a task to its future. Loop thread only."""
        future = self.unfinished[task]
        future._task = None
        try:
            _settle(future, task)
        except BaseException as error:
            # Raised by a task of the user's factory.
            future.fail(error)
            raise
        finally:
            del self.unfinished[task]
            if self.limit is not None:
                self.limit.leave(future)
            if (self.queue or self.waiting) and not self.awake:
                self.drain()
            elif self.is_watched:
                self.look_whether_idle()

    def _cancel(
        self,
        future: Runnable,
        asked: Callable[[bool], object],
        but: Callable[[Runnable], bool] = nobody,
    ) -> None:
        """Cancel the task of `future`, unless it is done or to be spared. Loop thread only."""
        task = future._task
        if not _has_begun(task):
            self.call_soon(self._cancel, future, asked, but)
            return
        asked(future.done() or (task is not None and task.done()))
        if task is not None and not but(future):
            future.note_cancel()
            cancel(task, but)

    def cancel_each(self, running: list[Runnable], but: Callable[[Runnable], bool]) -> None:
        """Cancel the tasks of running calls but some, even if one raises. Loop thread only."""
        self.is_in_wave = False
        with ExitStack() as stack:
            for future in running:
                stack.callback(self._cancel, future, ignore, but)

    def _end_background_tasks(
        self, loop: asyncio.AbstractEventLoop, but: Iterable[object] = ()
    ) -> bool:
        """Cancel the tasks that submitted work left behind, each once.

        Tell whether there are any: their cleanup may submit more. Loop thread only.
        """
        living = [client.task for client in self.open_clients.values()]
        tasks = asyncio.all_tasks(loop).difference(self.unfinished, but, living)
        for task in tasks.difference(self._ending):
            self._ending.add(task)
            task.add_done_callback(self._note_end)
            task.cancel()
        return bool(tasks)

    def _start_ending(self, had_tasks: list[bool], is_done: Event) -> None:
        """Run `_end_once` in a new task. Loop thread only."""
        task = asyncio.get_running_loop().create_task(self._end_once(had_tasks))
        self._ending.add(task)
        self._enders.add(task)
        task.add_done_callback(_passing(self._enders.discard, task))
        task.add_done_callback(_passing(self._note_end, task))
        task.add_done_callback(lambda _: is_done.set())

    async def _end_once(self, had_tasks: list[bool]) -> None:
        """Do the work of `begin_ending` on the loop. Loop thread only."""
        loop = asyncio.get_running_loop()
        # Also itself, where a factory has wrapped it.
        enders = self._enders.union({asyncio.current_task()})
        if self.has_work():
            # Of another loop's background, meanwhile. Its tasks are nobody's background yet.
            had_tasks.append(True)
        elif self.next_to_close() is not None:
            had_tasks.append(True)
            await self._close_next()
        elif self._end_background_tasks(loop, but=enders):
            had_tasks.append(True)
            await asyncio.wait(self._ending.difference(enders))
        elif self._must_close_more():
            had_tasks.append(True)
        else:
            await loop.shutdown_asyncgens()

    def next_to_close(self) -> Runnable | None:
        """Return the key of the open client to be closed next, the most recently opened one."""
        keys = snapshot(self.open_clients) if self._to_close is None else self._to_close
        return next((key for key in reversed(keys) if key in self.open_clients), None)

    def _must_close_more(self) -> bool:
        """Tell whether clients were opened meanwhile, and note that they are next.

        Loop thread only.
        """
        self._to_close = [*self.open_clients]
        return bool(self._to_close)

    async def _close_next(self) -> None:
        """Close the next one of these clients, if one is open. Loop thread only."""
        if self._to_close is None:
            self._to_close = [*self.open_clients]
        key = self.next_to_close()
        if key is None:
            return
        # Calls that closing it submits run before the next one is closed.
        self.being_closed, close = key, self.open_clients.pop(key).close
        # It ends as cancelled if the wait is interrupted.
        await asyncio.wait([asyncio.ensure_future(close())])
        self.being_closed = None

    def _note_end(self, task: asyncio.Task[Any]) -> None:
        """Note the end of a task that was not submitted. Loop thread only."""
        self._ending.discard(task)
        self.look_whether_idle()


def count(futures: Iterable[Runnable]) -> tuple[int, int]:
    """Return how many of these calls are pending and how many are running."""
    left = [future for future in futures if not future.done()]
    running = sum(future.running() for future in left)
    return len(left) - running, running


def _is_ours() -> bool:
    """Tell whether the caller runs on an event loop of any executor, or in a worker thread."""
    return asyncio._get_running_loop() in running_loop_threads or is_worker_thread()


def _can_start_eagerly(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether first steps can run at once. Asyncio's debug mode would not see them."""
    return (
        _HAS_EAGER_TASKS
        and asyncio.Task is _TASK
        and not loop.get_debug()
        and loop.get_task_factory() in _EAGER_FACTORIES
    )


def _has_begun(task: Any) -> bool:
    """Tell whether a task, if it is one, has taken its first step, due in the loop's next turn.

    Cancelled before that, it would end without awaiting, and thus cancelling, what it waits for.
    """
    # A task factory may create objects other than tasks.
    get_coroutine = getattr(task, "get_coro", None)
    coroutine = None if get_coroutine is None else get_coroutine()
    return not (
        isinstance(coroutine, CoroutineType) and getcoroutinestate(coroutine) == CORO_CREATED
    )


def _passing(
    callback: Callable[[asyncio.Task[Any]], object], task: asyncio.Task[Any]
) -> Callable[[object], object]:
    """Return a callback that passes `task`: a wrapper of a task may pass the wrapped one."""
    return lambda _: callback(task)


def _settle(future: Runnable, task: asyncio.Task[Any]) -> None:
    """Pass the outcome of `task` to `future`. Loop thread only."""
    if task.cancelled():
        future.settle_cancelled()
        return
    exception = task.exception()
    if exception is None:
        future.settle(task.result())
    else:
        future.fail(exception)


def _settle_raised(future: Runnable, exception: BaseException) -> None:
    """Pass an exception raised by the first step to `future`. Loop thread only."""
    # Not isinstance: the `__class__` of an exception may raise.
    if issubclass(type(exception), asyncio.CancelledError):
        future.settle_cancelled()
        return
    drop_frame(exception)
    # It would silently end a loop of the caller's (PEP 479).
    if issubclass(type(exception), StopIteration):
        error = RuntimeError("the function raised StopIteration")
        error.__cause__ = exception
        exception = error
    future.fail(exception)


def _clean_up(coroutine: Any, task: asyncio.Task[Any] | None) -> None:
    """Clean up after a call whose first step raised. Loop thread only."""
    if isinstance(task, asyncio.Future) and not task.done():
        # A task of the user's factory that refused to be watched.
        task.cancel()
        return
    # Not isinstance: the `__class__` of a result may raise.
    if issubclass(type(coroutine), CoroutineType):
        coroutine.close()
    # Otherwise asyncio would report that the exception was never retrieved.
    if isinstance(task, asyncio.Future) and not task.cancelled():
        task.exception()


def _broken(failure: BaseException) -> BrokenExecutor:
    """Return the error for calls on an event loop that has failed."""
    error = BrokenExecutor(f"the event loop has failed: {failure!r}")
    error.__cause__ = failure
    return error


def run_forever(loop: asyncio.AbstractEventLoop) -> None:
    """Run `loop` until it is stopped, or a callback raises SystemExit or KeyboardInterrupt.

    Those of a task go to its future, but asyncio raises them here too. It then forgets that the
    loop was stopped in the same turn, and may have lost a ring: the caller has to look again.
    """
    with suppress(SystemExit, KeyboardInterrupt):
        loop.run_forever()


def _run_until_complete(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any]
) -> None:
    """Run `loop` until `coroutine` has ended, whatever other tasks raise in the meantime."""
    task = loop.create_task(coroutine)
    task.add_done_callback(lambda _: loop.stop())
    while not task.done():
        run_forever(loop)
