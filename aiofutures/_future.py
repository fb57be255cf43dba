"""The future that an executor returns.

It takes no lock. Whoever takes the call out of a future decides what becomes of it: the loop
thread runs it, `cancel` drops it; and from then on that one thread alone writes the outcome.
With no lock to hold, nothing is ever stuck in a forked child, a signal handler or a finalizer.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from _thread import allocate_lock
from collections.abc import Callable, Generator
from concurrent.futures._base import CANCELLED_AND_NOTIFIED, FINISHED, PENDING, RUNNING
from typing import TYPE_CHECKING, Any, Protocol

from ._exceptions import DeadlockError, InvalidStateError
from ._typing import Call, T, override
from ._watchers import AsyncWaiter, StdlibWaiters, UnfetchedException, Watchers, block

_LOGGER = logging.getLogger("aiofutures")
_DONE = frozenset({CANCELLED_AND_NOTIFIED, FINISHED})


class Host(Protocol):
    """What a future knows of the loop thread that runs its call."""

    def is_current(self) -> bool:
        """Tell whether the caller runs on this event loop."""
        ...

    def request_cancel(self, future: Future[Any], /) -> None:
        """Ask for the cancellation of the task that runs the call of `future`."""

    def lend_place(self) -> Any | None:
        """Let another call run while the caller's waits; return whose place it is."""

    def take_place_back(self, place: Any, resume: Callable[[], object], /) -> None:
        """Call `resume` when `place` is free again."""

    def call_exception_handler(self, context: dict[str, Any], /) -> None:
        """Hand an error that no caller can receive to the event loop's exception handler."""


class Future(concurrent.futures.Future[T]):
    """The outcome of a call that an `AsyncExecutor` runs, now or later.

    A `concurrent.futures.Future` for everything that takes one. It can also be awaited, from any
    event loop. Futures are made by `AsyncExecutor.submit` and what stands on it; as in the
    standard library, only tests make one directly.

    Example:
        >>> future = executor.submit(fetch, "https://example.org")
        >>> future.result(timeout=10)
    """

    # Class-level defaults: an instance stores only what differs, which is cheaper to make.
    _state = PENDING
    _result: Any = None  # a T once finished
    _exception: BaseException | None = None
    _watchers: Watchers | None = None
    _unfetched: UnfetchedException | None = None
    _task: asyncio.Task[T] | None = None

    def __init__(self, host: Host | None = None, call: Call | None = None, /) -> None:
        self._host = host
        self._call = [call]  # empty once the call was taken: by the loop thread or by cancel()

    @override
    def result(self, timeout: float | None = None) -> T:
        """Return the outcome of the call, after waiting for it where it is not there yet.

        Args:
            timeout: The most seconds to wait; None waits without limit. The call goes on after
                a time-out; `cancel` ends it.

        Returns:
            What the call returned.

        Raises:
            CancelledError: The future was cancelled.
            TimeoutError: The call was not done in time.
            DeadlockError: The wait would block the event loop that runs the call.
            BaseException: Whatever the call raised.
        """
        if self._state not in _DONE:
            self._wait(timeout)
        exception = self._exception
        if exception is None and self._state == FINISHED:
            result: T = self._result
            return result
        try:
            self._mark_fetched()
            if exception is None:
                raise concurrent.futures.CancelledError
            raise exception
        finally:
            # The traceback holds this frame, and this frame would hold the exception.
            del self, exception

    @override
    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what the call raised, after waiting for it; None if it returned.

        Args:
            timeout: The most seconds to wait; None waits without limit.

        Raises:
            CancelledError: The future was cancelled.
            TimeoutError: The call was not done in time.
            DeadlockError: The wait would block the event loop that runs the call.
        """
        if self._state not in _DONE:
            self._wait(timeout)
        if self._state != FINISHED:
            raise concurrent.futures.CancelledError
        self._mark_fetched()
        return self._exception

    @override
    def cancel(self) -> bool:
        """Cancel the call.

        A call that has not started never runs: the future is cancelled at once. For one that
        runs, its task is asked to cancel, and the future is done when the task is: `result`
        waits for its cleanup, and a task that swallows the cancellation delivers its value.

        Returns:
            True if the future is cancelled or its task was asked to, False if it was done before.
        """
        if self._state in _DONE:
            return self._state != FINISHED
        try:
            # No signal handler can run between these two statements, as neither is a call: the
            # call would be lost if one raised after it was taken.
            del self._call[0]
            self._state = CANCELLED_AND_NOTIFIED
            self._notify()
        except IndexError:  # the loop thread has taken it
            if self._host is None:
                return False
            self._host.request_cancel(self)
        except BaseException:  # a signal handler has raised: leave nobody waiting
            self._notify()
            raise
        return True

    @override
    def cancelled(self) -> bool:
        """Tell whether the future was cancelled and is done."""
        return self._state == CANCELLED_AND_NOTIFIED

    @override
    def running(self) -> bool:
        """Tell whether the call has started and has not finished yet."""
        return self._state == RUNNING

    @override
    def done(self) -> bool:
        """Tell whether the call has returned, raised or been cancelled."""
        return self._state in _DONE

    @override
    def add_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        """Call `fn` with this future as soon as it is done.

        Callbacks run in the order in which they were added, on the loop thread, in the thread
        that cancels a pending future, or at once in the caller's where the future is done.
        What they raise is logged to the logger `aiofutures`.

        Args:
            fn: Takes the future. It must not block.
        """
        if self._state in _DONE:
            self._mark_fetched()
            self._run_callbacks([fn])
            return
        callbacks = self._watch().callbacks
        callbacks.append(fn)
        if self._state in _DONE:  # settled meanwhile, perhaps without having seen this callback
            self._mark_fetched()
            self._run_callbacks(callbacks)

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the outcome without blocking, on whichever event loop is running.

        As with a task, cancelling the one that awaits cancels this future, and the wait ends
        when this future is done.

        Raises:
            asyncio.CancelledError: The future was cancelled.
            BaseException: Whatever the call raised.
        """
        if self._state not in _DONE:
            waiter = AsyncWaiter(self)
            host = self._host
            place = None if host is None else host.lend_place()
            if host is None or place is None:
                self.add_done_callback(waiter.wake)
            else:
                self.add_done_callback(lambda _: host.take_place_back(place, waiter.wake))
            yield from waiter
        if self._state == CANCELLED_AND_NOTIFIED:
            raise asyncio.CancelledError
        return self.result()

    @override
    def __repr__(self) -> str:
        state = "cancelled" if self.cancelled() else self._state.lower()
        if self._state == FINISHED:
            exception = self._exception
            verb, value = ("returned", self._result) if exception is None else ("raised", exception)
            state = f"{state} {verb} {type(value).__name__}"
        return f"<{type(self).__name__} at {id(self):#x} state={state}>"

    # What else the standard library's contract asks for; only executors and tests call it.

    @override
    def set_running_or_notify_cancel(self) -> bool:
        """Mark the future as running, unless it was cancelled.

        Returns:
            False if it was cancelled: the call must not be run then.

        Raises:
            InvalidStateError: The future runs or is finished already.
        """
        try:
            del self._call[0]
            self._state = RUNNING
        except IndexError:
            if self.cancelled():
                return False
            raise InvalidStateError(f"{self!r} cannot be marked as running once more") from None
        return True

    @override
    def set_result(self, result: T) -> None:
        """Finish the future with `result`.

        Raises:
            InvalidStateError: The future is done already.
        """
        self._claim_outcome()
        self._result = result
        self._state = FINISHED
        self._notify()

    @override
    def set_exception(self, exception: BaseException | None) -> None:
        """Finish the future with `exception`.

        Raises:
            InvalidStateError: The future is done already.
        """
        self._claim_outcome()
        self._exception = exception
        self._state = FINISHED
        self._notify()

    def _claim_outcome(self) -> None:
        """Let one caller alone write the outcome.

        Raises:
            InvalidStateError: Another one does, or did.
        """
        try:
            del self._call[0]
        except IndexError:
            mine = object()
            if self._state != RUNNING or vars(self).setdefault("_writer", mine) is not mine:
                raise InvalidStateError(f"{self!r} is done already") from None

    if not TYPE_CHECKING:  # typeshed has them as attributes; here they are made when asked for

        @property
        def _condition(self) -> threading.Condition:
            """The lock that `concurrent.futures.wait` and `as_completed` hold."""
            watchers = self._watch()
            if watchers.condition is None:
                vars(watchers).setdefault("condition", threading.Condition())
            return watchers.condition

        @property
        def _waiters(self) -> list[Any]:
            """The waiters of `concurrent.futures.wait` and `as_completed`."""
            watchers = self._watch()
            if watchers.waiters is None:
                vars(watchers).setdefault("waiters", StdlibWaiters(self))
            return watchers.waiters

    # For the loop thread.

    def _take(self) -> Call | None:
        """Take the call out to run it; None when `cancel` was there first. Loop thread only."""
        try:
            call = self._call.pop()
        except IndexError:
            return None
        self._state = RUNNING
        return call

    def _settle(self, result: T) -> None:
        """Finish the future with what its call returned. Loop thread only."""
        if self._state != RUNNING:  # somebody has called set_result
            return
        self._result = result
        self._state = FINISHED
        if self._watchers is not None:
            self._notify()

    def _settle_exception(self, exception: BaseException) -> None:
        """Finish the future with what its call raised. Loop thread only."""
        if self._state != RUNNING:
            return
        self._exception = exception
        if self._host is not None and (self._watchers is None or not self._watchers.callbacks):
            self._unfetched = UnfetchedException(exception, self._host.call_exception_handler)
        self._state = FINISHED
        self._notify()

    def _settle_cancelled(self) -> None:
        """Finish the future as cancelled: its task was. Loop thread only."""
        if self._state != RUNNING:
            return
        self._state = CANCELLED_AND_NOTIFIED
        self._notify()

    def _abandon(self, exception: BaseException) -> None:
        """Finish the future in a forked child, where no other thread is left to do it."""
        if self._state in _DONE:
            return
        self._call.clear()
        self._watchers = None  # their threads and loops are the parent's
        self._exception = exception
        self._state = FINISHED

    # Those who wait.

    def _watch(self) -> Watchers:
        """Return the list of those who wait for the outcome; add to it, then look at the state."""
        watchers = self._watchers
        if watchers is None:
            watchers = vars(self).setdefault("_watchers", Watchers())  # atomic: one for all
        return watchers

    def _wait(self, timeout: float | None) -> None:
        """Block until the future is done."""
        if timeout is not None and timeout <= 0:
            raise TimeoutError
        self._refuse_wait_on_own_loop()
        host = self._host
        place = None if host is None else host.lend_place()
        if host is None or place is None:
            self._watch().wait(self, timeout)
            return
        gate = allocate_lock()
        gate.acquire()
        try:
            self._watch().wait(self, timeout)
        finally:
            host.take_place_back(place, gate.release)
        block(gate)

    def _refuse_wait_on_own_loop(self) -> None:
        """Raise DeadlockError where a wait would block the loop that runs the call."""
        if self._host is not None and self._host.is_current():
            raise DeadlockError(
                f"waiting for {self!r} here would block the event loop that has to run it, "
                "for ever; use 'await future' instead"
            )

    def _notify(self) -> None:
        """Wake and call all who wait. Once more after an interruption is harmless."""
        watchers = self._watchers
        if watchers is not None:
            watchers.wake(self)
            self._run_callbacks(watchers.callbacks)

    def _run_callbacks(self, callbacks: list[Callable[[Any], object]]) -> None:
        """Call each callback once, also when several threads are at it."""
        while callbacks:
            try:
                callback = callbacks.pop(0)
            except IndexError:
                return
            try:
                callback(self)
            except Exception:
                _LOGGER.exception("exception calling callback for %r", self)
            except BaseException:
                if self._host is None or not self._host.is_current():
                    self._run_callbacks(callbacks)
                    raise
                _LOGGER.exception("exception calling callback for %r", self)

    def _mark_fetched(self) -> None:
        if self._unfetched is not None:
            self._unfetched.exception = None
