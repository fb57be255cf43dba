"""A call of an async function in synchronous code."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import warnings
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context, ContextVar, Token, copy_context
from inspect import isawaitable
from time import monotonic
from types import CoroutineType
from typing import Any, Final, Protocol

from .._exceptions import BlockingCallWarning, DeadlockError
from .._futures.future import Future
from .._loops.limit import running_call
from .._typing import P, T

# What an interrupted call may take for its cleanup.
_CLEANUP_SECONDS: Final = 5.0
_UNSET: Final = object()


class SubmitsCalls(Protocol):
    """What the decorators ask of an executor."""

    def submit(
        self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run `await fn(*args, **kwargs)`.

        An executor may have several event loops. The steps of a generator or a `with` block go to
        the host of the future that the first call gives, not to the executor: they are one task.
        """
        ...


def wait(future: Future[T], timeout: float | None, name: str, stacklevel: int | None = None) -> T:
    """Return the outcome of a call that was submitted just for this; cancel it on the way out.

    Args:
        future: The future of the call.
        timeout: The most seconds it may take; None for no limit.
        name: What the messages call it.
        stacklevel: Which caller to warn when this blocks a running event loop; None for no warning.
    """
    deadline = None if timeout is None else monotonic() + timeout
    try:
        if stacklevel is not None and asyncio._get_running_loop() is not None:
            _warn_of_blocked_loop(future, name, stacklevel + 1)
        return future.result(timeout)
    except TimeoutError:
        # Of the call, or of a signal handler.
        if deadline is None or monotonic() < deadline:
            _cancel_and_wait(future)
            raise
        # It is the call's own, or the call was done at the last moment.
        if future.done():
            return future.result()
        future.cancel()
        raise TimeoutError(
            f"{name}() was cancelled: it was not done in {timeout} seconds"
        ) from None
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
    finally:
        # The traceback of its exception has this frame.
        del future


def _cancel_and_wait(future: Future[Any]) -> None:
    """Cancel a call that nobody waits for any more, and let it clean up."""
    if not future.done():
        future.cancel()
        concurrent.futures.wait([future], _CLEANUP_SECONDS)


class Openable:
    """An async iterator or context manager: the caller gets a synchronous view of it."""

    def __init__(self, value: Any, *, is_iterator: bool) -> None:
        self.value = value
        self.is_iterator = is_iterator


class SyncCall:
    """An async function as `to_sync` calls it. It keeps the context in which the call ends."""

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
            if hasattr(type(result), "__aenter__") and hasattr(type(result), "__aexit__"):
                return Openable(result, is_iterator=False)
            if hasattr(type(result), "__aiter__"):
                return Openable(aiter(result), is_iterator=True)
            raise TypeError(
                f"{self.fn!r} returned {result!r}, which is neither awaitable nor an async context "
                "manager nor an async iterator. It is a sync function and has just blocked the "
                "event loop: call it as it is"
            )
        finally:
            self.context = copy_context()


class ContextChanges:
    """Carries changes of context variables from one context to that of the code that runs.

    As with `await`, and only what has changed: other variables stay as they are.
    """

    def __init__(self) -> None:
        self._seen = copy_context()
        self._tokens: dict[ContextVar[Any], Token[Any]] = {}

    def take_over(self, context: Context) -> None:
        """Change here what has changed in `context` since the last time."""
        seen, self._seen = self._seen, context
        # Spares a step a twentieth of its time.
        if not context and not self._tokens:
            return
        for variable, value in context.items():
            if variable is running_call or seen.get(variable, _UNSET) is value:
                # It says who runs a task, which its caller does not.
                continue
            if variable.get(_UNSET) is not value:
                self._tokens.setdefault(variable, variable.set(value))
        for variable in [variable for variable in self._tokens if variable not in context]:
            # It was set in another context, of another thread.
            with suppress(ValueError):
                variable.reset(self._tokens.pop(variable))


def _warn_of_blocked_loop(future: Future[Any], name: str, stacklevel: int) -> None:
    """Warn, unless it is the loop that runs the call (an error) or a notebook's (all right)."""
    if future._is_on_own_loop() or _in_ipython_kernel():
        return
    warnings.warn(
        f"{name}() blocks the running event loop until it is done; "
        "await the async function itself there",
        BlockingCallWarning,
        stacklevel=stacklevel + 1,
    )


def _in_ipython_kernel() -> bool:
    """Tell whether the running loop may be a notebook's, where a cell blocks."""
    ipython = sys.modules.get("IPython")
    # It may be in the middle of its import.
    get_ipython = getattr(ipython, "get_ipython", None)
    return get_ipython is not None and hasattr(get_ipython(), "kernel")
