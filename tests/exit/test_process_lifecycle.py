"""Processes: Ctrl-C wherever a thread can wait, forks at bad moments, sub-interpreters."""

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from typing import Final

import pytest
from support import HAS_GIL, LIMIT, interpreter, run_python

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT for one process")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

LOOPS: Final = [
    "asyncio",
    pytest.param(
        "uvloop",
        marks=pytest.mark.skipif(find_spec("uvloop") is None, reason="uvloop is not installed"),
    ),
]

# What the scripts share.
PRELUDE: Final = """
import asyncio, concurrent.futures, faulthandler, os, signal, sys, threading, time, warnings
sys.path.insert(0, "tests")
from support import Gate, echo, echo_later, in_child, in_thread, until
import aiofutures
from aiofutures import AsyncExecutor, BrokenExecutor, DeadlockError, InvalidStateError, to_sync

warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads, from 3.12 on
LIMIT = 10
LOOP = "{loop}"

def make(**options):
    if LOOP == "uvloop":
        import uvloop
        options["loop_factory"] = uvloop.new_event_loop
    return AsyncExecutor(**options)

async def until_main_waits():
    main = threading.main_thread().ident
    async with asyncio.timeout(LIMIT):
        looks = 0  # several: it may have come there and not be blocked yet
        while looks < 5:
            waits = sys._current_frames()[main].f_code.co_name in ("_acquire", "join")
            looks = looks + 1 if waits else 0
            await asyncio.sleep(0.001)
"""


def script(loop: str, code: str) -> str:
    """Return a script over the event loop."""
    return PRELUDE.replace("{loop}", loop) + code


@needs_signals
@pytest.mark.parametrize("loop", LOOPS)
class TestCtrlC:
    """Ctrl-C while the main thread waits."""

    # The task says when the main thread is blocked.
    CODE: Final = """
faulthandler.dump_traceback_later(LIMIT, exit=True)  # where it hangs

async def work():
    try:
        await until_main_waits()
        print("waiting", flush=True)
        await event.wait()
    finally:
        await asyncio.sleep(0.05)  # the process must not end before this has
        print("cleanup", flush=True)
    return "value"

async def finish():
    event.set()

event = asyncio.Event()
executor = make()
"""

    def run(self, loop: str, code: str, interrupts: int = 1) -> str:
        """Run the code, send Ctrl-C when it waits, and return what it has printed then."""
        with subprocess.Popen(
            interpreter(script(loop, self.CODE + code)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout
            try:
                for _ in range(interrupts):
                    assert process.stdout.readline() == "waiting\n"
                    process.send_signal(signal.SIGINT)
                output, errors = process.communicate(timeout=2 * LIMIT)
            except BaseException:
                process.kill()
                raise
        assert errors == "", output
        assert process.returncode == 0
        return output

    @pytest.mark.parametrize(
        "wait",
        [
            "future.result()",
            "future.result(100)",
            "future.exception()",
            "concurrent.futures.wait([future])",
            "next(concurrent.futures.as_completed([future]))",
        ],
    )
    def test_result(self, loop: str, wait: str) -> None:
        """A wait for a future ends; the task goes on and can be waited for again."""
        output = self.run(
            loop,
            f"""
future = executor.submit(work)
try:
    {wait}
except KeyboardInterrupt:
    print("interrupted")
assert not future.done()
executor.submit(finish).result(LIMIT)
print(future.result(LIMIT))
executor.shutdown()
""",
        )

        assert output == "interrupted\ncleanup\nvalue\n"

    @pytest.mark.parametrize(
        "wait",
        [
            "future.result()",
            "future.result(100)",
            "concurrent.futures.wait([future])",
            "executor.shutdown()",
        ],
    )
    def test_missed_by_the_wait(self, loop: str, wait: str) -> None:
        """Where signals do not end a wait for a lock, as on Windows, they end ours all the same.

        Here they do not because another thread gets them.
        """
        output = run_python(
            script(
                loop,
                f"""
aiofutures._loops.blocking._LOOKS_FOR_SIGNALS = True
signal.signal(signal.SIGINT, signal.default_int_handler)
faulthandler.dump_traceback_later(LIMIT, exit=True)
executor = make()

async def work():
    await until_main_waits()
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    await asyncio.sleep(3600)

future = executor.submit(work)
try:
    {wait}
except KeyboardInterrupt:
    print("interrupted")
executor.shutdown(cancel_futures=True)
""",
            )
        )

        assert output == "interrupted\n"

    @pytest.mark.parametrize("results", ["results", "results.as_completed()"])
    def test_results(self, loop: str, results: str) -> None:
        """Iterating the results of `map` ends, and what is left is cancelled."""
        output = self.run(
            loop,
            f"""
async def first(number):
    return await work() if number == 0 else await event.wait()

results = executor.map(first, range(3))
futures = results.futures
try:
    next({results})
except KeyboardInterrupt:
    print("interrupted", flush=True)
if {results != "results"}:
    assert not any(future.done() for future in futures)
    results.close()
executor.shutdown()
assert all(future.cancelled() for future in futures)
""",
        )

        assert output == "interrupted\ncleanup\n"

    def test_shutdown(self, loop: str) -> None:
        """`shutdown` ends; another one cancels, and waits for the cleanup."""
        output = self.run(
            loop,
            """
future = executor.submit(work)
try:
    executor.shutdown()
except KeyboardInterrupt:
    print("interrupted", flush=True)
assert not future.done()
executor.shutdown(cancel_futures=True)
assert future.cancelled()
print("shut down")
""",
        )

        assert output == "interrupted\ncleanup\nshut down\n"

    def test_with_block(self, loop: str) -> None:
        """At the end of a `with` block it cancels what runs, and waits for the cleanup."""
        output = self.run(
            loop,
            """
try:
    with executor:
        future = executor.submit(work)
except KeyboardInterrupt:
    assert future.cancelled()
    print("interrupted")
""",
        )

        assert output == "cleanup\ninterrupted\n"

    def test_in_a_with_block(self, loop: str) -> None:
        """In a `with` block it does the same."""
        output = self.run(
            loop,
            """
try:
    with executor:
        future = executor.submit(work)
        future.result()
except KeyboardInterrupt:
    assert future.cancelled()
    print("interrupted")
""",
        )

        assert output == "cleanup\ninterrupted\n"

    def test_exit_after_an_interrupted_shutdown(self, loop: str) -> None:
        """The end of the interpreter waits for work also when Ctrl-C has ended a `shutdown`."""
        output = self.run(
            loop,
            """
future = executor.submit(work)
try:
    executor.shutdown()
except KeyboardInterrupt:
    print("interrupted", flush=True)
executor.cancel_futures()
""",
        )

        assert output == "interrupted\ncleanup\n"

    def test_exit(self, loop: str) -> None:
        """At the end of the interpreter it cancels what runs, and the cleanup is waited for."""
        output = self.run(loop, "executor.submit(work)")

        assert output == "cleanup\n"

    def test_exit_by_a_handler(self, loop: str) -> None:
        """SystemExit, of a handler for SIGTERM for instance, does the same there."""
        output = self.run(
            loop,
            """
signal.signal(signal.SIGINT, lambda *_: sys.exit())
executor.submit(work)
""",
        )

        assert output == "cleanup\n"

    def test_generator(self, loop: str) -> None:
        """A generator is closed: the `finally` of the async one has run."""
        output = self.run(
            loop,
            """
@to_sync(executor=executor)
async def generate():
    yield "item"
    yield await work()

items = generate()
assert next(items) == "item"
try:
    next(items)
except KeyboardInterrupt:
    print("interrupted")
executor.shutdown()
""",
        )

        assert output == "cleanup\ninterrupted\n"


@needs_signals
def test_timeout_error_of_a_handler() -> None:
    """A TimeoutError that a signal handler raises, as time limits do, goes on as it is."""
    output = run_python(
        script(
            "asyncio",
            """
cleaned = threading.Event()

@to_sync(timeout=100)
async def work():
    try:
        await until_main_waits()
        os.kill(os.getpid(), signal.SIGALRM)
        await asyncio.sleep(100)
    finally:
        await asyncio.sleep(0)
        cleaned.set()

def limit(*_):
    raise TimeoutError("of the handler")

signal.signal(signal.SIGALRM, limit)
try:
    work()
except TimeoutError as error:
    assert cleaned.is_set()
    print(error)
""",
        )
    )

    assert output == "of the handler\n"


@needs_signals
def test_daemon_threads_do_not_delay_the_exit() -> None:
    """Daemon threads that wait, or go on submitting, do not keep the interpreter from ending."""
    output = run_python(
        script(
            "asyncio",
            """
executor = make()
started = threading.Barrier(3)

def submit():
    started.wait(LIMIT)
    try:
        while True:
            executor.submit(echo, 1).result()
    except (InvalidStateError, concurrent.futures.CancelledError):
        time.sleep(100)

def wait():
    started.wait(LIMIT)
    aiofutures.Future().result()

threading.Thread(target=submit, daemon=True).start()
threading.Thread(target=wait, daemon=True).start()
started.wait(LIMIT)
print("end")
""",
        )
    )

    assert output == "end\n"


@needs_fork
@pytest.mark.parametrize("loop", LOOPS)
class TestFork:
    """Forks at bad moments."""

    def test_while_others_submit(self, loop: str) -> None:
        """While four threads submit, each child can use the executor, and no future is lost."""
        output = run_python(
            script(
                loop,
                """
executor = make()
stop = threading.Event()

def submit():
    count = 0
    while not stop.is_set():
        futures = [executor.submit(echo_later, n) for n in range(20)]
        assert [future.result(LIMIT) for future in futures] == list(range(20))
        count += 1
    return count

def check():
    assert [executor.submit(echo_later, n).result(LIMIT) for n in range(3)] == [0, 1, 2]
    executor.shutdown()

threads = [in_thread(submit) for _ in range(4)]
for _ in range(20):
    in_child(check)
stop.set()
assert all(thread.result(LIMIT) for thread in threads)
executor.shutdown()
print("parent goes on")
""",
            )
        )

        assert output == "parent goes on\n"

    def test_while_it_shuts_down(self, loop: str) -> None:
        """A child of a process whose executor shuts down gets no work done; the parent does."""
        output = run_python(
            script(
                loop,
                """
gate = Gate()
executor = make()
future = executor.submit(gate.pass_on, 1)
gate.arrived()
executor.shutdown(wait=False)

def check():
    assert type(future.exception(LIMIT)) is BrokenExecutor
    try:
        executor.submit(echo, 1)
    except InvalidStateError:
        executor.shutdown()
    else:
        raise AssertionError

in_child(check)
gate.open()
print(future.result(LIMIT))
executor.shutdown()
""",
            )
        )

        assert output == "1\n"

    def test_while_another_starts_the_thread(self, loop: str) -> None:
        """While another thread holds the lock of the start, the child can start its own."""
        output = run_python(
            script(
                loop,
                """
gate = Gate()
executor = make()
lock = executor._loop_thread._start_lock

def hold():
    with lock:
        gate.block()

holding = in_thread(hold)
gate.arrived()

in_child(lambda: executor.submit(echo_later, 1).result(LIMIT))
gate.open()
holding.result(LIMIT)
assert executor.submit(echo_later, 2).result(LIMIT) == 2
executor.shutdown()
print("parent goes on")
""",
            )
        )

        assert output == "parent goes on\n"

    def test_while_another_looks_at_a_future(self, loop: str) -> None:
        """While `wait` of another thread holds a finished future, the child can wait for it."""
        output = run_python(
            script(
                loop,
                """
executor = make()
future = executor.submit(echo, 1)
future.result(LIMIT)
gate = Gate()

def hold():
    with future._condition:
        gate.block()

holding = in_thread(hold)
gate.arrived()

def check():
    assert concurrent.futures.wait([future], LIMIT).done == {future}
    assert list(concurrent.futures.as_completed([future], LIMIT)) == [future]

in_child(check)
gate.open()
holding.result(LIMIT)
executor.shutdown()
print("parent goes on")
""",
            )
        )

        assert output == "parent goes on\n"

    def test_in_a_worker_thread(self, loop: str) -> None:
        """The child of a worker thread can wait, also when the pool was locked at the fork."""
        output = run_python(
            script(
                loop,
                """
executor = make()
gate = Gate()

def hold():
    with executor._loop_thread._workers._own_pool._lock:
        gate.block()

def check():
    async def work():
        return await executor.sync_to_async(abs, -3)

    assert executor.submit(work).result(LIMIT) == 3

def fork():
    holding = in_thread(hold)
    gate.arrived()
    in_child(check)
    gate.open()
    holding.result(LIMIT)

async def main():
    await executor.sync_to_async(fork)

executor.submit(main).result(LIMIT)
executor.shutdown()
print("parent goes on")
""",
            )
        )

        assert output == "parent goes on\n"

    def test_pool_of_processes_in_a_worker_thread(self, loop: str) -> None:
        """A child forked in a worker thread ends: the call of that thread is the parent's."""
        output = run_python(
            script(
                loop,
                """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
executor = make()

def compute():
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        return pool.submit(pow, 2, 10).result(LIMIT)

async def main():
    return await executor.sync_to_async(compute)

print(executor.submit(main).result(LIMIT))
executor.shutdown()
""",
            )
        )

        assert output == "1024\n"

    def test_iterators(self, loop: str) -> None:
        """What the parent was iterating fails in the child, and nothing hangs there."""
        output = run_python(
            script(
                loop,
                """
executor = make()
gate = Gate()
futures = [executor.submit(echo, 0), executor.submit(gate.pass_on, 1)]
completed = concurrent.futures.as_completed(futures)
assert next(completed) is futures[0]

async def work(number):
    return number if number == 0 else await gate.pass_on(number)

results = executor.map(work, range(2))
later = results.as_completed()
assert next(later) == 0

@to_sync(executor=executor)
async def generate():
    yield 1
    yield 2

items = generate()
assert next(items) == 1

def check():
    assert isinstance(next(completed).exception(LIMIT), BrokenExecutor)
    assert list(completed) == []
    for iterator in (later, items):
        try:
            next(iterator)
        except BrokenExecutor:
            pass
        else:
            raise AssertionError

in_child(check)
gate.open()
assert [next(completed).result(), next(later), next(items)] == [1, 1, 2]
items.close()
executor.shutdown()
print("parent goes on")
""",
            )
        )

        assert output == "parent goes on\n"

    @pytest.mark.skipif(
        not HAS_GIL,
        reason="without the GIL Python empties modules at the end of a child that it else leaves",
    )
    def test_child_that_never_uses_it(self, loop: str) -> None:
        """A child that ends normally leaves the parent's sockets and tasks alone, and is quiet."""
        if loop == "uvloop":
            pytest.skip("libuv joins its threads at the end of a child that does not have them")
        output = run_python(
            script(
                loop,
                """
executor = make()

async def serve():
    async def reply(reader, writer):
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]

async def connect(port):
    return await asyncio.open_connection("127.0.0.1", port)

async def talk(reader, writer, text):
    writer.write(text + b"\\n")
    return await reader.readline()

async def close(server, writer):
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()

server, port = executor.submit(serve).result(LIMIT)
reader, writer = executor.submit(connect, port).result(LIMIT)
assert executor.submit(talk, reader, writer, b"before").result(LIMIT) == b"before\\n"

for _ in range(2):
    child = os.fork()
    if child == 0:
        sys.exit()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

assert executor.submit(talk, reader, writer, b"after").result(LIMIT) == b"after\\n"
executor.submit(close, server, writer).result(LIMIT)
executor.shutdown()
print("parent goes on")
""",
            )
        )

        assert output == "parent goes on\n"

    def test_multiprocessing(self, loop: str) -> None:
        """The processes of a `multiprocessing` pool that forks use the parent's executor object."""
        output = run_python(
            script(
                loop,
                """
import multiprocessing

executor = make(max_workers=2)

def square(number):
    return executor.submit(echo_later, number * number).result(LIMIT), os.getpid()

if __name__ == "__main__":
    square(1)
    busy = executor.submit(asyncio.sleep, 0.01)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        answers = pool.map(square, range(20))
        pool.close()
        pool.join()
    assert [answer for answer, _ in answers] == [number ** 2 for number in range(20)]
    assert os.getpid() not in {process for _, process in answers}
    busy.result(LIMIT)
    executor.shutdown()
    print("parent goes on")
""",
            )
        )

        assert output == "parent goes on\n"

    def test_process_pool(self, loop: str) -> None:
        """So do those of a ProcessPoolExecutor that is used from worker threads."""
        output = run_python(
            script(
                loop,
                """
import multiprocessing

executor = make()

def double(number):
    return executor.submit(echo_later, number * 2).result(LIMIT)

async def main():
    with concurrent.futures.ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("fork")
    ) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, double, 4)

assert executor.submit(main).result(LIMIT) == 8
executor.shutdown()
print("parent goes on")
""",
            )
        )

        assert output == "parent goes on\n"


@pytest.mark.skipif(
    sys.version_info < (3, 13), reason="isolated interpreters run asyncio from 3.13"
)
class TestSubInterpreter:
    """Isolated sub-interpreters."""

    CODE: Final = """
import asyncio, os, sys, threading, _interpreters

CODE = '''
import asyncio
from aiofutures import AsyncExecutor, run_async, to_sync

executor = AsyncExecutor()

async def work():
    await asyncio.sleep(0)
    return await executor.sync_to_async(abs, -3)

@to_sync
async def generate():
    yield 1
    yield 2

async def last():
    await asyncio.sleep(0.01)
    print("last", flush=True)

print(executor.submit(work).result(10), list(generate()), flush=True)
executor.submit(last)
'''

def run():
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        del os.environ[name]  # its tracer does not load there
    interpreter = _interpreters.create("isolated")
    error = _interpreters.exec(interpreter, CODE)
    assert error is None, error
    _interpreters.destroy(interpreter)
"""

    def test_works_and_ends(self) -> None:
        """There everything works, and its end waits for work; the main one goes on."""
        output = run_python(
            self.CODE
            + """
run()
run()
from aiofutures import run_async
print(run_async(asyncio.sleep, 0, "main").result(10))
"""
        )

        assert output == "3 [1, 2]\nlast\n" * 2 + "main\n"
