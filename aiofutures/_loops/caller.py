"""The thread that waits in a `to_sync` call, and what it runs in the meantime."""

from __future__ import annotations

import asyncio
import sys
from _thread import LockType, get_ident
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, ContextVar
from functools import partial
from typing import Any, Final

from .._common import asgiref_support
from .._common.asgiref_support import LOCAL, RunsInCaller
from .._common.exceptions import InvalidStateError
from .._common.snapshot import snapshot
from .._common.typing import T, override
from .blocking import open_gate
from .lifecycle import running_loop_threads
from .worker_future import PausingFuture, TakesOutcomes, call_soon

_REFUSAL: Final = (
    "the thread that was to run this has stopped waiting in its to_sync call: its time limit "
    "passed, or an exception was raised there"
)


# Enough for the cancellation of the call to arrive first: each nested task group passes it on one
# turn of the loop later.
_TURNS: Final = 10


class Caller:
    """A thread that waits in a `to_sync` call, and runs functions for the tasks of that call.

    A task appends a future to `items`, then checks whether the thread is waiting. A thread that
    stops waiting says so first, then looks at `items`. So one of the two sees the other, and
    whichever takes the call out of the future decides its outcome. Only the thread removes futures,
    and only afterwards: a signal handler may raise at any point, and any future still there when
    the thread stops gets an outcome if it has none.

    The defaults are class attributes, as most calls need nothing more. In another process, nobody
    waits for a copy.
    """

    #: None if the thread stopped waiting before the call was done.
    is_waiting: bool | None = True
    #: Whether an event loop runs in the thread, where Django refuses synchronous calls.
    blocks_loop: bool = False
    #: The lock that the thread waits for.
    gate: LockType | None = None
    items: deque[CallerFuture[Any]] | None = None
    # The thread's identifier while it runs a function.
    _busy: int | None = None

    @override
    def __getstate__(self) -> dict[str, bool]:
        return {"is_waiting": False}

    # In a task.

    def run(self, make: Callable[[], CallerFuture[T]]) -> CallerFuture[T] | None:
        """Make the thread run the call of a future; None if it no longer waits.

        The future fails if the thread stopped waiting before its `to_sync` call was done.

        Args:
            make: Creates the future.
        """
        future = None
        # A function in the thread may itself run an event loop.
        if self.is_waiting and self._busy != get_ident():
            future = self._append(make())
        if future is None and self.is_waiting is None:
            future = make()
            future.refuse()
        return future

    def serve_asgiref(self, running: Callable[[], RunsInCaller | None]) -> bool:
        """Have asgiref's thread-sensitive calls of this context run in the thread.

        Args:
            running: Returns the loop thread that runs this.

        Returns:
            Whether this has set a context variable.
        """
        if self.blocks_loop:
            return asgiref_support.use(None)
        return asgiref_support.use_caller(running)

    def _append(self, future: CallerFuture[T]) -> CallerFuture[T] | None:
        """Leave `future` to the thread and return it; None if the thread no longer waits."""
        # Atomic, so that all tasks use the same one.
        items: deque[CallerFuture[Any]] = self.__dict__.setdefault("items", deque())
        items.append(future)
        gate = self.gate
        if gate is not None:
            open_gate(gate)
        return future if self.is_waiting or not future.withdraw() else None

    # In the thread.

    def run_next(self) -> None:
        """Run the call that was appended first. There must be one.

        Raises:
            KeyboardInterrupt: The call raised it, and has no outcome yet.
        """
        assert self.items is not None  # noqa: S101
        self._busy = get_ident()
        try:
            self.items[0].run_in_caller()
        finally:
            self._busy = None
        del self.items[0]

    def run_rest(self) -> None:
        """Stop waiting, and run what was appended before the call was done."""
        self.is_waiting = False
        while self.items:
            self.run_next()

    def leave(self) -> None:
        """Refuse functions that have not started and, unless the call is done, later ones.

        Another thread may do so at the same time, where this one has no room on its stack.
        """
        if self.is_waiting:
            self.is_waiting = None
        while self.items:
            for future in snapshot(self.items):
                future.refuse()
                with suppress(ValueError):
                    self.items.remove(future)


#: The caller of the nearest `to_sync` call.
waiting_caller: Final[ContextVar[Caller | None]] = ContextVar(
    "aiofutures_waiting_caller", default=None
)


def leave_caller(context: Context) -> Context:
    """Return the context of a call; if it comes from synchronous code, nobody waits for it.

    Nor if it comes from a nested `async_to_sync` of asgiref's, in which the thread waits for that.
    """
    is_loaded = LOCAL in sys.modules
    if waiting_caller in context and (
        asyncio._get_running_loop() not in running_loop_threads
        or (is_loaded and asgiref_support.executor_of_asgiref() is not None)
    ):
        context.run(waiting_caller.set, None)
        context.run(asgiref_support.use, None)
    if not is_loaded:
        return context
    asgiref_support.leave_alone()
    return asgiref_support.without_sensitive_context(context)


class CallerFuture(PausingFuture[T]):
    """Carries a call from a task to the waiting thread, or to a worker thread.

    Args:
        workers: The worker threads.
        loop: The event loop.
        fn: The function. It runs in a copy of the caller's context.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
    """

    __slots__ = ("_has_outcome", "_wake", "context")

    def __init__(
        self,
        workers: TakesOutcomes,
        loop: asyncio.AbstractEventLoop,
        fn: Callable[..., T],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        super().__init__(workers, loop, fn, args, kwargs)
        self.context = self._call[-1]
        self._has_outcome = False
        self._wake: tuple[Callable[[Any], object], Context] | None = None

    def withdraw(self) -> bool:
        """Cancel the future, unless its call was already taken."""
        return self._take() is not None and self.cancel()

    # In the waiting thread.

    def run_in_caller(self) -> None:
        """Run the call and hand back its outcome, unless it was cancelled.

        Raises:
            KeyboardInterrupt: The call raised it.
        """
        if not self._workers.run_here(self):
            return
        error = self._error
        try:
            if isinstance(error, KeyboardInterrupt):
                raise error
            self._has_outcome = True
            self._end_pause(partial(self._workers.hand_over, self))
        finally:
            # The traceback of the exception refers to this frame.
            del self, error

    def refuse(self) -> None:
        """Hand back an error, unless there is already an outcome."""
        if not self._has_outcome:
            self._take()
            self._value, self._error = None, InvalidStateError(_REFUSAL)
        settle = partial(call_soon, self.get_loop(), partial(self._settle_late, _TURNS))
        self._end_pause(settle)

    def _settle_late(self, turns: int) -> None:
        """Settle the future after some turns of the event loop."""
        if turns == 0:
            self.settle()
        else:
            self.get_loop().call_soon(self._settle_late, turns - 1)

    def run_and_deliver(self) -> None:
        """Run the call in a thread that waits in asgiref, and deliver its outcome."""
        if self._workers.run_here(self):
            self._end_pause(partial(self._workers.hand_over, self))

    # On the event loop. `settle` wakes the awaiting task at once: a further turn of the loop would
    # take a sixth of the time of a call.

    @override
    def add_done_callback(
        self, fn: Callable[[Any], object], /, *, context: Context | None = None
    ) -> None:
        # Only tasks pass a context.
        if context is None or self._wake is not None or self.done():
            super().add_done_callback(fn, context=context)
        else:
            self._wake = fn, context

    @override
    def remove_done_callback(self, fn: Callable[[Any], object], /) -> int:
        is_wake = self._wake is not None and self._wake[0] == fn
        if is_wake:
            self._wake = None
        return is_wake + super().remove_done_callback(fn)

    @override
    def settle(self) -> None:
        super().settle()
        wake, self._wake = self._wake, None
        if wake is None:
            return
        fn, context = wake
        if asyncio.current_task() is not None:
            super().add_done_callback(fn, context=context)
            return
        # If the task raises an exception, its traceback leads to this frame, which must not keep
        # anything that refers to the exception.
        run: Any = context.run
        calls = [partial(run, fn, self)]
        del self, wake, fn, context, run
        calls.pop()()

    @override
    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the future, and the call unless it is running."""
        if not super().cancel(msg):
            return False
        wake, self._wake = self._wake, None
        if wake is not None:
            fn, context = wake
            super().add_done_callback(fn, context=context)
        return True
