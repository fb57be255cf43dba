"""A test suite that uses the package, as its users write one; `test_pytest` runs it."""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from unittest.mock import AsyncMock, call, patch

import pytest
import pytest_asyncio

from aiofutures import AsyncExecutor, BlockingCallWarning, run_async, shared, to_sync

logger = logging.getLogger(__name__)
variable = ContextVar("variable", default="unset")


class Client:
    """An async client."""

    def __init__(self) -> None:
        self.is_open = True

    async def load(self, name: str) -> str:
        """Load something."""
        await asyncio.sleep(0)
        logger.warning("loads %s", name)
        return f"{name} for {os.environ.get('USER_NAME', 'nobody')}"


@pytest.fixture
@to_sync
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Client, None]:
    """A client that is closed after the test."""
    assert tmp_path_factory.getbasetemp().exists()
    opened = Client()
    yield opened
    await asyncio.sleep(0)
    opened.is_open = False


@pytest.fixture(scope="session")
@to_sync
async def whole_session() -> AsyncGenerator[Client, None]:
    """A client for all tests."""
    opened = Client()
    yield opened
    await asyncio.sleep(0)
    print("session closed")


@pytest.fixture
def within(client: Client) -> str:
    """A fixture of a fixture."""
    return to_sync(client.load)("fixture")


@shared
@asynccontextmanager
async def connection() -> AsyncGenerator[str, None]:
    """A client for the whole process."""
    yield "connection"


closed: list[Client] = []


def test_fixture(client: Client) -> None:
    """The fixture has its client."""
    assert client.is_open
    closed.append(client)


def test_teardown() -> None:
    """The client of the test before was closed."""
    assert [each.is_open for each in closed] == [False]


def test_fixture_of_a_fixture(within: str, whole_session: Client) -> None:
    """Fixtures use each other."""
    assert within == "fixture for nobody"
    assert to_sync(whole_session.load)("x") == "x for nobody"


def test_monkeypatch(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is patched is patched on the event loop too."""
    monkeypatch.setenv("USER_NAME", "ann")
    assert to_sync(client.load)("x") == "x for ann"

    async def other(self: Client, name: str) -> str:
        return f"other {name}"

    monkeypatch.setattr(Client, "load", other)
    assert to_sync(client.load)("x") == "other x"


def test_caplog(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """What is logged on the event loop is seen."""
    to_sync(client.load)("x")

    assert caplog.messages == ["loads x"]


def test_capsys(capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed on the event loop is seen."""

    async def show() -> None:
        print("shown")

    to_sync(show)()

    assert capsys.readouterr().out == "shown\n"


def test_mock() -> None:
    """An AsyncMock is called and awaited; it can be an async generator and a context manager."""
    mock = AsyncMock(return_value=3)
    mock.stream.return_value.__aiter__.return_value = [1, 2]
    assert to_sync(mock)("x", key=1) == 3
    assert run_async(mock, "y").result(5) == 3
    assert mock.await_args_list == [call("x", key=1), call("y")]

    failing = AsyncMock(side_effect=[LookupError("x"), 4])
    with pytest.raises(LookupError):
        to_sync(failing)()
    assert to_sync(failing)() == 4

    with patch.object(Client, "load", autospec=True, return_value="patched") as load:
        assert to_sync(Client().load)("x") == "patched"
    load.assert_awaited_once()


def test_mapped() -> None:
    """An AsyncMock is called for each item."""
    mock = AsyncMock(side_effect=lambda number: number * 2)
    with AsyncExecutor() as executor:
        assert list(executor.map(mock, range(5))) == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("number", range(8))
def test_shared(number: int) -> None:
    """A shared client is there in every test, on the one event loop of the process."""
    assert connection() == "connection"
    threads = [thread.name for thread in threading.enumerate()]
    assert sum(name.startswith("aiofutures") for name in threads) == 1
    variable.set(str(number))


@pytest_asyncio.fixture
async def native() -> AsyncGenerator[str, None]:
    """A fixture of pytest-asyncio."""
    await asyncio.sleep(0)
    yield "native"


@pytest.mark.asyncio
async def test_beside(native: str, client: Client) -> None:
    """In a test of pytest-asyncio futures are awaited; both kinds of fixtures work."""
    assert await run_async(client.load, native) == "native for nobody"
    assert await connection == "connection"
    assert client.is_open

    with pytest.warns(BlockingCallWarning):
        assert to_sync(client.load)("x") == "x for nobody"
