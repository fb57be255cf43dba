"""What a scheduler knows of a future, and how an outcome gets there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import BrokenExecutor
from typing import Any, Protocol

from ._typing import Call


class Job(Protocol):
    """What a loop thread knows of a future: a call to take, an outcome to settle."""

    @property
    def _host(self) -> object: ...

    _task: asyncio.Task[Any] | None

    def cancel(self) -> bool: ...
    def running(self) -> bool: ...
    def done(self) -> bool: ...
    def exception(self) -> BaseException | None: ...
    def take(self) -> Call | None: ...
    def settle(self, result: Any, /) -> None: ...
    def fail(self, error: BaseException, /) -> None: ...
    def settle_cancelled(self) -> None: ...
    def abandon(self, error: BaseException, /) -> None: ...


def settle(job: Job, task: asyncio.Task[Any]) -> None:
    """Hand the outcome of `task` to `job`. Loop thread only."""
    if task.cancelled():
        job.settle_cancelled()
        return
    exception = task.exception()
    if exception is None:
        job.settle(task.result())
    else:
        job.fail(exception)


def settle_raised(job: Job, exception: BaseException) -> None:
    """Hand what its first step has raised to `job`. Loop thread only."""
    if isinstance(exception, asyncio.CancelledError):
        job.settle_cancelled()
        return
    # Without our own frame: it would keep the job, and with it the exception, alive.
    exception.__traceback__ = exception.__traceback__ and exception.__traceback__.tb_next
    if isinstance(exception, StopIteration):  # would end the caller's loop in silence (PEP 479)
        error = RuntimeError("the function raised StopIteration")
        error.__cause__ = exception
        exception = error
    job.fail(exception)


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
