"""The coroutine of a call, its name and its traceback."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine
from inspect import isasyncgen, isasyncgenfunction, isawaitable, iscoroutine, isgenerator
from types import CodeType, CoroutineType, TracebackType
from typing import Any, Final

from .exceptions import SyncFunctionError
from .typing import T

_TRACEBACK: Final[Any] = vars(BaseException)["__traceback__"]


def ensure_coroutine(fn: Callable[..., Any], result: Any) -> Coroutine[Any, Any, Any]:
    """Return a coroutine for the `result` of `fn`; raise TypeError if it is not awaitable."""
    if isinstance(result, CoroutineType):
        return result
    refuse_decorated(result)
    if isawaitable(result):
        return as_coroutine(result)
    if isasyncgen(result):
        raise TypeError(f"{fn!r} is an async generator function: loop over it in an async function")
    raise TypeError(
        f"{fn!r} returned {result!r}, which cannot be awaited. It ran on the event loop and "
        "blocked it; in an async function, call a sync function with 'await sync_to_async(fn, ...)'"
    )


async def as_coroutine(awaitable: Awaitable[T]) -> T:
    """Return what `awaitable` returns."""
    return await awaitable


#: The code of the generator functions that `to_sync` makes.
generating_codes: set[CodeType] = set()


def refuse_decorated(result: object) -> None:
    """Raise an error for the result of a function that is decorated with `to_sync`."""
    if isgenerator(result) and result.gi_code in generating_codes:
        raise passed_for_async(result.__qualname__)


def passed_for_async(name: str) -> SyncFunctionError:
    """Return the error for a function decorated with `to_sync` in place of an async one."""
    return SyncFunctionError(
        f"{name}() is decorated with to_sync, and would block the event loop here: pass the async "
        "function itself, its __wrapped__"
    )


def name_of(fn: Callable[..., Any]) -> str:
    """Return the qualified name of `fn`, or of the function behind partials."""
    # By type: the `__class__` of a lazy proxy may raise.
    function: Any = fn
    while issubclass(type(function), functools.partial):
        function = function.func
    try:
        name = function.__qualname__
    except Exception:
        # Its attributes may raise too, and a name is not worth failing a call.
        name = None
    return name if isinstance(name, str) else type(function).__qualname__


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
            f"expected a function and its arguments, got the coroutine that {name}() returned: "
            f"pass {name}, ... instead of {name}(...)"
        )
    return TypeError(f"expected an async function, got {fn!r}")


def traceback_of(error: BaseException) -> TracebackType | None:
    """Return the traceback of `error`, even if its class overrides attribute access."""
    traceback: TracebackType | None = _TRACEBACK.__get__(error)
    return traceback


def drop_frame(error: BaseException) -> None:
    """Drop the outermost frame of a traceback: ours, which would keep the future and the error."""
    # Some exceptions, such as frozen dataclasses, refuse to have their attributes set.
    traceback = traceback_of(error)
    BaseException.with_traceback(error, traceback and traceback.tb_next)
