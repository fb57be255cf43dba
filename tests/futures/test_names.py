"""What futures say of themselves, and of their calls."""

import concurrent.futures
import re
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any, NoReturn

import pytest
from support import LIMIT, Gate, MakeExecutor, echo
from typing_extensions import override

from aiofutures import AsyncExecutor, Future, InvalidStateError, gather, to_sync


class Shop:
    """Has a method, and can be called itself."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    async def load(self, *_: object) -> None:
        await self.gate.wait()

    async def __call__(self) -> None:
        await self.gate.wait()


class Proxy:
    """A lazy proxy, of which nothing is to be had but the call."""

    @override
    def __getattribute__(self, name: str) -> NoReturn:
        raise LookupError(name)

    async def __call__(self) -> int:
        return 1


class Remote:
    """A stand-in that has every attribute."""

    def __getattr__(self, name: str) -> object:
        return self

    async def __call__(self) -> int:
        return 1


@pytest.mark.parametrize("wait", [Future[Any].result, Future[Any].exception])
@pytest.mark.parametrize("timeout", [-1, 0, 0.01])
def test_timeout(
    executor: AsyncExecutor, wait: Callable[[Any, float], object], timeout: float
) -> None:
    """A wait that is over names the call and the seconds as they were given."""
    with Gate() as gate:
        future = executor.submit(Shop(gate).load)

        with pytest.raises(TimeoutError) as caught:
            wait(future, timeout)

    assert str(caught.value) == f"Shop.load() did not finish in {timeout} seconds"


def test_timeout_of_a_future_made_by_hand() -> None:
    """A future that is made by hand says what the standard one says: nothing."""
    with pytest.raises(TimeoutError) as caught:
        Future[int]().result(0.01)

    assert str(caught.value) == ""


@pytest.mark.parametrize(
    "take", [list, lambda results: list(results.as_completed()), lambda results: next(results)]
)
def test_timeout_of_map(executor: AsyncExecutor, take: Callable[[Any], object]) -> None:
    """The time-out of `map` names the call and all the seconds, not those that were left."""
    with Gate() as gate:
        results = executor.map(Shop(gate).load, range(2), timeout=0.01)

        with pytest.raises(TimeoutError) as caught:
            take(results)

    assert str(caught.value) == "Shop.load() did not finish in 0.01 seconds"


@pytest.mark.one_loop("the order of calls is that of one loop")
def test_name_in_each_state(make_executor: MakeExecutor) -> None:
    """The representation has the name of the call, whatever becomes of it."""
    executor = make_executor(max_workers=1)
    with Gate() as gate:
        load = Shop(gate).load
        running, pending, cancelled = (executor.submit(load) for _ in range(3))
        gate.arrived()
        cancelled.cancel()

        assert [_words(future) for future in (running, pending, cancelled)] == [
            "<Future at 0x state=running call=Shop.load>",
            "<Future at 0x state=pending call=Shop.load>",
            "<Future at 0x state=cancelled call=Shop.load>",
        ]

    pending.result(LIMIT)
    assert _words(running) == "<Future at 0x state=finished returned NoneType call=Shop.load>"


@pytest.mark.parametrize(
    ("submit", "name"),
    [
        (lambda executor, shop: executor.submit(partial(partial(shop.load), 1)), "Shop.load"),
        (lambda executor, shop: executor.submit(shop), "Shop"),
        (lambda executor, shop: executor.submit(echo, 1).then(shop.load), "Shop.load"),
        (lambda executor, shop: executor.submit(shop.load).map(_length), "_length"),
        (lambda executor, shop: executor.submit(shop).recover(OSError, _length), "_length"),
        (lambda executor, shop: executor.submit(shop).zip(executor.submit(shop)), "Future.zip"),
        (lambda executor, shop: gather(executor.submit(shop), executor.submit(shop)), "gather"),
    ],
)
def test_name(executor: AsyncExecutor, submit: Callable[[Any, Any], Any], name: str) -> None:
    """It is that of the user's function, also of one that runs after a future."""
    with Gate() as gate:
        future = submit(executor, Shop(gate))

        with pytest.raises(TimeoutError, match=rf"^{re.escape(name)}\(\) did not finish in 0 sec"):
            future.result(0)

        future.cancel()
    concurrent.futures.wait([future], LIMIT)


@pytest.mark.parametrize("kind", [Proxy, Remote])
def test_name_that_is_not_to_be_had(executor: AsyncExecutor, kind: type[Proxy | Remote]) -> None:
    """What has no name that is a string is named by its type, and runs."""
    future = executor.submit(kind())

    assert future.result(LIMIT) == 1
    assert repr(future).endswith(f"call={kind.__name__}>")


def test_step_that_blocks_its_loop(executor: AsyncExecutor) -> None:
    """The time-out of a step names the generator."""
    with Gate() as gate:

        @to_sync(timeout=0.01, executor=executor)
        async def items() -> AsyncGenerator[int, None]:
            await gate.wait()
            yield 1

        with pytest.raises(TimeoutError, match=r"items\(\) was cancelled: .* in 0.01 seconds"):
            next(items())


def test_set_twice() -> None:
    """Who sets an outcome twice reads the standard library's words."""
    future: Future[int] = Future()
    standard: concurrent.futures.Future[int] = concurrent.futures.Future()
    for each in (future, standard):
        each.set_result(1)
    with pytest.raises(concurrent.futures.InvalidStateError) as expected:
        standard.set_result(2)

    with pytest.raises(InvalidStateError) as caught:
        future.set_result(2)

    assert _words(caught.value) == f"{_words(expected.value)} is already done"


def _length(_: object) -> int:
    return 0


def _words(speaker: object) -> str:
    words = str(speaker) if isinstance(speaker, Exception) else repr(speaker)
    return re.sub(r"0x[0-9a-f]+", "0x", words)
