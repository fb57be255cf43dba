"""What the tests share: gates between threads, tasks and processes, each with a time limit."""

import asyncio
import concurrent.futures
import inspect
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context
from types import FrameType, FunctionType, TracebackType
from typing import Any, NoReturn, ParamSpec, Protocol, Self, TypeVar, TypeVarTuple

from typing_extensions import override

from aiofutures import AsyncExecutor
from aiofutures._watchers import block

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: The most seconds that a test waits for what must happen.
LIMIT = 10.0


class MakeExecutor(Protocol):
    """Makes an executor over the event loop of the test, and shuts it down after the test."""

    def __call__(
        self,
        executor: ThreadPoolExecutor | None = None,
        *,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
    ) -> AsyncExecutor: ...


class Gate:
    """Holds tasks and threads until it is opened, and tells when they have come.

    Leaving a `with` block opens it, so that a failed test ends too.
    """

    def __init__(self) -> None:
        self._arrivals = threading.Semaphore(0)
        self._opened = threading.Event()
        self._lock = threading.Lock()
        self._tasks: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.open()

    def open(self) -> None:
        """Let everybody go on, now and later."""
        with self._lock:
            self._opened.set()
            tasks, self._tasks = self._tasks, []
        for loop, waiter in tasks:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_complete, waiter)

    def arrived(self, count: int = 1) -> None:
        """Block until `count` more have come."""
        for _ in range(count):
            assert self._arrivals.acquire(timeout=LIMIT), "nobody came to the gate"

    async def wait(self) -> None:
        """Come to the gate and wait, as a task."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        with self._lock:
            if not self._opened.is_set():
                self._tasks.append((loop, waiter))
        self._arrivals.release()
        if not self._opened.is_set():
            await asyncio.wait_for(waiter, LIMIT)

    async def pass_on(self, value: T) -> T:
        """Come to the gate, wait and return `value`."""
        await self.wait()
        return value

    def block(self) -> None:
        """Come to the gate and wait, as a thread."""
        self._arrivals.release()
        assert self._opened.wait(LIMIT), "nobody opened the gate"


def _complete(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Halt:
    """Stops a thread before a line of a function of the package: a race, made certain.

    Args:
        function: Where to stop.
        text: A part of the line.
        hits: How often the line is passed before the stop.
    """

    def __init__(self, function: Callable[..., Any], text: str, *, hits: int = 0) -> None:
        target = inspect.unwrap(function)
        assert isinstance(target, FunctionType)
        lines, first = inspect.getsourcelines(target)
        found = [first + number for number, line in enumerate(lines) if text in line]
        assert len(found) == 1, f"{text!r} is in {len(found)} lines of {target.__qualname__}"
        self._place = (target.__code__, found[0])
        self._hits = hits
        self.gate = Gate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.gate.open()

    def arrived(self) -> None:
        """Block until the thread stands before the line."""
        self.gate.arrived()

    def go_on(self) -> None:
        """Let the thread go on."""
        self.gate.open()

    def call(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `fn`; where this thread comes to the line it stops."""
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            return fn(*args, **kwargs)
        finally:
            sys.settrace(before)

    @contextmanager
    def in_new_threads(self) -> Iterator[Self]:
        """Stop threads that are started in the block, if they come to the line."""
        before = threading.gettrace()
        threading.settrace(self._trace)
        try:
            yield self
        finally:
            threading.settrace(before)

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        code, number = self._place
        if frame.f_code is not code:
            return self._trace if event == "call" else None
        if event == "line" and frame.f_lineno == number:
            self._hits -= 1
            if self._hits == -1:
                self.gate.block()
        return self._trace


class WithoutReaders(asyncio.SelectorEventLoop):
    """An event loop that watches no files, as that of Windows."""

    @override
    def add_reader(self, *_: object) -> NoReturn:
        """Refuse."""
        raise NotImplementedError


class Refusing(WithoutReaders):
    """An event loop that refuses to be woken when it is told to, once."""

    error: BaseException | None = None

    def prepare_wake_up(self) -> None:
        """Raise the error, if there is one."""
        error, self.error = self.error, None
        if error is not None:
            raise error

    @override
    def call_soon_threadsafe(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Wake the loop, or refuse."""
        self.prepare_wake_up()
        return super().call_soon_threadsafe(callback, *args, context=context)


class Pausing(Refusing):
    """An event loop at whose wake-up threads can be stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.gates: dict[int, Gate] = {}  # by thread

    @override
    def prepare_wake_up(self) -> None:
        """Wait at the gate of the calling thread, once."""
        gate = self.gates.pop(threading.get_ident(), None)
        if gate is not None:
            gate.block()


def in_thread(
    fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> "concurrent.futures.Future[T]":
    """Run `fn` in a thread of its own."""
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(fn, *args, **kwargs)
    finally:
        pool.shutdown(wait=False)


async def until_blocked(thread: int) -> None:
    """Wait until `thread` blocks for a future."""
    async with asyncio.timeout(LIMIT):
        while sys._current_frames()[thread].f_code is not block.__code__:
            await asyncio.sleep(0)


def interpreter(script: str, *options: str) -> list[str]:
    """Return the command of a new interpreter that runs `script`, strict about warnings."""
    flags = options or ("-X", "dev", "-W", "error")
    return [sys.executable, *flags, "-c", textwrap.dedent(script)]


def run_python(script: str, *options: str, env: dict[str, str] | None = None) -> str:
    """Run `script` in a new interpreter and return what it prints; it must print no error."""
    done = subprocess.run(
        interpreter(script, *options),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env=env,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


async def echo(value: T) -> T:
    """Return `value` without ever suspending."""
    return value


async def echo_later(value: T) -> T:
    """Return `value` after the event loop has turned once."""
    await asyncio.sleep(0)
    return value


async def fail(error: BaseException) -> NoReturn:
    """Raise `error` without ever suspending."""
    raise error


async def fail_later(error: BaseException) -> NoReturn:
    """Raise `error` after the event loop has turned once."""
    await asyncio.sleep(0)
    raise error
