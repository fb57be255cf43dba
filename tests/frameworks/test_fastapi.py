"""FastAPI's sync endpoints, which run in threads."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGTERM
from typing import Final

import pytest
import requests
from programs import Program
from support import LIMIT

pytestmark = pytest.mark.timeout(120)

CLIENTS: Final = 40


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Program]:
    """A server that runs the application."""
    command = [
        *(sys.executable, "-m", "uvicorn", "--port", "0", "--timeout-graceful-shutdown", "5"),
        "frameworks.fastapi_application:app",
    ]
    with Program(command, tmp_path, cwd=Path(__file__).parent.parent) as server:
        yield server


def test_endpoints(server: Program) -> None:
    """Sync endpoints and dependencies call async functions, many at once, on one event loop with
    one client, which is closed when the server ends.
    """
    url = server.until_says("Uvicorn running on ").split()[0]

    def ask(number: int) -> object:
        return requests.get(f"{url}/load/{number}", timeout=LIMIT).json()

    with ThreadPoolExecutor(CLIENTS) as threads:
        answers = list(threads.map(ask, range(CLIENTS)))

    assert answers == [
        {"loaded": f"{number} by the client", "session": "session", "variable": str(number)}
        for number in range(CLIENTS)
    ]
    assert requests.get(f"{url}/threads", timeout=LIMIT).json() == 1
    gone = requests.get(f"{url}/missing", timeout=LIMIT)
    assert (gone.status_code, gone.json()) == (410, {"detail": "gone"})
    server.stop(status=-SIGTERM)
    assert server.log.count("session begins") == server.log.count("session ends") == CLIENTS
    assert server.log.count("opened\n") == server.log.count("closed\n") == 1


def test_stream_left(server: Program) -> None:
    """A client that goes away leaves the generator for Python to collect, which closes the async
    one, as Starlette does with every sync generator.
    """
    url = server.until_says("Uvicorn running on ").split()[0]

    with requests.get(f"{url}/stream", stream=True, timeout=LIMIT) as response:
        assert next(response.iter_lines()) == b"line"

    def is_closed() -> bool:
        requests.get(f"{url}/collect", timeout=LIMIT)
        return "stream closed" in server.log

    server.until(is_closed)
    server.stop(status=-SIGTERM)


def test_decorated_endpoint(server: Program) -> None:
    """FastAPI awaits what a decorated endpoint returns: that fails, and says where it blocked."""
    url = server.until_says("Uvicorn running on ").split()[0]

    assert requests.get(f"{url}/decorated/x", timeout=LIMIT).status_code == 500

    assert "BlockingCallWarning: get_decorated() blocks the running event loop" in server.log
