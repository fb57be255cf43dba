"""The opening of what a function returns, to enter it or iterate over it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncContextDecorator,
    AsyncExitStack,
    asynccontextmanager,
)
from functools import partial
from inspect import isawaitable, iscoroutine
from types import CodeType
from typing import Any, Final

from .._common.coroutines import refuse_decorated
from .call import can_be_entered
from .views import close, throw

# A mock can be entered endlessly.
_MOST_LAYERS: Final = 100

#: The code of the functions made here, which call functions that were passed for async ones.
calling_codes: set[CodeType] = set()


def entering(
    fn: Callable[..., Any], name: str
) -> Callable[..., AbstractAsyncContextManager[Any, Any]]:
    """Return a function whose async context manager calls `fn` when it is entered."""
    if issubclass(type(fn), AsyncContextDecorator):
        # A generator function with `asynccontextmanager` makes these, and they can be called.
        raise TypeError(
            f"expected a function and its arguments, got {fn!r}, which a function has returned: "
            "pass the function without calling it"
        )

    async def entered(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        result = fn(*args, **kwargs)
        if not can_be_entered(result):
            raise _wrong_kind(
                f"{name}() returned {result!r}, which is not an async context manager: use "
                "to_sync() to await or iterate over it, and call a sync function directly",
                result,
            )
        async with result as value:
            yield value

    calling_codes.add(entered.__code__)
    return asynccontextmanager(entered)


def iterating(fn: Callable[..., Any], name: str) -> Callable[..., AsyncGenerator[Any, None]]:
    """Return an async generator function that calls `fn` and iterates over the result."""

    async def iterate(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        async with AsyncExitStack() as stack:
            iterator = await _open(stack, fn(*args, **kwargs), name)
            del args, kwargs
            step = iterator.__anext__
            while True:
                try:
                    item = await step()
                except StopAsyncIteration:
                    return
                finally:
                    # It may hold an exception whose traceback refers to this frame.
                    del step
                try:
                    yield item
                except GeneratorExit:
                    await close(iterator)
                    raise
                except BaseException as error:
                    step = partial(throw, iterator, error)
                else:
                    step = iterator.__anext__
                del item

    calling_codes.add(iterate.__code__)
    return iterate


async def _open(stack: AsyncExitStack, value: Any, name: str) -> AsyncIterator[Any]:
    """Await or enter `value`, then the result, until it can only be iterated over."""
    # Entering a client returns the client itself.
    used: list[object] = []
    while len(used) < _MOST_LAYERS and not any(value is each for each in used):
        used.append(value)
        if can_be_entered(value):
            value = await stack.enter_async_context(value)
        elif isawaitable(value):
            value = await value
    if not hasattr(type(value), "__aiter__"):
        raise _wrong_kind(
            f"{name}() gave {value!r}, which is not an async iterable: use to_sync() to await it, "
            "to_sync_context() to enter it, and call a sync function directly",
            value,
        )
    return aiter(value)


def _wrong_kind(message: str, value: object) -> TypeError:
    """Return the error for a value of the wrong kind; close it if it is a coroutine."""
    refuse_decorated(value)
    if iscoroutine(value):
        value.close()
    return TypeError(message)
