"""The end of the interpreter in two phases, each case in an interpreter of its own."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from typing import Final

import pytest
from support import LIMIT, in_thread, interpreter, run_python, starts_threads_at_exit, until

from aiofutures import AsyncExecutor
from aiofutures._loops import lifecycle

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT for one process")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

# What the scripts share. `load` is a call that works, `slow` one that takes a moment.
SHARED: Final = """
import asyncio, atexit, sys, threading, time, weakref
from concurrent.futures import ThreadPoolExecutor
from aiofutures import AsyncExecutor, get_default_executor, run_async, sync_to_async, to_sync
from aiofutures._loops.lifecycle import exiting

@to_sync
async def load(name):
    await asyncio.sleep(0.01)
    return await sync_to_async(str, name)

async def slow(name):
    await asyncio.sleep(0.2)
    print(name, flush=True)
"""

# Each prints "right" at the right time, and nothing else.
CASES: Final = {
    "first call races the end": """
def slow_factory():
    time.sleep(0.3)
    return asyncio.new_event_loop()

executor = AsyncExecutor(loop_factory=slow_factory)
threading.Thread(target=lambda: print(executor.submit(asyncio.sleep, 0, "right").result(5))).start()
time.sleep(0.05)
""",
    "pool works off its queue": """
done = []
pool = ThreadPoolExecutor(2)
for number in range(12):
    pool.submit(lambda number=number: done.append(load(number)))
threading.Thread(
    target=lambda: (pool.shutdown(), len(done) == 12 and print("right"))
).start()
""",
    "timer": """
load("now")
threading.Timer(0.2, lambda: print(load("right"))).start()
""",
    "first call in a timer": """
threading.Timer(0.2, lambda: print(load("right"))).start()
""",
    "queue consumer": """
import queue
items = queue.Queue()

def consume():
    while (item := items.get()) is not None:
        print(load(item), flush=True)

threading.Thread(target=consume).start()
atexit.register(lambda: None)
items.put("right")
items.put(None)
""",
    "thread that only submits": """
def submit():
    time.sleep(0.1)
    run_async(slow, "right")

threading.Thread(target=submit).start()
""",
    "atexit": """
load("now")
atexit.register(lambda: print(load("right")))
""",
    "atexit before the import": "",  # see below
    "first call in atexit": """
atexit.register(lambda: print(load("right")))
""",
    "first call of an executor in atexit": """
executor = AsyncExecutor(max_workers=1)
load("now")
atexit.register(lambda: print(to_sync(executor=executor)(asyncio.sleep)(0.01, "right")))
""",
    "submit in atexit": """
load("now")
atexit.register(lambda: run_async(slow, "right"))
""",
    "finalizer": """
class Client:
    def __init__(self):
        weakref.finalize(self, lambda: print(load("right")))

load("now")
client = Client()
""",
    "with block left in atexit": """
from contextlib import asynccontextmanager

@to_sync
@asynccontextmanager
async def connect():
    yield
    await asyncio.sleep(0.01)
    print("right")

manager = connect()
manager.__enter__()
atexit.register(manager.__exit__, None, None, None)
""",
    "generator closed in atexit": """
@to_sync
async def generate():
    try:
        yield 1
    finally:
        await asyncio.sleep(0.01)
        print("right")

items = generate()
next(items)
atexit.register(items.close)
""",
    "shutdown in atexit": """
executor = AsyncExecutor()
atexit.register(executor.shutdown)

def submit():
    time.sleep(0.1)
    executor.submit(slow, "right")

threading.Thread(target=submit).start()
""",
    "process pool beside it": """
from concurrent.futures import ProcessPoolExecutor

if __name__ == "__main__":
    pool = ProcessPoolExecutor(1)
    future = pool.submit(int, "1")
    load("now")
    assert future.result(10) == 1
    print(load("right"))
""",
    "work of a call": """
async def parent():
    while not exiting.is_set():
        await asyncio.sleep(0.01)
    run_async(slow, "right")

run_async(parent)
""",
    "daemon thread that goes on submitting": """
from contextlib import suppress

def submit():
    with suppress(RuntimeError):
        while True:
            load("again")

threading.Thread(target=submit, daemon=True).start()
time.sleep(0.1)
print("right")
""",
    "several executors": """
one, other = AsyncExecutor(), AsyncExecutor(max_workers=1)

async def there(number):
    await asyncio.sleep(0.01)
    if number:
        (one, other)[number % 2].submit(there, number - 1)
    else:
        print("right")

one.submit(there, 10)
""",
    "background task": """
async def background():
    try:
        await asyncio.sleep(100)
    finally:
        await run_async(asyncio.sleep, 0.01)
        print("right")

async def start():
    start.task = asyncio.create_task(background())
    await asyncio.sleep(0)

run_async(start).result()
threading.Thread(target=lambda: (time.sleep(0.1), load("after"))).start()
""",
    "no daemon threads": """
from aiofutures._loops import lifecycle

lifecycle._HAS_DAEMONS = False
load("now")
run_async(slow, "right")
""",
    "cancel_at_exit": """
executor = AsyncExecutor(cancel_at_exit=True)

async def serve():
    try:
        await asyncio.sleep(100)
    finally:
        print("right")

executor.submit(serve)
load("now")
""",
}


# For these Python has to start a thread after the main thread has ended.
START_LATE: Final = {
    "background task",
    "first call in a timer",
    "first call in atexit",
    "first call of an executor in atexit",
    "pool works off its queue",
    "queue consumer",
    "several executors",
    "shutdown in atexit",
    "thread that only submits",
}


class TestServes:
    """Until the very end the loops serve whoever calls."""

    @pytest.mark.parametrize(
        "case",
        [
            pytest.param(case, marks=[starts_threads_at_exit] if case in START_LATE else [])
            for case in CASES
        ],
    )
    @pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
    def test_right(self, case: str, loop: str) -> None:
        """Nothing is lost, nothing hangs, and nothing else is printed."""
        code = SHARED + CASES[case]
        if case == "atexit before the import":
            code = (
                "import atexit\natexit.register(lambda: print(load('right')))\n"
                + SHARED
                + "load('now')\n"
            )
        if loop == "uvloop":
            pytest.importorskip("uvloop")
            code = code.replace(
                "AsyncExecutor(", "AsyncExecutor(loop_factory=uvloop.new_event_loop, "
            ).replace("loop_factory=uvloop.new_event_loop, loop_factory", "loop_factory")
            code += "\nimport uvloop, aiofutures\n" if case.startswith("atexit before") else ""
            code = code.replace(
                "import asyncio, atexit,",
                "import uvloop, aiofutures\n"
                "aiofutures.set_default_executor("
                "aiofutures.AsyncExecutor(loop_factory=uvloop.new_event_loop))\n"
                "import asyncio, atexit,",
            )

        assert run_python(code) == "right\n"


class TestThreadKept:
    """Where Python starts no thread once the main thread has ended, a start brings its own."""

    @pytest.mark.parametrize("refuses", [True, False])
    def test_takes_the_place(
        self, monkeypatch: pytest.MonkeyPatch, executor: AsyncExecutor, refuses: bool
    ) -> None:
        """The thread that is kept while an executor starts serves it, or ends."""
        before = set(threading.enumerate())
        factory = executor._loop_thread._loop_factory
        start = threading.Thread.start

        def refuse(thread: threading.Thread) -> None:
            raise RuntimeError("can't create new thread at interpreter shutdown")

        def factory_that_takes_long() -> asyncio.AbstractEventLoop:
            monkeypatch.setattr(threading.Thread, "start", refuse if refuses else start)
            return factory()

        monkeypatch.setattr(lifecycle, "_REFUSES", True)
        monkeypatch.setattr(executor._loop_thread, "_loop_factory", factory_that_takes_long)

        future = in_thread(lambda: executor.submit(asyncio.sleep, 0, "served")).result(LIMIT)
        assert future.result(LIMIT) == "served"
        executor.shutdown()

        until(lambda: set(threading.enumerate()) == before)


class TestWarning:
    """What holds up the end is named."""

    def test_names(self) -> None:
        """After 5 seconds one warning names the calls, Ctrl-C and `cancel_at_exit`."""
        script = (
            SHARED
            + """
class Bot:
    async def run(self):
        await asyncio.sleep(6)

one, other = AsyncExecutor(), AsyncExecutor(max_workers=1)
one.submit(Bot().run)
other.submit(Bot().run)
other.submit(slow, "")
threading.Timer(5.5, lambda: load("late")).start()
"""
        )
        process = subprocess.run(
            interpreter(script), capture_output=True, text=True, timeout=30, check=False
        )

        assert process.stderr.count("the interpreter cannot exit before these calls end: ") == 1
        line = process.stderr.splitlines()[0]
        assert "Bot.run (2)" in line
        assert "slow" in line
        assert "Ctrl-C" in line
        assert "cancel_at_exit" in line
        assert process.returncode == 0


class TestUnfetched:
    """Errors that nobody has fetched."""

    def test_of_a_module(self) -> None:
        """That of a future that a module keeps is reported, with its text, once."""
        script = (
            SHARED
            + """
async def connect():
    raise RuntimeError("bad token")

future = run_async(connect)
"""
        )
        process = subprocess.run(
            interpreter(script), capture_output=True, text=True, timeout=30, check=False
        )

        assert process.stderr.count("RuntimeError: bad token") == 1
        assert process.stderr.count("Future exception was never retrieved") == 1

    def test_fetched_in_atexit(self) -> None:
        """One that an exit function fetches is not."""
        output = run_python(
            SHARED
            + """
async def connect():
    raise RuntimeError("bad token")

future = run_async(connect)
atexit.register(lambda: print(future.exception()))
"""
        )

        assert output == "bad token\n"


# What runs when Ctrl-C comes, what is printed after it, and how often it comes.
INTERRUPTIONS: Final = {
    "wait for calls": (
        "run_async(work)\n",
        "cleanup\n",
        1,
    ),
    "wait for a call of a thread": (
        "threading.Thread(target=lambda: (time.sleep(0.1), run_async(work))).start()\n",
        "cleanup\n",
        1,
    ),
    "wait for a call of an exit function": (
        "atexit.register(lambda: run_async(work))\n",
        "cleanup\n",
        1,
    ),
    "cleanup": (
        "run_async(stubborn)\n",
        "",
        2,
    ),
    "cleanup of a background task": (
        "run_async(start).result()\n",
        "",
        1,
    ),
}


@needs_signals
class TestCtrlC:
    """Ctrl-C at each step of the end."""

    CODE: Final = """
async def work():
    print("begun", flush=True)
    try:
        await asyncio.sleep(100)
    finally:
        await asyncio.sleep(0.01)
        print("cleanup", flush=True)

async def stubborn():
    print("begun", flush=True)
    try:
        await asyncio.sleep(100)
    finally:
        print("begun", flush=True)
        await asyncio.sleep(100)

async def background():
    try:
        await asyncio.sleep(100)
    finally:
        print("begun", flush=True)
        await asyncio.sleep(100)

async def start():
    start.task = asyncio.create_task(background())
    await asyncio.sleep(0)
"""

    @pytest.mark.parametrize("step", INTERRUPTIONS)
    def test_ends(self, step: str) -> None:
        """It cancels what the end waits for; once more, the end waits for nothing."""
        code, expected, times = INTERRUPTIONS[step]
        script = SHARED + self.CODE + "load('now')\n" + code
        with subprocess.Popen(
            interpreter(script), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            for _ in range(times):
                assert process.stdout.readline() == "begun\n"
                # The main thread is about to wait.
                pause(process)
                process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=LIMIT)

        assert output == expected


def pause(process: "subprocess.Popen[str]") -> None:
    """Give the process time to come to its wait: no event tells of it from outside."""
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)


@needs_fork
@pytest.mark.skipif(sys.version_info[:2] == (3, 12), reason="Python 3.12 forks no more then")
class TestFork:
    """Forks in the middle of the end."""

    @pytest.mark.parametrize("phase", ["call", "thread", "atexit"])
    def test_child(self, phase: str) -> None:
        """A child that is forked then can submit as any other."""
        output = run_python(
            SHARED
            + """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)

def fork():
    pid = os.fork()
    if pid == 0:
        try:
            print(load("child"), flush=True)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    print(load("parent"), flush=True)

async def call():
    while not exiting.is_set():
        await asyncio.sleep(0.01)
    await sync_to_async(fork)
"""
            + {
                "call": "run_async(call)\n",
                "thread": "threading.Timer(0.2, fork).start()\n",
                "atexit": "load('now')\natexit.register(fork)\n",
            }[phase]
        )

        assert output == "child\nparent\n"


class TestRefusals:
    """What is refused at the end says so."""

    def test_daemon_thread(self) -> None:
        """A daemon thread, for which nobody waits, hears that the interpreter is ending."""
        output = run_python(
            SHARED
            + """
from aiofutures import InvalidStateError

def submit():
    try:
        while True:
            load("again")
    except InvalidStateError as error:
        refused.append(str(error))

refused = []
threading.Thread(target=submit, daemon=True).start()
atexit.register(lambda: (time.sleep(0.2), print(*refused)))
"""
        )

        assert "interpreter" in output
        assert "shutdown" not in output

    @starts_threads_at_exit
    def test_no_thread_to_be_had(self) -> None:
        """So does an exit function that needs more threads than are kept for it."""
        output = run_python(
            SHARED
            + """
executors = [AsyncExecutor() for _ in range(20)]

def refuse(*args, **options):
    raise RuntimeError("can't start new thread at interpreter shutdown")

def submit():
    for name in ("_start_joinable_thread", "_start_new_thread"):
        setattr(threading, name, refuse)
    print(load("taken over"))
    get_default_executor().shutdown()
    try:
        for executor in executors:
            executor.submit(slow, "").cancel()
    except RuntimeError as error:
        print(error)

atexit.register(submit)
"""
        )

        assert output == "taken over\ncannot schedule new futures: the interpreter is exiting\n"
