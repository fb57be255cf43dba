"""Shared clients at the end of the interpreter, at Ctrl-C and after a fork."""

import signal
import subprocess
import sys
from typing import Final

import pytest
from support import LIMIT, frees_at_once, interpreter, run_python

SCRIPT: Final = """
    import asyncio, atexit, os, signal, sys, threading
    from contextlib import asynccontextmanager
    from aiofutures import (
        AsyncExecutor, CancelledError, run_async, set_default_executor, shared, to_sync
    )

    def say(*words):  # in one piece, whichever thread or process says it
        os.write(1, " ".join(words).encode() + b"\\n")

    @asynccontextmanager
    async def connect(name):
        say("open", name)
        try:
            yield name
        except BaseException as error:
            say(repr(error))
            raise
        await asyncio.sleep(0.01)
        say("close", name)

    a, b, c = (shared(connect, name) for name in "abc")
    """


@pytest.mark.parametrize("cancel_at_exit", [False, True])
def test_exit(*, cancel_at_exit: bool) -> None:
    """The end of the interpreter closes what is open, last opened first, after the work."""
    output = run_python(
        f"""{SCRIPT}
    set_default_executor(AsyncExecutor(cancel_at_exit={cancel_at_exit}))

    began = threading.Event()

    async def work():
        await b
        began.set()
        try:
            await asyncio.sleep({LIMIT if cancel_at_exit else 0.05})
        finally:
            say("work")

    b()
    a()
    run_async(work)
    assert began.wait({LIMIT})
    say("end")
    """
    )

    assert output.splitlines() == ["open b", "open a", "end", "work", "close a", "close b"]


def test_exit_with_an_error() -> None:
    """So does an exception that ends the main module."""
    output = run_python(f"{SCRIPT}\n    a()\n    sys.exit(0)")

    assert output.splitlines() == ["open a", "close a"]


def test_several_executors() -> None:
    """Each executor closes its own."""
    output = run_python(
        f"""{SCRIPT}
    other = AsyncExecutor()
    other.shared(connect, "of another")()
    a()
    other.shutdown()
    """
    )

    assert output.splitlines() == ["open of another", "open a", "close of another", "close a"]


def test_crash_that_nobody_asks_for() -> None:
    """A service that has crashed, and is not asked for any more, is reported."""
    done = subprocess.run(
        interpreter(f"""{SCRIPT}
    @shared
    @asynccontextmanager
    async def service():
        async with asyncio.TaskGroup() as group:
            group.create_task(crash())
            yield

    async def crash():
        await asyncio.sleep(0)
        raise OSError("lost")

    service()
    while run_async(asyncio.sleep, 0).result() or not service._current.closed.done():
        pass
    """),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )

    assert "OSError: lost" in done.stderr
    assert done.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT for one process")
class TestCtrlC:
    """Ctrl-C."""

    HANDLER = "\n    signal.signal(signal.SIGINT, signal.default_int_handler)"

    def interrupted(self, script: str, at: str) -> list[str]:
        """Run a script, interrupt it when it prints a line, and return what it prints later."""
        with subprocess.Popen(
            interpreter(
                SCRIPT + "\n    signal.signal(signal.SIGINT, signal.default_int_handler)" + script
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout
            for line in process.stdout:
                if line == f"{at}\n":
                    break
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=LIMIT)
        return output.splitlines()

    def test_in_the_opening(self) -> None:
        """In the only call that waits for the opening it cancels that."""
        lines = self.interrupted(
            f"""
    @shared
    @asynccontextmanager
    async def hang():
        try:
            say("opening")
            await asyncio.sleep({LIMIT})
        except asyncio.CancelledError:
            say("cancelled")
            raise
        yield

    a()
    try:
        hang()
    except KeyboardInterrupt:
        say("interrupted")
    """,
            at="opening",
        )

        assert sorted(lines) == ["cancelled", "close a", "interrupted"]

    def test_in_a_closing_at_the_end(self) -> None:
        """At the end it cancels a closing that does not end; the others are closed."""
        lines = self.interrupted(
            f"""
    @shared
    @asynccontextmanager
    async def hang():
        yield
        try:
            say("closing")
            await asyncio.sleep({LIMIT})
        finally:
            say("given up")

    a()
    hang()
    """,
            at="closing",
        )

        assert lines == ["close a", "given up"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs os.fork")
def test_fork() -> None:
    """A forked child opens its own, and leaves the parent's alone."""
    script = f"""{SCRIPT}
    def child():
        assert b() == "b"
        assert a() == "a"
        c.close()
        b.close()
        sys.exit(0)

    a()
    c()
    pid = os.fork()
    if not pid:
        child()
    assert os.waitpid(pid, 0)[1] == 0
    say("child is done")
    assert a() == "a"
    """
    # Python warns of forks of processes with threads: that is what is tried here.
    options = ("-X", "dev", "-W", "error", "-W", "ignore:This process:DeprecationWarning")

    lines = run_python(script, *options).splitlines()

    assert lines == [
        *("open a", "open c", "open b", "open a", "close b", "close a"),
        *("child is done", "close c", "close a"),
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="needs os.fork")
def test_fork_before_it_opens() -> None:
    """One that was made before a fork is opened in each child: gunicorn --preload, Celery."""
    script = f"""{SCRIPT}
    for number in range(2):
        pid = os.fork()
        if not pid:
            a()
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    """

    assert run_python(script).splitlines() == ["open a", "close a"] * 2


@pytest.mark.skipif(sys.platform == "win32", reason="needs os.fork")
def test_fork_while_it_opens() -> None:
    """A child that is forked while a thread of the parent's opens it opens its own."""
    script = f"""{SCRIPT}
    began, go_on = threading.Event(), threading.Event()

    @shared
    @asynccontextmanager
    async def slow():
        began.set()
        while not go_on.is_set():
            await asyncio.sleep(0.001)
        async with connect("slow") as value:
            yield value

    thread = threading.Thread(target=slow)
    thread.start()
    assert began.wait({LIMIT})
    pid = os.fork()
    go_on.set()
    if not pid:
        slow()
        sys.exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    thread.join()
    slow()
    """
    options = ("-X", "dev", "-W", "error", "-W", "ignore:This process:DeprecationWarning")

    assert (
        sorted(run_python(script, *options).splitlines()) == ["close slow"] * 2 + ["open slow"] * 2
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs os.fork")
@frees_at_once
def test_fork_frees_nothing() -> None:
    """What a client of the parent's holds is not freed in the child, not even at its end."""
    script = f"""{SCRIPT}
    class Socket:
        def __del__(self):
            say("freed", "in the child" if os.getpid() != parent else "")

    @shared
    @asynccontextmanager
    async def client():
        yield Socket()

    parent = os.getpid()
    client()
    pid = os.fork()
    if not pid:
        client()
        client.close()
        say("child")
        sys.exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    client.close()
    """
    options = ("-X", "dev", "-W", "error", "-W", "ignore:This process:DeprecationWarning")

    assert run_python(script, *options).splitlines() == [
        "freed in the child",
        "child",
        "freed ",
    ]
