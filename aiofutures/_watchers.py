"""Those who wait for a future, each in its own way."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from _thread import LockType
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ._typing import override
from ._waiting import Lender, LendingEvent


class Watched(Protocol):
    """What those who wait know of a future."""

    @property
    def _host(self) -> Lender | None: ...

    _exception: BaseException | None

    def done(self) -> bool: ...
    def cancel(self) -> bool: ...
    def cancelled(self) -> bool: ...
    def _refuse_wait_on_own_loop(self) -> None: ...


class Watchers:
    """Those who wait for one future. Most futures never have any.

    Whoever adds to it looks at the state of the future afterwards, and whoever settles the future
    looks here after the state has changed: one of the two sees the other.
    """

    def __init__(self) -> None:
        self.callbacks: list[Callable[[Any], object]] = []
        self.gates: list[LockType] = []  # locked; each is released for one blocked thread

        # What concurrent.futures.wait and as_completed use, by the process.
        self.guards: dict[int, Guard] = {}

    waiters: StdlibWaiters | None = None  # theirs too, made when they do
    told = False  # they know that the future is done
    _is_telling = False

    def wake(self, future: Watched) -> None:
        """Wake the threads that wait for `future`, for who settles it. Once more is harmless."""
        for gate in tuple(self.gates):
            if gate.locked():
                gate.release()
        self.tell(future)

    def tell(self, future: Watched) -> None:
        """Tell the waiters of `concurrent.futures` that `future` is done, from any thread."""
        guard = self.guards.get(os.getpid()) if self.guards else None
        if guard is not None and not self.told:
            guard.run(partial(self._tell, future))

    def _tell(self, future: Watched) -> None:
        """Tell the waiters of `concurrent.futures`, once each; they count. Under the guard."""
        was_interrupted, self._is_telling = self._is_telling, True
        if self.told:
            return
        for waiter in self.waiters or ():
            if was_interrupted and future in waiter.finished_futures:
                waiter.event.set()  # it may not have counted: rather too early than never
                continue
            if future.cancelled():
                waiter.add_cancelled(future)
            elif future._exception is None:
                waiter.add_result(future)
            else:
                waiter.add_exception(future)
        self.told = True

    def of_child(self, future: Watched) -> Watchers:
        """Return what of it is of use in a forked child: what iterators of `as_completed` wait for.

        Their locks may be held by threads of the parent's.
        """
        watchers = Watchers()
        for waiter in self.waiters or ():
            waiter.lock = threading.Lock()
            waiter.event = threading.Event()
            waiter.event.set()
            if future not in waiter.finished_futures:
                waiter.finished_futures.append(future)
        watchers.waiters = self.waiters
        watchers.told = True
        return watchers


class Guard:
    """What `concurrent.futures.wait` and `as_completed` hold while they look at futures.

    The loop thread never waits for it. A signal handler that raises in one of these functions can
    leave it locked for ever, and all calls of the executor would stand still.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may wait for the same futures
        self._depth = 0  # how often its thread has it
        self._delayed: deque[Callable[[], object]] = deque()

    def acquire(self) -> bool:
        """Lock it."""
        self._lock.acquire()
        self._depth += 1
        return True

    def release(self) -> None:
        """Unlock it, and do what was delayed."""
        self._depth -= 1
        self._lock.release()
        self._run_delayed()

    __enter__ = acquire

    def __exit__(self, *_: object) -> None:
        self.release()

    def run(self, fn: Callable[[], object]) -> None:
        """Call `fn` under the lock: now, or as soon as whoever has it releases it."""
        self._delayed.append(fn)
        self._run_delayed()

    def _run_delayed(self) -> None:
        while self._delayed and self._lock.acquire(blocking=False):
            try:
                if self._depth:  # a signal handler of the thread that has it
                    return
                self._do_delayed()
            except BaseException:  # a signal handler has raised: leave nobody waiting
                self._do_delayed()
                raise
            finally:
                self._lock.release()

    def _do_delayed(self) -> None:
        while self._delayed:
            fn = self._delayed[0]
            fn()
            if self._delayed and self._delayed[0] is fn:  # a signal handler may have done it too
                self._delayed.popleft()


class StdlibWaiters(list[Any]):
    """The waiters of `concurrent.futures.wait` and `as_completed`.

    Both add one exactly when they are about to wait, and release their locks if that raises.
    """

    def __init__(self, future: Watched) -> None:
        super().__init__()
        self._future = weakref.ref(future)

    @override
    def append(self, waiter: Any) -> None:
        future = self._future()
        if future is not None and not future.done():
            future._refuse_wait_on_own_loop()
            if type(waiter.event) is threading.Event:
                waiter.event = LendingEvent()
            if future._host is not None and isinstance(waiter.event, LendingEvent):
                waiter.event.hosts.add(future._host)
        super().append(waiter)


class AsyncWaiter(asyncio.Future[None]):
    """Completes when a future does, on the event loop of the task that awaits it."""

    def __init__(self, future: Watched) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._awaited = future

    @override
    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the awaited future; the wait goes on until that is done.

        What then still waits is for a place, and is cancelled.
        """
        if self._awaited.done():
            return super().cancel(msg)
        return not self.done() and self._awaited.cancel()

    def wake(self, _: object = None) -> None:
        """Complete, from any thread."""
        loop = self.get_loop()
        if asyncio._get_running_loop() is loop:
            self._complete()
            return
        try:
            loop.call_soon_threadsafe(self._complete)
        except RuntimeError:
            if not loop.is_closed():  # else the task that awaited has gone with its loop
                raise

    def _complete(self) -> None:
        if not self.done():
            self.set_result(None)


class UnfetchedException:
    """Reports an exception when the future that holds it dies and nobody has looked at it.

    An object of its own, because a `Future.__del__` would cost every future.
    """

    __slots__ = ("_report", "exception")

    def __init__(
        self, exception: BaseException, report: Callable[[dict[str, Any]], object]
    ) -> None:
        self.exception: BaseException | None = exception
        self._report = report

    def __del__(self) -> None:
        if self.exception is not None:
            self._report(
                {"message": "Future exception was never retrieved", "exception": self.exception}
            )
