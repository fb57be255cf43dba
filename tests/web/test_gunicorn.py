"""A Flask application behind gunicorn, whose workers are forked after the executor has started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from support import LIMIT, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn is not for Windows")
pytest.importorskip("flask", reason="needs Flask")

HERE: Final = Path(__file__).parent
WORKERS: Final = 2
START: Final = 30.0  # seconds that the server may take on a busy machine


class Server:
    """A gunicorn process. It takes any free port and says which."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "log"
        command = [
            *(sys.executable, "-m", "gunicorn", "--preload", "--workers", str(WORKERS)),
            *("--threads", "4", "--bind", "127.0.0.1:0", "--graceful-timeout", "5"),
            *("--chdir", str(HERE), "application:app"),
        ]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    @property
    def log(self) -> str:
        """What it has written."""
        return self._log.read_text()

    @property
    def url(self) -> str:
        """Where it listens."""
        deadline = time.monotonic() + START
        while "Listening at: " not in self.log:
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)
        return self.log.split("Listening at: ")[1].split()[0]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process that forks the workers."""
        self._process.send_signal(number)

    def stop(self) -> int:
        """End it and return its exit status."""
        try:
            self.signal(signal.SIGTERM)
            return self._process.wait(START)
        finally:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that runs, and ends cleanly."""
    server = Server(tmp_path)
    yield server
    assert server.stop() == 0
    assert "Traceback" not in server.log, server.log
    assert "SIGSEGV" not in server.log, server.log
    assert "Task was destroyed" not in server.log, server.log


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
def test_no_request_hangs_or_is_answered_wrongly(server: Server) -> None:
    """Every request is answered, and rightly: by the workers at the start, while one is killed,
    and while all are replaced.
    """
    url = server.url

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
        server.signal(signal.SIGHUP)
        asking.result()
    old = first | second
    until(lambda: not ask_in_parallel(url, 3)[0] & old)
