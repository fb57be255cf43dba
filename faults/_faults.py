"""The faults. Each is a function of a library that prints its outcome, last one wins.

A library that has nothing the fault could happen to raises NotApplicable. What takes longer than
the limit hangs; what ends without an outcome has crashed.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextvars
import dataclasses
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, NoReturn

from typing_extensions import override

from ._adapters import Library, NotApplicable, make

WAIT: Final = 4.0  # seconds for what must happen; less than the limit of the process
MOMENT: Final = 0.3  # seconds after which something has surely begun


class Fault(NamedTuple):
    """One way in which things go wrong."""

    name: str
    description: str
    right: str
    run: Callable[[str], None]

    def judge(self, output: str, status: int) -> str:
        """Return the outcome of a child that has ended."""
        outcomes = [line[9:] for line in output.splitlines() if line.startswith("outcome: ")]
        if outcomes:
            return outcomes[-1]
        return "crashes" if status else "loses work"


FAULTS: Final[list[Fault]] = []


def fault(description: str, right: str) -> Callable[[Callable[[str], None]], Callable[[str], None]]:
    """Register a fault: what happens, and what the right outcome is."""

    def register(run: Callable[[str], None]) -> Callable[[str], None]:
        FAULTS.append(Fault(run.__name__, description, right, run))
        return run

    return register


def say(outcome: str) -> None:
    """Print an outcome."""
    print(f"outcome: {outcome}", flush=True)


def leave(outcome: str) -> NoReturn:
    """Print an outcome and end at once, whatever the library would do at the end."""
    say(outcome)
    os._exit(0)


def collect_log() -> list[str]:
    """Return the list to which from now on all that is logged is added."""
    messages: list[str] = []

    class Handler(logging.Handler):
        @override
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    logging.getLogger().addHandler(Handler())
    return messages


async def value(result: Any) -> Any:
    """Return `result` after the event loop has turned."""
    await asyncio.sleep(0)
    return result


@fault("code on the loop waits for its own loop: `future.result()` in a task", "an error at once")
def own_loop(library: str) -> None:
    """A deadlock."""
    lib = make(library)

    async def work() -> str:
        try:
            return str(lib.call(value, 1))
        except (RuntimeError, asyncio.InvalidStateError):
            return "error"

    if library == "asgiref":
        outcome = asyncio.run(work())
    else:
        outcome = lib.call(work)
    leave("right" if outcome == "error" else "wrong error")


@fault("a task is cancelled while `result()` waits", "`result()` returns after its cleanup")
def cancel_and_cleanup(library: str) -> None:
    """The cleanup still runs."""
    lib = make(library)
    cleaned = threading.Event()
    started = threading.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.sleep(WAIT)
        finally:
            await asyncio.sleep(0.05)
            cleaned.set()

    future = lib.submit(work)
    started.wait(WAIT)
    future.cancel()
    try:
        future.result(WAIT)
    except (concurrent.futures.CancelledError, asyncio.CancelledError):
        leave("right" if cleaned.is_set() else "silent")
    except concurrent.futures.TimeoutError:
        leave("wrong error")


@fault("a task swallows its cancellation and returns a value", "the value arrives")
def swallowed_cancellation(library: str) -> None:
    """The value is lost."""
    lib = make(library)
    started = threading.Event()

    async def work() -> str:
        started.set()
        try:
            await asyncio.sleep(WAIT)
        except asyncio.CancelledError:
            return "value"
        return "late"

    future = lib.submit(work)
    started.wait(WAIT)
    future.cancel()
    try:
        leave("right" if future.result(WAIT) == "value" else "wrong error")
    except concurrent.futures.TimeoutError:
        leave("hangs")
    except (concurrent.futures.CancelledError, asyncio.CancelledError):
        leave("loses work")


@fault("submits from four threads race `shutdown`", "each is refused or completes")
def submit_and_shutdown(library: str) -> None:
    """Futures that never complete."""
    sys.setswitchinterval(1e-5)
    for _ in range(40):
        lib = make(library)
        futures: list[Any] = []
        threads = [
            threading.Thread(target=_submit_until_refused, args=(lib, futures), daemon=True)
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.001)
        lib.shutdown()
        for thread in threads:
            thread.join(WAIT)
        if concurrent.futures.wait(futures, 0.5).not_done:
            leave("hangs")
        if any(future.cancelled() for future in futures):
            leave("loses work")
    leave("right")


def _submit_until_refused(lib: Library, futures: list[Any]) -> None:
    for n in range(200):
        try:
            futures.append(lib.submit(value, n))
        except Exception:  # each library has its own
            return


@fault("a task raises SystemExit while others run", "only its own future sees it")
def system_exit(library: str) -> None:
    """The loop ends and everybody with it."""
    lib = make(library)

    async def leave_task() -> NoReturn:
        await asyncio.sleep(0)
        sys.exit(3)

    other = lib.submit(asyncio.sleep, MOMENT, "alive")
    failing = lib.submit(leave_task)
    try:
        failing.result(WAIT / 2)
    except SystemExit:
        pass
    except concurrent.futures.TimeoutError:
        leave("hangs")
    except BaseException:
        leave("wrong error")
    try:
        if other.result(WAIT / 2) == "alive" and lib.submit(value, 1).result(WAIT / 2) == 1:
            leave("right")
    except concurrent.futures.TimeoutError:
        leave("hangs")
    except BaseException:
        leave("loses work")


def _fork(lib: Library, child: Callable[[], str]) -> str:
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            outcome = child()
        except BaseException as error:
            outcome = "wrong error"
            sys.stderr.write(f"{error!r}\n")
        os.write(writing, outcome.encode())
        os._exit(0)
    os.close(writing)
    deadline = time.monotonic() + WAIT
    while os.waitpid(process, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return "hangs"
        time.sleep(0.01)
    return os.read(reading, 100).decode()


@fault("a process forks and the child calls the same executor", "it works there")
def fork(library: str) -> None:
    """The child has no thread that would run the loop."""
    lib = make(library)
    lib.call(value, 1)

    leave(_fork(lib, lambda: "right" if lib.call(value, 2) == 2 else "wrong error"))


@fault("a child waits for a future that its parent has not finished", "an error")
def fork_result(library: str) -> None:
    """Nobody would finish it."""
    lib = make(library)
    future = lib.submit(asyncio.sleep, WAIT)
    time.sleep(MOMENT)

    def child() -> str:
        try:
            future.result()
        except Exception:
            return "right"
        return "wrong error"

    leave(_fork(lib, child))


@fault("the interpreter ends with work in flight", "the work finishes first")
def exit_with_work(library: str) -> None:
    """As with ThreadPoolExecutor."""
    lib = make(library)

    async def work() -> None:
        await asyncio.sleep(MOMENT)
        say("right")

    lib.submit(work)


@fault("the interpreter ends while a background task waits", "its `finally` runs")
def exit_with_background_task(library: str) -> None:
    """The task is dropped."""
    lib = make(library)
    kept: list[Any] = []

    async def background() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            say("right")

    async def work() -> None:
        kept.append(asyncio.ensure_future(background()))
        await asyncio.sleep(0)

    lib.call(work)


def _interrupt(after: float) -> None:
    threading.Timer(after, os.kill, (os.getpid(), signal.SIGINT)).start()


@fault("Ctrl-C while synchronous code waits for a call", "the call is cancelled and cleans up")
def ctrl_c(library: str) -> None:
    """The call goes on, and the interpreter waits for it or drops it."""
    lib = make(library)
    cleaned = threading.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0.05)
            cleaned.set()

    _interrupt(MOMENT)
    try:
        lib.call(work)
    except KeyboardInterrupt:
        leave("right" if cleaned.wait(0.5) else "loses work")


@fault("Ctrl-C while `shutdown` waits, then the interpreter ends", "cleanup runs, then it ends")
def ctrl_c_in_shutdown(library: str) -> None:
    """The cleanup is lost, or the process cannot end."""
    lib = make(library)
    started = threading.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.sleep(MOMENT * 3)
        finally:
            await asyncio.sleep(0.05)
            say("right")

    lib.submit(work)
    started.wait(WAIT)
    _interrupt(MOMENT)
    try:
        lib.shutdown()
    except KeyboardInterrupt:
        pass


@fault("executors are made, used and dropped", "their threads end")
def dropped(library: str) -> None:
    """Threads and descriptors pile up."""
    before = threading.active_count()
    for _ in range(20):
        lib = make(library)
        lib.submit(value, 1).result(WAIT)
        lib.executor
        del lib
        gc.collect()
    deadline = time.monotonic() + 1
    while threading.active_count() > before + 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    leave("right" if threading.active_count() <= before + 2 else "silent")


@fault("a call awaits a call, with one allowed at a time", "both end")
def nested_under_a_limit(library: str) -> None:
    """A limit of its own makes them wait for each other."""
    lib = make(library, max_workers=1)

    async def outer() -> Any:
        return await lib.submit(value, 1)

    leave("right" if lib.submit(outer).result() == 1 else "wrong error")


@fault("200 times: loop, worker thread, loop, worker thread", "they end")
def sandwiches(library: str) -> None:
    """All worker threads wait for a worker thread."""
    lib = make(library)

    def middle() -> Any:
        return lib.call(inner)

    async def inner() -> Any:
        return await lib.in_thread(abs, -1)

    async def outer() -> Any:
        return await lib.in_thread(middle)

    async def all_of_them() -> list[Any]:
        return list(await asyncio.gather(*(outer() for _ in range(200))))

    leave("right" if lib.call(all_of_them) == [1] * 200 else "wrong error")


@fault("a task fails and nobody looks at its future", "it is logged")
def unfetched(library: str) -> None:
    """Nobody ever hears of it."""
    records = collect_log()
    lib = make(library)

    async def work() -> NoReturn:
        await asyncio.sleep(0)
        raise ValueError("unheard")

    lib.submit(work)
    deadline = time.monotonic() + 1
    while not records and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    leave("right" if records else "silent")


@fault("a task blocks the loop with `time.sleep`", "what blocks is named while it does")
def blocked_loop(library: str) -> None:
    """Everything stands still, and nobody knows why."""
    records = collect_log()
    try:
        lib = make(library, blocked_loop_timeout=0.2)
    except NotApplicable:
        lib = make(library)

    async def guilty() -> None:
        time.sleep(1)

    lib.call(guilty)
    leave("right" if any("guilty" in record for record in records) else "silent")


@fault("an async function sets a context variable for its synchronous caller", "it is set")
def context_back(library: str) -> None:
    """As with `await`."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    lib = make(library)

    async def work() -> None:
        variable.set("set")

    lib.call(work)
    leave("right" if variable.get() == "set" else "silent")


@fault("a context variable of the caller, read in a worker thread of a task", "it has its value")
def context_forth(library: str) -> None:
    """Tracing and requests need it."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    lib = make(library)

    async def work() -> Any:
        return await lib.in_thread(variable.get)

    variable.set("set")
    leave("right" if lib.call(work) == "set" else "silent")


def _mistake(library: str, fn: Any, *words: str) -> NoReturn:
    lib = make(library)
    try:
        future = lib.submit(fn)
        future.result(WAIT / 2)
    except NotApplicable:
        raise
    except concurrent.futures.TimeoutError:
        leave("hangs")
    except TypeError as error:
        leave("right" if any(word in str(error) for word in words) else "wrong error")
    except BaseException:
        leave("wrong error")
    leave("silent")


@fault("a sync function is submitted", "a TypeError that says so")
def sync_function(library: str) -> None:
    """It would block the loop."""

    def work() -> int:
        return 1

    _mistake(library, work, "work")


@fault("a coroutine is submitted instead of a function", "a TypeError that says so")
def coroutine_object(library: str) -> None:
    """The commonest mistake."""
    coroutine = value(1)
    _mistake(library, coroutine, "coroutine")


@fault("a task shuts its own executor down", "an error at once, or it ends")
def shutdown_in_a_task(library: str) -> None:
    """It waits for itself."""
    lib = make(library)

    async def work() -> str:
        try:
            lib.shutdown()
        except Exception:
            return "error"
        return "shut down"

    leave("right" if lib.submit(work).result() in {"error", "shut down"} else "wrong error")


@fault("a function in a worker thread raises StopIteration", "an error arrives")
def stop_iteration(library: str) -> None:
    """A future cannot take it, and the task waits for ever."""
    lib = make(library)

    async def work() -> str:
        try:
            await asyncio.wait_for(lib.in_thread(next, iter(())), WAIT / 2)
        except TimeoutError:
            return "hangs"
        except RuntimeError:
            return "right"
        return "silent"

    leave(lib.call(work))


@fault("a task waits for a thread that is still busy when it is cancelled", "it ends at once")
def cancelled_in_a_thread(library: str) -> None:
    """The cancellation waits for the thread."""
    lib = make(library)
    started, go_on = threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        go_on.wait(WAIT)

    async def work() -> None:
        await lib.in_thread(block)

    future = lib.submit(work)
    started.wait(WAIT)
    begin = time.monotonic()
    future.cancel()
    try:
        future.result(WAIT / 2)
    except (concurrent.futures.CancelledError, asyncio.CancelledError):
        pass
    except concurrent.futures.TimeoutError:
        leave("hangs")
    try:
        lib.submit(value, 1).result(WAIT / 2)
    finally:
        waited = time.monotonic() - begin
        leave("right" if waited < WAIT / 2 else "hangs")


@fault("a synchronous call takes too long, with a time limit", "it is cancelled, with TimeoutError")
def time_limit(library: str) -> None:
    """The call goes on in the background."""
    lib = make(library)
    cancelled = threading.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(WAIT)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    if library == "aiofutures":
        from aiofutures import to_sync

        limited = to_sync(executor=lib.executor, timeout=MOMENT)(work)
    else:

        def limited() -> None:
            lib.submit(work).result(MOMENT)

    try:
        limited()
    except TimeoutError:
        leave("right" if cancelled.wait(MOMENT) else "silent")


def _outcome_of(future: Any, error: type[BaseException]) -> str:
    """Tell whether a future ends with an error."""
    try:
        future.result(WAIT / 2)
    except error:
        return "right"
    except concurrent.futures.TimeoutError:
        return "hangs"
    except BaseException:
        return "wrong error"
    return "silent"


@fault("a task raises an exception that refuses attributes (a frozen dataclass)", "it arrives")
def frozen_exception(library: str) -> None:
    """The future never ends."""
    lib = make(library)

    @dataclasses.dataclass(frozen=True)
    class NotFound(Exception):  # noqa: N818
        key: str

    async def work() -> NoReturn:
        raise NotFound("a")

    leave(_outcome_of(lib.submit(work), NotFound))


@fault("a task returns an object whose `__class__` raises (a lazy proxy)", "it arrives")
def refusing_result(library: str) -> None:
    """The future never ends."""
    lib = make(library)

    class Proxy:
        # mypy: it is no property of `object`.
        @property  # type: ignore[misc]
        @override
        def __class__(self) -> type:
            raise RuntimeError("not connected")

    async def work() -> Proxy:
        return Proxy()

    result = lib.submit(work).result(WAIT / 2)
    leave("right" if type(result) is Proxy else "wrong error")


@fault("a done callback raises SystemExit", "the other callbacks run, and later calls")
def callback_exits(library: str) -> None:
    """The loop ends, or callbacks are lost."""
    lib = make(library)
    called = threading.Event()
    future = lib.submit(asyncio.sleep, MOMENT)
    future.add_done_callback(lambda _: sys.exit(1))
    future.add_done_callback(lambda _: called.set())
    if not called.wait(WAIT / 2):
        leave("loses work")
    leave("right" if lib.submit(value, 1).result(WAIT / 2) == 1 else "wrong error")


@fault("a logging handler raises while a callback's error is logged", "the other callbacks run")
def refusing_handler(library: str) -> None:
    """Callbacks are lost."""

    class Handler(logging.Handler):
        @override
        def emit(self, record: logging.LogRecord) -> NoReturn:
            raise OSError("disk full")

    lib = make(library)
    for name in ("", "asyncio", "concurrent.futures"):
        logging.getLogger(name).addHandler(Handler())
    called = threading.Event()
    future = lib.submit(asyncio.sleep, MOMENT)
    future.add_done_callback(lambda _: 1 / 0)
    future.add_done_callback(lambda _: called.set())
    if not called.wait(WAIT / 2):
        leave("loses work")
    leave("right" if lib.submit(value, 1).result(WAIT / 2) == 1 else "wrong error")


@fault("`asyncio.Task` is replaced after the import (debuggers, nest_asyncio)", "calls work")
def replaced_task(library: str) -> None:
    """Every call fails."""
    lib = make(library)
    tasks: Any = asyncio.tasks
    tasks.Task = asyncio.Task = tasks._PyTask  # type: ignore[misc]
    leave("right" if lib.call(value, 1) == 1 else "wrong error")


@fault("a task calls, then a thread", "the thread's callback does not see the task's context")
def strangers_context(library: str) -> None:
    """It sees the request, the tenant or the span of the first."""
    lib = make(library)
    request = contextvars.ContextVar("request", default="none")
    seen: list[str] = []
    called = threading.Event()

    async def nap() -> None:
        await asyncio.sleep(0.02)

    async def stranger() -> None:
        await asyncio.sleep(0.01)
        request.set("stranger")
        lib.submit(nap)
        time.sleep(0.05)

    def see(_: object) -> None:
        seen.append(request.get())
        called.set()

    lib.submit(stranger)
    time.sleep(0.03)
    request.set("own")
    lib.submit(nap).add_done_callback(see)
    called.wait(WAIT / 2)
    leave("right" if seen in (["own"], ["none"]) else "silent")


@fault("a thousand askers of a failed future", "their frames are freed")
def asked_again(library: str) -> None:
    """Its traceback grows, and keeps each of them alive."""
    lib = make(library)

    async def work() -> NoReturn:
        raise ValueError("no token")

    future = lib.submit(work)
    last: BaseException | None = None
    for _ in range(1000):
        try:
            future.result(WAIT)
        except ValueError as error:
            last = error
    entries, traceback = 0, last.__traceback__ if last else None
    while traceback is not None:
        entries, traceback = entries + 1, traceback.tb_next
    leave("right" if 0 < entries < 100 else "silent")


@fault("a thread that outlives the main thread calls", "its calls work")
def late_thread(library: str) -> None:
    """Pools, timers and queue consumers lose their work."""
    lib = make(library)
    lib.call(value, 1)

    def work() -> None:
        time.sleep(MOMENT)
        say("right" if lib.call(value, 1) == 1 else "wrong error")

    threading.Thread(target=work).start()


@fault("a function of `atexit` calls, to close a client", "its call works")
def call_at_exit(library: str) -> None:
    """The client is not closed, with an error or without a word."""
    lib = make(library)
    lib.call(value, 1)
    atexit.register(lambda: say("right" if lib.call(value, 1) == 1 else "wrong error"))


@fault("a call has failed, nobody asked, and the interpreter ends", "the error is reported")
def unfetched_at_exit(library: str) -> None:
    """It appears nowhere."""
    lib = make(library)

    async def work() -> NoReturn:
        raise RuntimeError("bad token")

    unfetched_at_exit.__dict__["kept"] = lib.submit(work)
    logging.getLogger().addHandler(_Saying())
    time.sleep(MOMENT)


class _Saying(logging.Handler):
    """Says that it is right when the error comes."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        say("right" if "bad token" in f"{record.getMessage()} {error}" else "wrong error")
