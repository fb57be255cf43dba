"""The future of a call, and the futures derived from it."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures._base import CANCELLED_AND_NOTIFIED, FINISHED
from contextvars import copy_context
from functools import partial
from time import monotonic
from typing import Any, TypeVar
from weakref import ref

from .._common.contract import Host, ignore
from .._common.coroutines import name_of
from .._common.exceptions import InvalidStateError
from .._common.typing import T, override
from .._loops.caller import leave_caller
from .._loops.thread import LoopThread
from .._loops.waves import Cleanups
from .base import DONE, BaseFuture
from .waiters import (
    HAS_CALL_GRAPH,
    WAVE_SECONDS,
    AsyncCallback,
    AsyncWaiter,
    Awaiters,
    OutcomeWaiter,
    is_wave_over,
    not_done,
    wait_until_done,
)

E = TypeVar("E", bound=BaseException)
U = TypeVar("U")


class Future(BaseFuture[T]):
    """The outcome of a call that an `AsyncExecutor` runs, now or later.

    It is a `concurrent.futures.Future` that can also be awaited, on any event loop. Futures are
    created by `AsyncExecutor.submit` and the functions built on it; as in the standard library,
    only tests create one directly.

    Example:
        >>> future = executor.submit(fetch, "https://example.org")
        >>> future.result(timeout=10)
    """

    @override
    def result(self, timeout: float | None = None) -> T:
        """Wait for the outcome of the call and return it.

        Args:
            timeout: Maximum number of seconds to wait; None means no limit. After a time-out, the
                call goes on; `cancel` stops it.

        Returns:
            What the call returned.

        Raises:
            CancelledError: The future was cancelled.
            TimeoutError: The call did not finish in time.
            DeadlockError: The wait would block the event loop that runs the call.
            BaseException: Whatever the call raised.
        """
        if self._status not in DONE and not wait_until_done(self, timeout):
            raise not_done(self, timeout)
        if self._status == FINISHED:
            result: T = self._result
            return result
        exception = self._exception
        try:
            self._mark_fetched()
            if exception is None:
                raise concurrent.futures.CancelledError
            # Otherwise it would keep the frames of everyone who asked before.
            raise BaseException.with_traceback(exception, self._traceback)
        finally:
            # The traceback of the exception holds this frame.
            del self, exception

    @override
    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the outcome of the call and return its exception.

        Args:
            timeout: Maximum number of seconds to wait; None means no limit.

        Returns:
            The exception, or None if the call returned.

        Raises:
            CancelledError: The future was cancelled.
            TimeoutError: The call did not finish in time.
            DeadlockError: The wait would block the event loop that runs the call.
        """
        if self._status not in DONE and not wait_until_done(self, timeout):
            raise not_done(self, timeout)
        if self._status == CANCELLED_AND_NOTIFIED:
            raise concurrent.futures.CancelledError
        self._mark_fetched()
        return self._exception

    @override
    def cancel(self) -> bool:
        """Cancel the call.

        A pending call never runs: the future is cancelled at once. A running call's task is asked
        to cancel, and the future is done when the task is: `result` waits for its cleanup, and if
        the task swallows the cancellation, you get its value.

        Returns:
            True if the future is cancelled or its task was asked to; False if it was already done.
        """
        return self._cancel_and_notice(ignore)

    def _cancel_and_notice(self, asked: Callable[[bool], object]) -> bool:
        """Do the same as `cancel`, and pass `asked` to `Host.cancel`."""
        sources: list[Future[Any]] = []
        is_cancelled = self._cancel(sources, asked)
        # No recursion: a chain of futures may be as long as memory allows.
        while sources:
            sources.pop()._cancel(sources, ignore)
        return is_cancelled

    def _cancel(self, sources: list[Future[Any]], asked: Callable[[bool], object]) -> bool:
        """Cancel this call only; add the futures that it was derived from to `sources`."""
        if self._status in DONE:
            return self._status == CANCELLED_AND_NOTIFIED
        fn: Any = getattr(self, "_fn", None)
        if self._cancel_pending():
            if isinstance(fn, Derivation):
                sources.extend(fn.not_cancelled_since())
        elif self._host is None:
            return False
        if self._host is not None:
            # The task of a running call cancels the future it waits for.
            self._host.cancel(self, asked)
            self._cancel_requested = True
        return True

    @override
    def _hand_on(self, fn: object) -> None:
        if isinstance(fn, Derivation):
            for source in fn.not_cancelled_since():
                source.cancel()

    @override
    def add_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        """Call `fn` with this future as soon as it is done.

        Callbacks run in the order in which they were added: on the loop thread, in the thread that
        cancels a pending future, or, if the future is already done, at once in the caller's thread.
        Their exceptions go to the logger `aiofutures`. A `BaseException` such as `SystemExit` is
        raised after the remaining callbacks have run, except on the loop thread.

        Args:
            fn: A function of the future. It must not block.
        """
        if self._status in DONE:
            self._mark_fetched()
            self._call(fn)
            return
        if AsyncCallback.is_needed_for(fn):
            fn = AsyncCallback(self, fn)
        self._watch().add(fn)
        # A thread that settled it in the meantime may not have seen this callback.
        if self.done():
            self._mark_fetched()
            self._notify()

    def remove_done_callback(self, fn: Callable[[Future[T]], object], /) -> int:
        """Remove all instances of a callback, as `asyncio.Future.remove_done_callback` does.

        Args:
            fn: The function passed to `add_done_callback`.

        Returns:
            The number of callbacks removed.

        .. versionadded:: 0.2.0
        """
        return self._watch().remove(fn)

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the outcome without blocking, on the running event loop.

        As with a task, cancelling the task that awaits cancels this future, and the wait ends when
        this future is done.

        Raises:
            asyncio.CancelledError: The future was cancelled.
            BaseException: Whatever the call raised.
        """
        try:
            if self._status not in DONE:
                if HAS_CALL_GRAPH and self._is_on_own_loop() and asyncio.current_task():
                    yield from self._await_shown(AsyncWaiter.of(self))
                else:
                    yield from AsyncWaiter.of(self)
            if self._status == CANCELLED_AND_NOTIFIED:
                if self._waves:
                    yield from self._await_end_of_wave()
                raise _cancelled_error()
            return self.result()
        finally:
            # The traceback of the exception holds this frame.
            del self

    def _await_end_of_wave(self) -> Generator[None]:
        """Wait while all calls of the host are being cancelled, the awaiting one too.

        If that began its cleanup before, its own cancellation would interrupt it. A wave that a
        signal handler has interrupted may not end.
        """
        end = monotonic() + WAVE_SECONDS
        while not is_wave_over(self) and monotonic() < end:
            yield

    def _await_shown(self, waiter: AsyncWaiter) -> Generator[Any, None, None]:
        """Wait, and let asyncio's call graph show the waiting task. Loop thread only."""
        # The call graph is of one loop.
        if self._host is None or LoopThread.running() is not self._host.local:
            yield from waiter
            return
        awaiter = asyncio.current_task()
        assert awaiter is not None  # noqa: S101
        awaiters = self._awaiters = self._awaiters or Awaiters()
        awaiters.add(awaiter, self._task)
        try:
            yield from waiter
        finally:
            awaiters.remove(awaiter)
            # As above.
            del self, awaiter, waiter

    def map(self, fn: Callable[[T], U], /) -> Future[U]:
        """Return a future of `fn(result)`.

        Like every derived future, it runs on the event loop of this future's executor, passes
        exceptions on, and cancels this future if it is cancelled, as a task cancels what it awaits.

        Args:
            fn: A function of the result. It must not block.

        Raises:
            InvalidStateError: The executor was shut down.

        Example:
            >>> length = executor.submit(fetch, url).map(len)

        .. versionadded:: 0.2.0
        """
        return self._derive(_map, (self,), self, fn)

    def then(self, fn: Callable[[T], Awaitable[U]], /) -> Future[U]:
        """Return a future of `await fn(result)`.

        Args:
            fn: An async function of the result.

        Raises:
            InvalidStateError: The executor was shut down.

        Example:
            >>> page = executor.submit(find_url, "docs").then(fetch)

        .. versionadded:: 0.2.0
        """
        return self._derive(_then, (self,), self, self._host, fn)

    def recover(
        self, error: type[E] | tuple[type[E], ...], fn: Callable[[E], U], /
    ) -> Future[T | U]:
        """Return a future of the result or, if the call raises `error`, of `fn(exception)`.

        Args:
            error: The type, or types, of the exceptions to handle, as `result` raises them.
            fn: A function of the exception. It must not block.

        Raises:
            InvalidStateError: The executor was shut down.

        Example:
            >>> body = executor.submit(fetch, url).recover(OSError, lambda error: b"")

        .. versionadded:: 0.2.0
        """
        return self._derive(_recover, (self,), self, error, fn)

    def zip(self, other: Future[U], /) -> Future[tuple[T, U]]:
        """Return a future of both results.

        It fails as soon as either fails; the other continues.

        Args:
            other: The second future, of any executor.

        Raises:
            InvalidStateError: The executor was shut down.

        .. versionadded:: 0.2.0
        """
        return self._derive(_zip, (self, other), self, other)

    def _derive(
        self,
        fn: Callable[..., Awaitable[Any]],
        sources: tuple[Future[Any], ...],
        /,
        *args: Any,
        only_waits: bool = True,
    ) -> Future[Any]:
        """Run `await fn(*args)` on the event loop of this future's executor."""
        if self._host is None:
            raise InvalidStateError(f"{self!r} belongs to no executor that could run more calls")
        host = self._host.local
        derivation = Derivation(fn)
        derivation.sources = [(source, source._waves_asked) for source in sources]
        context = leave_caller(copy_context())
        future: Future[Any] = Future(host, derivation, args, None, context)
        # The name of the user's function, which comes last, if there is one.
        future._name = name_of(args[-1] if args and callable(args[-1]) else fn)
        future._only_waits = only_waits
        host.submit(future)
        return future


def _cancelled_error() -> asyncio.CancelledError:
    """Return the exception that tells the running call that what it awaits was cancelled."""
    Cleanups.have_begun = True
    error = asyncio.CancelledError()
    call = LoopThread.running_call()
    if call is not None:
        call._news = ref(error)
    return error


class Derivation(partial[Awaitable[Any]]):
    """An async function of futures that are cancelled along with its call."""

    #: Each with the number of times that it was cancelled along with all calls of its host.
    sources: list[tuple[Future[Any], int]]

    def not_cancelled_since(self) -> list[Future[Any]]:
        """Return the sources that have not been cancelled along with all other calls since."""
        return [source for source, waves in self.sources if source._waves == waves]


# The traceback of a source's exception refers to the frames of all these functions.


async def _map(source: Future[T], fn: Callable[[T], U]) -> U:
    try:
        return fn(await source)
    finally:
        del source


async def _then(source: Future[T], host: Host, fn: Callable[[T], Awaitable[U]]) -> U:
    try:
        value = await source
    finally:
        del source
    limit = host.local.limit
    if limit is not None:
        place = asyncio.get_running_loop().create_future()
        limit.claim(partial(_set, place))
        await place
    return await fn(value)


def _set(place: asyncio.Future[None]) -> None:
    if not place.done():
        place.set_result(None)


async def _recover(
    source: Future[T], error: type[E] | tuple[type[E], ...], fn: Callable[[E], U]
) -> T | U:
    try:
        return await source
    except asyncio.CancelledError as cancellation:
        # The function gets the exception that `result` raises.
        exported = concurrent.futures.CancelledError()
        if _is_cancelled() or not isinstance(exported, error):
            raise
        exported.__cause__ = cancellation
        return fn(exported)  # zuban: cannot, the type variable is too much for it
    except error as exception:  # zuban: cannot, the type variable is too much for it
        return fn(exception)
    finally:
        del source


def _is_cancelled() -> bool:
    """Tell whether the cancellation of the running task was requested."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _zip(source: Future[T], other: Future[U]) -> tuple[T, U]:
    both = asyncio.gather(as_awaited(source), as_awaited(other))
    del source, other
    try:
        one, two = await both
    finally:
        del both
    return one, two


_zip.__qualname__ = "Future.zip"


def as_awaited(awaitable: Awaitable[Any]) -> Awaitable[Any]:
    """Return an awaitable that asyncio does not wrap in a task, if it would wrap a future.

    Such a task would not pass a cancellation on to the future before its first step.
    """
    return OutcomeWaiter.of(awaitable) if isinstance(awaitable, Future) else awaitable
