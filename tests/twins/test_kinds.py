"""What is async: classes and objects that say so in various ways, and those that do not."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support import LIMIT, MakeExecutor, run_python

from aiofutures import (
    AsyncExecutor,
    BrokenExecutor,
    CancelledError,
    Future,
    sync_class,
    unwrap,
)
from aiofutures._twins import outcomes

if TYPE_CHECKING:
    from nowhere import AsyncThings, Things  # type: ignore[import-not-found]


@pytest.fixture
def executor(make_executor: MakeExecutor) -> AsyncExecutor:
    """An executor over each kind of event loop."""
    return make_executor(thread_name_prefix="home")


async def answer(*_: object) -> int:
    """An async function."""
    return 42


class Raw:
    """An object whose async functions are attributes of its own."""

    def __init__(self) -> None:
        self.create = answer


class AsyncRaw(Raw):
    """Such an object with a telling name."""


class Chat:
    """Leads to one; only type checkers know by the annotation."""

    @property
    def raw(self) -> AsyncThings:
        """The object."""
        return AsyncRaw()

    def plain(self) -> Things:
        """Anything."""
        return 1


class NamedChat:
    """Leads to one of a class that is async by its objects."""

    @property
    def raw(self) -> AsyncRaw:
        """The object."""
        return AsyncRaw()


class Pages:
    """Async items."""

    def __aiter__(self) -> Pages:
        return self

    async def __anext__(self) -> int:
        raise StopAsyncIteration

    async def count(self) -> int:
        """Return their number."""
        return 3


class Paginator:
    """Makes pages of a class that is an attribute."""

    PAGES = Pages

    def paginate(self, *_: object) -> Any:
        """Return the pages."""
        return self.PAGES()


class Group:
    """Async by an object in an attribute."""

    def __init__(self) -> None:
        self.pages = Pages()
        self.name = "group"


class Client:
    """Returns all of them."""

    def __init__(self) -> None:
        self.group = Group()
        self.sent: list[asyncio.Future[Pages]] = []
        self.waiting: asyncio.Future[Pages] | None = None
        self.closed_on = ""

    async def chat(self) -> Any:
        """Return what only type checkers know to be async."""
        return Chat()

    async def named_chat(self) -> Any:
        """Return what leads to something async."""
        return NamedChat()

    def paginator(self) -> Any:
        """Return what makes pages."""
        return Paginator()

    async def send(self) -> asyncio.Future[Pages]:
        """Return what will be there later."""
        self.waiting = asyncio.get_running_loop().create_future()
        self.sent.append(self.waiting)
        return self.waiting

    async def fail(self, error: Exception) -> None:
        """Let it fail."""
        self.sent[0].set_exception(error)

    def waits(self, number: int) -> asyncio.Future[Pages]:
        """Return what was sent."""
        return self.sent[number]

    async def cancel_all(self) -> None:
        """Cancel what was sent."""
        for each in self.sent:
            each.cancel()

    async def call_back(self, callback: Callable[[], None]) -> str:
        """Call it on the loop."""
        callback()
        return self.closed_on

    async def echo(self, value: Any) -> Any:
        """Return the same object."""
        return value

    async def arrive(self) -> None:
        """Let it be there."""
        assert self.waiting is not None
        self.waiting.set_result(Pages())

    def close(self) -> None:
        """Note where it runs."""
        self.closed_on = threading.current_thread().name

    @classmethod
    @functools.cache
    def made(cls) -> int:
        """A class method of what is no function."""
        return 1


@pytest.fixture
def client(executor: AsyncExecutor) -> Any:
    """A twin."""
    return sync_class(Client, executor=executor)()


PATHS: dict[str, Callable[[Any], Any]] = {
    "unknown annotation": lambda client: client.chat().raw.create() == 42,
    "plain beside it": lambda client: client.chat().plain() == 1,
    "class with a telling name": lambda client: client.named_chat().raw.create() == 42,
    "class in an attribute": lambda client: client.paginator().paginate(1).count() == 3,
    "object in an attribute": lambda client: client.group.pages.count() == 3,
    "class method of no function": lambda client: client.made() == 1,
}


@pytest.mark.parametrize("name", PATHS)
def test_paths(client: Any, name: str) -> None:
    """Everything async is a twin, however it says so."""
    assert PATHS[name](client)


def test_future(client: Any) -> None:
    """A future that a coroutine method returns is one to wait for; the wait can be given up."""
    future = client.send()
    waiting = unwrap(client).waiting

    assert isinstance(future, Future)
    assert future.cancel()
    assert concurrent.futures.wait([future], LIMIT).done
    assert not waiting.cancelled()


def test_result_of_a_future(client: Any) -> None:
    """Its result is a twin."""
    future = client.send()
    client.arrive()

    assert future.result(LIMIT).count() == 3


def test_future_that_nobody_finishes(make_executor: MakeExecutor) -> None:
    """It takes no place, and the same one comes for the same future."""
    client: Any = sync_class(Client, executor=make_executor(max_workers=1))()
    future = client.send()

    assert client.waiting is client.waiting is future
    client.arrive()
    assert future.result(LIMIT).count() == 3


def test_future_that_fails(client: Any) -> None:
    """Its error, or its cancellation, is that of the original."""
    failed, cancelled = client.send(), client.send()
    client.fail(ValueError("wrong"))
    with pytest.raises(ValueError, match="wrong"):
        client.waits(0).result(LIMIT)
    assert str(failed.exception(LIMIT)) == "wrong"
    client.cancel_all()
    with pytest.raises(CancelledError):
        cancelled.result(LIMIT)


def test_future_of_a_loop_that_ends(make_executor: MakeExecutor) -> None:
    """It is cancelled where the event loop ends, which does not wait for it."""
    executor = make_executor()
    client: Any = sync_class(Client, executor=executor)()
    future = client.send()

    executor.shutdown()

    assert future.cancelled()


def test_future_after_a_fork() -> None:
    """In a forked child it fails at once; nothing keeps the program from ending."""
    output = run_python(
        """
        import asyncio, sys, warnings
        sys.path.insert(0, "tests")
        from aiofutures import sync_class
        from support import in_child
        warnings.simplefilter("ignore", DeprecationWarning)

        class Client:
            async def send(self):
                return asyncio.get_running_loop().create_future()

        future = sync_class(Client)().send()
        in_child(lambda: print(type(future.exception(5)).__name__, flush=True))
        print("end")
        """
    )

    assert output == "BrokenExecutor\nend\n"


def test_future_that_is_abandoned(client: Any) -> None:
    """That of a parent process fails in a forked child, but not one that is done."""
    done = client.send()
    client.arrive()
    done.result(LIMIT)
    future = client.send()

    outcomes._abandons.abandon()

    assert isinstance(future.exception(LIMIT), BrokenExecutor)
    assert done.exception(LIMIT) is None


def test_sync_method_in_a_callback(client: Any) -> None:
    """On its own loop a method of such a name runs as it is."""
    assert client.call_back(client.close).startswith("home")


def test_objects_of_a_derived_class(executor: AsyncExecutor) -> None:
    """What generators and managers give is of the user's class, as what methods return is."""

    class AsyncMade:
        @classmethod
        @asynccontextmanager
        async def connected(cls) -> AsyncIterator[Any]:
            yield cls()

        @classmethod
        async def several(cls) -> AsyncIterator[Any]:
            yield cls()

        async def more(self) -> AsyncIterator[Any]:
            yield type(self)()

    class Mine(sync_class(AsyncMade, executor=executor)):  # type: ignore[misc]  # it is Any
        pass

    with Mine.connected() as mine:
        found = [mine, *Mine.several(), *mine.more()]
    assert [type(each) for each in found] == [Mine] * 3


def test_proxies(client: Any) -> None:
    """An object that does not even say what it is can be passed and returned."""

    def outside(_: object) -> None:
        raise RuntimeError

    proxy = type("Proxy", (), {"__class__": property(outside)})()
    assert client.echo(proxy) is proxy
    unwrap(client).group = proxy
    assert client.group is proxy


def test_long_chains(executor: AsyncExecutor) -> None:
    """Hundreds of classes that lead to each other are looked at in no time."""
    chain: Any = int
    for _ in range(400):

        def get(self: object) -> int:
            return 1

        get.__annotations__["return"] = chain
        chain = type("Chain", (), {f"get{number}": get for number in range(8)})

    class Last:
        async def chain(self) -> Any:
            return chain()

    begun = time.monotonic()
    assert type(sync_class(Last, executor=executor)().chain()) is chain
    assert time.monotonic() - begun < LIMIT


def test_names_that_wake(client: Any) -> None:
    """A sync method such as `close` runs on the loop thread."""
    client.close()

    assert client.closed_on.startswith("home")
