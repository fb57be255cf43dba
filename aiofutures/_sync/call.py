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

from .._coroutines import refuse_decorated
from .._exceptions import BlockingCallWarning, DeadlockError
from .._futures.future import Future
from .._futures.waiters import wait as wait_until_done
from .._loops.blocking import Event
from .._loops.limit import running_call
from .._typing import P, T

# How long an interrupted call may take to clean up, and a loop to take a cancellation.
_CLEANUP_SECONDS: Final = 5.0
_LOOP_SECONDS: Final = 1.0
_UNSET: Final = object()


class SubmitsCalls(Protocol):
    """What the decorators ask of an executor."""

    def submit(
        self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run `await fn(*args, **kwargs)`.

        An executor may have several event loops: the later steps of a generator or a `with` block
        go to the host of the first call's future.
        """
        ...


def wait(future: Future[T], timeout: float | None, name: str, stacklevel: int | None = None) -> T:
    """Return the outcome of a call, or cancel it where its caller stops waiting.

    `stacklevel` selects the caller to warn when this blocks a running event loop; None means no
    warning.
    """
    try:
        if stacklevel is not None and asyncio._get_running_loop() is not None:
            instead = "await the async function itself there"
            warn_of_blocked_loop(future, name, instead, stacklevel + 1)
        # The second look is for one that was done at the last moment.
        if future.done() or wait_until_done(future, timeout) or future.done():
            return future.result()
        if _is_done_when_cancelled(future):
            return future.result()
    except DeadlockError:
        if future.done():
            raise
        future.cancel()
        raise DeadlockError(
            f"{name}() was called on the event loop that has to run it: it would wait for ever. "
            "Await the async function itself there, which is its __wrapped__"
        ) from None
    except BaseException:
        _cancel_and_wait(future)
        raise
    else:
        raise TimeoutError(f"{name}() was cancelled: it was not done in {timeout} seconds")
    finally:
        # The traceback of its exception holds this frame.
        del future


def _is_done_when_cancelled(future: Future[Any]) -> bool:
    """Cancel a call; tell whether it was done when its event loop took the cancellation."""
    is_taken = Event()
    was_done: list[bool] = []

    def note(is_done: bool) -> None:
        was_done.append(is_done)
        is_taken.set()

    if not future._cancel_and_notice(note):
        return True
    if not future.cancelled():
        is_taken.wait(_LOOP_SECONDS)
    return was_done == [True]


def _cancel_and_wait(future: Future[Any]) -> None:
    """Cancel a call and let it clean up."""
    if not future.done():
        future.cancel()
        concurrent.futures.wait([future], _CLEANUP_SECONDS)


class Openable(NamedTuple):
    """An async iterator or context manager of which the caller gets a synchronous view."""

    value: Any
    is_iterator: bool


def can_be_entered(value: object) -> bool:
    """Tell whether `value` is an async context manager."""
    return hasattr(type(value), "__aenter__") and hasattr(type(value), "__aexit__")


class SyncCall:
    """An async function as `to_sync` calls it; it keeps the context in which the call ends."""

    def __init__(self, fn: Callable[..., Any], name: str) -> None:
        self.fn = fn
        self.context: Context | None = None
        self.__qualname__ = name

    async def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function and await what it returns, or return it as `Openable`."""
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
                f"{self.fn!r} returned {result!r}, which is neither awaitable nor an async context "
                "manager nor an async iterator. It is a sync function and has just blocked the "
                "event loop: call it as it is"
            )
        finally:
            self.context = copy_context()


class ContextChanges:
    """Copies the context variables that a call changed, and no others, as `await` would."""

    def __init__(self) -> None:
        self._seen = copy_context()
        self._tokens: dict[ContextVar[Any], Token[Any]] = {}

    def take_over(self, context: Context) -> None:
        """Apply to the current context what has changed in `context` since the last time."""
        seen, self._seen = self._seen, context
        # This saves a step a twentieth of its time.
        if not context and not self._tokens:
            return
        # `running_call` is the task's own, not its caller's.
        for variable, value in context.items():
            if variable is running_call or seen.get(variable, _UNSET) is value:
                continue
            if variable.get(_UNSET) is not value:
                self._tokens.setdefault(variable, variable.set(value))
        # A token of another thread's context raises ValueError.
        for variable in [variable for variable in self._tokens if variable not in context]:
            with suppress(ValueError):
                variable.reset(self._tokens.pop(variable))


def warn_of_blocked_loop(future: Future[Any], name: str, instead: str, stacklevel: int) -> None:
    """Warn, unless the loop runs the call itself (an error) or may be a notebook's (harmless)."""
    # There is no such function yet while IPython is being imported.
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    if future._is_on_own_loop() or (get_ipython and hasattr(get_ipython(), "kernel")):
        return
    warnings.warn(
        f"{name}() blocks the running event loop until it is done; {instead}",
        BlockingCallWarning,
        stacklevel=stacklevel + 1,
    )
