"""The examples with a library each, run as their reader runs them."""

import subprocess
import sys
from pathlib import Path

import pytest
import servers
from support import LIMIT

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
COUNTDOWN = "3\n2\n1\n0\n"
OUTPUT = {
    "stream_download": "10000 lines, 50000000 characters\n",
    "websocket_messages": COUNTDOWN,
    "sqlite_transaction": "338350\n",
    "postgresql_pool": "249500\n",
    "redis_subscription": f"ready\n{COUNTDOWN}",
}
FIXTURES = {
    "stream_download": "http_url",
    "websocket_messages": "websocket_url",
    "postgresql_pool": "postgresql_url",
    "redis_subscription": "redis_url",
}
PROGRAMS = {"postgresql_pool": "postgres", "redis_subscription": "redis-server"}


def run(name: str, *arguments: str) -> str:
    """Run an example in a new interpreter and return what it prints."""
    if name == "postgresql_pool":
        # It is not for every Python.
        pytest.importorskip("asyncpg")
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / f"{name}.py", *arguments],
        capture_output=True,
        text=True,
        timeout=3 * LIMIT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def need_program(name: str | None) -> None:
    """Skip the test where this machine lacks the program, if an example needs one."""
    if name is not None:
        try:
            servers.find_program(name)
        except FileNotFoundError as error:
            pytest.skip(str(error))


@pytest.mark.parametrize("name", OUTPUT)
def test_on_its_own(name: str) -> None:
    """Without an argument an example starts the server that it needs."""
    need_program(PROGRAMS.get(name))

    assert run(name) == OUTPUT[name]


@pytest.mark.parametrize("name", FIXTURES)
def test_with_a_server(name: str, request: pytest.FixtureRequest) -> None:
    """With a URL it uses that server."""
    assert run(name, request.getfixturevalue(FIXTURES[name])) == OUTPUT[name]


@pytest.mark.parametrize("name", OUTPUT)
def test_is_short(name: str) -> None:
    """An example has at most 40 lines, and names in one sentence what it replaces."""
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")

    assert len(text.splitlines()) <= 40
    assert text.count("\nBy hand: a thread that runs an event loop") == 1
