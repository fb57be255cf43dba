"""What is async: classes and objects that say so in various ways, and those that do not."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from support import LIMIT, MakeExecutor

from aiofutures import AsyncExecutor, Future, sync_class, unwrap

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
        return self.waiting

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


def test_names_that_wake(client: Any) -> None:
    """A sync method such as `close` runs on the loop thread."""
    client.close()

    assert client.closed_on.startswith("home")
