"""What a call becomes on the event loop: a coroutine, with a name."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from inspect import isasyncgen, isawaitable
from types import CoroutineType
from typing import Any


def ensure_coroutine(fn: Callable[..., Any], result: Any) -> Coroutine[Any, Any, Any]:
    """Return a coroutine for the awaitable `result` that `fn` has returned.

    Raises:
        TypeError: It is not an awaitable.
    """
    if isinstance(result, CoroutineType):
        return result
    if isawaitable(result):
        return _await(result)
    if isasyncgen(result):
        raise TypeError(f"{fn!r} is an async generator function: iterate it in an async function")
    raise TypeError(
        f"{fn!r} returned {result!r}, which cannot be awaited. It has just run on the event loop "
        "and blocked it; call a sync function with 'await sync_to_async(fn, ...)' in an async one"
    )


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def name_of(fn: Callable[..., Any]) -> str:
    """Return the name for the task of a callable that is not a function."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return getattr(fn, "__qualname__", type(fn).__qualname__)


def clean_up(coroutine: object, task: asyncio.Task[Any] | None) -> None:
    """Leave nothing behind of a call whose first step has raised. Loop thread only."""
    if isinstance(coroutine, Coroutine):
        coroutine.close()
    if task is not None and not task.cancelled():
        task.exception()  # or asyncio would report that nobody has looked at it
