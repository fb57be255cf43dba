"""The servers, each started once for all tests, where it is installed."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
import servers


def run(server: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """Run a server for a fixture, or skip the test where it is not installed."""
    try:
        running = server()
        url = running.__enter__()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    yield url
    running.__exit__(None, None, None)


@pytest.fixture(scope="session")
def http_url() -> Iterator[str]:
    """The URL of a web server: `/N` has N lines of 5,000 characters."""
    yield from run(servers.http_server)


@pytest.fixture(scope="session")
def websocket_url() -> Iterator[str]:
    """The URL of a WebSocket server that echoes."""
    yield from run(servers.websocket_server)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The URL of a PostgreSQL server."""
    yield from run(servers.postgresql_server)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a Redis server."""
    yield from run(servers.redis_server)
