"""Methods of twins that tests and users replace, for instance by mocks."""

import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Self
from unittest.mock import AsyncMock, MagicMock, Mock, create_autospec, patch

import pytest
from support import LIMIT, MakeExecutor
from typing_extensions import override

from aiofutures import sync_class, unwrap
from twins import shop


class AsyncClient:
    """A client whose methods call each other."""

    def __init__(self) -> None:
        self.names = ["a", "b"]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def get(self, name: str) -> str:
        """Get."""
        return await self.fetch(name)

    async def fetch(self, name: str) -> str:
        """Fetch."""
        return f"real {name}"

    def title(self) -> str:
        """A sync method that another one calls."""
        return "real"

    def heading(self) -> str:
        """Call it."""
        return f"= {self.title()}"

    async def pages(self) -> AsyncIterator[str]:
        """Pages."""
        yield "real"

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[str]:
        """A manager."""
        yield "real"

    async def other(self) -> "AsyncClient":
        """Return another client."""
        return AsyncClient()

    @classmethod
    def named(cls) -> str:
        """A class method."""
        return cls.__name__

    @staticmethod
    def count() -> int:
        """A static method."""
        return 1

    async def kind(self, other: object) -> str:
        """Return the name of what arrives."""
        return type(other).__name__


@pytest.fixture
def Client(make_executor: MakeExecutor) -> Any:
    """The class of twins."""
    return sync_class(AsyncClient, executor=make_executor(), name="Client")


@pytest.fixture
def client(Client: Any) -> Any:
    """A twin."""
    return Client()


def test_mock(Client: Any, client: Any) -> None:
    """A mock takes the place of a method, of this twin alone, and can be asked."""
    with patch.object(client, "get", return_value="mocked") as get:
        assert client.get("x") == "mocked"
        assert client.get is get
        assert isinstance(client, Client)
        assert client.other().get("x") == Client().get("x") == "real x"
    get.assert_called_once_with("x")

    assert client.get("x") == "real x"
    assert type(client) is Client
    assert "get" not in vars(unwrap(client))


def test_autospec(client: Any) -> None:
    """A mock with the parameters of the method refuses others."""
    with patch.object(client, "get", autospec=True) as get, pytest.raises(TypeError):
        get()


def test_mock_of_the_class(Client: Any, client: Any) -> None:
    """The members of a mock with the class or a twin as its specification are sync, too."""
    for mock in (Mock(spec=client), MagicMock(spec=Client), create_autospec(Client)()):
        mock.get.return_value = 7
        assert mock.get("x") == 7
    mocked = create_autospec(Client)()
    mocked.__enter__.return_value.get.return_value = 7
    with pytest.raises(KeyError), mocked as entered:
        assert entered.get("x") == 7
        mocked.__exit__.return_value = False
        raise KeyError


def test_async_mock(client: Any) -> None:
    """An async function replaces the method of the original, for other methods too."""
    with patch.object(client, "fetch", AsyncMock(return_value="mocked")) as fetch:
        assert client.fetch("x") == client.get("y") == "mocked"
    assert [call.args for call in fetch.await_args_list] == [("x",), ("y",)]

    assert client.get("x") == client.fetch("x") == "real x"


def test_sync_method(client: Any) -> None:
    """A sync method is replaced in the original, too."""
    with patch.object(client, "title", return_value="mocked") as title:
        assert client.title is title
        assert (client.title(), client.heading()) == ("mocked", "= mocked")

    assert (client.title(), client.heading()) == ("real", "= real")


def test_several(Client: Any, client: Any) -> None:
    """Several methods are replaced and put back in any order, also as `monkeypatch` does it."""
    patches = pytest.MonkeyPatch()
    for name in ("get", "title", "named", "count", "get"):
        patches.setattr(client, name, lambda *_, name=name: f"fake {name}")
    assert client.get("x") == "fake get"
    assert (client.title(), client.heading()) == ("fake title", "= fake title")
    assert (client.named(), client.count()) == ("fake named", "fake count")
    with patch.object(client, "fetch") as fetch:
        assert (client.fetch, client.get("x")) == (fetch, "fake get")

    patches.undo()

    assert type(client) is Client
    assert (client.get("x"), client.heading()) == ("real x", "= real")
    assert (client.named(), client.count()) == ("AsyncClient", 1)
    assert vars(unwrap(client)) == {"names": ["a", "b"]}


def test_nested(client: Any) -> None:
    """The inner one of two patches leaves the outer one as it was."""
    with patch.object(client, "get", return_value="outer") as outer:
        with patch.object(client, "get", return_value="inner"):
            assert client.get("x") == "inner"
        assert client.get is outer
    with patch.object(client, "get", AsyncMock(return_value="outer")):
        with patch.object(client, "get", return_value="inner"):
            assert client.get("x") == "inner"
        assert client.get("x") == "outer"
    assert client.get("x") == "real x"


def test_async_functions_of_other_kinds(client: Any) -> None:
    """Async generator functions, managers and callables replace those of the original, too."""

    async def pages() -> AsyncIterator[str]:
        yield "fake"

    @asynccontextmanager
    async def opened() -> AsyncIterator[str]:
        yield "fake"

    class Fetcher:
        async def __call__(self, name: str) -> str:
            return f"fetched {name}"

    client.pages, client.opened, client.get = pages, opened, Fetcher()

    assert [*client.pages()] == ["fake"]
    with client.opened() as entered:
        assert entered == "fake"
    assert client.get("x") == "fetched x"


def test_mock_as_a_result(client: Any) -> None:
    """A mock that a method returns is that mock."""
    result = MagicMock()
    client.other = AsyncMock(return_value=result)

    assert client.other() is result
    client.other = AsyncMock(return_value=MagicMock(spec=list))
    assert isinstance(client.other(), list)
    client.other = AsyncMock(return_value=AsyncMock())
    assert not isinstance(client.other(), AsyncMock)
    client.other = AsyncMock(return_value=create_autospec(AsyncClient, instance=True))
    assert isinstance(unwrap(client.other()), AsyncClient)


def test_threads(client: Any) -> None:
    """Threads that patch different methods of one twin do not disturb each other."""
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def patch_often(name: str) -> None:
        for number in range(300):
            with patch.object(client, name, return_value=number) as mock:
                assert getattr(client, name) is mock

    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(patch_often, ["get", "fetch", "title", "heading"]))
    finally:
        sys.setswitchinterval(switch)
    assert client.get("x") == "real x"


def test_object_that_is_lent(make_executor: MakeExecutor) -> None:
    """An object that is lent while a method of it is replaced can be entered, before and after."""
    pool: Any = sync_class(shop.Pool, executor=make_executor())()
    connection = pool.take()
    pool.release(connection)
    with patch.object(connection, "number", return_value=7), pool.acquire() as lent:
        assert lent is connection
        assert lent.number() == 7
    assert connection.number() == 1
    with pool.acquire() as lent:
        assert lent.number() == 1


def test_replaced_in_turn(client: Any) -> None:
    """An async function takes the place of a sync one, and the other way round."""
    client.get = lambda name: f"sync {name}"
    client.get = AsyncMock(return_value="async")
    assert client.get("x") == "async"
    client.get = lambda name: f"sync {name}"
    assert client.get("x") == "sync x"

    del client.get

    assert client.get("x") == "real x"
    with pytest.raises(AttributeError):
        del client.get


def test_method_of_another_twin(Client: Any, client: Any) -> None:
    """The same method of another twin is another one."""
    other = Client()
    with patch.object(other, "get", return_value="mocked"):
        client.get = other.get
    assert client.get("x") == "mocked"


def test_object_of_a_subclass(Client: Any) -> None:
    """It works where a user's class overrides the method, too."""

    class Mine(Client):  # type: ignore[misc]  # it is Any
        def get(self, name: str) -> str:
            return f"mine {super().get(name)}"

    mine = Mine()
    with patch.object(mine, "get", return_value="mocked"):
        assert mine.get("x") == "mocked"
    assert mine.get("x") == "mine real x"
    with patch.object(mine, "fetch", return_value="mocked"):
        assert mine.fetch("x") == "mocked"
        assert mine.get("x") == "mine real x"


def test_class_that_is_told_of_subclasses(Client: Any) -> None:
    """A class learns of the subclasses that users write, and of no others."""
    told: list[str] = []

    class Meta(type):
        def __new__(
            cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], *, tag: str
        ) -> Any:
            return super().__new__(cls, name, bases, namespace, tag=tag)

        def __init__(cls, *args: Any, tag: str) -> None:
            super().__init__(*args)
            told.append(f"meta {tag}")

    class Mine(Client):  # type: ignore[misc]  # it is Any
        @override
        def __init_subclass__(cls, *, tag: str) -> None:
            told.append(tag)

    class Yours(Mine, metaclass=Meta, tag="yours"): ...

    yours = Yours()
    with patch.object(yours, "get", return_value="mocked"), yours:
        assert yours.get("x") == "mocked"
    assert yours.get("x") == "real x"
    assert told == ["yours", "meta yours"]


def test_original_that_waits(make_executor: MakeExecutor) -> None:
    """While an original's `__setattr__` runs, methods of other twins can be replaced."""
    entered, done = threading.Event(), threading.Event()

    class Slow(AsyncClient):
        @override
        def __setattr__(self, name: str, value: object) -> None:
            if name == "get":
                entered.set()
                assert done.wait(LIMIT)
            super().__setattr__(name, value)

    Client = sync_class(Slow, executor=make_executor())
    slow, other = Client(), Client()
    thread = threading.Thread(target=setattr, args=(slow, "get", AsyncMock(return_value="mocked")))
    thread.start()
    assert entered.wait(LIMIT)

    other.fetch = lambda name: "replaced"

    done.set()
    thread.join(LIMIT)
    assert slow.get("x") == "mocked"
    assert other.fetch("x") == "replaced"


def test_class(Client: Any, client: Any) -> None:
    """A mock in the class is for all its twins."""
    with patch.object(Client, "get", return_value="mocked"):
        assert client.get("x") == Client().get("x") == "mocked"
    assert client.get("x") == "real x"


def test_lent_twin(Client: Any, client: Any) -> None:
    """It can be entered as before."""
    with patch.object(client, "get", return_value="mocked"), client as entered:
        assert entered is client
        assert client.get("x") == "mocked"


def test_mocked_twin(Client: Any, client: Any) -> None:
    """A mock of a twin is an argument as any other object is."""
    assert client.kind(create_autospec(Client, instance=True)) == "NonCallableMagicMock"
    assert client.kind(Mock()) == "Mock"


def test_slots(make_executor: MakeExecutor) -> None:
    """An original that takes no attributes is left alone by a sync function."""

    class Slotted:
        __slots__ = ()

        async def get(self) -> int:
            return 1

    slotted: Any = sync_class(Slotted, executor=make_executor())()
    with patch.object(slotted, "get", return_value=2):
        assert slotted.get() == 2
    assert slotted.get() == 1
