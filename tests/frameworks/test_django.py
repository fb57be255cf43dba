"""A Django project: its own tests, and its views behind servers."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from integration.conftest import postgresql_url
from programs import START, Program
from support import LIMIT

__all__ = ["postgresql_url"]

for package in ("django", "psycopg", "uvicorn", "gunicorn"):
    pytest.importorskip(package, reason=f"needs {package}")
pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn is not for Windows"),
    pytest.mark.timeout(120),
]

PROJECT: Final = Path(__file__).parent / "django_project"
RELOADING: Final = 5.0  # seconds in which a server sees a change, unless it comes too early


def manage(environment: dict[str, str], *arguments: str) -> str:
    """Run a command of the project, which must not fail; return what it writes."""
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "manage.py", *arguments],
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=START,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def environment(postgresql_url: str) -> dict[str, str]:
    """The variables of a project whose tables are in PostgreSQL, and empty."""
    environment = {"DATABASE_URL": postgresql_url}
    manage(environment, "migrate", "--run-syncdb")
    manage(environment, "flush", "--no-input")
    return environment


class TestSuite:
    """The tests of the project, as `manage.py test` runs them."""

    def test_sqlite(self, tmp_path: Path) -> None:
        """They pass on SQLite."""
        output = manage({"DATABASE_FOLDER": str(tmp_path)}, "test")

        assert "OK (skipped=1)" in output

    def test_postgresql(self, postgresql_url: str) -> None:
        """They pass on PostgreSQL, whose test database can be dropped at their end."""
        for _ in range(2):
            output = manage({"DATABASE_URL": postgresql_url}, "test", "--no-input")

            assert "\nOK\n" in output
            assert "Destroying test database" in output


class Server(Program):
    """A server of the project."""

    def __init__(self, command: Sequence[str], folder: Path, env: dict[str, str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = str(listener.getsockname()[1])
        arguments = [argument.replace("PORT", port) for argument in command]
        super().__init__([sys.executable, *arguments], folder, env=env, cwd=PROJECT)
        self.url = f"http://127.0.0.1:{port}/"

    def get(self, path: str, **options: Any) -> requests.Response:
        """Return the answer of a request, which must be a good one."""
        response = requests.get(self.url + path, timeout=LIMIT, **options)
        assert response.status_code == 200, response.text + self.log
        return response

    def answers(self) -> bool:
        """Tell whether it answers."""
        try:
            return requests.get(self.url + "who", timeout=LIMIT).status_code == 200
        except requests.ConnectionError:
            return False

    def names(self) -> list[str]:
        """Return the names of all items."""
        return self.get("").text.split("\n")


@contextmanager
def serving(environment: dict[str, str], folder: Path, *command: str) -> Iterator[Server]:
    """Run a server, which must end when it is told to and write no traceback."""
    with Server(command, folder, environment) as server:
        server.until(server.answers)
        yield server
        # Not SIGINT: gunicorn would shut its pool down in the handler, while it may be submitting.
        server.send(signal.SIGTERM)
        server.process.wait(START)
    for bad in ("Traceback", "Task was destroyed", "never awaited"):
        assert bad not in server.log, server.log


GUNICORN: Final = (
    *("-m", "gunicorn", "--bind", "127.0.0.1:PORT", "--worker-class", "gthread"),
    *("--workers", "2", "--threads", "8", "shop.wsgi"),
)
UVICORN: Final = ("-m", "uvicorn", "--port", "PORT", "shop.asgi:application")


@pytest.fixture(params=["gunicorn", "uvicorn"])
def server(
    request: pytest.FixtureRequest, environment: dict[str, str], tmp_path: Path
) -> Iterator[Server]:
    """gunicorn with threads, and uvicorn."""
    command = GUNICORN if request.param == "gunicorn" else UVICORN
    with serving(environment, tmp_path, *command) as server:
        yield server


class TestServers:
    """The views of the project."""

    def test_transaction(self, server: Server) -> None:
        """What an async function adds goes with the transaction of the view."""
        server.get("add?name=one")
        assert server.get("add_or_not?name=two").json()["names"] == ["one", "first", "two"]

        bad = requests.get(server.url + "add_or_not?name=bad", timeout=LIMIT)

        assert bad.status_code == 500
        assert server.names() == ["one", "first", "two"]
        # The one that was asked for.
        server.forget("Traceback", 1)

    def test_languages(self, server: Server) -> None:
        """Each of many requests at once has its own language in its tasks."""
        languages = ["de", "fr", "en-us", "it"] * 25
        with ThreadPoolExecutor(25) as pool:
            answers = list(
                pool.map(lambda each: server.get(f"who?language={each}").json(), languages)
            )

        assert [answer["language"] for answer in answers] == languages
        assert all(answer["ticks"] for answer in answers)

    @pytest.mark.parametrize("path", ["submit", "async_submit"])
    def test_submitted(self, server: Server, path: str) -> None:
        """What a view submits, and waits for, does not need the thread of the request."""
        server.get("add?name=one")

        assert server.get(path).json() == [["one"], ["one"]]

    def test_restart_of_postgresql(self, server: Server) -> None:
        """When PostgreSQL has restarted, requests are answered as before."""
        backend = server.get("who").json()["backend"]
        # All of its processes end, and it recovers, as after a power cut.
        os.kill(backend, signal.SIGKILL)
        server.until(server.answers)

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: server.get("who").json(), range(64)))

        assert backend not in {answer["backend"] for answer in answers}
        # Those of the connections that were cut.
        server.forget("Traceback")


def test_client_that_goes_away(environment: dict[str, str], tmp_path: Path) -> None:
    """A stream whose client goes away is closed: its `finally` block runs."""
    with serving(environment, tmp_path, *GUNICORN) as server:
        with server.get("stream?language=de", stream=True) as response:
            assert next(response.iter_lines()).startswith(b"0 ")

        server.until(lambda: server.names()[-1] == "stream ends")


def test_async_view_by_itself(environment: dict[str, str], tmp_path: Path) -> None:
    """An async view that Django runs itself finds the thread of Django."""
    with serving(environment, tmp_path, *UVICORN) as server:
        assert server.get("async_who?language=de").json()["language"] == "de"


def test_development_server(environment: dict[str, str], tmp_path: Path) -> None:
    """The development server reloads while a background service runs."""
    command = ("manage.py", "runserver", "127.0.0.1:PORT")
    with serving({**environment, "DEBUG": "1"}, tmp_path, *command) as server:
        first = server.get("who").json()
        touched = 0.0

        def reloads() -> bool:
            # Again: it may answer before it has looked at its files for the first time.
            nonlocal touched
            if time.monotonic() > touched + RELOADING:
                (PROJECT / "shop" / "models.py").touch()
                touched = time.monotonic()
            return "reloading" in server.log

        server.until(reloads)
        # Not before: the old process, which is ending, may still answer, with an error.
        server.until_says("Quit the server", 2)
        server.until(server.answers)

        assert server.get("who").json()["pid"] != first["pid"]
