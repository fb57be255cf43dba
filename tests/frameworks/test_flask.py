"""Flask, with `to_sync` in the place of its own `async_to_sync`."""

import asyncio
import gc
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import requests
from flask.testing import FlaskClient
from programs import Program
from support import LIMIT

from aiofutures import AsyncExecutor, to_sync

from .flask_application import app, calls, tokens

HERE = Path(__file__).parent
CLIENTS = 50
THREADED = ("--preload", "--threads", "25")


class TestViews:
    """Views in this process."""

    @pytest.fixture
    def client(self, default_executor: AsyncExecutor) -> Iterator[FlaskClient]:
        """Asks the application."""
        calls.clear()
        with app.test_client() as client:
            yield client

    def test_locals(self, client: FlaskClient) -> None:
        """Async views, and hooks before them, have the request, `g`, the session, and variables."""
        answers = [client.get("/locals/x", headers={"X-User": "ann"}).json for _ in range(2)]

        expected = {"name": "x", "user": "ann", "path": "/locals/x", "variable": "of ann"}
        assert answers == [
            {**expected, "visits": visits, "app": "Application"} for visits in ("1", "2")
        ]

    def test_hooks_after(self, client: FlaskClient) -> None:
        """Async hooks after a view run, with the request."""
        response = client.get("/locals/x", headers={"X-User": "ann"})
        client.get("/")  # ends the first one

        assert response.headers["X-Seen"] == "ann /locals/x"
        assert calls[0] == "ann: None"

    def test_errors(self, client: FlaskClient) -> None:
        """An error of an async view comes to its async handler, one of HTTP to Flask."""
        response = client.get("/raise/book", headers={"X-User": "ann"})

        assert (response.status_code, response.text) == (404, "ann has no book")
        assert client.get("/abort/418").status_code == 418

    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_stream(self, client: FlaskClient, kind: str) -> None:
        """An async generator is streamed, with the request, from sync and async views."""
        path = f"/{kind}-stream/3"
        response = client.get(path, headers={"X-User": "ann"})

        assert response.text == "".join(f"{path} ann {number}\n" for number in range(3))

    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_stream_left(self, client: FlaskClient, kind: str) -> None:
        """A client that goes away closes the async generator."""
        response = client.get(f"/{kind}-stream/1000000", buffered=False)
        assert next(iter(response.response)) == f"/{kind}-stream/1000000 nobody 0\n".encode()

        response.close()

        assert "stream closed" in calls

    @pytest.mark.parametrize(
        "path", ["/locals/x", "/raise/x", "/abort/418", "/sync-stream/3", "/async-stream/3"]
    )
    def test_request_is_freed(self, path: str, default_executor: AsyncExecutor) -> None:
        """Nothing keeps a request that was answered, not even until garbage is collected."""
        client = app.test_client()
        tokens.clear()
        gc.disable()
        try:
            client.get(path).close()
            to_sync(asyncio.sleep)(0)

            assert [token() for token in tokens] == [None]
        finally:
            gc.enable()

    def test_many(self, client: FlaskClient) -> None:
        """50 threads at once each have their own request."""
        together = Barrier(CLIENTS, timeout=LIMIT)

        def ask(number: int) -> object:
            together.wait()
            with app.test_client() as own:
                return own.get(f"/locals/{number}", headers={"X-User": f"user{number}"}).json

        with ThreadPoolExecutor(CLIENTS) as threads:
            answers = list(threads.map(ask, range(CLIENTS)))

        assert answers == [
            {
                "name": str(number),
                "user": f"user{number}",
                "path": f"/locals/{number}",
                "variable": f"of user{number}",
                "visits": "1",
                "app": "Application",
            }
            for number in range(CLIENTS)
        ]


def ask_often(url: str, number: int) -> set[str]:
    """Ask as one client of a server does; check the answers and return the clients of workers."""
    clients = set()
    with requests.Session() as session:
        session.trust_env = False
        session.headers["X-User"] = f"user{number}"
        for visit in range(1, 6):
            answer = session.get(f"{url}/locals/{visit}", timeout=LIMIT).json()
            assert answer["user"] == f"user{number}"
            assert answer["visits"] == str(visit)
            answer = session.get(f"{url}/client", timeout=LIMIT).json()
            assert answer["client"] == f"client of {answer['process']}"
            clients.add(answer["client"])
            text = session.get(f"{url}/async-stream/2", timeout=LIMIT).text
            assert text == f"/async-stream/2 user{number} 0\n/async-stream/2 user{number} 1\n"
    return clients


class Gunicorn(Program):
    """Gunicorn with two workers; the client may be opened before it forks them."""

    def __init__(self, folder: Path, *options: str, early: bool = False) -> None:
        command = [
            *(sys.executable, "-m", "gunicorn", "--workers", "2", "--bind", "127.0.0.1:0"),
            *("--chdir", str(HERE.parent), *options),
            f"frameworks.flask_application:make(early={early})",
        ]
        super().__init__(command, folder)
        self.url = self.until_says("Listening at: ").split()[0]


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn is not for Windows")
@pytest.mark.timeout(180)
class TestGunicorn:
    """A server with two worker processes."""

    @pytest.mark.parametrize("early", [False, True], ids=["late", "before the fork"])
    def test_many(self, tmp_path: Path, early: bool) -> None:
        """50 clients are served by two workers, each with one event loop and one client, which are
        closed when the server is.
        """
        with Gunicorn(tmp_path, *THREADED, early=early) as server:
            with ThreadPoolExecutor(CLIENTS) as threads:
                asked = threads.map(ask_often, [server.url] * CLIENTS, range(CLIENTS))
                clients = set[str]().union(*asked)
            loops = requests.get(f"{server.url}/threads", timeout=LIMIT).json()["loops"]
            server.stop()

            assert 1 <= len(clients) <= 2
            assert loops == 1
            for client in clients:
                process = client.rpartition(" ")[-1]
                assert server.log.count(f"opened in {process}\n") == 1
                assert server.log.count(f"closed in {process}\n") == 1
            for event in ("opened in", "closed in"):
                assert server.log.count(event) == len(clients) + early

    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_stream_left(self, tmp_path: Path, kind: str) -> None:
        """A client that goes away closes the async generator."""
        with Gunicorn(tmp_path, *THREADED) as server:
            url = f"{server.url}/{kind}-stream/1000000000"
            with requests.get(url, stream=True, timeout=LIMIT) as response:
                first = next(response.iter_lines())
            server.until_says("stream closed")
            server.stop()

        assert first == f"/{kind}-stream/1000000000 nobody 0".encode()

    def test_green_workers(self, tmp_path: Path) -> None:
        """A worker that has replaced threads refuses, and says which workers to use."""
        with Gunicorn(tmp_path, "--worker-class", "gevent") as server:
            statuses = [
                requests.get(f"{server.url}/client", timeout=LIMIT).status_code for _ in range(3)
            ]
            server.stop(errors=server.log.count("Traceback (most"))

            assert statuses == [500] * 3
            assert server.log.count("RuntimeError: gevent has replaced") >= 3
            assert "'gthread' of gunicorn" in server.log


APPLICATION = """
import asyncio
from contextlib import asynccontextmanager
from flask import Flask
from aiofutures import shared, to_sync

app = Flask(__name__)
app.async_to_sync = to_sync


@shared
@asynccontextmanager
async def service():
    print("service starts", flush=True)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(asyncio.sleep(3600))
        yield "service"
        task.cancel()
    print("service stops", flush=True)


service()


@app.get("/")
async def show():
    return f"{await service} VERSION"


app.run(port=0, debug=True, reloader_type="stat")
"""


@pytest.mark.timeout(180)
def test_reloader(tmp_path: Path) -> None:
    """The reloader of the development server works while a service runs: a change of the source
    stops the service, and the new process starts it again.
    """
    source = tmp_path / "application.py"
    source.write_text(APPLICATION.replace("VERSION", "1"), encoding="utf-8")
    with Program([sys.executable, str(source)], tmp_path) as server:
        url = server.until_says("Running on ")
        server.until_says("Debugger PIN")
        assert requests.get(url, timeout=LIMIT).text == "service 1"

        for version in ("2", "3"):
            source.write_text(APPLICATION.replace("VERSION", version), encoding="utf-8")
            server.until_says("Debugger PIN", int(version))
            assert requests.get(url, timeout=LIMIT).text == f"service {version}"

        server.stop()
        assert server.log.count("service stops") >= 2, server.log
