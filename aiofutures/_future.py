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
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures._base import CANCELLED_AND_NOTIFIED, FINISHED, PENDING, RUNNING
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ._exceptions import DeadlockError, InvalidStateError
from ._typing import Call, P, T, override
from ._watchers import AsyncWaiter, StdlibWaiters, UnfetchedException, Watchers, block

E = TypeVar("E", bound=BaseException)
U = TypeVar("U")

_LOGGER = logging.getLogger("aiofutures")
_DONE = frozenset({CANCELLED_AND_NOTIFIED, FINISHED})


class Host(Protocol):
    """What a future knows of the loop thread that runs its call."""

    def is_current(self) -> bool:
        """Tell whether the caller runs on this event loop."""
        ...

    def submit(self, future: Future[Any], /) -> None:
        """Run the call of `future`."""
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
        sources: list[Future[Any]] = []
        is_cancelled = self._cancel(sources)
        while sources:  # not recursively: a chain may be as long as memory allows
            sources.pop()._cancel(sources)
        return is_cancelled

    def _cancel(self, sources: list[Future[Any]]) -> bool:
        """Cancel the call alone; add those that it was derived from to `sources`."""
        if self._state in _DONE:
            return self._state != FINISHED
        try:
            call = self._call[0]
            # No signal handler can run between these two statements, as neither is a call: the
            # call would be lost if one raised after it was taken.
            del self._call[0]
            self._state = CANCELLED_AND_NOTIFIED
            self._notify()
        except IndexError:  # the loop thread has taken it; its task cancels what it waits for
            if self._host is None:
                return False
            self._host.request_cancel(self)
        except BaseException:  # a signal handler has raised: leave nobody waiting
            self._notify()
            raise
        else:
            if call is not None and isinstance(call[0], Derivation):
                sources.extend(call[0].sources)
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

    def map(self, fn: Callable[[T], U], /) -> Future[U]:
        """Return the future of `fn(result)`.

        As with all that is derived: it runs on the event loop of this future's executor; an
        exception passes through; and cancelling the derived future cancels this one, as cancelling
        a task cancels what it awaits.

        Args:
            fn: A function of the result. It must not block.

        Raises:
            InvalidStateError: The executor was shut down.

        Example:
            >>> length = executor.submit(fetch, url).map(len)
        """
        return self._derive(_map, (self,), self, fn)

    def then(self, fn: Callable[[T], Awaitable[U]], /) -> Future[U]:
        """Return the future of `await fn(result)`.

        Args:
            fn: An async function of the result.

        Raises:
            InvalidStateError: The executor was shut down.

        Example:
            >>> page = executor.submit(find_url, "docs").then(fetch)
        """
        return self._derive(_then, (self,), self, fn)

    def recover(
        self, error: type[E] | tuple[type[E], ...], fn: Callable[[E], U], /
    ) -> Future[T | U]:
        """Return the future of the result or, if it is such an exception, of `fn(exception)`.

        Args:
            error: The type of the exceptions to handle, or several.
            fn: A function of the exception. It must not block.

        Raises:
            InvalidStateError: The executor was shut down.

        Example:
            >>> body = executor.submit(fetch, url).recover(OSError, lambda error: b"")
        """
        return self._derive(_recover, (self,), self, error, fn)

    def zip(self, other: Future[U], /) -> Future[tuple[T, U]]:
        """Return the future of both results.

        It fails as soon as one of the two fails; the other one goes on.

        Raises:
            InvalidStateError: The executor was shut down.
        """
        return self._derive(_zip, (self, other), self, other)

    def _derive(
        self,
        fn: Callable[P, Awaitable[U]],
        sources: tuple[Future[Any], ...],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Future[U]:
        """Run `await fn(*args, **kwargs)` where the call of this future runs."""
        host = self._host
        if host is None:
            raise InvalidStateError(f"{self!r} is not of an executor: nothing can run after it")
        call = (Derivation(fn, sources), args, kwargs, copy_context())
        future: Future[U] = Future(host, call)
        host.submit(future)
        return future

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
        if self._is_on_own_loop():
            raise DeadlockError(
                f"waiting for {self!r} here would block the event loop that has to run it, "
                "for ever; use 'await future' instead"
            )

    def _is_on_own_loop(self) -> bool:
        """Tell whether the caller runs on the event loop that runs the call."""
        return self._host is not None and self._host.is_current()

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
                if not self._is_on_own_loop():
                    self._run_callbacks(callbacks)
                    raise
                _LOGGER.exception("exception calling callback for %r", self)

    def _mark_fetched(self) -> None:
        if self._unfetched is not None:
            self._unfetched.exception = None


class Derivation:
    """An async function of futures, which are cancelled when its call is."""

    def __init__(self, fn: Callable[..., Awaitable[Any]], sources: tuple[Future[Any], ...]) -> None:
        self.__qualname__ = fn.__qualname__  # of the task
        self._fn = fn
        self.sources = sources

    def __call__(self, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        """Call the function."""
        return self._fn(*args, **kwargs)


async def _map(source: Future[T], fn: Callable[[T], U]) -> U:
    return fn(await source)


async def _then(source: Future[T], fn: Callable[[T], Awaitable[U]]) -> U:
    return await fn(await source)


async def _recover(
    source: Future[T], error: type[E] | tuple[type[E], ...], fn: Callable[[E], U]
) -> T | U:
    try:
        return await source
    except error as exception:
        return fn(exception)


async def _zip(source: Future[T], other: Future[U]) -> tuple[T, U]:
    return await asyncio.gather(source, other)
