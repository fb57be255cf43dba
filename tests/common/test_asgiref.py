"""asgiref's thread-sensitive calls and its `Local`, with the version that is installed."""

import asyncio
import contextvars
import importlib
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import get_ident
from types import ModuleType
from typing import Any, Final

import pytest
from support import LIMIT, Gate, in_child, run_python

from aiofutures import (
    AsyncExecutor,
    InvalidStateError,
    in_caller_thread,
    run_async,
    sync_to_async,
    to_sync,
)
from aiofutures._common import asgiref_support
from aiofutures._sync.call import SyncCall

pytest.importorskip("asgiref")

# Any: it has no types for what is private, and the decorators lose what they decorate.
asgiref_sync: Final[Any] = importlib.import_module("asgiref.sync")
Local: Final[Any] = importlib.import_module("asgiref.local").Local
sensitive: Final[Any] = asgiref_sync.sync_to_async

pytestmark = pytest.mark.usefixtures("default_executor")


@pytest.fixture(scope="module", autouse=True)
def _thread_of_asgiref() -> None:
    """asgiref's own thread, which it keeps, runs before the tests."""
    asgiref_sync.SyncToAsync.single_thread_executor.submit(int).result(LIMIT)


@pytest.fixture
def local() -> Any:
    """A `Local` of the calling thread, with the value "caller"."""
    local = Local()
    local.value = "caller"
    return local


async def where() -> int:
    """Return in which thread a thread-sensitive function runs."""
    thread: int = await sensitive(get_ident)()
    return thread


class TestPrivateNames:
    """What this package knows of asgiref that is not documented."""

    def test_executors(self) -> None:
        """The executors are in the context variable of a `Local`."""
        variable = asgiref_support.executors_variable()

        assert variable is not None
        assert variable.name == asgiref_support.LOCAL
        contextvars.Context().run(self._check, variable)

    def _check(self, variable: contextvars.ContextVar[Any]) -> None:
        asgiref_sync.AsyncToSync.executors.current = self
        assert asgiref_support.is_local(variable, variable.get())
        data = asgiref_support._data(variable.get())
        assert data is not None
        assert data["current"] is self

    def test_event_loop(self) -> None:
        """The event loop for nested calls is in the storage of a thread."""
        assert type(asgiref_sync.SyncToAsync.threadlocal) is threading.local

    def test_moved(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without them asgiref works as if this package did not know it."""
        monkeypatch.setitem(sys.modules, "asgiref.sync", ModuleType("asgiref.sync"))
        monkeypatch.setattr(asgiref_support, "_executors", None)

        assert asgiref_support.executors_variable() is None
        asgiref_support.use(None)
        assert to_sync(in_caller_thread)(get_ident) == get_ident()


class TestThread:
    """Where a thread-sensitive function runs."""

    def test_call(self) -> None:
        """It runs in the thread that waits, as under asgiref's own `async_to_sync`."""

        @to_sync
        async def call() -> set[int]:
            task = asyncio.create_task(where())
            return {await where(), await task, *await asyncio.gather(where(), where())}

        assert call() == {get_ident()}

    def test_steps(self) -> None:
        """So it does in the steps of a generator, and on entering and leaving."""

        @to_sync
        async def generate() -> AsyncGenerator[int, None]:
            try:
                yield await where()
                yield await where()
            finally:
                threads.append(await where())

        @to_sync
        @asynccontextmanager
        async def manage() -> AsyncGenerator[int, None]:
            yield await where()
            threads.append(await where())

        threads: list[int] = []
        threads.extend(generate())
        with manage() as thread:
            threads.append(thread)

        assert threads == [get_ident()] * 5

    @pytest.mark.filterwarnings("ignore::aiofutures.BlockingCallWarning")
    def test_thread_with_a_loop(self) -> None:
        """Where an event loop runs already it does not: Django refuses synchronous code there."""

        @to_sync
        async def generate() -> AsyncGenerator[int, None]:
            yield await where()
            yield await where()

        async def call() -> list[int]:
            return [to_sync(where)(), *generate(), await where()]

        threads = asyncio.run(call())

        assert get_ident() not in threads
        assert len({*threads}) == 1

    def test_many_threads(self) -> None:
        """Of many threads at once each runs its own: they do not share one."""

        def check() -> bool:
            return to_sync(meet)() == get_ident()

        async def meet() -> int:
            await sensitive(barrier.wait)(LIMIT)
            return await where()

        barrier = threading.Barrier(16)
        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(lambda _: check(), range(16)))

    def test_outcome(self) -> None:
        """What it returns or raises goes to the task, and what it sets in the context."""

        def change() -> None:
            variable.set(1)
            raise LookupError

        @to_sync
        async def call() -> int | None:
            with pytest.raises(LookupError):
                await sensitive(change)()
            return variable.get()

        variable: contextvars.ContextVar[int | None] = contextvars.ContextVar("v", default=None)
        assert call() == 1
        assert variable.get() == 1

    def test_submitted(self) -> None:
        """In a call that was submitted, asgiref has its own thread, also from the caller's."""

        def submit() -> int:
            return run_async(where).result(LIMIT)

        @to_sync
        async def call() -> int:
            thread: int = await sensitive(submit)()
            return thread

        alone = run_async(where).result(LIMIT)
        assert alone != get_ident()
        assert call() == alone
        assert asgiref_sync.async_to_sync(sensitive(submit))() == alone

    @pytest.mark.parametrize("kind", ["submit", "map", "then"])
    def test_submitted_in_a_thread_sensitive_context(
        self, default_executor: AsyncExecutor, kind: str
    ) -> None:
        """So it does in a `ThreadSensitiveContext`, whose thread may wait for the call."""

        def submit() -> int:
            if kind == "map":
                return next(default_executor.map(lambda _: where(), [1], timeout=LIMIT))
            future = run_async(asyncio.sleep, 0).then(lambda _: where())
            return (run_async(where) if kind == "submit" else future).result(LIMIT)

        async def submit_on_the_loop() -> int:
            return await run_async(where)

        async def main() -> set[int]:
            async with asgiref_sync.ThreadSensitiveContext():
                assert await where() != alone
                return {
                    await sensitive(submit)(),
                    await run_async(where),
                    await sensitive(asgiref_sync.async_to_sync(submit_on_the_loop))(),
                }

        alone = run_async(where).result(LIMIT)
        assert asyncio.run(asyncio.wait_for(main(), LIMIT)) == {alone}

    def test_own_thread_sensitive_context(self) -> None:
        """A call that is submitted in such a context can have one of its own."""

        async def main() -> tuple[int, int]:
            async with asgiref_sync.ThreadSensitiveContext():
                return await where(), await run_async(own)

        async def own() -> int:
            async with asgiref_sync.ThreadSensitiveContext():
                return await where()

        outer, inner = asyncio.run(main())
        assert len({outer, inner, run_async(where).result(LIMIT)}) == 3

    def test_submitted_on_the_loop(self) -> None:
        """So it does where asgiref has run what submits it on the loop: its thread may be gone."""

        async def submit() -> int:
            return await run_async(where)

        @to_sync
        async def call() -> int:
            thread: int = await sensitive(asgiref_sync.async_to_sync(submit))()
            return thread

        assert call() == run_async(where).result(LIMIT) != get_ident()

    def test_submitted_on_the_loop_where_nobody_waits(self) -> None:
        """So it does in a call that was itself submitted."""

        async def submit() -> int:
            return await run_async(where)

        async def call() -> int:
            nested = asgiref_sync.async_to_sync(submit)
            thread: int = await asgiref_sync.sync_to_async(nested, thread_sensitive=False)()
            return thread

        assert run_async(call).result(LIMIT) == run_async(where).result(LIMIT)

    def test_submitted_in_a_nested_call(self) -> None:
        """A call submitted in asgiref's own bridge has no thread: ours waits for asgiref there."""

        async def leaf() -> int:
            return await in_caller_thread(get_ident)

        async def submit() -> int:
            return await run_async(leaf)

        @to_sync
        async def call() -> int:
            thread: int = await sensitive(asgiref_sync.async_to_sync(submit))()
            return thread

        assert call() != get_ident()

    def test_after_a_nested_call(self) -> None:
        """A call that a sensitive function makes or submits changes nothing for the task."""

        @to_sync
        async def call() -> set[int]:
            threads = {await where()}
            for fn in (to_sync(where), lambda: run_async(asyncio.sleep, 0).result(LIMIT)):
                await sensitive(fn)()
                threads.add(await where())
            return threads

        assert call() == {get_ident()}

    def test_task_of_a_nested_call(self) -> None:
        """A task that outlives a nested call of asgiref's has the thread of the outer call."""

        async def start() -> None:
            tasks.append(asyncio.create_task(stay()))

        async def stay() -> tuple[int, int]:
            await is_over.wait()
            return await where(), await in_caller_thread(get_ident)

        @to_sync
        async def call() -> tuple[int, int]:
            await sensitive(asgiref_sync.async_to_sync(start))()
            is_over.set()
            return await tasks[0]

        is_over = asyncio.Event()
        tasks: list[asyncio.Task[tuple[int, int]]] = []
        assert call() == (get_ident(), get_ident())

    def test_refused_task_of_a_nested_call(self) -> None:
        """If that thread has stopped waiting, the task is refused."""

        async def start() -> None:
            tasks.append(asyncio.create_task(stay()))

        async def stay() -> None:
            await gate.wait()
            both: tuple[Callable[[], Awaitable[int]], ...] = (
                where,
                lambda: in_caller_thread(get_ident),
            )
            for fn in both:
                with pytest.raises(InvalidStateError, match="stopped waiting"):
                    await fn()
            is_done.set()

        @to_sync(timeout=0.3)
        async def call() -> None:
            await sensitive(asgiref_sync.async_to_sync(start))()
            await asyncio.sleep(LIMIT)

        is_done = threading.Event()
        tasks: list[asyncio.Task[None]] = []
        with Gate() as gate:
            with pytest.raises(TimeoutError):
                call()
            gate.open()
            assert is_done.wait(LIMIT)

    def test_event_loop_of_a_function(self) -> None:
        """A function that runs an event loop in the waiting thread has a worker thread for both."""

        def run() -> int:
            return asyncio.run(anywhere())

        async def anywhere() -> int:
            return await in_caller_thread(get_ident)

        thread = asgiref_sync.async_to_sync(sensitive(run))()
        assert thread != get_ident()

    def test_nested(self) -> None:
        """Both libraries' calls may be nested in each other, in one thread."""

        async def call(depth: int) -> Any:
            threads = {await where(), await in_caller_thread(get_ident)}
            if depth == 0:
                return threads
            inner: Any = (to_sync, asgiref_sync.async_to_sync)[depth % 2](call)
            return threads | await sensitive(inner)(depth - 1)

        assert to_sync(call)(6) == {get_ident()}
        assert asgiref_sync.async_to_sync(call)(1) == {get_ident()}

    def test_worker_thread(self) -> None:
        """A worker thread that waits runs it."""

        def check() -> bool:
            return to_sync(where)() == get_ident()

        @to_sync
        async def call() -> bool:
            return await sync_to_async(check)

        assert call()

    def test_async_to_sync_afterwards(self) -> None:
        """The thread keeps nothing: asgiref makes an event loop of its own afterwards."""

        @to_sync
        async def call() -> asyncio.AbstractEventLoop:
            await where()
            return asyncio.get_running_loop()

        async def loop() -> asyncio.AbstractEventLoop:
            return asyncio.get_running_loop()

        assert call() is not asgiref_sync.async_to_sync(loop)()

    def test_inside_async_to_sync(self) -> None:
        """A synchronous function of asgiref's may call `to_sync` functions, and go on."""

        def both() -> tuple[int, Any]:
            return to_sync(where)(), asgiref_sync.async_to_sync(get_loop)()

        async def get_loop() -> Any:
            return asyncio.get_running_loop()

        async def main() -> tuple[int, bool]:
            thread, loop = await sensitive(both)()
            return thread, loop is asyncio.get_running_loop()

        assert asgiref_sync.async_to_sync(main)() == (get_ident(), True)

    def test_thread_sensitive_context(self) -> None:
        """A thread that waits for a `ThreadSensitiveContext` can run calls for another one."""

        async def main() -> bool:
            async with asgiref_sync.ThreadSensitiveContext():
                nested: int = await sensitive(to_sync(where))()
                return nested == await where()

        assert asyncio.run(main())

    def test_refused_after_a_timeout(self) -> None:
        """When the thread has stopped waiting, what has not begun is refused."""

        # Long enough for the task to begin, on a busy machine too.
        @to_sync(timeout=0.3)
        async def call() -> None:
            try:
                await asyncio.sleep(LIMIT)
            finally:
                with pytest.raises(InvalidStateError):
                    await where()
                is_done.set()

        is_done = threading.Event()
        with pytest.raises(TimeoutError):
            call()
        assert is_done.wait(LIMIT)

    def test_cancelled(self) -> None:
        """A task that is cancelled while it waits goes on."""

        @to_sync
        async def call() -> bool:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(sensitive(gate.block)(), 0.01)
            gate.open()
            return True

        with Gate() as gate:
            assert call()

    def test_shared_client(self, default_executor: AsyncExecutor) -> None:
        """Nobody waits in the task of a shared client."""

        @default_executor.shared
        @asynccontextmanager
        async def client() -> AsyncGenerator[int, None]:
            yield await where()

        @to_sync
        async def call() -> int:
            return await client

        assert call() == run_async(where).result(LIMIT)

    def test_shared_client_in_a_thread_sensitive_context(
        self, default_executor: AsyncExecutor
    ) -> None:
        """The client does not keep the context that has opened it, which ends earlier."""

        @default_executor.shared
        @asynccontextmanager
        async def client() -> AsyncGenerator[int, None]:
            yield await where()

        async def main() -> int:
            async with asgiref_sync.ThreadSensitiveContext():
                return await client

        assert asyncio.run(main()) == run_async(where).result(LIMIT)

    @pytest.mark.filterwarnings("ignore:.* is multi-threaded:DeprecationWarning")
    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
    def test_fork(self) -> None:
        """A forked child has its own caller."""

        def check() -> None:
            assert to_sync(where)() == get_ident()

        check()
        in_child(check)

    def test_call_on_another_executor(self, default_executor: AsyncExecutor) -> None:
        """A call on another executor has the thread that waits, and then that one's threads."""

        async def outlive() -> tuple[int, int]:
            first = await where()
            has_begun.set()
            await gate.wait()
            return first, await where()

        @to_sync
        async def call() -> Any:
            future = other.submit(outlive)
            await sync_to_async(has_begun.wait, LIMIT)
            return future

        has_begun = threading.Event()
        with Gate() as gate, AsyncExecutor() as other:
            future = call()
            default_executor.shutdown()
            gate.open()
            first, second = future.result(LIMIT)
        assert first == get_ident() != second

    def test_other_event_loop(self) -> None:
        """A call that another executor runs on an event loop of its own is left alone."""

        async def call() -> Any:
            return getattr(asgiref_sync.AsyncToSync.executors, "current", None)

        assert asyncio.run(SyncCall(call, "call")()) is None

    def test_not_imported(self) -> None:
        """This package does not import asgiref."""
        script = """
            import sys
            import aiofutures
            assert not [name for name in sys.modules if name.startswith("asgiref")]
        """
        run_python(script)


class TestLocal:
    """Where the data of a `Local` goes."""

    def test_task(self, local: Any) -> None:
        """It goes to the task, and what that sets comes back."""

        @to_sync
        async def call() -> Any:
            seen = local.value
            local.value, local.other = "task", 1
            await asyncio.sleep(0)
            return seen

        assert call() == "caller"
        assert (local.value, local.other) == ("task", 1)

    def test_unchanged(self, local: Any) -> None:
        """A call that sets nothing leaves the caller's as they are."""
        before = contextvars.copy_context()

        to_sync(asyncio.sleep)(0)

        after = contextvars.copy_context()
        assert all(before.get(variable) is value for variable, value in after.items())

    def test_deleted(self, local: Any) -> None:
        """What a call deletes is deleted for its caller."""

        @to_sync
        async def call() -> None:
            del local.value

        call()
        assert not hasattr(local, "value")

    @pytest.mark.parametrize("is_async", [False, True])
    def test_submitted(self, local: Any, *, is_async: bool) -> None:
        """It goes to a call that was submitted, of which nothing comes back."""

        async def call() -> Any:
            seen, local.value = local.value, "task"
            return seen

        @to_sync
        async def submit() -> Any:
            return await run_async(call)

        seen = submit() if is_async else run_async(call).result(LIMIT)
        assert seen == "caller"
        assert local.value == "caller"

    def test_worker_thread(self, local: Any) -> None:
        """It goes to a worker thread, of which nothing comes back."""

        def change() -> Any:
            seen, local.value = local.value, "worker"
            return seen

        @to_sync
        async def call() -> Any:
            return await sync_to_async(change), local.value

        assert call() == ("caller", "caller")
        assert local.value == "caller"

    def test_caller_thread(self, local: Any) -> None:
        """It goes to a function in the thread that waits, and back to the task."""

        def change() -> Any:
            seen, local.value = local.value, "function"
            return seen

        @to_sync
        async def call(run: Callable[..., Any]) -> Any:
            local.value = "task"
            return await run(change), local.value

        assert call(in_caller_thread) == ("task", "function")
        assert call(lambda fn: sensitive(fn)()) == ("task", "function")
        assert local.value == "function"

    def test_generator(self, local: Any) -> None:
        """It goes to each step of a generator, and back."""

        @to_sync
        async def generate() -> AsyncGenerator[Any, None]:
            yield local.value
            yield local.value
            local.value = "generator"
            yield local.value
            yield local.value

        generator = generate()
        seen = [next(generator)]
        local.value = "changed"
        seen.append(next(generator))
        assert local.value == "changed"
        seen.append(next(generator))
        assert local.value == "generator"
        local.value = "again"
        seen.append(next(generator))

        assert seen == ["caller", "changed", "generator", "again"]
        assert local.value == "again"

    def test_context_manager(self, local: Any) -> None:
        """It goes to the entering and the leaving."""

        @to_sync
        @asynccontextmanager
        async def manage() -> AsyncGenerator[Any, None]:
            seen.append(local.value)
            yield
            seen.append(local.value)

        seen: list[Any] = []
        with manage():
            local.value = "body"

        assert seen == ["caller", "body"]
        assert local.value == "body"

    def test_threads(self, local: Any) -> None:
        """Each thread has its own."""

        @to_sync
        async def call(value: int) -> Any:
            local.value = value
            await asyncio.sleep(0)
            return local.value

        def check(value: int) -> bool:
            assert not hasattr(local, "value")
            assert call(value) == value
            return bool(local.value == value)

        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(check, 1).result(LIMIT)
        assert local.value == "caller"

    def test_thread_critical(self) -> None:
        """One that is critical stays in its thread."""
        local = Local(thread_critical=True)
        local.value = "caller"

        @to_sync
        async def call() -> bool:
            has_value = hasattr(local, "value")
            local.value = "task"
            return has_value

        assert not call()
        assert local.value == "caller"

    def test_old_data(self) -> None:
        """Before asgiref 3.12 the data is a dict, which all contexts would share."""
        variable: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar(
            asgiref_support.LOCAL
        )

        async def call(value: object) -> dict[str, Any]:
            data = variable.get()
            seen = data.copy()
            data["value"] = value
            return seen

        variable.set({"value": 1})
        assert run_async(call, 2).result(LIMIT) == {"value": 1}
        assert variable.get() == {"value": 1}
        assert to_sync(call)(2) == {"value": 1}
        assert variable.get() == {"value": 2}

    def test_changed_before_the_call_begins(self, local: Any) -> None:
        """A call that was submitted sees the data of that moment, whenever it begins."""

        async def block() -> None:
            gate.block()

        async def call(_: object = None) -> Any:
            return local.value

        with Gate() as gate:
            before = run_async(block)
            gate.arrived()
            futures = [run_async(call), before.then(call)]
            local.value = "changed"
        assert [future.result(LIMIT) for future in futures] == ["caller", "caller"]

    def test_foreign_variable(self) -> None:
        """A context variable of somebody else's that has the same name is one like others."""
        variable: contextvars.ContextVar[Any] = contextvars.ContextVar(asgiref_support.LOCAL)
        value = object()

        @to_sync
        async def call() -> Any:
            seen = variable.get()
            variable.set(call)
            return seen

        variable.set(value)
        assert call() is value
        assert variable.get() is call
