"""The call of an async function from synchronous code."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import warnings
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context, ContextVar, Token, copy_context
from inspect import isawaitable
from types import CoroutineType
from typing import Any, Final, NamedTuple, Protocol

from .._common import asgiref_support
from .._common.asgiref_support import LOCAL, executors_variable
from .._common.coroutines import refuse_decorated
from .._common.exceptions import BlockingCallWarning, DeadlockError
from .._common.typing import P, T, override
from .._futures.base import DONE
from .._futures.future import Future
from .._futures.waiters import refuse_on_own_loop, wait_until_done
from .._loops.blocking import Event
from .._loops.caller import Caller, waiting_caller
from .._loops.limit import running_call
from .._loops.thread import LoopThread, refuse_if_async

# How long an interrupted call may take to clean up, and a loop to receive a cancellation.
_CLEANUP_SECONDS: Final = 5.0
_LOOP_SECONDS: Final = 1.0
_UNSET: Final = object()
#: The context of a call whose context is no longer needed.
UNWANTED: Final = Context()
# Variables that belong to the task of a context.
_OF_THE_TASK: Final = (running_call, waiting_caller)


class SubmitsCalls(Protocol):
    """What the decorators need from an executor."""

    def submit(
        self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run `await fn(*args, **kwargs)`.

        An executor may have several event loops: the later steps of a generator or a `with` block
        go to the host of the first call's future.
        """
        ...


def wait(
    future: Future[T],
    caller: Caller,
    timeout: float | None,
    name: str,
    stacklevel: int | None = None,
) -> T:
    """Return the outcome of a call, or cancel the call if its caller stops waiting.

    `caller` holds functions to run in this thread in the meantime. `stacklevel` selects the caller
    to warn if this blocks a running event loop; None means no warning.
    """
    try:
        if stacklevel is not None and asyncio._get_running_loop() is not None:
            instead = "await the async function itself there"
            warn_of_blocked_loop(future, name, instead, stacklevel + 1)
            # Also where another loop of the executor has been fast.
            refuse_on_own_loop(future)
        # The last check catches a call that was done at the last moment. The first check and the
        # next lines inline what functions would do more slowly.
        is_done = future._status in DONE
        if is_done or wait_until_done(future, timeout, caller) or future.done():
            caller.is_waiting = False
            if caller.items:
                caller.run_rest()
            return future.result()
        if _is_done_when_cancelled(future, caller):
            return future.result()
    except DeadlockError:
        # Its own, unless it was refused above.
        if future.done() and (stacklevel is None or not future._is_on_own_loop()):
            raise
        future.cancel()
        caller.leave()
        loop = "that has to run it" if future._host is None else future._host.loop_in_words
        raise DeadlockError(
            f"{name}() was called on the event loop {loop}, and would wait forever. "
            "Await the async function itself there, its __wrapped__"
        ) from None
    except BaseException:
        _cancel_and_wait(future, caller)
        raise
    else:
        raise TimeoutError(f"{name}() was cancelled: it did not finish in {timeout} seconds")
    finally:
        # The traceback of its exception refers to this frame.
        del future


def _is_done_when_cancelled(future: Future[Any], caller: Caller) -> bool:
    """Cancel a call; tell whether it was done before its loop received the cancellation.

    The cleanup of one that is being cancelled already is not interrupted.
    """
    if future.is_being_cancelled():
        caller.leave()
        return False
    is_taken = Event()
    was_done: list[bool] = []

    def note(is_done: bool) -> None:
        was_done.append(is_done)
        is_taken.set()

    is_asked = future._cancel_and_notice(note)
    caller.leave()
    if not is_asked:
        return True
    if not future.cancelled():
        is_taken.wait(_LOOP_SECONDS)
    return was_done == [True]


def _cancel_and_wait(future: Future[Any], caller: Caller) -> None:
    """Cancel a call, unless it is done, and let it clean up."""
    is_done = future.done()
    # Once: a signal handler may have cancelled everything.
    if not (is_done or future.is_being_cancelled()):
        future.cancel()
    caller.leave()
    if not is_done:
        concurrent.futures.wait([future], _CLEANUP_SECONDS)


def stop_waiting(future: Future[Any] | None, caller: Caller) -> None:
    """Cancel a call whose caller no longer waits, unless it is done or `wait` has cancelled it."""
    # A signal handler may have raised before the wait, or there was no room on the stack.
    if future is not None and not (future._cancel_requested or future.is_being_cancelled()):
        future.cancel()
    caller.leave()


class Openable(NamedTuple):
    """An async iterator or context manager that the caller gets a synchronous view of."""

    value: Any
    is_iterator: bool


def can_be_entered(value: object) -> bool:
    """Tell whether `value` is an async context manager."""
    return hasattr(type(value), "__aenter__") and hasattr(type(value), "__aexit__")


class SyncCall(Caller):
    """An async function as `to_sync` calls it, and the thread that waits for it.

    They are one object, as creating a second one would take a fiftieth of the time of a call.
    """

    #: The context in which the call ended, or `UNWANTED`: its variables refer to this object.
    context: Context | None = None
    #: How many context variables the call itself sets.
    own_variables = 1

    def __init__(self, fn: Callable[..., Any], name: str) -> None:
        self.fn = fn
        self.__qualname__ = name

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        # For another process, where nobody needs the context.
        return UnattendedCall, (self.fn, self.__qualname__)

    async def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function and await what it returns, or return it as `Openable`."""
        waiting_caller.set(self)
        if LOCAL in sys.modules and self.serve_asgiref(LoopThread.running):
            self.own_variables = 2
        try:
            result = self.fn(*args, **kwargs)
            if isinstance(result, CoroutineType) or isawaitable(result):
                return await result
            if can_be_entered(result):
                return Openable(result, is_iterator=False)
            if hasattr(type(result), "__aiter__"):
                return Openable(aiter(result), is_iterator=True)
            refuse_decorated(result)
            raise TypeError(
                f"{self.fn!r} returned {result!r}, which is not an awaitable, an async context "
                "manager or an async iterator. It is a sync function, and blocked the event loop: "
                "call it directly"
            )
        finally:
            if self.context is None:
                self.context = copy_context()


class UnattendedCall:
    """An async function as `to_sync` calls it when its caller is in another process."""

    def __init__(self, fn: Callable[..., Any], name: str) -> None:
        self.fn = fn
        self.__qualname__ = name

    async def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function and await what it returns."""
        call = SyncCall(self.fn, self.__qualname__)
        # Nobody waits in this process.
        call.is_waiting = False
        call.context = UNWANTED
        result = await call(*args, **kwargs)
        # Not isinstance: the `__class__` of a result may raise.
        if type(result) is Openable:
            raise TypeError(
                f"{self.__qualname__}() returns something to loop over or enter, which cannot "
                "leave its process: use it in an async function and submit that function, or run "
                "it on an AsyncExecutor"
            )
        return result


class ContextChanges:
    """Copies the context variables that a call changed, and no others, as `await` would.

    Args:
        before: A copy of the context before the call; None means now.
    """

    def __init__(self, before: Context | None = None) -> None:
        self._seen = copy_context() if before is None else before
        self._tokens: dict[ContextVar[Any], Token[Any]] = {}

    def take_over(self, context: Context) -> None:
        """Apply the changes in `context` since the last time to the current context."""
        seen, self._seen = self._seen, context
        executors = executors_variable() if LOCAL in sys.modules else None
        # This saves a twentieth of the time of a step.
        of_ours = (waiting_caller in context) + (executors is not None and executors in context)
        if len(context) == of_ours and not self._tokens:
            return
        for variable, value in context.items():
            before = seen.get(variable, _UNSET)
            if before is value or variable in _OF_THE_TASK or variable is executors:
                continue
            if asgiref_support.is_local(variable, value):
                if not asgiref_support.has_changed(value, before):
                    continue
                value = asgiref_support.rehomed(value)  # noqa: PLW2901
            if variable.get(_UNSET) is not value:
                self._tokens.setdefault(variable, variable.set(value))
        # A token of another thread's context raises ValueError.
        for variable in [variable for variable in self._tokens if variable not in context]:
            with suppress(ValueError):
                variable.reset(self._tokens.pop(variable))


async def run_in_caller(
    host: LoopThread, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> T:
    """Run a function in the waiting thread, and take over the context variables it sets."""
    refuse_if_async(fn)
    changes = ContextChanges()
    future = host.run_in_any_caller(fn, *args, **kwargs)
    try:
        return await future
    finally:
        # Otherwise it may still be running.
        if future.done() and not future.cancelled():
            changes.take_over(future.context)
        # The traceback of its exception refers to this frame.
        del future


def warn_of_blocked_loop(future: Future[Any], name: str, instead: str, stacklevel: int) -> None:
    """Warn, unless the loop runs the call itself (an error) or may be a notebook's (harmless)."""
    # While IPython is being imported, this function does not exist yet.
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    if future._is_on_own_loop() or (get_ipython and hasattr(get_ipython(), "kernel")):
        return
    warnings.warn(
        f"{name}() blocks the running event loop until it is done; {instead}",
        BlockingCallWarning,
        stacklevel=stacklevel + 1,
    )
