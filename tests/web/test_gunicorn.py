"""A Flask application behind gunicorn, whose workers are forked after the executor has started."""

import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from programs import Program
from support import LIMIT, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn is not for Windows")
pytest.importorskip("flask", reason="needs Flask")

HERE: Final = Path(__file__).parent
WORKERS: Final = 2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Program]:
    """A server that runs, and ends cleanly."""
    command = [
        *(sys.executable, "-m", "gunicorn", "--preload", "--workers", str(WORKERS)),
        *("--threads", "4", "--bind", "127.0.0.1:0", "--graceful-timeout", "5"),
        *("--chdir", str(HERE), "application:app"),
    ]
    with Program(command, tmp_path) as server:
        yield server
        server.stop()


class Client:
    """Asks for answers and checks each. It asks again when the worker was killed meanwhile."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self.processes: set[int] = set()
        self.retries = 0

    def get(self, path: str) -> dict[str, Any]:
        """Return an answer; LIMIT seconds without one are an error."""
        for _ in range(20):
            try:
                response = self._session.get(self._url + path, timeout=LIMIT)
            except requests.ReadTimeout:
                raise
            except requests.ConnectionError:
                self.retries += 1
                continue
            assert response.status_code == 200, response.text
            answer: dict[str, Any] = response.json()
            return answer
        pytest.fail("no connection")

    def ask(self, count: int) -> None:
        """Ask for `count` squares and as many sums."""
        for number in range(count):
            answer = self.get(f"/square/{number}")
            assert answer["square"] == number * number
            assert answer["process"] != answer["parent"]
            self.processes.add(answer["process"])
            answer = self.get(f"/sum/{number}")
            assert answer["sum"] == sum(n * n for n in range(number))
            self.processes.add(answer["process"])


def ask_in_parallel(url: str, count: int) -> tuple[set[int], int]:
    """Have four clients ask, and return which processes have answered, and how many retries."""
    clients = [Client(url) for _ in range(4)]
    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(Client.ask, clients, [count] * len(clients)))
    processes = set[int]().union(*(client.processes for client in clients))
    return processes, sum(client.retries for client in clients)


@pytest.mark.timeout(180)
def test_no_request_hangs_or_is_answered_wrongly(server: Program) -> None:
    """Every request is answered, and rightly: by the workers at the start, while one is killed,
    and while all are replaced.
    """
    url = server.until_says("Listening at: ").split()[0]

    first, retries = ask_in_parallel(url, 20)
    assert len(first) <= WORKERS
    assert retries == 0
    assert Client(url).get("/unfinished") == {"error": "BrokenExecutor"}

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask_in_parallel, url, 40)
        os.kill(min(first), signal.SIGKILL)
        second, _ = asking.result()
    until(lambda: bool(ask_in_parallel(url, 3)[0] - first))  # another one has taken its place

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask_in_parallel, url, 40)
        server.send(signal.SIGHUP)
        asking.result()
    old = first | second
    until(lambda: not ask_in_parallel(url, 3)[0] & old)
