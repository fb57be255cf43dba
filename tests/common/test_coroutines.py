"""What a call becomes: a coroutine, with a name."""

import asyncio
import functools
from collections.abc import AsyncIterator, Generator
from typing import Any

import pytest
from support import echo

from aiofutures._common.coroutines import ensure_coroutine, name_of


class Ready:
    """Awaitable, and not a coroutine."""

    def __await__(self) -> Generator[Any, None, str]:
        yield from ()
        return "ready"


def test_coroutine_is_taken_as_it_is() -> None:
    """A coroutine object is not wrapped once more."""
    coroutine = echo(1)

    taken = ensure_coroutine(echo, coroutine)

    assert taken is coroutine
    coroutine.close()


def test_any_awaitable_will_do() -> None:
    """An awaitable that is not a coroutine is awaited in one."""
    coroutine = ensure_coroutine(Ready, Ready())

    assert asyncio.run(coroutine) == "ready"


def test_async_generator_is_refused() -> None:
    """An async generator function is refused with the advice to iterate it."""

    async def numbers() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(TypeError, match=r"numbers.* is an async generator function: loop over it"):
        _ = ensure_coroutine(numbers, numbers())


def test_sync_function_is_refused() -> None:
    """A result that cannot be awaited is refused, naming what runs sync functions."""
    with pytest.raises(
        TypeError, match=r"len.* returned 3, which cannot be awaited.*sync_to_async"
    ):
        _ = ensure_coroutine(len, 3)


class CallableObject:
    """Has no name of its own."""

    async def __call__(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("fn", "name"),
    [
        (echo, "echo"),
        (CallableObject.__call__, "CallableObject.__call__"),
        (functools.partial(echo, 1), "echo"),
        (functools.partial(functools.partial(echo), 1), "echo"),
        (CallableObject(), "CallableObject"),
        (functools.partial(CallableObject()), "CallableObject"),
    ],
)
def test_name_of(fn: Any, name: str) -> None:
    """A task has the qualified name of its function, through partials, or that of the class."""
    assert name_of(fn) == name
