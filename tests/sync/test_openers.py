"""`to_sync_context` and `to_sync_iter`: what could be awaited is entered, or iterated."""

import asyncio
import functools
import gc
import inspect
import threading
import warnings
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import Any, Self
from unittest.mock import MagicMock

import pytest
from support import LIMIT, Gate, frees_at_once, in_thread, until
from typing_extensions import override

from aiofutures import (
    AsyncExecutor,
    BlockingCallWarning,
    CancelledError,
    DeadlockError,
    InvalidStateError,
    to_sync,
    to_sync_context,
    to_sync_iter,
)
from aiofutures._decorators import ToSyncContext, ToSyncIter

Manager: Any = AbstractContextManager


class Special(Exception):
    """An exception of these tests."""


@pytest.fixture
def context(executor: AsyncExecutor) -> ToSyncContext:
    """`to_sync_context` over each kind of event loop."""
    return to_sync_context(executor=executor)


@pytest.fixture
def iterate(executor: AsyncExecutor) -> ToSyncIter:
    """`to_sync_iter` over each kind of event loop."""
    return to_sync_iter(executor=executor)


@pytest.fixture
def log() -> list[Any]:
    """What has happened."""
    return []


class Client:
    """Can be awaited and entered, once, as what `aiosqlite.connect` returns; and iterated."""

    def __init__(self, log: list[Any], *, suppress: bool = False) -> None:
        self.log = log
        self.suppress = suppress
        self.note("made")

    def note(self, what: object) -> None:
        self.log.append((what, asyncio.current_task()))

    def __await__(self) -> Generator[Any, None, Self]:
        self.note("awaited")
        yield from asyncio.sleep(0).__await__()
        return self

    async def __aenter__(self) -> Self:
        await asyncio.sleep(0)
        self.note("entered")
        return self

    async def __aexit__(self, exc_type: type[BaseException] | None, *_: object) -> bool:
        await asyncio.sleep(0)
        self.note(exc_type)
        return self.suppress

    async def __aiter__(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(3):
                self.note(number)
                yield number
        finally:
            self.note("closed")


def events(log: list[Any]) -> list[object]:
    """Return what has happened; it was all in one task."""
    assert len({task for _, task in log}) == 1
    return [event for event, _ in log]


class TestContext:
    """`to_sync_context`."""

    def test_entered(self, context: ToSyncContext, log: list[Any]) -> None:
        """What could be awaited is entered and left, in the task that has called the function."""
        with context(Client)(log) as client:
            assert isinstance(client, Client)

        assert events(log) == ["made", "entered", None]

    def test_nothing_before(
        self, executor: AsyncExecutor, context: ToSyncContext, log: list[Any]
    ) -> None:
        """Nothing is called or submitted before it is entered, and nothing is refused."""
        connect: Callable[..., Any] = context(Client)
        connect(log), connect()

        assert log == []
        assert executor._loop_thread._run.thread is None

    def test_wrong_arguments(self, context: ToSyncContext) -> None:
        """Wrong arguments are an error on entering."""
        connect: Callable[..., Any] = context(Client)
        manager = connect()

        with pytest.raises(TypeError, match="log"):
            manager.__enter__()

    def test_again(self, context: ToSyncContext, log: list[Any]) -> None:
        """Entering it again calls the function again, also while it is entered."""
        manager = context(Client)(log)
        with manager as first, manager as second:
            pass
        with manager as third:
            pass

        assert len({first, second, third}) == 3
        assert [event for event, _ in log].count(None) == 3
        for client in (first, second, third):
            assert [event for event, _ in log].count("made") == 3
            assert client.log is log

    def test_error(self, context: ToSyncContext, log: list[Any]) -> None:
        """An exception of the body reaches the manager, and goes on."""
        error = Special()

        with pytest.raises(Special) as caught, context(Client)(log):
            raise error

        assert caught.value is error
        assert events(log) == ["made", "entered", Special]

    @pytest.mark.parametrize(
        "error", [Special(), StopIteration(), StopAsyncIteration(), GeneratorExit()]
    )
    def test_suppressed(self, context: ToSyncContext, log: list[Any], error: BaseException) -> None:
        """A manager may suppress it, whatever it is."""
        with context(Client)(log, suppress=True):
            raise error

        assert events(log)[-1] is type(error)

    @pytest.mark.parametrize("error", [StopIteration(), StopAsyncIteration(), KeyboardInterrupt()])
    def test_error_of_any_kind(
        self, context: ToSyncContext, log: list[Any], error: BaseException
    ) -> None:
        """An exception that means something to generators goes through as well."""
        with pytest.raises(type(error)) as caught, context(Client)(log):
            raise error

        assert caught.value is error

    def test_error_of_the_function(self, context: ToSyncContext) -> None:
        """What the function raises is raised on entering."""
        error = Special()

        def connect() -> AbstractAsyncContextManager[None]:
            raise error

        manager = context(connect)()
        with pytest.raises(Special) as caught:
            manager.__enter__()

        assert caught.value is error

    @pytest.mark.parametrize("result", [None, 1, [1]])
    def test_wrong_kind(self, context: ToSyncContext, result: object) -> None:
        """A result that cannot be entered is a TypeError that names the function."""

        def wrong() -> Any:
            return result

        manager = context(wrong)()
        with pytest.raises(TypeError, match=r"wrong\(\) returned .* not an async context manager"):
            manager.__enter__()

    def test_coroutine(self, context: ToSyncContext) -> None:
        """So is a coroutine, which is closed, and an async generator."""

        async def wrong() -> None: ...

        async def generate() -> AsyncIterator[None]:
            yield

        untyped: Any = context
        for function in (wrong, generate, functools.partial(wrong)):
            with pytest.raises(TypeError, match=r"(wrong|generate)\(\) returned .*to_sync\(\)"):
                untyped(function)().__enter__()

    def test_half_a_context_manager(self, context: ToSyncContext) -> None:
        """So is what can only be entered."""

        class Half:
            async def __aenter__(self) -> None: ...

        half: Any = Half
        with pytest.raises(TypeError, match=r"Half\(\) returned"):
            context(half)().__enter__()

    def test_context_variables(self, context: ToSyncContext) -> None:
        """They go to the function as they are on entering, and its changes come back."""
        variable = ContextVar("variable", default=0)

        @context
        @asynccontextmanager
        async def add() -> AsyncGenerator[int, None]:
            variable.set(variable.get() + 1)
            yield variable.get()
            variable.set(variable.get() + 1)

        manager = add()
        variable.set(10)
        with manager as value:
            assert (value, variable.get()) == (11, 11)
        assert variable.get() == 12

    def test_task_group(self, context: ToSyncContext) -> None:
        """A task group holds during the block; its error ends it."""
        error = Special()

        async def crash() -> None:
            raise error

        with pytest.raises(ExceptionGroup) as caught, context(asyncio.TaskGroup)() as group:
            asyncio.run_coroutine_threadsafe(_in_group(group, crash), _loop_of(group)).result(LIMIT)

        assert caught.value.exceptions == (error,)

    def test_timeout(self, executor: AsyncExecutor, log: list[Any]) -> None:
        """With a time limit for entering, what takes too long is cancelled."""
        with Gate() as gate:

            @to_sync_context(timeout=0.3, executor=executor)
            @asynccontextmanager
            async def slow() -> AsyncGenerator[None, None]:
                try:
                    await gate.wait()
                    yield
                finally:
                    log.append("cleaned up")

            manager = slow()
            with pytest.raises(TimeoutError, match=r"slow\(\) .* 0.3 seconds"):
                manager.__enter__()

            until(lambda: log == ["cleaned up"])

    def test_shutdown(self, executor: AsyncExecutor, context: ToSyncContext) -> None:
        """After the shutdown, entering is refused."""
        manager = context(Client)([])
        executor.shutdown()

        with pytest.raises(InvalidStateError, match="after shutdown"), manager as client:
            assert client.log == []

    def test_loops(self, executor: AsyncExecutor, context: ToSyncContext, log: list[Any]) -> None:
        """On the own loop entering is an error, on a foreign one a warning; making is neither."""

        async def enter() -> None:
            with context(Client)(log) as client:
                assert client.log is log

        with pytest.raises(DeadlockError, match=r"Client\(\) was called on the event loop"):
            executor.submit(enter).result(LIMIT)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            asyncio.run(enter())

        assert [(each.category, each.filename) for each in caught] == [
            (BlockingCallWarning, __file__)
        ]

    def test_method_and_looks(self, executor: AsyncExecutor) -> None:
        """It works on methods of all kinds and keeps their looks."""

        class Shop:
            @to_sync_context(executor=executor)
            @asynccontextmanager
            async def transaction(self, name: str) -> AsyncGenerator[str, None]:
                """Begin."""
                yield name

            @to_sync_context(executor=executor)
            @classmethod
            @asynccontextmanager
            async def of_class(cls, name: str) -> AsyncGenerator[str, None]:
                yield cls.__name__ + name

        with Shop().transaction("a") as name:
            assert name == "a"
        above: Any = Shop
        with above.of_class("a") as name:
            assert name == "Shopa"
        method: Any = Shop.transaction
        assert (method.__name__, method.__doc__) == ("transaction", "Begin.")
        shown = "(self, name: str) -> contextlib.AbstractContextManager[str, bool | None]"
        assert str(inspect.signature(method)) == shown
        assert inspect.get_annotations(above.of_class)["return"] == Manager[str, bool | None]

    @pytest.mark.usefixtures("default_executor")
    def test_default_executor(self) -> None:
        """Without options it runs on the default executor."""
        with to_sync_context(Client)([]) as client:
            assert isinstance(client, Client)

    def test_not_a_function(self) -> None:
        """Only functions can be decorated."""
        wrong: Any = to_sync_context

        with pytest.raises(TypeError, match=r"to_sync_context\(\) decorates"):
            wrong(1)


async def _in_group(group: asyncio.TaskGroup, fn: Callable[[], Any]) -> None:
    group.create_task(fn())


def _loop_of(group: asyncio.TaskGroup) -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = vars(group)["_loop"]
    return loop


class Stream:
    """Can only be iterated, and has to be closed."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log
        self.items = iter(range(3))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> int:
        await asyncio.sleep(0)
        for item in self.items:
            self.log.append((item, asyncio.current_task()))
            return item
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.log.append(("closed", asyncio.current_task()))


class Layered:
    """Can be awaited, which gives something else; what is given counts."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, None, Any]:
        yield from asyncio.sleep(0).__await__()
        return self.value

    def __aiter__(self) -> AsyncIterator[Any]:
        raise AssertionError("what it gives is iterated")


class AwaitedToItself:
    """Can be awaited once, which gives itself, and then iterated, as some clients."""

    def __init__(self) -> None:
        self.awaited = 0

    def __await__(self) -> Generator[Any, None, Self]:
        self.awaited += 1
        yield from asyncio.sleep(0).__await__()
        return self

    async def __aiter__(self) -> AsyncIterator[int]:
        yield self.awaited


async def of_coroutine(value: Any) -> Any:
    """Return `value` later."""
    await asyncio.sleep(0)
    return value


@asynccontextmanager
async def of_manager(value: Any) -> AsyncGenerator[Any, None]:
    """Give `value` on entering."""
    yield value


async def three() -> AsyncGenerator[int, None]:
    """Yield three numbers."""
    for number in range(3):
        await asyncio.sleep(0)
        yield number


KINDS: dict[str, Callable[[], Any]] = {
    "async generator function": three,
    "iterable": lambda: Client([]).__aiter__(),
    "iterator": lambda: Stream([]),
    "coroutine": lambda: of_coroutine(three()),
    "coroutine of a coroutine": lambda: of_coroutine(of_coroutine(three())),
    "manager": lambda: of_manager(three()),
    "manager of a manager": lambda: of_manager(of_manager(three())),
    "coroutine of a manager": lambda: of_coroutine(of_manager(three())),
    "manager of a coroutine": lambda: of_manager(of_coroutine(three())),
    "client that gives itself": lambda: Client([]),
    "coroutine of a client": lambda: of_coroutine(Client([])),
    "awaitable and iterable": lambda: Layered(three()),
    "awaitable of a manager": lambda: Layered(of_manager(Layered(three()))),
}


class TestIter:
    """`to_sync_iter`."""

    @pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
    def test_kinds(self, iterate: ToSyncIter, make: Callable[[], Any]) -> None:
        """What can be entered is entered, else awaited; what comes of it is treated the same."""
        assert [*iterate(make)()] == [0, 1, 2]

    def test_generator_function(self, iterate: ToSyncIter) -> None:
        """It is a generator function."""
        untyped: Any = iterate
        for make in KINDS.values():
            assert inspect.isgeneratorfunction(untyped(make))

    def test_end(self, iterate: ToSyncIter, log: list[Any]) -> None:
        """A client is entered, iterated and left, not awaited, in one task."""
        assert [*iterate(Client)(log)] == [0, 1, 2]

        assert events(log) == ["made", "entered", 0, 1, 2, "closed", None]

    def test_break(self, iterate: ToSyncIter, log: list[Any]) -> None:
        """It is closed and left where the loop is left."""
        for _ in iterate(Client)(log):
            break

        assert events(log) == ["made", "entered", 0, "closed", GeneratorExit]

    def test_error_in_the_body(self, iterate: ToSyncIter, log: list[Any]) -> None:
        """So it is where the body raises."""
        with pytest.raises(Special):
            for _ in iterate(Client)(log):
                raise Special

        gc.collect()
        assert events(log) == ["made", "entered", 0, "closed", GeneratorExit]

    def test_thrown(self, iterate: ToSyncIter, log: list[Any]) -> None:
        """What is thrown is raised at the `yield`, reaches the manager and goes on."""
        error = Special()
        generator = iterate(Client)(log)
        next(generator)

        with pytest.raises(Special) as caught:
            generator.throw(error)

        assert caught.value is error
        assert events(log) == ["made", "entered", 0, "closed", Special]
        assert [*generator] == []

    def test_thrown_and_handled(self, iterate: ToSyncIter) -> None:
        """An async generator that handles what is thrown goes on."""

        async def handle() -> AsyncGenerator[object, None]:
            try:
                yield 1
            except Special as error:
                yield error
            yield 2

        generator = iterate(lambda: of_coroutine(handle()))()
        error = Special()

        assert next(generator) == 1
        assert generator.throw(error) is error
        assert [*generator] == [2]

    def test_error_of_an_item(self, iterate: ToSyncIter, log: list[Any]) -> None:
        """An error of the iteration reaches the manager and is raised."""
        error = Special()

        class Failing(Client):
            @override
            async def __aiter__(self) -> AsyncGenerator[int, None]:
                yield 1
                raise error

        generator = iterate(Failing)(log)
        next(generator)
        with pytest.raises(Special) as caught:
            next(generator)

        assert caught.value is error
        assert events(log) == ["made", "entered", Special]

    def test_suppressed(self, iterate: ToSyncIter, log: list[Any]) -> None:
        """A manager that suppresses it ends the iteration."""

        class Failing(Client):
            @override
            async def __aiter__(self) -> AsyncGenerator[int, None]:
                yield 1
                raise Special

        assert [*iterate(Failing)(log, suppress=True)] == [1]

    def test_iterator_that_is_to_be_closed(self, iterate: ToSyncIter, log: list[Any]) -> None:
        """What has `aclose` is closed where the loop is left."""
        for _ in iterate(Stream)(log):
            break

        assert events(log) == [0, "closed"]

    def test_awaited_once(self, iterate: ToSyncIter) -> None:
        """What gives itself when it is awaited is awaited once."""
        assert [*iterate(AwaitedToItself)()] == [1]

    def test_second_layer_that_fails(self, iterate: ToSyncIter, log: list[Any]) -> None:
        """What was entered is left where the rest cannot be opened."""
        error = Special()

        async def fail() -> AsyncIterator[int]:
            raise error

        class Outer(Client):
            @override
            async def __aenter__(self) -> Any:
                _ = await super().__aenter__()
                return fail()

        with pytest.raises(Special) as caught:
            _ = next(iterate(Outer)(log))

        assert caught.value is error
        assert events(log) == ["made", "entered", Special]

    def test_nothing_before(
        self, executor: AsyncExecutor, iterate: ToSyncIter, log: list[Any]
    ) -> None:
        """Nothing starts before the first item, whatever the arguments."""
        opened: Callable[..., Any] = iterate(Client)
        opened(log).close()
        wrong = opened()

        assert executor._loop_thread._run.thread is None
        with pytest.raises(TypeError, match="log"):
            next(wrong)
        assert log == []

    @pytest.mark.parametrize(
        "make", [lambda: 1, lambda: [1], lambda: of_coroutine(1), lambda: of_manager(None)]
    )
    def test_wrong_kind(self, iterate: ToSyncIter, make: Callable[[], Any]) -> None:
        """What gives nothing to iterate is a TypeError at the first item, with the name."""
        make.__qualname__ = "Shop.load"
        generator = iterate(make)()

        with pytest.raises(TypeError, match=r"Shop\.load\(\) gave .* not an async iterable"):
            next(generator)

    def test_mock(self, iterate: ToSyncIter) -> None:
        """A mock, which can be entered without end, ends."""
        assert [*iterate(MagicMock())()] == []

    def test_coroutine_that_gives_itself(self, iterate: ToSyncIter) -> None:
        """A coroutine that was awaited is not awaited again."""
        box: list[Any] = []

        async def give() -> Any:
            return box.pop()

        def make() -> Any:
            box.append(give())
            return box[0]

        generator = iterate(make)()
        with pytest.raises(TypeError, match=r"make\(\) gave <coroutine"):
            next(generator)

    def test_timeout_of_an_item(self, executor: AsyncExecutor, log: list[Any]) -> None:
        """With a time limit, an item that takes too long is cancelled and the manager left."""
        with Gate() as gate:

            class Slow(Client):
                @override
                async def __aiter__(self) -> AsyncGenerator[int, None]:
                    yield 1
                    await gate.wait()

            generator = to_sync_iter(timeout=0.3, executor=executor)(Slow)(log)
            next(generator)
            with pytest.raises(TimeoutError, match=r"Slow\(\) .* 0.3 seconds"):
                next(generator)
            until(lambda: events(log)[-1] is asyncio.CancelledError)

    def test_timeout_across_items(self, iterate: ToSyncIter) -> None:
        """`asyncio.timeout` in an async generator holds from one item to the next."""

        async def numbers() -> AsyncGenerator[int, None]:
            async with asyncio.timeout(0.05):
                yield 1
                await asyncio.sleep(LIMIT)

        generator = iterate(lambda: of_manager(numbers()))()
        next(generator)
        with pytest.raises(TimeoutError):
            next(generator)

    def test_timeout_between_items(self, executor: AsyncExecutor, iterate: ToSyncIter) -> None:
        """It does so too where it passes between two items."""

        async def numbers() -> AsyncGenerator[int, None]:
            async with asyncio.timeout(0.01):
                yield 1
            yield 2

        generator = iterate(lambda: of_coroutine(numbers()))()
        next(generator)
        until(lambda: not executor.tasks)
        with pytest.raises(TimeoutError):
            next(generator)

    def test_cancelled_between_items(
        self, executor: AsyncExecutor, iterate: ToSyncIter, log: list[Any]
    ) -> None:
        """A task that is cancelled between two items closes and leaves the client."""
        generator = iterate(Client)(log)
        next(generator)
        loop = executor._loop_thread._run
        (task,) = executor.tasks
        loop.call_soon(task.cancel)
        until(lambda: not executor.tasks)

        assert events(log)[-2:] == ["closed", asyncio.CancelledError]
        with pytest.raises(CancelledError):
            next(generator)

    def test_context_variables(self, iterate: ToSyncIter) -> None:
        """They are those of the first item, and changes come back with each item."""
        variable = ContextVar("variable", default=0)

        async def read() -> AsyncGenerator[int, None]:
            for _ in range(2):
                variable.set(variable.get() + 1)
                yield variable.get()

        generator = iterate(lambda: of_coroutine(read()))()
        variable.set(10)

        assert (next(generator), variable.get()) == (11, 11)
        variable.set(20)
        assert (next(generator), variable.get()) == (21, 21)
        generator.close()

    def test_method_and_looks(self, executor: AsyncExecutor) -> None:
        """It works on methods of all kinds and keeps their looks."""

        class Shop:
            @to_sync_iter(executor=executor)
            async def orders(self, customer: str) -> AsyncGenerator[str, None]:
                """Stream."""
                yield customer

            @to_sync_iter(executor=executor)
            @staticmethod
            async def created(text: str) -> AsyncIterator[str]:
                return of_one(text)

        async def of_one(text: str) -> AsyncIterator[str]:
            yield text

        assert [*Shop().orders("a")] == ["a"]
        below: Any = Shop
        assert [*below.created("b")] == ["b"]
        method: Any = Shop.orders
        assert (method.__name__, method.__doc__) == ("orders", "Stream.")
        shown = "(self, customer: str) -> collections.abc.Generator[str, None, None]"
        assert str(inspect.signature(method)) == shown
        assert inspect.get_annotations(below.created)["return"] == Generator[str, None, None]

    def test_exceptions_die_without_the_collector(self, iterate: ToSyncIter) -> None:
        """An exception that was thrown and handled is freed at once."""
        freed = threading.Event()

        class Dying(Exception):
            def __del__(self) -> None:
                freed.set()

        async def handle() -> AsyncGenerator[int, None]:
            for _ in range(3):
                try:
                    yield 1
                except Dying:
                    pass

        gc.disable()
        try:
            generator = iterate(handle)()
            next(generator)
            generator.throw(Dying())
            assert freed.wait(LIMIT)
            generator.close()
        finally:
            gc.enable()

    @pytest.mark.usefixtures("default_executor")
    def test_default_executor(self) -> None:
        """Without options it runs on the default executor."""
        assert [*to_sync_iter(three)()] == [0, 1, 2]

    def test_in_another_thread(self, iterate: ToSyncIter) -> None:
        """It can be begun in one thread and go on in another."""
        generator = iterate(three)()
        next(generator)

        assert in_thread(list, generator).result(LIMIT) == [1, 2]


@frees_at_once
def test_arguments_are_not_kept(iterate: ToSyncIter) -> None:
    """The task keeps no argument that the function has let go of."""

    class Argument: ...

    async def alive(reference: weakref.ref[Argument]) -> AsyncGenerator[bool, None]:
        yield reference() is not None

    def make(argument: Argument) -> AsyncGenerator[bool, None]:
        return alive(weakref.ref(argument))

    assert [*iterate(make)(Argument())] == [False]


@pytest.mark.usefixtures("default_executor")
def test_to_sync_awaits(log: list[Any]) -> None:
    """`to_sync` awaits what can be awaited, entered and iterated."""
    awaited: Callable[..., Awaitable[Client]] = Client

    assert isinstance(to_sync(awaited)(log), Client)
    assert events(log) == ["made", "awaited"]
