"""The servers that the examples and their tests talk to, each started for one `with` block.

They listen on 127.0.0.1, on a port that is free, and leave nothing behind. Those for HTTP,
WebSocket and OpenAI's API are Python; PostgreSQL and Redis are the real ones, where they are
installed.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from typing_extensions import override
from websockets.sync.server import ServerConnection, serve

START_SECONDS = 30
MODELS = [
    {"id": name, "object": "model", "created": 0, "owned_by": "nobody"}
    for name in ("parrot", "lyrebird")
]
LINE = b"0123456789" * 500  # without its end


def run(main: Callable[[str], None], server: Callable[[], AbstractContextManager[str]]) -> None:
    """Call `main` with the URL on the command line, else with that of a server made for it."""
    if len(sys.argv) > 1:
        main(sys.argv[1])
        return
    with server() as url:
        main(url)


def http_server() -> AbstractContextManager[str]:
    """Serve `/N` as a text of N lines of 5,000 characters; give the URL."""
    return _python_server("http")


@contextmanager
def slow_server() -> Iterator[str]:
    """Run `slow_server.py`; give its URL."""
    program = Path(__file__).with_name("slow_server.py")
    with _running([sys.executable, str(program), "0"]) as process:
        assert process.stdout
        yield process.stdout.readline().strip()


def websocket_server() -> AbstractContextManager[str]:
    """Send each message back; give the URL."""
    return _python_server("websocket")


def openai_server() -> AbstractContextManager[str]:
    """Answer as OpenAI's API does, each question with its own words; give the URL."""
    return _python_server("openai")


@contextmanager
def redis_server() -> Iterator[str]:
    """Run an empty Redis; give its URL.

    Raises:
        FileNotFoundError: Redis is not installed.
    """
    program = find_program("redis-server")
    port = _free_port()
    with TemporaryDirectory() as directory:
        address = ["--bind", "127.0.0.1", "--port", str(port)]
        with _running([program, *address, "--save", "", "--dir", directory]) as process:
            _wait_for(process, lambda: _accepts(port))
            yield f"redis://127.0.0.1:{port}"


@contextmanager
def postgresql_server() -> Iterator[str]:
    """Run an empty PostgreSQL; give its URL.

    Raises:
        FileNotFoundError: PostgreSQL is not installed.
    """
    initdb, postgres = find_program("initdb"), find_program("postgres")
    port = _free_port()
    with TemporaryDirectory() as parent:
        # PostgreSQL refuses to run as root: then it runs as the user that its package has made.
        user = "postgres" if hasattr(os, "geteuid") and os.geteuid() == 0 else None
        if user:
            shutil.chown(parent, user)
        data = str(Path(parent, "data"))
        prepare = [initdb, "-D", data, "-U", "postgres", "--auth=trust", "--no-sync"]
        subprocess.run(prepare, user=user, cwd=parent, check=True, stdout=subprocess.DEVNULL)
        address = ["-h", "127.0.0.1", "-p", str(port), "-k", parent]
        # It closes its connections on SIGINT, and would wait for its clients on SIGTERM.
        end = signal.SIGTERM if os.name == "nt" else signal.SIGINT
        with _running([postgres, "-D", data, *address, "-F"], user, parent, end) as process:
            asking = [find_program("pg_isready"), "-q", *address[:4]]
            _wait_for(process, lambda: subprocess.run(asking, check=False).returncode == 0)
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"


def find_program(name: str) -> str:
    """Return the path of a program, also where Debian hides those of PostgreSQL.

    Raises:
        FileNotFoundError: It is not installed.
    """
    hidden = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    for path in (os.environ.get("PATH"), *hidden):
        found = shutil.which(name, path=path)
        if found:
            return found
    raise FileNotFoundError(f"{name} is not installed")


@contextmanager
def _python_server(kind: str) -> Iterator[str]:
    """Run one of the servers below in a process of its own."""
    with _running([sys.executable, __file__, kind]) as process:
        assert process.stdout
        yield process.stdout.readline().strip()


@contextmanager
def _running(
    command: Sequence[str],
    user: str | None = None,
    directory: str | None = None,
    end: signal.Signals = signal.SIGTERM,
) -> Iterator["subprocess.Popen[str]"]:
    """Run a program and end it with the block. What it prints goes to a pipe, for its errors."""
    with subprocess.Popen(
        command,
        user=user,
        cwd=directory,
        stdin=subprocess.PIPE,  # closed when this process ends, however it does
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C is for the example alone
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(end)
            process.communicate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _wait_for(process: "subprocess.Popen[str]", is_ready: Callable[[], bool]) -> None:
    """Wait until a program serves.

    Raises:
        ChildProcessError: It has ended instead.
        TimeoutError: It does not after `START_SECONDS`.
    """
    deadline = time.monotonic() + START_SECONDS
    while not is_ready():
        if process.poll() is not None:
            raise ChildProcessError(process.communicate()[0])
        if time.monotonic() > deadline:
            raise TimeoutError(f"{process.args!r} does not serve")
        time.sleep(0.02)


class _HTTPServer(ThreadingHTTPServer):
    request_queue_size = 128


class _Lines(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Send as many lines as the path asks for."""
        count = int(self.path.strip("/"))
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=ascii")
        self.end_headers()  # without a length: the text ends with the connection
        for _ in range(count):
            self.wfile.write(LINE + b"\n")

    @override
    def log_message(self, *_: object) -> None:
        """Be silent."""


class _Parrot(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """List the models."""
        self._send("application/json", json.dumps({"object": "list", "data": MODELS}))

    def do_POST(self) -> None:
        """Answer a chat with its last message, word by word if it is to be streamed."""
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = question["messages"][-1]["content"].split()
        if question.get("stream"):
            parts = [*words[:1], *(f" {word}" for word in words[1:])]
            self._send("text/event-stream", *map(_event, parts), "data: [DONE]\n\n")
        else:
            self._send("application/json", _completion("message", " ".join(words)))

    def _send(self, kind: str, *parts: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        with suppress(ConnectionError):  # of a client that has left
            for part in parts:
                self.wfile.write(part.encode())

    @override
    def log_message(self, *_: object) -> None:
        """Be silent."""


def _event(part: str) -> str:
    return f"data: {_completion('delta', part)}\n\n"


def _completion(key: str, content: str) -> str:
    kind = "chat.completion" if key == "message" else "chat.completion.chunk"
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, key: message, "finish_reason": None}
    return json.dumps(
        {"id": "1", "object": kind, "created": 0, "model": "parrot", "choices": [choice]}
    )


def _echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


def serve_forever(kind: str) -> None:
    """Print the URL, then serve until the process is ended, or the one that has started it is."""
    threading.Thread(target=lambda: os._exit(len(sys.stdin.read())), daemon=True).start()
    if kind != "websocket":
        handler = _Lines if kind == "http" else _Parrot
        with _HTTPServer(("127.0.0.1", 0), handler) as http:
            print(f"http://127.0.0.1:{http.server_address[1]}", flush=True)
            http.serve_forever()
    else:
        with serve(_echo, "127.0.0.1", 0) as websocket:
            print(f"ws://127.0.0.1:{websocket.socket.getsockname()[1]}", flush=True)
            websocket.serve_forever()


if __name__ == "__main__":
    serve_forever(*sys.argv[1:])
