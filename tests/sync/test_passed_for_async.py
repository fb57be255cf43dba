"""Decorated functions that are passed where async ones are needed."""

import asyncio
import functools
import gc
import re
import warnings
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support import LIMIT, echo

from aiofutures import (
    AsyncExecutor,
    DeadlockError,
    in_executor,
    run_async,
    shared,
    to_sync,
    to_sync_context,
    to_sync_iter,
)

started: list[object] = []

pytestmark = pytest.mark.usefixtures("default_executor")


@to_sync
async def load(number: int) -> int:
    """Tell that it runs."""
    started.append(number)
    return number


class Shop:
    """Has decorated methods of all kinds."""

    @to_sync
    async def load(self, number: int) -> int:
        return number

    @classmethod
    @to_sync
    async def of_class(cls, number: int) -> int:
        return number

    @to_sync
    @staticmethod
    async def static(number: int) -> int:
        return number

    @to_sync(timeout=1)
    async def items(self, number: int) -> AsyncGenerator[int, None]:
        yield number


_FUNCTIONS: list[tuple[Any, str]] = [
    (load, "load"),
    (functools.partial(load, number=1), "load"),
    (functools.partial(functools.partial(load)), "load"),
    (Shop().load, "Shop.load"),
    (functools.partial(Shop().load), "Shop.load"),
    (functools.partial(Shop.load, Shop()), "Shop.load"),
    (Shop.of_class, "Shop.of_class"),
    (Shop.static, "Shop.static"),
    (Shop().items, "Shop.items"),
]


@pytest.mark.parametrize(("fn", "name"), _FUNCTIONS)
@pytest.mark.parametrize(
    "call",
    [
        lambda executor, fn, args: executor.submit(fn, *args).result(LIMIT),
        lambda executor, fn, args: run_async(fn, *args).result(LIMIT),
        lambda executor, fn, args: in_executor(executor=executor)(fn)(*args).result(LIMIT),
        lambda executor, fn, args: to_sync(executor=executor)(fn)(*args),
    ],
)
def test_of_the_default_executor(call: Any, fn: Any, name: str, executor: AsyncExecutor) -> None:
    """It is refused by its qualified name, with what to pass, and nothing runs."""
    args = () if isinstance(fn, functools.partial) and fn.keywords else (1,)
    started.clear()

    with pytest.raises((DeadlockError, TypeError)) as caught:
        call(executor, fn, args)

    assert _says_so(caught.value, name)
    assert started == []


@pytest.mark.parametrize(("fn", "name"), _FUNCTIONS[:1] + _FUNCTIONS[2:])
def test_map(executor: AsyncExecutor, fn: Callable[..., Any], name: str) -> None:
    """`map` refuses it too, at the first result."""
    with pytest.raises(DeadlockError) as caught:
        next(executor.map(fn, [1, 2]))

    assert _says_so(caught.value, name)


@pytest.mark.parametrize(
    "use",
    [
        lambda fn: shared(fn, 1)(),
        lambda fn: to_sync_context(fn)(1).__enter__(),
        lambda fn: next(to_sync_iter(fn)(1)),
    ],
    ids=["shared", "to_sync_context", "to_sync_iter"],
)
@pytest.mark.parametrize(("fn", "name"), [(load, "load"), (Shop().items, "Shop.items")])
def test_openers(use: Callable[[object], object], fn: object, name: str) -> None:
    """What enters or iterates over what it returns refuses it, too."""
    with pytest.raises(DeadlockError) as caught:
        use(fn)

    assert _says_so(caught.value, name)


@pytest.mark.parametrize("make", [shared, to_sync_context])
def test_managers(make: Any) -> None:
    """What a function has returned is refused at once, although it can be called."""

    @asynccontextmanager
    async def connect() -> AsyncGenerator[None, None]:
        yield

    with pytest.raises(TypeError, match="pass the function without calling it"):
        make(connect())


def test_foreign_executor() -> None:
    """An executor whose futures are of another kind is refused by name."""
    with ThreadPoolExecutor(1) as pool:
        executor: Any = pool
        call = to_sync(executor=executor)(echo)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of the coroutine
            with pytest.raises(TypeError, match=r"executor must be .* not <.*ThreadPoolExecutor"):
                call(1)
            gc.collect()


def test_then(executor: AsyncExecutor) -> None:
    """`Future.then` refuses it."""
    future: Any = executor.submit(echo, 1)

    with pytest.raises(DeadlockError) as caught:
        future.then(load).result(LIMIT)

    assert _says_so(caught.value, "load")


def test_of_another_executor() -> None:
    """So it is on the event loop of another executor, which it would block: a TypeError."""
    wrong: Any = load
    started.clear()

    with AsyncExecutor() as other, pytest.raises(TypeError) as caught:
        other.submit(wrong, 1).result(LIMIT)

    assert _says_so(caught.value, "load")
    assert started == []


def test_called_by_an_async_function(executor: AsyncExecutor) -> None:
    """An async function that calls one itself is told to await."""

    async def work() -> int:
        await asyncio.sleep(0)
        return load(1)

    with pytest.raises(DeadlockError, match="Await the async function itself there"):
        executor.submit(work).result(LIMIT)


def _says_so(error: BaseException, name: str) -> bool:
    words = rf"{re.escape(name)}\(\) is decorated with to_sync, .* pass the async function"
    return re.match(words, str(error)) is not None
