"""What the tests share: gates between threads, tasks and processes, each with a time limit."""

import asyncio
import concurrent.futures
import inspect
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import Context
from types import CodeType, FrameType, FunctionType
from typing import Any, Final, NoReturn, ParamSpec, Protocol, Self, TypeVar, TypeVarTuple

import pytest
from typing_extensions import override

from aiofutures import AsyncExecutor, Future
from aiofutures._loops.blocking import _acquire
from aiofutures._loops.group import LoopGroup
from aiofutures._loops.limit import Limit

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: The most seconds that a test waits for what must happen.
LIMIT = 10.0

#: The end of the interpreter.
starts_threads_at_exit = pytest.mark.skipif(
    sys.version_info[:2] == (3, 12) and sys.version_info < (3, 12, 2),
    reason="CPython gh-113964: no thread can start at the end of the interpreter",
)


HAS_GIL: Final[bool] = getattr(sys, "_is_gil_enabled", lambda: True)()

#: Without the GIL an object that one thread made and another one lets go of last is freed when the
#: first one runs next, which may be never.
frees_at_once = pytest.mark.skipif(
    not HAS_GIL,
    reason="without the GIL Python frees an object when the thread that made it runs next",
)


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


class Running:
    """Counts who runs at once, in tasks and in worker threads of all loops.

    How many really do at their most is a matter of luck where there are several threads: a test
    that asks for an exact number holds them at a `Gate`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self.most = 0

    def __enter__(self) -> None:
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._running -= 1

    async def __call__(self, seconds: float = 0.02) -> None:
        """Run for some time, as a task."""
        with self:
            await asyncio.sleep(seconds)


def _complete(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def line_of(function: Callable[..., Any], text: str) -> tuple[CodeType, int]:
    """Return where the one line of `function` is that contains `text`."""
    target = inspect.unwrap(function)
    assert isinstance(target, FunctionType)
    lines, first = inspect.getsourcelines(target)
    found = [first + number for number, line in enumerate(lines) if text in line]
    assert len(found) == 1, f"{text!r} is in {len(found)} lines of {target.__qualname__}"
    return target.__code__, found[0]


@contextmanager
def interrupted_at(
    function: Callable[..., Any], text: str, handler: Callable[[], object]
) -> Iterator[None]:
    """Call `handler` in this thread where it comes to a line, once, as that of a signal is."""
    code, number = line_of(function, text)
    handlers = [handler]
    thread = threading.get_ident()

    def callback(line: int) -> None:
        if line == number and handlers and threading.get_ident() == thread:
            handlers.pop()()

    watch = Watch(code, callback)
    watch.start()
    try:
        with watch.here():
            yield
    finally:
        watch.stop()
    assert not handlers, "the line was not reached"


class Halt:
    """Stops a thread before a line of a function of the package, once: a race, made certain.

    Args:
        function: Where to stop.
        text: A part of the line.
    """

    def __init__(self, function: Callable[..., Any], text: str) -> None:
        code, self._line = line_of(function, text)
        self._threads: list[int] = []  # that may be stopped
        self._passed_over: list[int] | None = None  # all but these may be stopped
        self._left = 1
        self._gate = Gate()
        self._watch = Watch(code, self._stop)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._gate.open()
        self._watch.stop()

    def arrived(self) -> None:
        """Block until the thread stands before the line."""
        self._gate.arrived()

    def go_on(self) -> None:
        """Let the thread go on."""
        self._gate.open()

    def call(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `fn`; where this thread comes to the line it stops."""
        self._threads.append(threading.get_ident())
        with self._watch.here():
            return fn(*args, **kwargs)

    def in_new_threads(self) -> Self:
        """Stop one of the threads that are started from now on, if it comes to the line."""
        self._passed_over = [thread.ident or 0 for thread in threading.enumerate()]
        self._watch.in_new_threads()
        return self

    def _stop(self, line: int) -> None:
        thread = threading.get_ident()
        passed_over = self._passed_over is None or thread in self._passed_over
        if line == self._line and self._left and (thread in self._threads or not passed_over):
            self._left -= 1
            self._gate.block()


class Tracing:
    """Calls a function before each line of some code, in threads where it is told to."""

    def __init__(self, code: CodeType, callback: Callable[[int], object]) -> None:
        self._code = code
        self._callback = callback
        self._hooks: list[Any] = []

    def start(self) -> None:
        """Start watching, as far as no thread is needed for it."""

    def stop(self) -> None:
        """Stop watching."""
        self._callback = lambda _: None
        while self._hooks:
            threading.settrace(self._hooks.pop())

    @contextmanager
    def here(self) -> Iterator[None]:
        """Watch the calling thread."""
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            yield
        finally:
            sys.settrace(before)

    def in_new_threads(self) -> None:
        """Watch the threads that are started from now on."""
        self._hooks.append(threading.gettrace())
        threading.settrace(self._trace)

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code is self._code and event == "line":
            self._callback(frame.f_lineno)
        return self._trace if event != "call" or frame.f_code is self._code else None


if sys.version_info >= (3, 12):

    class Watch(Tracing):
        """The same in all threads, beside whatever else watches them: coverage goes on."""

        @override
        def start(self) -> None:
            free = [tool for tool in range(6) if sys.monitoring.get_tool(tool) is None]
            self._tool = free[0]
            line = sys.monitoring.events.LINE
            sys.monitoring.use_tool_id(self._tool, "halt")
            sys.monitoring.register_callback(self._tool, line, lambda _, at: self._callback(at))
            sys.monitoring.set_local_events(self._tool, self._code, line)

        @override
        def stop(self) -> None:
            sys.monitoring.set_local_events(self._tool, self._code, 0)
            sys.monitoring.register_callback(self._tool, sys.monitoring.events.LINE, None)
            sys.monitoring.free_tool_id(self._tool)

        @override
        def here(self) -> AbstractContextManager[None]:
            return nullcontext()

        @override
        def in_new_threads(self) -> None:
            """Do nothing: all threads are watched."""

else:
    Watch = Tracing


class WithoutReaders(asyncio.SelectorEventLoop):
    """An event loop that watches no files, as that of Windows."""

    @override
    def add_reader(self, *_: object) -> NoReturn:
        """Refuse."""
        raise NotImplementedError


class Refusing(WithoutReaders):
    """An event loop that refuses to be woken when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[Exception] = []  # one for each time

    def prepare_wake_up(self) -> None:
        """Raise the next error, if there is one."""
        if self.errors:
            raise self.errors.pop(0)

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


@contextmanager
def thread_error(error: type[BaseException]) -> Iterator[None]:
    """Expect the loop thread to end with `error`, which its caller cannot get."""
    hook = threading.excepthook
    errors: list[type[BaseException]] = []
    ended = threading.Event()

    def note(arguments: threading.ExceptHookArgs) -> None:
        errors.append(arguments.exc_type)
        ended.set()

    threading.excepthook = note
    try:
        yield
        assert ended.wait(LIMIT)
    finally:
        threading.excepthook = hook
    assert errors == [error]


class Breaking(asyncio.SelectorEventLoop):
    """An event loop that fails when it is told to."""

    broken = False

    def fail(self) -> None:
        """Fail in the next turn."""
        self.broken = True
        self.call_soon_threadsafe(lambda: None)

    def _run_once(self) -> None:
        if self.broken:
            raise OSError("the selector has failed")
        run_once: Callable[[], None] = getattr(super(), "_run_once")
        run_once()


def silence(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Have asyncio not report that these tasks are pending when they are destroyed."""
    for task in tasks:
        setattr(task, "_log_destroy_pending", False)


def in_thread(
    fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> "concurrent.futures.Future[T]":
    """Run `fn` in a thread of its own."""
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(fn, *args, **kwargs)
    finally:
        pool.shutdown(wait=False)


def in_threads(count: int, fn: Callable[[int], T]) -> list[T]:
    """Run `fn` in so many threads at the same time and return what it returns in each."""
    barrier = threading.Barrier(count)

    def run(number: int) -> T:
        barrier.wait(LIMIT)
        return fn(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def loop_that_calls(note: Callable[[Any], object]) -> asyncio.AbstractEventLoop:
    """Return an event loop with a task factory of the user's: no task begins at once.

    It calls `note` with the coroutine of each task before it makes that.
    """

    def make_task(
        loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> asyncio.Task[Any]:
        note(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    loop = asyncio.new_event_loop()
    loop.set_task_factory(make_task)
    return loop


def in_child(check: Callable[[], object], limit: float = LIMIT) -> None:
    """Call `check` in a forked child, which must end without an error in so many seconds."""
    child = os.fork()
    if child == 0:
        exit_code = 1
        try:
            check()
            sys.stdout.flush()
            _save_coverage()  # else at the exit, to which it does not come
            exit_code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(exit_code)
    statuses: list[int] = []

    def ended() -> bool:
        process, status = os.waitpid(child, os.WNOHANG)
        if process:
            statuses.append(status)
        return bool(process)

    try:
        until(ended, limit)
    finally:
        if not statuses:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(statuses[0]) == 0


def _save_coverage() -> None:
    """Save what coverage has measured in this process, if it does."""
    coverage = sys.modules.get("coverage")
    measured = coverage and coverage.Coverage.current()
    if measured:
        measured.save()


def until(condition: Callable[[], bool], limit: float = LIMIT) -> None:
    """Wait for a state that nothing announces, for so many seconds at most."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0)


def is_in(thread: threading.Thread | None, function: Callable[..., Any]) -> bool:
    """Tell whether `thread` runs `function`."""
    assert thread is not None
    frame: FrameType | None = sys._current_frames().get(thread.ident or 0)
    while frame is not None and frame.f_code is not function.__code__:
        frame = frame.f_back
    return frame is not None


def on_each_loop(executor: AsyncExecutor, fn: Callable[..., Any], *args: object) -> None:
    """Run a call on each event loop of an executor, one after the other."""
    host = executor._host
    for loop_thread in host.members if isinstance(host, LoopGroup) else [host]:
        future = Future(loop_thread, fn, args, None, Context())
        loop_thread.submit(future)
        future.result(LIMIT)


def limit_of(executor: AsyncExecutor) -> Limit:
    """Return the limit of an executor that has one."""
    limit = executor._loop_thread.limit
    assert limit is not None
    return limit


def let_go(executor: AsyncExecutor) -> None:
    """Have each event loop of an executor let go of the calls that are over.

    Without the GIL this takes several rounds: what holds an object may belong to another thread,
    and is freed when that one runs next.
    """
    host = executor._host
    # Calls from outside take turns.
    loops = len(host.members) if isinstance(host, LoopGroup) else 1
    for _ in range(1 if HAS_GIL else 10):
        for future in [executor.submit(echo_later, 1) for _ in range(loops)]:
            future.result(LIMIT)


async def until_blocked(thread: int) -> None:
    """Wait until `thread` blocks for a future."""
    async with asyncio.timeout(LIMIT):
        while sys._current_frames()[thread].f_code is not _acquire.__code__:
            await asyncio.sleep(0)


# asyncio's debug mode warns of slow callbacks, and on a busy machine every one may be slow.
_QUIET: Final = "import logging; logging.getLogger('asyncio').setLevel(logging.ERROR)\n"


def interpreter(script: str, *options: str) -> list[str]:
    """Return the command of a new interpreter that runs `script`, strict about warnings."""
    flags = options or ("-X", "dev", "-W", "error")
    quiet = "" if "from __future__" in script else _QUIET
    return [sys.executable, *flags, "-c", quiet + textwrap.dedent(script)]


def run_python(script: str, *options: str, env: dict[str, str] | None = None) -> str:
    """Run `script` in a new interpreter and return what it prints; it must print no error."""
    done = subprocess.run(
        interpreter(script, *options),
        capture_output=True,
        text=True,
        timeout=5 * LIMIT,  # a busy machine starts an interpreter in seconds
        env=env,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def run_untraced(script: str) -> str:
    """Do the same without coverage, which needs room on the stack too, at each line."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    return run_python(script, env=env)


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
