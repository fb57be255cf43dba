"""The end of the interpreter, and forks: each in an interpreter of its own."""

import asyncio
import os
import signal
import subprocess
import sys
import sysconfig
from typing import Final

import pytest
from support import LIMIT, interpreter, run_python, starts_threads_at_exit

from aiofutures import AsyncExecutor

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

# What the scripts share. A child reports by its exit status: an assertion that fails is not 0.
FORK: Final = """
import asyncio, os, sys, threading, warnings
import concurrent.futures
sys.path.insert(0, "tests")
from support import Gate, echo, echo_later, in_child
import aiofutures
from aiofutures import AsyncExecutor, BrokenExecutor, CancelledError
from aiofutures._loops.lifecycle import running_loop_threads

warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads, from 3.12 on
"""


class TestExit:
    """The end of the interpreter."""

    @starts_threads_at_exit
    def test_finishes_what_was_submitted(self) -> None:
        """Submitted work is finished, `sync_to_async` and children included."""
        output = run_python(
            """
            import asyncio, threading
            from aiofutures import AsyncExecutor
            from aiofutures._loops.lifecycle import exiting

            executor = AsyncExecutor()

            async def child():
                print("child", await executor.sync_to_async(len, "ab"))

            async def work():
                while not exiting.is_set():
                    await asyncio.sleep(0)
                print("work", await executor.sync_to_async(len, "abc"))
                await executor.submit(child)

            executor.submit(work)
            """
        )

        assert output == "work 3\nchild 2\n"

    def test_waits_for_worker_threads(self) -> None:
        """A worker thread that nobody awaits any more is waited for."""
        output = run_python(
            """
            import asyncio, threading
            from aiofutures import AsyncExecutor
            from aiofutures._loops.lifecycle import exiting

            executor = AsyncExecutor()

            def block():
                assert exiting.wait(10)
                print("worker")

            async def work():
                executor.sync_to_async(block)

            executor.submit(work).result(10)
            """
        )

        assert output == "worker\n"

    def test_worker_threads_alone(self) -> None:
        """Worker threads end also where the loop of the executor never ran, after their calls."""
        output = run_python(
            """
            import asyncio, threading
            from aiofutures import AsyncExecutor
            from aiofutures._loops.lifecycle import exiting

            executor = AsyncExecutor()

            def block():
                assert exiting.wait(10)
                print("worker")

            async def work():
                await executor.sync_to_async(int)
                executor.sync_to_async(block)

            asyncio.run(work())
            """
        )

        assert output == "worker\n"

    @starts_threads_at_exit
    def test_cancels_background_tasks(self) -> None:
        """Tasks that calls have left behind are cancelled; their `finally` runs, all is quiet."""
        output = run_python(
            """
            import asyncio
            from aiofutures import AsyncExecutor

            executor = AsyncExecutor()

            async def background():
                try:
                    await asyncio.sleep(100)
                finally:
                    await asyncio.sleep(0)
                    print("finally", await executor.sync_to_async(len, "ab"))

            async def generate():
                try:
                    yield 1
                finally:
                    print("generator")

            async def work():
                work.kept = asyncio.create_task(background())
                work.generator = generate()
                await anext(work.generator)
                await asyncio.sleep(0)  # the task starts

            executor.submit(work).result(10)
            """
        )

        assert output == "finally 2\ngenerator\n"

    def test_cancel_at_exit(self) -> None:
        """With `cancel_at_exit` what is left is cancelled instead; its `finally` runs."""
        output = run_python(
            """
            import asyncio, threading
            from aiofutures import AsyncExecutor

            executor = AsyncExecutor(cancel_at_exit=True, max_workers=1)
            started = threading.Event()

            async def work():
                started.set()
                try:
                    await asyncio.sleep(100)
                finally:
                    await asyncio.sleep(0)
                    print("cancelled\\n", end="")

            executor.submit(work)
            queued = executor.submit(work)
            queued.add_done_callback(lambda _: print("queued\\n", end=""))
            assert started.wait(10)
            """
        )

        # Two threads print.
        assert sorted(output.splitlines()) == ["cancelled", "queued"]

    @pytest.mark.parametrize(
        "cancel",
        [
            "futures[0].cancel()",
            "executor.cancel_futures()",
            "executor.shutdown(wait=False, cancel_futures=True)",
        ],
    )
    def test_cancel_at_exit_what_is_being_cancelled(self, cancel: str) -> None:
        """What is being cancelled by then is not interrupted in its cleanup."""
        output = run_python(
            f"""
            import asyncio, threading
            from aiofutures import AsyncExecutor

            executor, other = AsyncExecutor(cancel_at_exit=True), AsyncExecutor(cancel_at_exit=True)
            begun = threading.Event()

            async def work():
                try:
                    await asyncio.sleep(100)
                finally:
                    begun.set()
                    await asyncio.sleep(0.1)
                    print("cleaned up")

            async def wait():
                await futures[0]

            futures = [executor.submit(work)]
            futures += [executor.submit(wait), other.submit(wait)]
            while executor.statistics().pending + other.statistics().pending:
                pass
            {cancel}
            begun.wait(10)
            """
        )

        assert output == "cleaned up\n"

    def test_after_a_shutdown(self) -> None:
        """An executor that was shut down has no part in the end."""
        output = run_python(
            """
            import sys
            sys.path.insert(0, "tests")
            from support import echo
            from aiofutures import AsyncExecutor
            from aiofutures._loops.lifecycle import running_loop_threads

            with AsyncExecutor() as executor:
                print(executor.submit(echo, 1).result(10))
            assert not running_loop_threads
            """
        )

        assert output == "1\n"

    @pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT for one process")
    def test_ctrl_c_cancels(self) -> None:
        """Ctrl-C while the interpreter waits at its end cancels what is left."""
        script = """
            import asyncio, sys
            from aiofutures import AsyncExecutor
            from aiofutures._loops.lifecycle import exiting

            executor = AsyncExecutor()

            async def work():
                while not exiting.is_set():
                    await asyncio.sleep(0)
                await asyncio.sleep(0.1)  # the main thread is about to wait
                print("waiting", flush=True)
                try:
                    await asyncio.sleep(100)
                finally:
                    print("cancelled", flush=True)

            executor.submit(work)
            """
        with subprocess.Popen(
            interpreter(script), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            assert process.stdout.readline() == "waiting\n"

            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=LIMIT)

        assert output == "cancelled\n"
        assert errors == ""

    def test_without_the_hook_of_threading(self) -> None:
        """Without `threading._register_atexit`, which is private, the package works too."""
        output = run_python(
            """
            import concurrent.futures.thread, threading
            del threading._register_atexit
            import aiofutures

            async def work():
                print("done")

            with aiofutures.AsyncExecutor() as executor:
                executor.submit(work)
            """
        )

        assert output == "done\n"


@needs_fork
class TestFork:
    """A process that forks."""

    def test_of_an_idle_parent(self) -> None:
        """In a child of an idle parent the same executor starts anew; the parent goes on."""
        output = run_python(
            FORK
            + """
executor = AsyncExecutor()

async def where():
    await asyncio.sleep(0)
    return os.getpid(), await executor.sync_to_async(os.getpid)

assert executor.submit(where).result(10) == (os.getpid(), os.getpid())

def check():
    assert executor.tasks == set()
    assert not running_loop_threads
    assert executor.submit(where).result(10) == (os.getpid(), os.getpid())
    assert executor.submit(where).result(10) == (os.getpid(), os.getpid())
    executor.shutdown()

in_child(check)
in_child(check)
assert executor.submit(where).result(10) == (os.getpid(), os.getpid())
print("parent goes on")
"""
        )

        assert output == "parent goes on\n"

    @pytest.mark.parametrize("max_workers", [None, 1])
    def test_of_a_busy_parent(self, max_workers: int | None) -> None:
        """Pending futures of the parent fail in the child with BrokenExecutor, and only there."""
        output = run_python(
            FORK
            + f"""
executor = AsyncExecutor(max_workers={max_workers})
gate = Gate()
futures = [executor.submit(gate.pass_on, n) for n in range(3)]
gate.arrived({max_workers or 3})
done = []
if {max_workers is None}:
    done.append(executor.submit(echo, 1))
    done[0].result(10)

futures[2].cancel()
cancelled = futures.pop() if {max_workers is not None} else None

def check():
    assert cancelled is None or cancelled.cancelled()
    for future in futures:
        try:
            future.result(10)
        except BrokenExecutor as error:
            assert "was forked" in str(error), error
        except CancelledError:
            assert future is futures[2]  # the parent was quicker than the fork
        else:
            raise AssertionError
    assert [future.result() for future in done] == [1][:len(done)]
    assert executor.statistics().pending == executor.statistics().running == 0
    assert executor.submit(echo_later, 2).result(10) == 2
    executor.cancel_futures()
    executor.shutdown()

in_child(check)
gate.open()
assert [future.result(10) for future in futures[:2]] == [0, 1]
assert executor.submit(echo_later, 3).result(10) == 3
print("parent goes on")
"""
        )

        assert output == "parent goes on\n"

    def test_of_a_parent_whose_loop_has_sockets(self) -> None:
        """The child leaves the parent's event loop alone: its sockets stay in the selector."""
        output = run_python(
            FORK
            + """
import gc, socket
left, right = socket.socketpair()
right.setblocking(False)
executor = AsyncExecutor()
waiting = threading.Event()

async def receive():
    loop = asyncio.get_running_loop()
    loop.call_soon(waiting.set)
    return await loop.sock_recv(right, 5)

future = executor.submit(receive)
assert waiting.wait(10)

def check():
    global executor, future
    assert isinstance(future.exception(10), BrokenExecutor)
    executor.submit(echo_later, 1).result(10)
    executor.shutdown()
    del executor, future
    gc.collect()

in_child(check)
left.send(b"hello")
assert future.result(10) == b"hello"
executor.shutdown()
left.close(), right.close()
print("parent goes on")
"""
        )

        assert output == "parent goes on\n"

    def test_of_a_parent_that_others_wait_for(self) -> None:
        """Futures that threads and loops of the parent wait for fail in the child, quietly."""
        output = run_python(
            FORK
            + """
executor = AsyncExecutor()
gate = Gate()
future = executor.submit(gate.pass_on, 1)
gate.arrived()
waiting = [
    threading.Thread(target=target, args=args)
    for target, args in [
        (future.result, ()),
        (concurrent.futures.wait, ([future],)),
    ]
]
for thread in waiting:
    thread.start()
called = []
future.add_done_callback(lambda _: called.append(os.getpid()))
while len(future._watchers.gates) < 1 or not len(future._waiters):
    pass

def check():
    assert isinstance(future.exception(10), BrokenExecutor)
    assert called == []

in_child(check)
gate.open()
for thread in waiting:
    thread.join(10)
assert future.result(10) == 1
executor.shutdown()
assert called == [os.getpid()]
print("parent goes on")
"""
        )

        assert output == "parent goes on\n"

    def test_from_a_task(self) -> None:
        """A task may fork: in the child the executor starts anew, in the parent all goes on."""
        output = run_python(
            FORK
            + """
executor = AsyncExecutor()

async def work():
    def check():
        thread = threading.Thread(target=check_in_thread)  # away from the parent's loop
        thread.start()
        thread.join(10)
        assert checked

    checked = []
    def check_in_thread():
        assert executor.submit(echo_later, 1).result(10) == 1
        executor.shutdown()
        checked.append(True)

    in_child(check)
    return await executor.submit(echo_later, 2)

assert executor.submit(work).result(10) == 2
print("parent goes on")
"""
        )

        assert output == "parent goes on\n"

    def test_of_a_parent_that_is_shutting_down(self) -> None:
        """A child of a parent whose executor is closing finds it shut down, and does not hang."""
        output = run_python(
            FORK
            + """
executor = AsyncExecutor()
gate = Gate()
future = executor.submit(gate.wait)
gate.arrived()
executor.shutdown(wait=False)

def check():
    try:
        executor.submit(echo, 1)
    except aiofutures.InvalidStateError:
        executor.shutdown()
    else:
        raise AssertionError

in_child(check)
gate.open()
future.result(10)
print("parent goes on")
"""
        )

        assert output == "parent goes on\n"

    def test_worker_threads_of_a_foreign_loop(self) -> None:
        """Worker threads that were used from another loop alone start anew in the child."""
        output = run_python(
            FORK
            + """
async def main():
    return await aiofutures.sync_to_async(os.getpid)

assert asyncio.run(main()) == os.getpid()

def check():
    assert asyncio.run(asyncio.wait_for(main(), 5)) == os.getpid()

in_child(check)
assert asyncio.run(main()) == os.getpid()
print("parent goes on")
"""
        )

        assert output == "parent goes on\n"

    def test_busy_worker_threads(self) -> None:
        """The child does not wait for what the worker threads of the parent run."""
        output = run_python(
            FORK
            + """
executor = AsyncExecutor()
gate = Gate()

async def main():
    waiting = executor.sync_to_async(gate.block)
    gate.arrived()
    in_child(executor.shutdown)
    gate.open()
    await waiting

asyncio.run(main())
print("parent goes on")
"""
        )

        assert output == "parent goes on\n"

    @pytest.mark.parametrize("restart", [True, False])
    def test_cleanup_is_the_parents(self, restart: bool) -> None:
        """The `finally` blocks of the parent's calls and tasks run in the parent alone."""
        output = run_python(
            FORK
            + f"""
import gc
executor = AsyncExecutor()
gate = Gate()
parent = os.getpid()

async def wait(name):
    try:
        await gate.wait()
    finally:
        print(name, os.getpid() == parent, flush=True)

async def work():
    work.kept = asyncio.create_task(wait("task"))
    await wait("call")

future = executor.submit(work)
gate.arrived(2)

child = os.fork()
if child == 0:
    if {restart}:
        executor.submit(echo_later, 1).result(10)
        executor.shutdown()
    del executor, future, work, gate
    gc.collect()
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print("child has ended", flush=True)
gate.open()
future.result(10)
executor.shutdown()
"""
        )

        first, *others = output.splitlines()
        assert first == "child has ended"
        assert sorted(others) == ["call True", "task True"]

    def test_child_that_ends_normally(self) -> None:
        """A child that ends by itself does not wait for its parent's work."""
        output = run_python(
            FORK
            + """
executor = AsyncExecutor()
gate = Gate()
future = executor.submit(gate.wait)
gate.arrived()

child = os.fork()
if child == 0:
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
gate.open()
future.result(10)
print("parent goes on")
"""
        )

        assert output == "parent goes on\n"


def test_strict_interpreter() -> None:
    """Under `-X dev -W error`, in asyncio's debug mode, all the package does is clean."""
    output = run_python(
        """
        import asyncio, sys
        sys.path.insert(0, "tests")
        from support import echo_later, fail_later
        import aiofutures

        @aiofutures.to_sync
        async def decorated(number):
            assert asyncio.get_running_loop().get_debug()
            await asyncio.sleep(0)
            return await aiofutures.sync_to_async(abs, number)

        async def main():
            return await aiofutures.run_async(echo_later, 1)

        with aiofutures.AsyncExecutor(max_workers=2) as executor:
            print(*executor.map(echo_later, range(5)))
            future = executor.submit(asyncio.sleep, 100)
            future.cancel()
            try:
                executor.submit(fail_later, OSError("lost")).result(10)
            except OSError as error:
                print(error)
        print(decorated(-3), asyncio.run(main()), aiofutures.run_async(main).result(10))
        """
    )

    assert output == "0 1 2 3 4\nlost\n3 1 1\n"


@pytest.mark.parametrize("has_begun", [True, False])
def test_call_in_a_finalizer_after_the_end(has_begun: bool) -> None:
    """A call of an object that lives to the very end is refused: nobody could run it."""
    output = run_python(
        f"""
        import asyncio
        from aiofutures import to_sync

        class Holder:
            def __init__(self):
                self.close = to_sync(lambda: asyncio.sleep(0))

            def __del__(self):
                try:
                    self.close()
                except Exception as error:
                    print(type(error).__name__, flush=True)

        holder = Holder()
        if {has_begun}:
            holder.close()
        print("end")
        """
    )

    # The modules that the first call would import are gone; on builds without the GIL, all are.
    error = "InvalidStateError" if has_begun else "ImportError"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        error = "AttributeError"
    assert output == f"end\n{error}\n"


def test_refused_at_the_very_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """From then on nothing is accepted, whatever thread asks."""
    with AsyncExecutor() as executor:
        executor.submit(asyncio.sleep, 0).result(LIMIT)
        loop_thread = executor._loop_thread

        with monkeypatch.context() as patch:
            patch.setattr(sys, "is_finalizing", lambda: True)
            assert loop_thread._refuses(loop_thread.runs[0])
        assert not loop_thread._refuses(loop_thread.runs[0])
