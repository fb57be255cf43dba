"""Waiting for a call in synchronous code."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import warnings
from collections.abc import Awaitable, Callable
from contextvars import Context, ContextVar, Token, copy_context
from typing import Any, Final, Protocol

from ._exceptions import BlockingCallWarning, DeadlockError
from ._future import Future
from ._places import holder
from ._typing import P, T

_CLEANUP_SECONDS: Final = 5.0  # what an interrupted call may take for its cleanup


class SubmitsCalls(Protocol):
    """What the decorators ask of an executor."""

    def submit(
        self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run `await fn(*args, **kwargs)`."""
        ...


def wait(future: Future[T], timeout: float | None, name: str, stacklevel: int | None = None) -> T:
    """Return the outcome of a call that was submitted just for this; cancel it on the way out.

    Args:
        future: The call's.
        timeout: The most seconds it may take; None for no limit.
        name: What the messages call it.
        stacklevel: Which caller to warn when this blocks a running event loop; None for no warning.
    """
    try:
        if stacklevel is not None and asyncio._get_running_loop() is not None:
            _warn_of_blocked_loop(future, name, stacklevel + 1)
        return future.result(timeout)
    except TimeoutError:
        if future.done():  # it is the call's own, or the call was done at the last moment
            return future.result()
        future.cancel()
        raise TimeoutError(
            f"{name}() was cancelled: it was not done in {timeout} seconds"
        ) from None
    except DeadlockError:
        if future.done():  # it is the call's own
            raise
        future.cancel()
        raise DeadlockError(
            f"{name}() was called on the event loop that has to run it: it would wait for ever. "
            "Await the async function itself there, which is its __wrapped__"
        ) from None
    except BaseException:
        if not future.done():
            future.cancel()
            concurrent.futures.wait([future], _CLEANUP_SECONDS)
        raise


class ContextChanges:
    """Carries changes of context variables from a task to the synchronous caller.

    As with `await`, and only what has changed: other variables of the caller stay as they are.
    """

    def __init__(self) -> None:
        self._seen = copy_context()
        self._tokens: dict[ContextVar[Any], Token[Any]] = {}

    def take_over(self, context: Context) -> None:
        """Change for the caller what has changed up to `context`, the task's."""
        seen, self._seen = self._seen, context
        for variable, value in context.items():
            if variable is holder:  # says who runs the task, which the caller does not
                continue
            if variable not in seen or seen[variable] is not value:
                self._tokens.setdefault(variable, variable.set(value))
        for variable in [variable for variable in self._tokens if variable not in context]:
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
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
