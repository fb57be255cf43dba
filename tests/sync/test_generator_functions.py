"""`to_sync` of async generator functions: generator functions, for those who ask."""

import asyncio
import functools
import inspect
import pickle
import subprocess
import sys
import threading
import warnings
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from support import LIMIT, in_thread

from aiofutures import (
    AsyncExecutor,
    BlockingCallWarning,
    DeadlockError,
    InvalidStateError,
    to_sync,
)
from aiofutures._decorators import ToSync


@to_sync
async def count(number: int) -> AsyncGenerator[int, None]:
    """Yield the numbers below `number`."""
    for item in range(number):
        yield item


class Shop:
    """Has async generators of all kinds."""

    size = 2

    @to_sync
    async def method(self, first: int) -> AsyncGenerator[int, None]:
        for number in range(first, self.size):
            yield number

    @classmethod
    @to_sync
    async def of_class(cls, first: int) -> AsyncGenerator[int, None]:
        for number in range(first, cls.size):
            yield number

    @to_sync
    @classmethod
    async def of_class_above(cls, first: int) -> AsyncGenerator[int, None]:
        for number in range(first, cls.size):
            yield number

    @staticmethod
    @to_sync
    async def static(first: int) -> AsyncGenerator[int, None]:
        for number in range(first, 2):
            yield number

    @to_sync(timeout=LIMIT)
    @staticmethod
    async def static_above(first: int) -> AsyncGenerator[int, None]:
        for number in range(first, 2):
            yield number

    async def __call__(self, first: int) -> AsyncGenerator[int, None]:
        for number in range(first, self.size):
            yield number


async def numbers(first: int, end: int = 2) -> AsyncGenerator[int, None]:
    for number in range(first, end):
        yield number


_above: Any = Shop

FUNCTIONS: dict[str, Callable[[int], Generator[int, None, None]]] = {
    "function": to_sync(numbers),
    "options": to_sync(timeout=LIMIT)(numbers),
    "partial": to_sync(functools.partial(numbers, end=2)),
    "partial of a partial": to_sync(functools.partial(functools.partial(numbers), end=2)),
    "partial of a decorated one": functools.partial(to_sync(numbers), end=2),
    "method": Shop().method,
    "class method": Shop.of_class,
    "class method below": _above.of_class_above,
    "static method": Shop.static,
    "static method below": _above.static_above,
    "bound method": to_sync(Shop().method.__wrapped__.__get__(Shop())),  # type: ignore[attr-defined]
    "partial of a bound method": to_sync(functools.partial(Shop().__call__)),
    "object": to_sync(Shop()),
    "partial of an object": to_sync(functools.partial(Shop())),
}


@pytest.mark.usefixtures("default_executor")
@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_is_a_generator_function(function: Callable[[int], Generator[int, None, None]]) -> None:
    """`inspect` sees a generator function, of whatever kind the async one is."""
    assert inspect.isgeneratorfunction(function)
    assert not inspect.isasyncgenfunction(function)
    assert [*function(0)] == [0, 1]


def test_other_functions() -> None:
    """A function that only returns an async generator is none, and nor is an async function."""

    def make() -> AsyncGenerator[int, None]:
        return numbers(0)

    assert not inspect.isgeneratorfunction(to_sync(make))
    assert not inspect.isgeneratorfunction(to_sync(asyncio.sleep))


def test_looks() -> None:
    """It has the name, documentation and parameters of the async one, and is pickled by name."""
    function: Any = count

    assert (function.__name__, function.__doc__) == ("count", "Yield the numbers below `number`.")
    assert list(inspect.signature(function).parameters) == ["number"]
    assert function(1).__name__ == function(1).__qualname__ == "count"
    assert pickle.loads(pickle.dumps(function)) is function


class TestOnlyMade:
    """Where the generator is made, and not iterated."""

    @pytest.fixture
    def log(self) -> list[object]:
        """What the async generator has done."""
        return []

    @pytest.fixture
    def items(self, log: list[object], executor: AsyncExecutor) -> Callable[..., Any]:
        """A generator function that writes down when it begins."""

        @to_sync(executor=executor)
        async def items(number: int) -> AsyncGenerator[int, None]:
            log.append(threading.get_ident())
            yield number

        return items

    def test_nothing_is_submitted(self, executor: AsyncExecutor, items: Callable[..., Any]) -> None:
        """Nothing starts, not even the thread."""
        items(1).close()

        assert executor._loop_thread._run.thread is None

    def test_arguments(self, items: Callable[..., Any], log: list[object]) -> None:
        """Wrong arguments are an error at the first item."""
        generator = items()

        with pytest.raises(TypeError, match="number"):
            next(generator)
        assert log == []

    def test_on_a_foreign_loop(self, items: Callable[..., Any], log: list[object]) -> None:
        """There is no warning; whoever iterates it in another thread gets all."""

        async def view() -> Generator[int, None, None]:
            generator: Generator[int, None, None] = items(1)
            return generator

        generator = asyncio.run(view())

        assert log == []
        assert in_thread(list, generator).result(LIMIT) == [1]

    def test_on_the_own_loop(self, executor: AsyncExecutor, items: Callable[..., Any]) -> None:
        """There is no DeadlockError either."""

        async def view() -> Generator[int, None, None]:
            generator: Generator[int, None, None] = items(1)
            return generator

        assert [*executor.submit(view).result(LIMIT)] == [1]

    def test_context(self, executor: AsyncExecutor) -> None:
        """It sees context variables as they are at the first item."""
        variable = ContextVar("variable", default=0)

        @to_sync(executor=executor)
        async def read() -> AsyncGenerator[int, None]:
            yield variable.get()

        generator = read()
        variable.set(1)

        assert next(generator) == 1

    def test_shutdown(self, executor: AsyncExecutor, items: Callable[..., Any]) -> None:
        """After the shutdown the first item is refused."""
        generator = items(1)
        executor.shutdown()

        with pytest.raises(InvalidStateError, match="after shutdown"):
            next(generator)
        assert [*generator] == []

    def test_default_executor(self, default_executor: AsyncExecutor) -> None:
        """It runs on the executor that is the default one at the first item."""
        generator = count(1)

        assert next(generator) == 0
        assert len(default_executor.tasks) == 1
        generator.close()


class TestIteratedOnALoop:
    """Where a running event loop waits for an item."""

    @pytest.mark.usefixtures("default_executor")
    def test_foreign(self) -> None:
        """A foreign one warns where the first item is asked."""

        async def view() -> list[int]:
            return [*count(2)]

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert asyncio.run(view()) == [0, 1]

        assert [warning.category for warning in caught] == [BlockingCallWarning]
        assert caught[0].filename == __file__

    def test_own(self, default_executor: AsyncExecutor) -> None:
        """The own one raises an error."""

        async def view() -> list[int]:
            return [*count(2)]

        with pytest.raises(DeadlockError, match=r"count\(\) was called on the event loop"):
            default_executor.submit(view).result(LIMIT)


def test_arguments_are_not_kept(executor: AsyncExecutor) -> None:
    """An argument is freed as soon as the async generator lets go of it."""
    freed = threading.Event()

    class Argument:
        def __del__(self) -> None:
            freed.set()

    @to_sync(executor=executor)
    async def consume(argument: Argument) -> AsyncGenerator[None, None]:
        yield
        del argument
        yield

    generator = consume(Argument())

    next(generator)
    assert not freed.is_set()
    next(generator)
    assert freed.wait(LIMIT)
    generator.close()


FIXTURES = """
import pytest
from aiofutures import to_sync

log = []

@pytest.fixture(params=[1, 2])
@to_sync
async def number(request):
    log.append("set up")
    yield request.param
    log.append("torn down")

class TestClass:
    @pytest.fixture
    @to_sync
    async def doubled(self, number):
        yield 2 * number
        log.append("doubled torn down")

    def test_doubled(self, doubled):
        assert doubled in {2, 4}
        log.append(doubled)

def test_log():
    assert log == ["set up", 2, "doubled torn down", "torn down",
                   "set up", 4, "doubled torn down", "torn down"]
"""


def test_fixtures_of_pytest(tmp_path: Path) -> None:
    """A fixture of pytest may be one: it is set up and torn down."""
    path = tmp_path / "test_fixtures.py"
    path.write_text(FIXTURES)
    without = ["-p", "no:cacheprovider", "-p", "no:asyncio"]

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *without, "-W", "error", str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )

    assert "3 passed" in done.stdout, done.stdout


def test_send_and_throw(executor: AsyncExecutor) -> None:
    """What is sent and thrown reaches the async generator."""
    sync: ToSync = to_sync(executor=executor)

    async def repeat() -> AsyncGenerator[object, object]:
        received: object = None
        while True:
            try:
                received = yield received
            except OSError as error:
                received = error

    generator = sync(repeat)()
    error = OSError()

    assert next(generator) is None
    assert generator.send(1) == 1
    assert generator.throw(error) is error
    generator.close()
