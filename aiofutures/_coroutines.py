"""The coroutine of a call, its name and its traceback."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine
from inspect import isasyncgen, isasyncgenfunction, isawaitable, iscoroutine
from types import CoroutineType
from typing import Any

from ._typing import T


def ensure_coroutine(fn: Callable[..., Any], result: Any) -> Coroutine[Any, Any, Any]:
    """Return a coroutine for the `result` of `fn`; raise TypeError if it is not awaitable."""
    if isinstance(result, CoroutineType):
        return result
    if isawaitable(result):
        return as_coroutine(result)
    if isasyncgen(result):
        raise TypeError(f"{fn!r} is an async generator function: iterate it in an async function")
    raise TypeError(
        f"{fn!r} returned {result!r}, which cannot be awaited. It has just run on the event loop "
        "and blocked it; call a sync function with 'await sync_to_async(fn, ...)' in an async one"
    )


async def as_coroutine(awaitable: Awaitable[T]) -> T:
    """Return what `awaitable` returns."""
    return await awaitable


def name_of(fn: Callable[..., Any]) -> str:
    """Return the name for the task that runs `fn`."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return getattr(fn, "__qualname__", type(fn).__qualname__)


def is_async_generator_function(fn: Callable[..., Any]) -> bool:
    """Tell whether `fn` is an async generator function, or a partial, method or object of one."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return isasyncgenfunction(fn) or isasyncgenfunction(type(fn).__call__)


def not_callable(fn: object) -> TypeError:
    """Return the error for an `fn` that cannot be called; close it if it is a coroutine."""
    if iscoroutine(fn):
        fn.close()
        name = fn.__qualname__
        return TypeError(
            f"a function and its arguments are needed, not the coroutine that {name}() has "
            f"returned: pass {name}, ... instead of {name}(...)"
        )
    return TypeError(f"an async function is needed, not {fn!r}")


def drop_frame(error: BaseException) -> None:
    """Drop the outermost frame of a traceback: ours, which would keep the future and the error."""
    # Some exceptions, such as frozen dataclasses, refuse to have their attributes set.
    traceback = error.__traceback__
    BaseException.with_traceback(error, traceback and traceback.tb_next)
