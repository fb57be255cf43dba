"""The way of an outcome from a task to its future."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import BrokenExecutor
from typing import Any

from ._contract import Runnable


def settle(future: Runnable, task: asyncio.Task[Any]) -> None:
    """Hand the outcome of `task` to `future`. Loop thread only."""
    if task.cancelled():
        future.settle_cancelled()
        return
    exception = task.exception()
    if exception is None:
        future.settle(task.result())
    else:
        future.fail(exception)


def settle_raised(future: Runnable, exception: BaseException) -> None:
    """Hand what its first step has raised to `future`. Loop thread only."""
    if isinstance(exception, asyncio.CancelledError):
        future.settle_cancelled()
        return
    # Without our own frame: it would keep the future, and with it the exception, alive.
    exception.__traceback__ = exception.__traceback__ and exception.__traceback__.tb_next
    if isinstance(exception, StopIteration):  # would end the caller's loop in silence (PEP 479)
        error = RuntimeError("the function raised StopIteration")
        error.__cause__ = exception
        exception = error
    future.fail(exception)


def clean_up(coroutine: object, task: asyncio.Task[Any] | None) -> None:
    """Leave nothing behind of a call whose first step has raised. Loop thread only."""
    if isinstance(coroutine, Coroutine):
        coroutine.close()
    if task is not None and not task.cancelled():
        task.exception()  # or asyncio would report that nobody has looked at it


def broken(failure: BaseException) -> BrokenExecutor:
    """Return the error for what an event loop that has failed does not do."""
    error = BrokenExecutor(f"the event loop has failed: {failure!r}")
    error.__cause__ = failure
    return error
