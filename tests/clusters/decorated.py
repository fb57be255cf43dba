"""Decorated functions in a module with globals that cannot be pickled."""

import functools
import threading
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, Self, TypeVar

from aiofutures import in_executor, to_sync

P = ParamSpec("P")
T = TypeVar("T")

lock = threading.Lock()


def trace(fn: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Have a function do what it does."""

    @functools.wraps(fn)
    async def tracing(*args: P.args, **kwargs: P.kwargs) -> T:
        return await fn(*args, **kwargs)

    return tracing


@to_sync
async def load(value: int) -> int:
    """Return the value."""
    with lock:
        return value


@in_executor
@trace
async def traced(value: int) -> Any:
    """Return the value."""
    with lock:
        return value


async def plain(value: int) -> int:
    """Return the value."""
    return value


class Shop:
    """A class with decorated methods."""

    @to_sync
    async def load(self, value: int) -> int:
        """Return the value."""
        with lock:
            return value

    @to_sync
    @classmethod
    async def make(cls) -> Self:
        """Return a new one."""
        with lock:
            return cls()
