"""The futures of calls in worker threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

from .._common.asgiref_support import LOCAL, rehome
from .._common.contract import TakeBack
from .._common.coroutines import drop_frame
from .._common.typing import T, override
from .limit import pause
from .pool import leave_slot_for

_Call: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], Context]


# The same translations as asyncio's, for the exceptions of a thread pool's futures.
_AS_IN_ASYNCIO: Final[dict[type, type[BaseException]]] = {
    concurrent.futures.CancelledError: asyncio.CancelledError,
    concurrent.futures.InvalidStateError: asyncio.InvalidStateError,
}


class TakesOutcomes(Protocol):
    """The worker threads, as seen by the future of a call."""

    def hand_over(self, future: WorkerFuture[Any], /) -> None:
        """Make the event loop of `future` settle it soon."""

    def run_here(self, future: WorkerFuture[Any], /) -> bool:
        """Run the call of `future` in this thread, as in a worker thread."""
        ...

    def note_end(self, future: WorkerFuture[Any], /) -> None:
        """Note that the call of `future` has run, or never will run."""


class WorkerFuture(asyncio.Future[T]):
    """Carries a call to a worker thread, and its outcome back to the event loop.

    Whichever deletes `_call` gets the call: the thread that runs it, or a cancellation. The outcome
    is kept aside until the event loop settles the future, as nothing else may.

    Args:
        workers: The worker threads.
        loop: The event loop.
        fn: The function. It runs in a copy of the caller's context.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
    """

    __slots__ = ("_call", "_error", "_value", "_workers")

    def __init__(
        self,
        workers: TakesOutcomes,
        loop: asyncio.AbstractEventLoop,
        fn: Callable[..., T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        super().__init__(loop=loop)
        self._workers = workers
        self._value: T | None = None
        self._error: BaseException | None = None
        self._call: _Call = fn, args, kwargs, copy_context()

    # In a worker thread.

    def run(self) -> bool:
        """Run the call and keep its outcome; False if it was cancelled."""
        call = self._take()
        if call is None:
            return False
        fn, args, kwargs, context = call
        try:
            if LOCAL in sys.modules:
                rehome(context)
            self._value = context.run(fn, *args, **kwargs)
        except BaseException as exception:
            self._error = _as_outcome(exception)
            # The traceback leads to this frame, which would keep the exception alive.
            del self
        return True

    def deliver(self) -> None:
        """Hand the outcome to the event loop."""
        try:
            self._workers.hand_over(self)
        finally:
            self._workers.note_end(self)

    def fail(self, error: BaseException) -> None:
        """End the call, which will not run, with `error`."""
        if self._take() is not None:
            self._error = error
            self.deliver()

    def _take(self) -> _Call | None:
        """Return the call to the first caller, None to all others."""
        try:
            call = self._call
            del self._call
        except AttributeError:
            return None
        return call

    # On the event loop.

    def settle(self) -> None:
        """Take over the outcome, unless the future has been cancelled."""
        value, error = self._value, self._error
        self._value = self._error = None
        if self.done():
            return
        if issubclass(type(error), asyncio.CancelledError):
            super().cancel()
        elif error is None:
            # There is a value: None may be what the function returned.
            self.set_result(value)  # type: ignore[arg-type]
        else:
            self.set_exception(error)

    @override
    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the future, and the call unless it is running."""
        if not super().cancel(msg):
            return False
        if self._take() is not None:
            self._workers.note_end(self)
        return True


class PausingFuture(WorkerFuture[T]):
    """A future whose awaiting call lends its place while the function waits for one.

    For a function in a thread that the call's executor has not made.

    Args:
        workers: The worker threads.
        loop: The event loop.
        fn: The function. It runs in a copy of the caller's context.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
    """

    __slots__ = ("_take_back",)

    def __init__(
        self,
        workers: TakesOutcomes,
        loop: asyncio.AbstractEventLoop,
        fn: Callable[..., T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        super().__init__(workers, loop, fn, args, kwargs)
        self._take_back = pause()
        leave_slot_for(self)

    @override
    def deliver(self) -> None:
        take_back = self._stop_pausing()
        if take_back is None:
            super().deliver()
            return
        try:
            # First this: whoever has the place may be waiting until the threads are idle.
            self._workers.note_end(self)
        finally:
            take_back(partial(self._workers.hand_over, self))

    @override
    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the future, and the call unless it is running."""
        if not super().cancel(msg):
            return False
        self._end_pause(_go_on)
        return True

    def _end_pause(self, resume: Callable[[], object]) -> None:
        """Call `resume` once the task's call has its place again."""
        take_back = self._stop_pausing()
        if take_back is None:
            resume()
        else:
            take_back(resume)

    def _stop_pausing(self) -> TakeBack | None:
        """Return what takes the place back to the first caller, None to all others."""
        try:
            take_back = self._take_back
            del self._take_back
        except AttributeError:
            return None
        return take_back


def _go_on() -> None:
    """Do nothing: the task resumes by itself."""


def call_soon(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    """Make `loop` call `callback`, unless it is closed: then its tasks are gone too."""
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:
        if not loop.is_closed():
            raise


def _as_outcome(exception: BaseException) -> BaseException:
    """Return the exception that the awaiting task gets for `exception`."""
    drop_frame(exception)
    translated = _AS_IN_ASYNCIO.get(type(exception))
    if translated is not None:
        return translated(*exception.args).with_traceback(exception.__traceback__)
    if not issubclass(type(exception), StopIteration):
        return exception
    # It cannot be raised into a coroutine: asyncio would leave the task waiting forever.
    error = RuntimeError("the function raised StopIteration")
    error.__cause__ = exception
    return error
