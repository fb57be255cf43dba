"""The waiters of a future: threads, callbacks, event loops and the standard library."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from _thread import LockType, allocate_lock
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from threading import get_ident
from time import monotonic, sleep
from types import FunctionType, MethodType
from typing import Any, Final, Protocol, TypeAlias

from .._common.contract import Host, HostLimit, Runnable
from .._common.exceptions import DeadlockError
from .._common.snapshot import snapshot
from .._common.typing import override
from .._loops.blocking import Event, block, open_gate
from .._loops.caller import Caller
from .._loops.lifecycle import unfetched
from .._loops.limit import lend, lends_nothing, lent
from .._loops.pool import leave_slot_for
from .._loops.thread import LoopThread
from .._loops.waves import is_spared


class Awaited(Runnable, Protocol):
    """A future, as seen by its waiters."""

    _exception: BaseException | None
    _result: Any

    def add_done_callback(self, fn: Callable[[Any], object], /) -> None: ...
    def cancelled(self) -> bool: ...
    def _watch(self) -> Watchers: ...


# If both threads share a CPU, the loop thread may finish a short call during this and go back to
# sleep. That takes two thread switches. Waking a blocked thread takes four to seven, because it
# wants the GIL while the loop thread still holds it. On separate CPUs, this costs a system call.
_give_way: Final[Callable[[], object]] = getattr(os, "sched_yield", partial(sleep, 0))


def wait_until_done(future: Awaited, timeout: float | None, caller: Caller | None = None) -> bool:
    """Block until `future` is done, or return False after the time-out.

    The caller's call lends its place in the meantime.

    Args:
        future: The future.
        timeout: Maximum number of seconds to wait; None means no limit.
        caller: Holds functions to run in this thread while it waits.
    """
    if timeout is not None and timeout <= 0:
        return False
    # Faster than calling `refuse_on_own_loop` each time.
    if future._host is not None and future._host.is_current():
        refuse_on_own_loop(future)
    try:
        _give_way()
        if future.done():
            return True
        if lends_nothing(future._host):
            return _block(future, timeout, caller)
        with lent(future._host, timeout):
            return _block(future, timeout, caller)
    finally:
        # The traceback of a function that raises here leads to this frame.
        del future


def not_done(future: Awaited, seconds: float | None) -> TimeoutError:
    """Return the error for a call that did not finish in this number of seconds."""
    name = future._call_name()
    if name is None:
        # The same as the standard library's.
        return TimeoutError()
    return TimeoutError(f"{name}() did not finish in {seconds} seconds")


def _block(future: Awaited, timeout: float | None, caller: Caller | None) -> bool:
    end = None if timeout is None else monotonic() + timeout
    gate = allocate_lock()
    gate.acquire()
    gates = future._watch().gates
    gates.append(gate)
    if caller is not None:
        caller.gate = gate
    try:
        while not future.done():
            left = None if end is None else end - monotonic()
            if caller is not None and caller.items and (left is None or left > 0):
                caller.run_next()
                _give_way()
            elif not block(gate, left):
                return False
        return True
    finally:
        gates.remove(gate)
        del future


def refuse_on_own_loop(future: Awaited) -> None:
    """Raise DeadlockError if a wait would block the event loop that runs the call."""
    host = future._host
    if host is not None and host.is_current():
        raise DeadlockError(
            f"waiting for {future!r} here would never end: it blocks the event loop "
            f"{host.loop_in_words}; use 'await future' instead"
        )


class Watchers:
    """The waiters of one future. Most futures never have any.

    A thread that adds a waiter then checks the state of the future, and a thread that settles the
    future changes the state, then looks here. So one of the two sees the other. Each gate is a
    locked lock, released to wake one blocked thread.
    """

    # Created when the standard library asks for them.
    stdlib: StdlibWaiters | None = None
    # Those of functions of asyncio's, which removes them one after the other. The key is the
    # function; if that was added before, the last one of it.
    of_asyncio: dict[Callable[[Any], object], AsyncCallback] | None = None

    def __init__(self) -> None:
        self.callbacks: deque[Callable[[Any], object]] = deque()
        self.gates: list[LockType] = []

    def has_callbacks(self) -> bool:
        """Tell whether something is to be called with the future."""
        return bool(self.callbacks or self.of_asyncio)

    def add(self, callback: Callable[[Any], object]) -> None:
        """Add what is to be called with the future."""
        # By type, as in `is_of_asyncio`.
        if type(callback) is not AsyncCallback:
            self.callbacks.append(callback)
            return
        # Atomic: one for all, and one for each key.
        of_asyncio = self.__dict__.setdefault("of_asyncio", {})
        key = callback.fn
        while (other := of_asyncio.setdefault(key, callback)) is not callback:
            key = other

    def remove(self, fn: Callable[[Any], object]) -> int:
        """Remove all instances of a callback, and return how many there were."""
        if self.of_asyncio and is_of_asyncio(fn):
            return self._remove_of_asyncio(fn)
        return sum(
            callback == fn and _remove(self.callbacks, callback)
            for callback in snapshot(self.callbacks)
        )

    def _remove_of_asyncio(self, fn: Callable[[Any], object]) -> int:
        assert self.of_asyncio is not None  # noqa: S101
        removed = 0
        key = fn
        while (callback := self.of_asyncio.pop(key, None)) is not None:
            callback.drop()
            key = callback
            removed += 1
        return removed

    def notify(self, future: Awaited) -> None:
        """Wake the threads that wait for `future`, which is done. Repeating it is harmless."""
        for gate in snapshot(self.gates):
            open_gate(gate)
        if self.stdlib is not None:
            self.stdlib.notify(future)


def _remove(callbacks: deque[Callable[[Any], object]], callback: Callable[[Any], object]) -> bool:
    """Remove one callback; False if it is being called."""
    while True:
        try:
            callbacks.remove(callback)
        except ValueError:
            return False
        except IndexError:
            # The deque changed during a comparison by a method written in Python.
            continue
        return True


#: Whether the future was done, and the previous snapshot.
_Snapshot: TypeAlias = "tuple[bool, _Snapshot | None]"


class StdlibWaiters:
    """What `concurrent.futures.wait` and `as_completed` use as a future's lock and its waiters.

    Nothing is locked. A thread that enters the "lock" sees a snapshot of the future until it
    leaves. Its waiters are notified of changes after the snapshot, and only once, because they
    count. Deleting a waiter from `_unheard` decides who notifies it. It stays in `_waiters` until
    then, for a child forked in the meantime.
    """

    def __init__(self, future: Awaited) -> None:
        self._future = weakref.ref(future)
        # By thread, each with the previous one, which a signal handler may have interrupted.
        self._snapshots: dict[int, _Snapshot] = {}
        self._waiters: dict[Any, None] = {}
        self._unheard: dict[Any, None] = {}

    def acquire(self) -> bool:
        """Take a snapshot for the calling thread."""
        future, thread = self._future(), get_ident()
        is_done = future is None or future.done()
        self._snapshots[thread] = is_done, self._snapshots.get(thread)
        return True

    def release(self) -> None:
        """Drop the snapshot of the calling thread."""
        thread = get_ident()
        _, before = self._snapshots.pop(thread)
        if before is not None:
            self._snapshots[thread] = before

    __enter__ = acquire

    def __exit__(self, *_: object) -> None:
        self.release()

    def looks_done(self) -> bool | None:
        """Tell whether the future was done in the caller's snapshot; None if there is none."""
        snapshot = self._snapshots.get(get_ident())
        return None if snapshot is None else snapshot[0]

    def append(self, waiter: Any) -> None:
        """Add a waiter, unless the calling thread's snapshot shows that the future is done."""
        future = self._future()
        if future is None or self.looks_done():
            return
        # `wait` and `as_completed` add one exactly when they are about to wait.
        if not future.done():
            refuse_on_own_loop(future)
        if type(waiter.event) is threading.Event:
            waiter.event = LendingEvent()
        if future._host is not None and isinstance(waiter.event, LendingEvent):
            waiter.event.hosts[future._host.limit] = future._host
        self._waiters[waiter] = self._unheard[waiter] = None
        # A thread that settled it may not have seen the waiter.
        if future.done():
            self.notify(future)

    def remove(self, waiter: Any) -> None:
        """Drop a waiter, if it is still there."""
        self._unheard.pop(waiter, None)
        self._waiters.pop(waiter, None)

    def __iter__(self) -> Iterator[Any]:
        return iter(snapshot(self._waiters))

    def __len__(self) -> int:
        return len(self._waiters)

    def notify(self, future: Awaited) -> None:
        """Tell each waiter that `future` is done, once."""
        try:
            for waiter in snapshot(self._unheard):
                self._notify(waiter, future)
        except BaseException:
            # A signal handler raised: leave nobody waiting.
            self.notify(future)
            raise

    def _notify(self, waiter: Any, future: Awaited) -> None:
        try:
            del self._unheard[waiter]
        except KeyError:
            return
        try:
            if future.cancelled():
                waiter.add_cancelled(future)
            elif future._exception is None:
                waiter.add_result(future)
            else:
                waiter.add_exception(future)
        except BaseException:
            # It may not have been counted: better to wake too early than never.
            waiter.event.set()
            raise
        finally:
            self._waiters.pop(waiter, None)

    def abandon(self, future: Awaited) -> None:
        """Notify iterators of `as_completed`, the only waiters that continue in a forked child."""
        for waiter in self:
            # A thread of the parent may hold the old one.
            waiter.lock = threading.Lock()
            if future not in waiter.finished_futures:
                waiter.finished_futures.append(future)
            waiter.event.set()
            self.remove(waiter)


class LendingEvent(Event):
    """An event whose waiters lend their places, as the waiters of a future do."""

    def __init__(self) -> None:
        super().__init__()
        #: The hosts of the futures it stands for, one per limit.
        self.hosts: dict[HostLimit | None, Host] = {}

    @override
    def wait(self, timeout: float | None = None) -> bool:
        with ExitStack() as places:
            for host in self.hosts.values():
                places.enter_context(lent(host, timeout))
            return super().wait(timeout)


class AsyncWaiter(asyncio.Future[None]):
    """Completes along with a future, on the loop of the awaiting task, which lends its place."""

    def __init__(self, future: Awaited) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._awaited = future
        self._waves = future._waves_asked
        self._take_back = None if future.done() else lend(future._host)
        # The awaiting loop is the user's, if it is in a worker thread.
        leave_slot_for(self)

    @classmethod
    def of(cls, future: Awaited) -> AsyncWaiter:
        """Return a waiter that is notified when `future` is done."""
        waiter = cls(future)
        future.add_done_callback(waiter.notify)
        return waiter

    @override
    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the awaited future and keep waiting; if it is done, cancel the wait for a place.

        If all calls of a host are cancelled, the awaited one is cancelled once, not by each waiter.
        """
        if self._awaited.done():
            return super().cancel(msg)
        if self.done():
            return False
        waves, self._waves = self._waves, self._awaited._waves
        return waves != self._waves or is_spared(self._awaited) or self._awaited.cancel()

    def notify(self, _: object = None) -> None:
        """Complete as soon as there is a place. Any thread may call it."""
        if self._take_back is None:
            self._wake()
        else:
            self._take_back(self._wake)

    def _wake(self) -> None:
        loop = self.get_loop()
        if asyncio._get_running_loop() is loop:
            self._complete()
            return
        try:
            loop.call_soon_threadsafe(self._complete)
        except RuntimeError:
            # If the loop is closed, the awaiting task is gone too.
            if not loop.is_closed():
                raise

    def _complete(self) -> None:
        if not self.done():
            self.set_result(None)


#: For so many seconds, at most, the cancellation of all calls of a host is on its way.
WAVE_SECONDS: Final = 1.0

# What `asyncio.wait` adds, and what `asyncio.wrap_future` does.
_FUNCTIONS: Final = (FunctionType, MethodType)
_OF_ASYNCIO: Final = ("asyncio.tasks", "asyncio.futures")


class AsyncCallback(AsyncWaiter):
    """Calls a function of asyncio, which does not expect other threads, on its event loop."""

    def __init__(self, future: Awaited, fn: Callable[[Any], object]) -> None:
        super().__init__(future)
        self.fn = fn
        self.add_done_callback(self._call)

    @staticmethod
    def is_needed_for(fn: Callable[[Any], object]) -> bool:
        """Tell whether `fn` is such a function, for instance one of `asyncio.wait`."""
        return is_of_asyncio(fn) and asyncio._get_running_loop() is not None

    def __call__(self, _: object) -> None:
        self.notify()

    def drop(self) -> None:
        """Stop waiting, before the function is called."""
        if self._take_back is not None:
            self._take_back(lambda: None)
        asyncio.Future.cancel(self)

    def _call(self, _: object) -> None:
        if not self.cancelled():
            self.fn(self._awaited)


def is_of_asyncio(fn: object) -> bool:
    """Tell whether `fn` is a function that asyncio adds to futures."""
    # By type: the attributes of a lazy proxy may raise.
    return type(fn) in _FUNCTIONS and fn.__module__ in _OF_ASYNCIO


def is_wave_over(future: Awaited) -> bool:
    """Tell whether all calls that are cancelled along with `future` have been asked by now."""
    loop_thread = LoopThread.running()
    if loop_thread is None or not future._waves:
        return True
    is_told = future._waves <= future._waves_asked
    is_elsewhere = future._host is None or not future._host.is_current()
    return (is_told or is_elsewhere) and not loop_thread.is_in_wave()


class OutcomeWaiter(AsyncWaiter):
    """Completes with the future's outcome, for functions of asyncio that need a future."""

    # Until when it waits for the end of a wave.
    _end: float | None = None

    @override
    def _complete(self) -> None:
        if self._is_too_early():
            self.get_loop().call_soon(self._complete)
            return
        error = self._awaited._exception
        if self._awaited.cancelled():
            super().cancel()
        elif self.done():
            return
        elif error is None:
            self.set_result(self._awaited._result)
        elif issubclass(type(error), StopIteration):
            self.set_exception(RuntimeError(f"the future raised {error!r}"))
        else:
            self.set_exception(error)

    def _is_too_early(self) -> bool:
        """Tell whether a wave is going on, whose end a task that awaits the future waits for."""
        if not self._awaited.cancelled() or is_wave_over(self._awaited):
            return False
        self._end = self._end or monotonic() + WAVE_SECONDS
        return monotonic() < self._end


#: New in Python 3.14, along with asyncio's call graph.
HAS_CALL_GRAPH: Final = hasattr(asyncio, "future_add_to_awaited_by")


class Awaiters:
    """The tasks that await a future on its own loop, for asyncio's call graph.

    The graph shows tasks, but no future of this package between them. Loop thread only.
    """

    def __init__(self) -> None:
        # Each with the task that it awaits, once the call has one.
        self._awaited: dict[asyncio.Task[Any], asyncio.Task[Any] | None] = {}

    def add(self, awaiter: asyncio.Task[Any], task: asyncio.Task[Any] | None) -> None:
        """Note that `awaiter` awaits the call, which `task` may already run. Loop thread only."""
        self._awaited[awaiter] = None
        if task is not None:
            self._show(awaiter, task)

    def begin(self, task: asyncio.Task[Any]) -> None:
        """Note that `task` runs the call now. Loop thread only."""
        for awaiter in self._awaited:
            self._show(awaiter, task)

    def remove(self, awaiter: asyncio.Task[Any]) -> None:
        """Note that `awaiter` no longer awaits it."""
        task = self._awaited.pop(awaiter)
        if task is not None:
            _discard_from_awaited_by(task, awaiter)

    def _show(self, awaiter: asyncio.Task[Any], task: asyncio.Task[Any]) -> None:
        self._awaited[awaiter] = task
        _add_to_awaited_by(task, awaiter)


# Any: type checkers assume Python 3.11.
_add_to_awaited_by: Final[Any] = getattr(asyncio, "future_add_to_awaited_by", None)
_discard_from_awaited_by: Final[Any] = getattr(asyncio, "future_discard_from_awaited_by", None)


class UnfetchedException:
    """Reports an exception that was not fetched before its future was discarded.

    It is a separate object because a `Future.__del__` would slow down every future.
    """

    __slots__ = ("__weakref__", "_report", "exception")

    def __init__(
        self, exception: BaseException, report: Callable[[dict[str, Any]], object]
    ) -> None:
        self.exception: BaseException | None = exception
        self._report = report
        # At the end of the interpreter, it is reported while that is still possible.
        unfetched[id(self)] = weakref.ref(self)

    # At the end of the interpreter, this module may be cleared before the last one is discarded.
    def __del__(self, forget: Callable[[int, None], object] = unfetched.pop) -> None:
        forget(id(self), None)
        self.report()

    def report(self) -> None:
        """Report the exception, once."""
        exception, self.exception = self.exception, None
        if exception is not None:
            self._report(
                {"message": "Future exception was never retrieved", "exception": exception}
            )
