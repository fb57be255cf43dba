"""The decorators, for functions that return awaitables."""

import abc
import asyncio
import concurrent.futures
import contextvars
import functools
import inspect
import math
import pickle
import re
import signal
import subprocess
import sys
import textwrap
import threading
import types
import typing
import warnings
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any, Final, Generic, TypeVar, overload
from unittest.mock import AsyncMock, Mock, create_autospec, patch

import pytest
from support import (
    LIMIT,
    Gate,
    MakeExecutor,
    echo,
    fail_later,
    in_thread,
    interpreter,
    run_python,
    until_blocked,
)
from typing_extensions import override

from aiofutures import (
    AsyncExecutor,
    BlockingCallWarning,
    CancelledError,
    DeadlockError,
    Future,
    InvalidStateError,
    in_executor,
    to_sync,
    to_sync_context,
    to_sync_iter,
)
from aiofutures._sync.call import wait

T = TypeVar("T")

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
other: contextvars.ContextVar[str] = contextvars.ContextVar("other", default="unset")

on_the_default_executor = pytest.mark.usefixtures("default_executor")


@to_sync
async def double(number: int) -> int:
    """Double."""
    await asyncio.sleep(0)
    return 2 * number


async def triple(number: int) -> int:
    """Triple."""
    return 3 * number


triple_sync = to_sync(triple)
triple_sync.__qualname__ = "triple_sync"


@in_executor
async def start_double(number: int) -> int:
    """Double, later."""
    await asyncio.sleep(0)
    return 2 * number


@overload
def convert(value: int) -> Awaitable[str]: ...
@overload
def convert(value: str) -> Awaitable[int]: ...
@to_sync  # type: ignore[misc]  # the overloads describe what is decorated
async def convert(value: int | str) -> int | str:
    """Convert one to the other."""
    return str(value) if isinstance(value, int) else int(value)


class Client(Generic[T]):
    """Has methods of all kinds."""

    prefix = "client"

    def __init__(self, value: T) -> None:
        self.value = value

    @to_sync
    async def get(self, key: str) -> tuple[T, str]:
        """Get."""
        return self.value, key

    @in_executor
    async def start_get(self, key: str) -> tuple[T, str]:
        """Get, later."""
        return self.value, key

    @classmethod
    @to_sync
    async def of_class(cls, key: str) -> str:
        """Get, from the class."""
        return cls.prefix + key

    @to_sync
    @classmethod
    async def of_class_above(cls, key: str) -> str:
        """Get, from the class, decorated in the other order."""
        return cls.prefix + key

    @staticmethod
    @to_sync
    async def static(key: str) -> str:
        """Get, from nowhere."""
        return key

    @to_sync
    @staticmethod
    async def static_above(key: str) -> str:
        """Get, from nowhere, decorated in the other order."""
        return key

    @in_executor(executor=None)
    @staticmethod
    async def start_static_above(key: str) -> str:
        """Get, later, from nowhere, decorated with options."""
        return key

    @property
    @to_sync
    async def described(self) -> str:
        """The description."""
        return f"{self.value}"


class Adder:
    """A callable object that is async."""

    async def __call__(self, a: int, b: int = 1) -> int:
        """Add."""
        await asyncio.sleep(0)
        return a + b


def return_awaitable(number: int) -> Awaitable[int]:
    """Return an awaitable without being async."""
    return echo(number)


@on_the_default_executor
class TestCalls:
    """What can be decorated, and called."""

    def test_function(self) -> None:
        """A call of a decorated function returns the result, or its future."""
        assert double(2) == double(number=2) == 4
        assert start_double(2).result(LIMIT) == start_double(number=2).result(LIMIT) == 4
        assert type(start_double(2)) is Future

    def test_in_comprehensions_and_map(self) -> None:
        """Decorated functions are plain functions: `map` and comprehensions take them."""
        assert list(map(double, range(3))) == [0, 2, 4]
        assert [future.result(LIMIT) for future in map(start_double, range(3))] == [0, 2, 4]

    def test_overloaded(self) -> None:
        """An overloaded function can be decorated."""
        call: Any = convert

        assert call(1) == "1"
        assert call("1") == 1

    def test_methods(self) -> None:
        """Methods are bound to their object, or class, whichever decorator is above."""
        client = Client(3)

        assert client.get("key") == (3, "key")
        assert Client.get(client, key="key") == (3, "key")
        assert client.start_get("key").result(LIMIT) == (3, "key")
        assert Client.of_class("!") == client.of_class("!") == "client!"
        above: Any = Client
        assert above.of_class_above("!") == above(3).of_class_above("!") == "client!"
        assert Client.static("key") == client.static("key") == "key"
        assert Client.static_above("key") == client.static_above("key") == "key"
        assert client.start_static_above("key").result(LIMIT) == "key"
        assert client.described == "3"

    def test_methods_of_subclasses(self) -> None:
        """Inherited methods work, and `super()` in overridden ones."""

        class Special(Client[int]):
            prefix = "special"

            @override
            @to_sync
            async def get(self, key: str) -> tuple[int, str]:
                inherited: Any = Client.get
                value, key = await inherited.__wrapped__(self, key)
                return value + 1, key

        assert Special(3).get("key") == (4, "key")
        assert Special.of_class("!") == "special!"

    @pytest.mark.parametrize(
        "fn",
        [
            Adder(),
            Adder().__call__,
            functools.partial(Adder(), b=1),
            functools.partial(Adder.__call__, Adder()),
            lambda a: return_awaitable(a + 1),
        ],
    )
    def test_callables(self, fn: Callable[..., Awaitable[int]]) -> None:
        """Callable objects, methods, partials and functions that return awaitables will do."""
        assert to_sync(fn)(1) == 2
        assert in_executor(fn)(1).result(LIMIT) == 2

    def test_every_keyword_is_the_functions(self) -> None:
        """No keyword is the decorator's own: all go to the function."""

        async def show(**kwargs: int) -> dict[str, int]:
            return kwargs

        expected = {"self": 1, "fn": 2, "timeout": 3, "executor": 4}

        assert to_sync(timeout=LIMIT)(show)(self=1, fn=2, timeout=3, executor=4) == expected
        future = in_executor(show)(self=1, fn=2, timeout=3, executor=4)
        assert future.result(LIMIT) == expected

    @pytest.mark.parametrize("error", [OSError("lost"), SystemExit(3), KeyboardInterrupt()])
    def test_exceptions(self, error: BaseException) -> None:
        """What the function raises is raised by the call, or in the future."""
        with pytest.raises(type(error)) as caught:
            to_sync(fail_later)(error)

        assert caught.value is error
        assert in_executor(fail_later)(error).exception(LIMIT) is error

    def test_own_timeout_error(self) -> None:
        """A TimeoutError of the function itself is handed on as it is."""
        error = TimeoutError("of the function")

        with pytest.raises(TimeoutError, match="of the function") as caught:
            to_sync(timeout=LIMIT)(fail_later)(error)

        assert caught.value is error

    def test_cancelled_by_itself(self) -> None:
        """A function that ends cancelled raises CancelledError."""
        with pytest.raises(CancelledError):
            to_sync(fail_later)(asyncio.CancelledError())

    def test_sync_function(self) -> None:
        """A sync function is refused when it is called."""
        blocking: Any = to_sync
        starting: Any = in_executor

        with pytest.raises(TypeError, match=r"len.* returned 2, which"):
            blocking(len)("ab")
        with pytest.raises(TypeError, match=r"len.* returned 2, which"):
            starting(len)("ab").result(LIMIT)

    def test_wrong_arguments(self) -> None:
        """Arguments that do not fit are refused with Python's own words."""
        wrong: Any = double

        with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
            wrong(1, 2)

    def test_after_shutdown(self, default_executor: AsyncExecutor) -> None:
        """Calls are refused after the shutdown of the executor."""
        default_executor.shutdown()

        with pytest.raises(InvalidStateError):
            double(1)
        with pytest.raises(InvalidStateError):
            _ = start_double(1)

    def test_name_of_the_task(self) -> None:
        """The task carries the qualified name of the function."""

        async def name() -> str:
            await asyncio.sleep(0)  # some versions name eager tasks after their first step
            task = asyncio.current_task()
            assert task
            return task.get_name()

        assert to_sync(name)() == in_executor(name)().result(LIMIT) == name.__qualname__


class TestMistakes:
    """What cannot be decorated."""

    @pytest.mark.parametrize("decorator", [to_sync, in_executor])
    def test_coroutine(self, decorator: Any) -> None:
        """A coroutine in place of a function is refused, and there is no warning about it."""
        wrong = echo(1)

        with pytest.raises(
            TypeError, match=r"\(\) decorates functions: pass echo without calling it"
        ):
            decorator(wrong)

        assert inspect.getcoroutinestate(wrong) == inspect.CORO_CLOSED

    @pytest.mark.parametrize("decorator", [to_sync, in_executor, to_sync(timeout=1)])
    @pytest.mark.parametrize("wrong", [3, "fetch"])
    def test_not_callable(self, decorator: Any, wrong: object) -> None:
        """Something that cannot be called is refused, showing it."""
        with pytest.raises(
            TypeError, match=rf"(to_sync|in_executor)\(\) decorates async functions, not {wrong!r}"
        ):
            decorator(wrong)

    @pytest.mark.parametrize("decorator", [to_sync, to_sync_context, to_sync_iter])
    @pytest.mark.parametrize(
        ("wrong", "error"),
        [("5", TypeError), (timedelta(seconds=5), TypeError), (math.nan, ValueError)],
    )
    def test_timeout(self, decorator: Any, wrong: object, error: type[Exception]) -> None:
        """A time limit that is not a number is refused where the function is decorated."""
        words = f"timeout must be a number of seconds or None, not {wrong!r}"

        with pytest.raises(error, match=re.escape(words)):
            decorator(timeout=wrong)(echo)


@on_the_default_executor
class TestOptions:
    """The forms with options."""

    def test_without_any(self) -> None:
        """Empty parentheses are as good as none."""
        assert to_sync()(echo)(1) == 1
        assert in_executor()(echo)(1).result(LIMIT) == 1

    def test_executor_that_is_false(self, executor: AsyncExecutor) -> None:
        """Any executor that was given is used, also one that is empty and false."""

        class Empty(AsyncExecutor):
            def __len__(self) -> int:
                return 0

        async def name() -> str:
            return threading.current_thread().name

        with Empty(thread_name_prefix="empty") as empty:
            assert to_sync(executor=empty)(name)() == "empty"
            assert in_executor(executor=empty)(name)().result(LIMIT) == "empty"

    def test_stored_and_reused(self) -> None:
        """A decorator with options can be stored and used for any number of functions."""
        decorate = to_sync(timeout=LIMIT)

        assert decorate(echo)(1) == 1
        assert decorate(Adder())(1) == 2

    def test_executor(self, make_executor: MakeExecutor) -> None:
        """Calls run on the executor that was given."""
        executor = make_executor(thread_name_prefix="mine")

        async def thread_name() -> str:
            return threading.current_thread().name

        assert "mine" in to_sync(executor=executor)(thread_name)()
        assert "mine" in in_executor(executor=executor)(thread_name)().result(LIMIT)
        assert "mine" not in to_sync(thread_name)()

    def test_any_executor_that_fits(self, default_executor: AsyncExecutor) -> None:
        """All that is asked of an executor is its `submit`."""
        calls: list[str] = []

        class Noting:
            def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
                calls.append(fn.__qualname__)
                return default_executor.submit(fn, *args, **kwargs)

        assert to_sync(executor=Noting())(echo)(1) == 1
        assert in_executor(executor=Noting())(echo)(1).result(LIMIT) == 1
        assert calls == ["echo", "echo"]

    def test_timeout(self) -> None:
        """A call that is not done in time is cancelled, and TimeoutError says so."""
        cancelled = threading.Event()
        with Gate() as gate:

            @to_sync(timeout=0.3)
            async def work() -> None:
                try:
                    await gate.wait()
                finally:
                    cancelled.set()

            with pytest.raises(
                TimeoutError, match=r"work\(\) was cancelled: it did not finish in 0.3 seconds"
            ):
                work()

            assert cancelled.wait(LIMIT)

    def test_timeout_while_the_loop_is_blocked(self) -> None:
        """The time-out holds also while something blocks the loop."""
        with Gate() as gate:

            @to_sync(timeout=0.01)
            async def block() -> None:
                gate.block()

            with pytest.raises(TimeoutError, match="was cancelled"):
                block()

    def test_timeout_of_a_call_that_has_not_started(self, make_executor: MakeExecutor) -> None:
        """A call that is not even started in time never runs."""
        executor = make_executor(max_workers=1)
        ran = threading.Event()

        async def work() -> None:
            ran.set()

        with Gate() as gate:
            executor.submit(gate.wait).add_done_callback(lambda _: None)
            gate.arrived()

            with pytest.raises(TimeoutError):
                to_sync(timeout=0, executor=executor)(work)()

        executor.shutdown()
        assert not ran.is_set()

    def test_timeout_that_is_not_reached(self) -> None:
        """A call that is done in time returns."""
        assert to_sync(timeout=LIMIT)(echo)(1) == 1


@on_the_default_executor
class TestContext:
    """Context variables."""

    def test_seen_by_the_call(self) -> None:
        """The call sees the variables of its caller."""

        async def get() -> str:
            return variable.get()

        def caller() -> tuple[str, str]:
            variable.set("by the caller")
            return to_sync(get)(), in_executor(get)().result(LIMIT)

        assert contextvars.Context().run(caller) == ("by the caller", "by the caller")

    def test_copied_back(self) -> None:
        """What a `to_sync` call changes is changed for its caller, as `await` would have it."""

        @to_sync
        async def change() -> None:
            variable.set("before")
            await asyncio.sleep(0)
            variable.set("after")

        def caller() -> str:
            change()
            return variable.get()

        assert contextvars.Context().run(caller) == "after"

    def test_copied_back_from_a_failing_call(self) -> None:
        """The same holds for a call that raises."""

        @to_sync
        async def change() -> None:
            variable.set("changed")
            raise OSError("lost")

        def caller() -> str:
            with pytest.raises(OSError, match="lost"):
                change()
            return variable.get()

        assert contextvars.Context().run(caller) == "changed"

    def test_only_what_was_changed(self) -> None:
        """A variable that the call did not change is not touched, not even set to what it was."""
        with Gate() as gate:

            @to_sync
            async def change() -> None:
                await gate.wait()
                variable.set("by the call")

            def caller() -> tuple[str, bool]:
                change()
                return variable.get(), other in contextvars.copy_context()

            context = contextvars.Context()
            gate.open()

            assert context.run(caller) == ("by the call", False)

    def test_nothing_is_added(self) -> None:
        """A call leaves no variable of the package's own with its caller."""

        def caller() -> list[contextvars.ContextVar[Any]]:
            double(1)
            return list(contextvars.copy_context())

        assert contextvars.Context().run(caller) == []

    def test_by_identity(self) -> None:
        """A value is taken over where it is another object, equal or not."""
        box: contextvars.ContextVar[list[int]] = contextvars.ContextVar("box")
        mine: list[int] = []

        @to_sync
        async def change() -> None:
            box.set([])

        def caller() -> bool:
            box.set(mine)
            change()
            return box.get() is mine

        assert contextvars.Context().run(caller) is False

    def test_in_executor_changes_nothing(self) -> None:
        """What a call of `in_executor` changes stays with it."""

        @in_executor
        async def change() -> None:
            variable.set("changed")

        def caller() -> str:
            change().result(LIMIT)
            return variable.get()

        assert contextvars.Context().run(caller) == "unset"


@on_the_default_executor
class TestRunningLoop:
    """Calls where an event loop is running."""

    @pytest.mark.one_loop("another loop may begin the call before it is refused")
    def test_own_loop(self, default_executor: AsyncExecutor) -> None:
        """A `to_sync` call on the loop that has to run it is refused at once, and never runs."""
        ran = threading.Event()

        @to_sync
        async def fetch() -> None:
            ran.set()

        async def work() -> str:
            with pytest.raises(DeadlockError) as caught:
                fetch()
            return str(caught.value)

        message = default_executor.submit(work).result(LIMIT)

        assert re.search(r"fetch\(\) was called on the event loop that has to run it", message)
        assert "__wrapped__" in message
        default_executor.shutdown()
        assert not ran.is_set()

    def test_done_callback(self, default_executor: AsyncExecutor) -> None:
        """The same holds in a done callback."""
        errors: list[BaseException] = []
        done = threading.Event()

        def callback(_: object) -> None:
            try:
                double(1)
            except DeadlockError as error:
                errors.append(error)
            done.set()

        with Gate() as gate:
            future = default_executor.submit(gate.wait)
            gate.arrived()
            future.add_done_callback(callback)

        assert done.wait(LIMIT)
        assert len(errors) == 1

    def test_in_executor_on_the_own_loop(self, default_executor: AsyncExecutor) -> None:
        """`in_executor` can be called and awaited on the loop itself."""

        async def work() -> int:
            return await start_double(2)

        assert default_executor.submit(work).result(LIMIT) == 4

    def test_loop_of_another_executor(
        self, make_executor: MakeExecutor, default_executor: AsyncExecutor
    ) -> None:
        """On the loop of another executor it blocks, with a warning."""
        executor = make_executor()

        async def work() -> int:
            with pytest.warns(BlockingCallWarning):
                return double(2)

        assert executor is not default_executor
        assert executor.submit(work).result(LIMIT) == 4

    def test_foreign_loop_warns(self) -> None:
        """Under a foreign loop a call works, and warns at the line of the call."""

        async def main() -> tuple[int, Any]:
            with pytest.warns(BlockingCallWarning, match=r"double\(\) blocks the running") as found:
                result = double(2)
            return result, found[0]

        result, warning = asyncio.run(main())

        assert result == 4
        assert warning.filename == __file__

    def test_foreign_loop_warns_once_per_call_site(self) -> None:
        """With Python's own filters there is one warning for each place of a call."""

        async def main() -> list[int]:
            lines: list[int] = []
            with warnings.catch_warnings(record=True) as found:
                warnings.simplefilter("default")
                for _ in range(3):
                    double(2)
                double(3)
                lines.extend(each.lineno for each in found)
            return lines

        lines = asyncio.run(main())

        assert len(lines) == 2
        assert lines[1] == lines[0] + 1

    def test_warning_as_an_error(self, default_executor: AsyncExecutor) -> None:
        """Where the warning is an error, the call is cancelled and that is raised."""

        async def main() -> None:
            with pytest.raises(BlockingCallWarning):
                to_sync(asyncio.sleep)(LIMIT)

        asyncio.run(main())

        default_executor.shutdown()

    def test_notebook(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """In an IPython kernel, where cells run under a loop, there is no warning."""
        module: Any = types.ModuleType("IPython")
        module.get_ipython = lambda: types.SimpleNamespace(kernel=object())
        monkeypatch.setitem(sys.modules, "IPython", module)

        async def cell() -> int:
            return double(2)

        assert asyncio.run(cell()) == 4

    @pytest.mark.parametrize("shell", [None, types.SimpleNamespace()])
    def test_ipython_without_a_kernel(self, monkeypatch: pytest.MonkeyPatch, shell: object) -> None:
        """IPython in a terminal, or merely imported, is no notebook."""
        module: Any = types.ModuleType("IPython")
        module.get_ipython = lambda: shell
        monkeypatch.setitem(sys.modules, "IPython", module)

        async def cell() -> None:
            with pytest.warns(BlockingCallWarning):
                double(2)

        asyncio.run(cell())

    def test_worker_thread_of_the_own_executor(self, default_executor: AsyncExecutor) -> None:
        """In a worker thread of the executor itself a call just works."""

        async def work() -> int:
            return await default_executor.sync_to_async(double, 2)

        assert default_executor.submit(work).result(LIMIT) == 4


class TestInterruption:
    """Exceptions in the thread that waits."""

    SCRIPT = """
        import asyncio, signal, sys, threading
        sys.path.insert(0, "tests")
        from support import until_blocked
        from aiofutures import to_sync

        @to_sync
        async def work():
            try:
                await until_blocked(threading.main_thread().ident)
                print("waiting", flush=True)
                await asyncio.sleep(100)
            finally:
                await asyncio.sleep(0)
                print("cleanup", flush=True)

        {prepare}
        try:
            work()
        except {error} as error:
            print("raised", error, flush=True)
        """

    @pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT for one process")
    @pytest.mark.parametrize(
        ("prepare", "error", "expected"),
        [
            ("", "KeyboardInterrupt", "raised \n"),
            (
                "signal.signal(signal.SIGINT, lambda *_: open('/missing/file'))",
                "OSError",
                "raised [Errno 2] No such file or directory: '/missing/file'\n",
            ),
        ],
    )
    def test_ctrl_c(self, prepare: str, error: str, expected: str) -> None:
        """Ctrl-C, or what another signal handler raises, cancels the call after its cleanup."""
        script = self.SCRIPT.format(prepare=prepare, error=error)
        with subprocess.Popen(
            interpreter(script), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            assert process.stdout.readline() == "waiting\n"

            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=LIMIT)

        assert output == "cleanup\n" + expected
        assert errors == ""

    @on_the_default_executor
    def test_handler_that_raises(self, interrupt: Callable[[], Awaitable[None]]) -> None:
        """The same in this process: the cleanup has been done when the exception goes on."""
        cleaned = threading.Event()

        @to_sync
        async def work() -> None:
            try:
                await interrupt()
            finally:
                await asyncio.sleep(0)
                cleaned.set()

        with pytest.raises(OSError, match="from a handler"):
            work()

        assert cleaned.is_set()

    @pytest.mark.slow
    @on_the_default_executor
    def test_cleanup_that_takes_too_long(self, interrupt: Callable[[], Awaitable[None]]) -> None:
        """The cleanup gets a bounded time: then the exception goes on without it."""
        with Gate() as gate:

            @to_sync
            async def work() -> None:
                try:
                    await interrupt()
                finally:
                    await gate.wait()

            with pytest.raises(OSError, match="from a handler"):
                work()

            gate.arrived()

    @on_the_default_executor
    def test_before_it_waits(self) -> None:
        """What is raised after the call has started, and before the wait has, cancels it too."""
        cleaned = threading.Event()
        with Gate() as gate:

            @to_sync
            async def work() -> None:
                try:
                    await gate.wait()
                finally:
                    cleaned.set()

            def trace(frame: types.FrameType, event: str, _: object) -> None:
                if frame.f_code is wait.__code__ and event == "call":
                    gate.arrived()
                    raise OSError("from a handler")

            before = sys.gettrace()
            sys.settrace(trace)
            try:
                with pytest.raises(OSError, match="from a handler"):
                    work()
            finally:
                sys.settrace(before)

            assert cleaned.wait(LIMIT / 2)


@pytest.fixture
def interrupt() -> Iterator[Callable[[], Awaitable[None]]]:
    """Have a signal handler raise, once, in the main thread when that waits."""
    if not hasattr(signal, "SIGALRM"):
        pytest.skip("needs SIGALRM")
    main_thread = threading.get_ident()
    raised: list[OSError] = []

    def handle(*_: object) -> None:
        if not raised:
            raised.append(OSError("from a handler"))
            raise raised[0]

    async def interrupt() -> None:
        await until_blocked(main_thread)
        async with asyncio.timeout(LIMIT):
            while True:  # a signal that comes just before a thread blocks does not wake it
                signal.pthread_kill(main_thread, signal.SIGALRM)
                await asyncio.sleep(0.01)

    before = signal.signal(signal.SIGALRM, handle)
    yield interrupt
    signal.signal(signal.SIGALRM, before)


class Base(abc.ABC):
    """Has abstract methods that are decorated."""

    @abc.abstractmethod
    @to_sync
    async def above(self) -> int:
        """Be abstract."""

    @to_sync
    @abc.abstractmethod
    async def below(self) -> int:
        """Be abstract."""


#: Functions whose annotations name what is defined below them.
DEFINED_LATER: Final = """
import copy, inspect, typing
from annotationlib import Format, get_annotations
from collections.abc import Awaitable
from aiofutures import Future, in_executor, to_sync

class Client:
    @decorate
    async def method(self, key: Key, /) -> Client: return self
    @decorate
    @classmethod
    async def of_class(cls, key: Inner) -> list[Inner]: return [key]
    @staticmethod
    @decorate
    async def static(*keys: Inner, **more: Key) -> dict[str, Inner | Key]: return more
    class Inner: ...

@decorate
async def plain(key: Key, *, other: list[Key] | None = None) -> Key: return key
@decorate
async def text(key: "Key", other: Key | None = None) -> "Key": return key
@decorate
async def generic[T: Key](key: T, *others: tuple[T | Key, ...]) -> T: return key
@decorate
async def module(key: typing.Later) -> int: return 1
@decorate
def awaitable(key: Key) -> Awaitable[Key]: return plain.__wrapped__(key)

of_client = Client().method, Client.of_class, Client.static
functions = *of_client, plain, text, generic, module, awaitable
early = inspect.signature(plain)
assert "ForwardRef('Key'" in str(early)

class Key: ...
typing.Later = float
"""


class TestIntrospection:
    """What decorated functions show."""

    def test_to_sync(self) -> None:
        """The signature is that of a sync function."""
        assert str(inspect.signature(double)) == "(number: int) -> int"
        assert typing.get_type_hints(double) == {"number": int, "return": int}
        assert (double.__name__, double.__qualname__) == ("double", "double")
        assert (double.__doc__, double.__module__) == ("Double.", __name__)
        assert not inspect.iscoroutinefunction(double)
        assert inspect.isfunction(double)

    def test_in_executor(self) -> None:
        """The signature is that of a function that returns a future."""
        signature = inspect.signature(start_double)

        assert signature.return_annotation == Future[int]
        assert typing.get_type_hints(start_double) == {"number": int, "return": Future[int]}
        assert start_double.__doc__ == "Double, later."
        assert not inspect.iscoroutinefunction(start_double)

    def test_wrapped(self) -> None:
        """`__wrapped__` is the function that was decorated, unchanged."""

        async def fetch(url: str) -> bytes:
            return url.encode()

        for decorate in (to_sync, to_sync(timeout=1), in_executor, in_executor()):
            decorated: Any = decorate(fetch)
            assert decorated.__wrapped__ is fetch
            assert inspect.unwrap(decorated) is fetch

        assert inspect.iscoroutinefunction(fetch)
        assert fetch.__annotations__ == {"url": str, "return": bytes}

    def test_wrapped_can_be_awaited(self) -> None:
        """In async code the function itself can be used."""
        wrapped: Any = vars(double)["__wrapped__"]

        assert asyncio.run(wrapped(2)) == 4

    def test_methods(self) -> None:
        """Methods show their parameters without the bound one."""
        client = Client(3)

        assert str(inspect.signature(client.get)).startswith("(key: str) -> tuple")
        assert str(inspect.signature(Client.of_class)) == "(key: str) -> str"
        assert str(inspect.signature(Client.static_above)) == "(key: str) -> str"
        above: Any = vars(Client)["of_class_above"]
        assert isinstance(above, classmethod)
        assert isinstance(vars(Client)["static_above"], staticmethod)
        assert isinstance(vars(Client)["start_static_above"], staticmethod)

    def test_postponed_annotations(self) -> None:
        """Under `from __future__ import annotations` the hints are resolved all the same."""
        output = run_python(
            """
            from __future__ import annotations
            import inspect, typing
            from collections.abc import Awaitable
            from aiofutures import Future, in_executor, to_sync

            @to_sync
            async def fetch(url: str) -> bytes: ...

            @in_executor
            async def later(url: str) -> Later: ...

            @in_executor
            def unknown(url: str) -> Awaitable[Later]: ...

            class Later: ...

            assert typing.get_type_hints(fetch) == {"url": str, "return": bytes}
            assert typing.get_type_hints(later) == {"url": str, "return": Future[Later]}
            assert typing.get_type_hints(unknown) == {"url": str}
            print(*map(inspect.signature, (fetch, unknown)), sep="; ")
            """
        )

        assert output == "(url: 'str') -> 'bytes'; (url: 'str')\n"

    @pytest.mark.skipif(sys.version_info < (3, 14), reason="new in Python 3.14")
    @pytest.mark.parametrize(
        ("decorate", "returned"),
        [
            ("to_sync", "lambda hint: hint"),
            ("to_sync(timeout=9)", "lambda hint: hint"),
            ("in_executor", "Future.__class_getitem__"),
        ],
    )
    def test_annotations_that_are_defined_later(self, decorate: str, returned: str) -> None:
        """They are resolved when somebody asks, as those of the function itself are."""
        checks = f"""
            returned = {returned}
            for fn in functions:
                original = getattr(fn, "__func__", fn).__wrapped__
                original = getattr(original, "__func__", original)
                hints = typing.get_type_hints(original)
                hints["return"] = returned(Key if fn is awaitable else hints["return"])
                assert typing.get_type_hints(fn) == hints, fn
                parameters = list(inspect.signature(original).parameters.values())
                assert list(inspect.signature(fn).parameters.values()) == (
                    parameters[1:] if fn in functions[:2] else parameters
                ), fn
            assert early == inspect.signature(plain) == copy.replace(early)
            assert early.return_annotation == returned(Key) == plain.__annotations__["return"]
            assert early.parameters["key"].annotation is Key is plain.__annotations__["key"]
            strings = get_annotations(plain, format=Format.STRING)
            assert strings["other"] == "list[Key] | None" and "Key" in strings["return"]
            assert plain(1) == 1 or plain(1).result() == 1
        """
        script = DEFINED_LATER.replace("@decorate", f"@{decorate}")
        run_python(script + textwrap.dedent(checks))

    @pytest.mark.skipif(sys.version_info < (3, 14), reason="new in Python 3.14")
    def test_openings_that_are_defined_later(self) -> None:
        """So are those of what is entered or iterated."""
        run_python(
            """
            import inspect, typing
            from annotationlib import Format, get_annotations
            from collections.abc import AsyncIterator, Awaitable, Generator
            from contextlib import AbstractContextManager, asynccontextmanager
            from aiofutures import to_sync, to_sync_context, to_sync_iter

            class Shop:
                @to_sync_context
                @classmethod
                @asynccontextmanager
                async def open(cls, key: Key) -> AsyncIterator[Shop]: yield cls()
                @to_sync_iter
                async def orders(self) -> Stream[Order]: ...
                class Order: ...

            @to_sync_context
            def connect() -> Connection: ...
            @to_sync_iter
            def events() -> Awaitable[Stream[Key]]: ...

            signatures = [inspect.signature(fn) for fn in (Shop.open, connect, events)]
            assert "return" not in get_annotations(connect, format=Format.FORWARDREF)

            class Key: ...
            class Connection:
                async def __aenter__(self) -> Later: ...
                async def __aexit__(self, *args) -> None: ...
            class Stream[T]:
                async def __aiter__(self) -> AsyncIterator[T]: yield
            unknown = inspect.signature(to_sync_context(Connection)).return_annotation
            assert unknown == AbstractContextManager[typing.Any, None], unknown
            class Later: ...

            for fn, returned, signature in zip(
                (Shop.open, connect, events),
                (
                    AbstractContextManager[Shop, bool | None],
                    AbstractContextManager[Later, None],
                    Generator[Key, None, None],
                ),
                signatures,
            ):
                assert signature.return_annotation == returned, signature
                assert inspect.signature(fn).return_annotation == returned
                assert typing.get_type_hints(fn)["return"] == returned
                for form in (Format.VALUE, Format.FORWARDREF):
                    assert get_annotations(fn, format=form)["return"] == returned
                text = get_annotations(fn, format=Format.STRING)["return"]
                assert text.startswith(("contextlib.", "collections.abc.")), text
            assert get_annotations(Shop.open)["key"] is Key
            orders = get_annotations(Shop.orders)["return"]
            assert orders == Generator[Shop.Order, None, None]
            """
        )

    @pytest.mark.skipif(sys.version_info < (3, 14), reason="new in Python 3.14")
    def test_annotation_that_is_wrong(self) -> None:
        """Whoever asks for it gets the error, and not who decorates."""
        run_python(
            """
            import inspect
            from aiofutures import to_sync

            @to_sync
            async def wrong(key: "Key" | None) -> int: return 1

            assert wrong(None) == 1
            for ask in (inspect.signature, inspect.get_annotations):
                try:
                    str(ask(wrong))
                except TypeError:
                    continue
                raise AssertionError(ask)
            """
        )

    def test_pickles_by_name(self) -> None:
        """A decorated function is pickled by its name, as plain functions are."""
        assert pickle.loads(pickle.dumps(double)) is double
        assert pickle.loads(pickle.dumps(start_double)) is start_double
        assert pickle.loads(pickle.dumps(Client.get)) is Client.get

    def test_pickles_by_another_name(self) -> None:
        """One beside its async function is pickled by its own name, once it has that."""
        assert pickle.loads(pickle.dumps(triple_sync)) is triple_sync

    def test_abstract_methods(self) -> None:
        """Abstract methods stay abstract, whichever decorator is above."""
        wrong: Any = Base

        assert Base.__abstractmethods__ == {"above", "below"}
        with pytest.raises(TypeError, match="abstract"):
            wrong()

    def test_callable_object(self) -> None:
        """A callable object shows the signature of its `__call__`."""
        decorated: Any = to_sync(Adder())

        assert str(inspect.signature(decorated)) == "(a: int, b: int = 1) -> int"


def test_mocks_of_methods() -> None:
    """Mocks of decorated methods are sync, except where the mock looks behind the decorator."""

    class Service:
        @to_sync
        async def get(self) -> int:
            return 1

    created = create_autospec(Service)()
    created.get.return_value = 3
    assert created.get() == 3
    with patch.object(Service, "get", autospec=True, return_value=3):
        assert Service().get() == 3
    if sys.version_info >= (3, 13):
        assert isinstance(Mock(spec=Service).get, AsyncMock)


@on_the_default_executor
def test_in_many_threads() -> None:
    """Threads may call decorated functions at the same time."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(double, range(100))) == [2 * n for n in range(100)]


@on_the_default_executor
def test_in_a_thread_without_a_loop() -> None:
    """A thread that has no event loop needs none."""
    assert in_thread(double, 2).result(LIMIT) == 4
