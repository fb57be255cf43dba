"""Clients that a whole process shares."""

import asyncio
import concurrent.futures
import contextvars
import copy
import gc
import pickle
import threading
import warnings
import weakref
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any

import pytest
from support import (
    LIMIT,
    Breaking,
    Gate,
    Halt,
    MakeExecutor,
    echo_later,
    frees_at_once,
    in_thread,
    limit_of,
    run_untraced,
    thread_error,
    until,
)

from aiofutures import (
    AsyncExecutor,
    BlockingCallWarning,
    BrokenExecutor,
    CancelledError,
    DeadlockError,
    ExecutorStatistics,
    InvalidStateError,
    Shared,
    set_default_executor,
    shared,
    sync_to_async,
)
from aiofutures._sync.lifetime import Lifetime


class Special(Exception):
    """An exception of these tests."""


class Client:
    """What is shared here."""


Log = list[tuple[str, asyncio.Task[Any] | None]]


@pytest.fixture
def log() -> Log:
    """What has happened, and in which task."""
    return []


@asynccontextmanager
async def connect(log: Log, name: str = "client") -> AsyncGenerator[Client, None]:
    """Write down how the client is opened and closed."""
    await asyncio.sleep(0)
    log.append((f"open {name}", asyncio.current_task()))
    try:
        yield Client()
    except BaseException as error:
        log.append((type(error).__name__, asyncio.current_task()))
        raise
    await asyncio.sleep(0)
    log.append((f"close {name}", asyncio.current_task()))


def events(log: Log) -> list[str]:
    """Return what has happened."""
    return [event for event, _ in log]


@asynccontextmanager
async def service(gate: Gate, error: BaseException) -> AsyncGenerator[str, None]:
    """Run a background task that fails when the gate opens."""

    async def work() -> None:
        await gate.wait()
        raise error

    async with asyncio.TaskGroup() as group:
        group.create_task(work())
        yield "ready"


def until_crashed(client: Shared[Any]) -> None:
    """Wait until the client has ended by itself."""
    until(client._current.closed.done)


class TestOpening:
    """The first who asks opens it."""

    def test_group_of_exceptions(self, executor: AsyncExecutor) -> None:
        """An exception of user code arrives as it is, a group too."""
        error = ExceptionGroup("cannot connect", [OSError(), Special()])

        async def find() -> int:
            raise error

        @asynccontextmanager
        async def fail() -> AsyncGenerator[int, None]:
            yield await find()

        client = executor.shared(fail)

        async def wait() -> int:
            return await client

        for fn in (client, executor.submit(wait).result):
            with pytest.raises(ExceptionGroup) as caught:
                fn()
            assert caught.value is error

    def test_once(self, executor: AsyncExecutor, log: Log) -> None:
        """All get the same client, and nothing happens before the first asks."""
        client = executor.shared(connect, log)
        assert log == []

        assert client() is client()
        assert isinstance(client(), Client)
        assert events(log) == ["open client"]

    def test_nothing_starts(self, executor: AsyncExecutor, log: Log) -> None:
        """Making one starts no thread."""
        client = executor.shared(connect, log)
        client.close()

        assert executor._loop_thread._run.thread is None

    def test_many_threads(self, executor: AsyncExecutor, log: Log) -> None:
        """A hundred threads at once open it once."""
        client = executor.shared(connect, log)
        barrier = threading.Barrier(100)

        def ask() -> Client:
            barrier.wait(LIMIT)
            return client()

        with concurrent.futures.ThreadPoolExecutor(100) as pool:
            clients = {future.result(LIMIT) for future in [pool.submit(ask) for _ in range(100)]}

        assert len(clients) == 1
        assert events(log) == ["open client"]

    def test_keyword_arguments(self, executor: AsyncExecutor, log: Log) -> None:
        """The arguments go to the function."""
        executor.shared(connect, log=log, name="other")()

        assert events(log) == ["open other"]

    def test_await(self, executor: AsyncExecutor, log: Log) -> None:
        """Async code awaits it, on the own loop, on another executor's and on a foreign one."""
        client = executor.shared(connect, log)

        async def ask() -> Client:
            return await client

        first = executor.submit(ask).result(LIMIT)
        assert asyncio.run(ask()) is first
        with AsyncExecutor() as other:
            assert other.submit(ask).result(LIMIT) is first
        assert client() is first
        assert events(log) == ["open client"]

    def test_await_first_on_a_foreign_loop(self, executor: AsyncExecutor, log: Log) -> None:
        """Many tasks may be the first, on any loop."""
        client = executor.shared(connect, log)

        async def ask() -> set[Client]:
            return set(await asyncio.gather(*[client] * 10))

        assert len(asyncio.run(ask())) == 1
        assert events(log) == ["open client"]

    def test_decorator(self, default_executor: AsyncExecutor) -> None:
        """As a decorator it is for functions without parameters."""

        @shared
        @asynccontextmanager
        async def client() -> AsyncGenerator[Client, None]:
            yield Client()

        assert client() is client()
        assert default_executor.tasks != set()

    def test_class(self, executor: AsyncExecutor, log: Log) -> None:
        """A client may be a class."""

        class Session:
            def __init__(self, url: str) -> None:
                self.url = url

            async def __aenter__(self) -> str:
                return self.url

            async def __aexit__(self, *_: object) -> None:
                log.append(("closed", None))

        session = executor.shared(Session, "a")
        assert session() == "a"
        session.close()
        assert events(log) == ["closed"]

    def test_error(self, executor: AsyncExecutor) -> None:
        """An error of the opening goes to all who wait; the next one tries again."""
        errors: list[BaseException] = [Special()]
        with Gate() as gate:

            @asynccontextmanager
            async def fail_first() -> AsyncGenerator[int, None]:
                await gate.wait()
                if errors:
                    raise errors.pop()
                yield 1

            error = errors[0]
            client = executor.shared(fail_first)
            waiting = [in_thread(client) for _ in range(3)]
            gate.arrived()
            until(lambda: len(client._current._askers) == 3)

        assert [future.exception(LIMIT) for future in waiting] == [error] * 3
        assert client() == 1

    def test_wrong_kind(self, executor: AsyncExecutor) -> None:
        """What is no async context manager is a TypeError that names the function."""

        async def generate() -> AsyncGenerator[None, None]:
            yield

        untyped: Any = executor.shared
        for fn in (generate, echo_later, len):
            with pytest.raises(TypeError, match=rf"{fn.__name__}\(\) (returned|takes)"):
                untyped(fn, 1)() if fn is echo_later else untyped(fn)()

    def test_not_callable(self, executor: AsyncExecutor) -> None:
        """What cannot be called is refused at once."""
        untyped: Any = executor.shared

        with pytest.raises(TypeError, match="expected an async function, got 1"):
            untyped(1)

    def test_system_exit(self, executor: AsyncExecutor) -> None:
        """An exit of the opening goes to the one who asks, and the loop goes on."""

        @asynccontextmanager
        async def leave() -> AsyncGenerator[None, None]:
            await asyncio.sleep(0)
            _exit()
            yield

        with pytest.raises(SystemExit):
            executor.shared(leave)()
        assert executor.submit(echo_later, 1).result(LIMIT) == 1

    def test_task_factory_that_raises(self) -> None:
        """A task that cannot be made is an error of the opening."""

        def refuse(*_: Any, **__: Any) -> Any:
            raise Special

        loop = asyncio.new_event_loop()
        with AsyncExecutor(loop_factory=lambda: loop) as executor:
            executor.submit(echo_later, 1).result(LIMIT)
            client = executor.shared(connect, [])
            loop.set_task_factory(refuse)
            with pytest.raises(Special):
                client()
            loop.set_task_factory(None)
            assert isinstance(client(), Client)

    def test_context(self, executor: AsyncExecutor) -> None:
        """It is opened and closed in a copy of the context of the one who opens it."""
        variable = ContextVar("variable", default=0)
        seen: list[int] = []

        @asynccontextmanager
        async def read() -> AsyncGenerator[None, None]:
            seen.append(variable.get())
            variable.set(2)
            yield
            seen.append(variable.get())

        client = executor.shared(read)
        variable.set(1)
        client()
        assert variable.get() == 1
        in_thread(client.close).result(LIMIT)

        assert seen == [1, 2]

    def test_one_that_needs_another(self, executor: AsyncExecutor, log: Log) -> None:
        """The opening of one may await another; that is closed after it."""
        inner = executor.shared(connect, log, "inner")

        @asynccontextmanager
        async def connect_outer() -> AsyncGenerator[None, None]:
            await inner
            async with connect(log, "outer"):
                yield

        executor.shared(connect_outer)()
        executor.shutdown()

        assert events(log) == ["open inner", "open outer", "close outer", "close inner"]


class TestCancelledOpening:
    """Who waits for the opening may leave."""

    @pytest.fixture
    def gate(self) -> Iterator[Gate]:
        """What the opening waits for."""
        with Gate() as gate:
            yield gate

    @pytest.fixture
    def client(self, executor: AsyncExecutor, gate: Gate, log: Log) -> Shared[int]:
        """A client that waits at the gate, and writes down if it is cancelled."""

        @asynccontextmanager
        async def slow() -> AsyncGenerator[int, None]:
            try:
                await gate.wait()
            except asyncio.CancelledError:
                log.append(("cancelled", None))
                raise
            yield len(log)

        return executor.shared(slow)

    def test_one_of_many(self, client: Shared[int], gate: Gate, log: Log) -> None:
        """One who leaves concerns nobody else."""

        async def leave() -> None:
            with suppress(TimeoutError):
                await asyncio.wait_for(client, 0.01)

        waiting = in_thread(client)
        gate.arrived()
        asyncio.run(leave())
        gate.open()

        assert waiting.result(LIMIT) == 0
        assert log == []

    def test_the_last(
        self, executor: AsyncExecutor, client: Shared[int], gate: Gate, log: Log
    ) -> None:
        """When the last one leaves, the opening is cancelled; the next one opens it anew."""

        executor.submit(leave, client, gate).result(LIMIT)
        until(lambda: bool(log))
        gate.open()

        assert client() == 1
        assert events(log) == ["cancelled"]

    def test_before_it_begins(self, make_executor: MakeExecutor, log: Log) -> None:
        """An opening that waits for a place never begins."""
        executor = make_executor(max_workers=1)
        client = executor.shared(connect, log)

        async def leave() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client, 0.01)

        with Gate() as gate:
            running = executor.submit(gate.wait)
            gate.arrived()
            asyncio.run(leave())
        running.result(LIMIT)

        assert executor.statistics().pending == 0
        assert log == []
        client()
        assert events(log) == ["open client"]

    def test_cleanup(self, executor: AsyncExecutor, gate: Gate, log: Log) -> None:
        """The cleanup of an opening is not cut off by one who comes meanwhile and leaves again."""
        with Gate() as cleanup:

            @asynccontextmanager
            async def slow() -> AsyncGenerator[None, None]:
                try:
                    await gate.wait()
                    yield
                finally:
                    await cleanup.wait()
                    log.append(("cleaned up", None))

            client = executor.shared(slow)

            async def come_and_leave() -> None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(client, 0.01)

            asyncio.run(leave(client, gate))
            cleanup.arrived()
            asyncio.run(come_and_leave())
            executor.submit(echo_later, 1).result(LIMIT)
            cleanup.open()
            until(lambda: not executor.tasks)

        assert events(log) == ["cleaned up"]

    def test_one_who_comes_before_that_is_noted(
        self, make_executor: MakeExecutor, log: Log
    ) -> None:
        """One who comes when the opening was cancelled, and nothing else is done, asks again."""
        executor = make_executor(max_workers=1)
        client = executor.shared(connect, log)

        async def leave() -> None:
            with suppress(TimeoutError):
                await asyncio.wait_for(client, 0.01)

        with Gate() as gate:
            running = executor.submit(gate.wait)
            gate.arrived()
            with Halt(Lifetime._note_opened, "if opened._status").in_new_threads() as halt:
                leaving = in_thread(asyncio.run, leave())
                halt.arrived()
                waiting = in_thread(client)
                until(lambda: client._current.ask().done())
                halt.go_on()
                leaving.result(LIMIT)
            gate.open()

            assert isinstance(waiting.result(LIMIT), Client)
        running.result(LIMIT)

    def test_one_who_comes_meanwhile(self, client: Shared[int], gate: Gate, log: Log) -> None:
        """One who comes after the decision to cancel, and before that is done, asks again."""

        async def leave() -> None:
            await client

        def run() -> None:
            loop = asyncio.new_event_loop()
            task = loop.create_task(leave())
            task.add_done_callback(lambda _: loop.stop())
            loops.append((loop, task))
            loop.run_forever()
            loop.close()

        loops: list[Any] = []
        with Halt(Lifetime.give_up, "self._is_given_up = True").in_new_threads() as halt:
            leaving = in_thread(run)
            gate.arrived()
            loop, task = loops[0]
            loop.call_soon_threadsafe(task.cancel)
            halt.arrived()
            waiting = in_thread(client)
            until(lambda: len(client._current._askers) == 1)
            halt.go_on()
            leaving.result(LIMIT)
            until(lambda: bool(log))
            gate.open()

            assert waiting.result(LIMIT) == 1
        assert events(log) == ["cancelled"]

    def test_error_of_the_cleanup(
        self, executor: AsyncExecutor, gate: Gate, logged_errors: list[Any]
    ) -> None:
        """An error of an opening that nobody waits for any more is reported."""

        @asynccontextmanager
        async def fail() -> AsyncGenerator[int, None]:
            try:
                await gate.wait()
            finally:
                _fail()
            yield 1

        client = executor.shared(fail)
        asyncio.run(leave(client, gate))
        until(lambda: bool(logged_errors))

        assert "fail failed to open" in logged_errors[0].getMessage()
        logged_errors.clear()

    @pytest.mark.parametrize("place", ["_note_opened", "_answer"])
    def test_error_that_is_dropped_meanwhile(
        self, executor: AsyncExecutor, logged_errors: list[Any], place: str
    ) -> None:
        """An error that the last who asks drops is reported, or raised, if it was there before."""
        line = {"_note_opened": "self._report(", "_answer": "asker.fail(error)"}[place]

        @asynccontextmanager
        async def fail() -> AsyncGenerator[int, None]:
            _fail()
            yield 1

        lifetime = Lifetime(executor._loop_thread, fail, "fail")
        asker = lifetime.ask() if place == "_answer" else None
        with Halt(getattr(Lifetime, place), line).in_new_threads() as halt:
            lifetime.begin()
            halt.arrived()
            # As for one who has left before the others came.
            lifetime.opened._exception = None
            halt.go_on()
            executor.submit(echo_later, 1).result(LIMIT)

        if asker is None:
            assert logged_errors[0].exc_info
            assert isinstance(logged_errors[0].exc_info[1], Special)
            logged_errors.clear()
        else:
            assert isinstance(asker.exception(LIMIT), Special)

    def test_cancellation_that_is_swallowed(
        self, executor: AsyncExecutor, gate: Gate, log: Log
    ) -> None:
        """One that opens all the same is used by the next one, and closed at the end."""

        @asynccontextmanager
        async def swallow() -> AsyncGenerator[int, None]:
            with suppress(asyncio.CancelledError):
                await gate.wait()
            async with connect(log):
                yield 1

        client = executor.shared(swallow)
        asyncio.run(leave(client, gate))
        until(lambda: bool(log))

        assert client() == 1
        executor.shutdown()
        assert events(log) == ["open client", "close client"]

    def test_cancel_futures(self, executor: AsyncExecutor, client: Shared[int], gate: Gate) -> None:
        """`cancel_futures` cancels an opening, which is a call, for all who wait."""
        waiting = [in_thread(client) for _ in range(3)]
        gate.arrived()
        until(lambda: len(client._current._askers) == 3)

        executor.cancel_futures()

        for future in waiting:
            assert isinstance(future.exception(LIMIT), CancelledError)

    def test_cancel_futures_before_it_begins(self, executor: AsyncExecutor, log: Log) -> None:
        """`cancel_futures` cancels an opening that is queued, for all who wait."""
        client = executor.shared(connect, log)
        began, go = threading.Event(), threading.Event()

        async def block() -> None:
            began.set()
            go.wait(LIMIT)

        blocking = executor.submit(block)
        assert began.wait(LIMIT)
        waiting = [in_thread(client) for _ in range(3)]
        until(lambda: client._lifetime() is not None and client._current._is_submitted)
        until(lambda: len(client._current._askers) == 3)

        executor.cancel_futures()

        for future in waiting:
            assert isinstance(future.exception(LIMIT), CancelledError)
        go.set()
        blocking.result(LIMIT)
        assert log == []
        client()

    def test_statistics(self, executor: AsyncExecutor, client: Shared[int], gate: Gate) -> None:
        """While it is being opened, that is a call that runs."""
        waiting = in_thread(client)
        gate.arrived()

        assert executor.statistics() == ExecutorStatistics(0, 1, None)
        gate.open()
        waiting.result(LIMIT)
        assert executor.statistics() == ExecutorStatistics(0, 0, None)


class TestOpen:
    """An open client is no call."""

    def test_place(self, make_executor: MakeExecutor, log: Log) -> None:
        """It takes no place, and who waits for it lends theirs."""
        executor = make_executor(max_workers=1)
        client = executor.shared(connect, log)

        async def ask(*, blocking: bool) -> Client:
            return await (executor.sync_to_async(client) if blocking else client)

        assert executor.submit(ask, blocking=True).result(LIMIT) is client()
        client.close()
        assert executor.submit(ask, blocking=False).result(LIMIT) is client()
        assert executor.submit(echo_later, 1).result(LIMIT) == 1
        assert limit_of(executor)._taken == set()

    def test_place_of_the_opening(self, make_executor: MakeExecutor) -> None:
        """An opening that waits for another call lends that its place."""
        executor = make_executor(max_workers=1)

        @asynccontextmanager
        async def call() -> AsyncGenerator[int, None]:
            yield await executor.submit(echo_later, 1)

        assert executor.shared(call)() == 1

    def test_cancel_futures(self, executor: AsyncExecutor, log: Log) -> None:
        """`cancel_futures` does not touch it."""
        client = executor.shared(connect, log)
        opened = client()

        executor.cancel_futures()
        cancelled = threading.Event()
        executor._loop_thread.call_soon(cancelled.set)

        assert cancelled.wait(LIMIT)
        assert client() is opened

    @pytest.mark.parametrize("cancel_futures", [False, True])
    def test_shutdown(self, executor: AsyncExecutor, log: Log, *, cancel_futures: bool) -> None:
        """A shutdown closes it without cancelling it, the last opened first."""
        clients = [executor.shared(connect, log, name) for name in "abc"]
        for client in (clients[1], clients[0], clients[2]):
            client()

        executor.shutdown(cancel_futures=cancel_futures)

        assert events(log) == ["open b", "open a", "open c", "close c", "close a", "close b"]
        with pytest.raises(InvalidStateError, match="after shutdown"):
            client()

    def test_one_task(self, executor: AsyncExecutor, log: Log) -> None:
        """It is opened and closed in one task."""
        client = executor.shared(connect, log)
        client()
        client.close()

        assert len({task for _, task in log}) == 1

    def test_shutdown_while_it_is_opened(self, executor: AsyncExecutor, log: Log) -> None:
        """A shutdown waits for the opening, then closes it."""
        with Gate() as gate:

            @asynccontextmanager
            async def slow() -> AsyncGenerator[int, None]:
                await gate.wait()
                async with connect(log):
                    yield 1

            waiting = in_thread(executor.shared(slow))
            gate.arrived()
            executor.shutdown(wait=False)
        executor.shutdown()

        assert waiting.result(LIMIT) == 1
        assert events(log) == ["open client", "close client"]

    def test_after_the_work(self, executor: AsyncExecutor, log: Log) -> None:
        """A shutdown closes it when the submitted work is done, and before background tasks."""
        client = executor.shared(connect, log)
        background: list[asyncio.Task[None]] = []

        async def wait_for_ever() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                log.append(("background", None))

        async def work() -> None:
            background.append(asyncio.create_task(wait_for_ever()))
            await client
            await gate.wait()
            log.append(("work", None))

        with Gate() as gate:
            working = executor.submit(work)
            gate.arrived()
            executor.shutdown(wait=False)
        executor.shutdown()

        working.result(LIMIT)
        assert events(log) == ["open client", "work", "close client", "background"]

    def test_loop_that_is_stopped(self, executor: AsyncExecutor, log: Log) -> None:
        """It stays open for the work also where a task stops the event loop meanwhile."""
        client = executor.shared(connect, log)

        async def work() -> None:
            await client
            await gate.wait()
            asyncio.get_running_loop().stop()
            await asyncio.sleep(0.01)
            log.append(("work", None))

        with Gate() as gate:
            working = executor.submit(work)
            gate.arrived()
            executor.shutdown(wait=False)
        executor.shutdown()

        working.result(LIMIT)
        assert events(log) == ["open client", "work", "close client"]

    def test_closing_that_calls(self, executor: AsyncExecutor, log: Log) -> None:
        """What closes it may submit calls and use worker threads."""

        @asynccontextmanager
        async def busy() -> AsyncGenerator[None, None]:
            yield
            log.append((str(await executor.submit(echo_later, 1)), None))
            log.append((await executor.sync_to_async(str, 2), None))

        executor.shared(busy)()
        executor.shutdown()

        assert events(log) == ["1", "2"]

    def test_opened_by_a_background_task(self, executor: AsyncExecutor, log: Log) -> None:
        """One that the cleanup of a background task opens is closed too."""
        client = executor.shared(connect, log)
        background: list[asyncio.Task[None]] = []

        async def open_at_the_end() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await client

        async def work() -> None:
            background.append(asyncio.create_task(open_at_the_end()))
            await asyncio.sleep(0)

        executor.submit(work).result(LIMIT)
        executor.shutdown()

        assert events(log) == ["open client", "close client"]

    def test_error_at_the_end(self, executor: AsyncExecutor, logged_errors: list[Any]) -> None:
        """An error of the closing at a shutdown is reported; the others are closed."""
        log: Log = []

        @asynccontextmanager
        async def fail() -> AsyncGenerator[None, None]:
            yield
            raise Special

        executor.shared(connect, log)()
        executor.shared(fail)()
        executor.shutdown()

        (record,) = logged_errors
        assert "fail failed to close" in record.getMessage()
        assert events(log) == ["open client", "close client"]
        logged_errors.clear()

    def test_interrupted_end(self, executor: AsyncExecutor, log: Log) -> None:
        """Where Ctrl-C ends the wait for a closing, that is cancelled, and the next one closed."""
        gate = Gate()

        @asynccontextmanager
        async def hang() -> AsyncGenerator[None, None]:
            yield
            try:
                await gate.wait()
            finally:
                log.append(("interrupted", None))

        executor.shared(connect, log)()
        executor.shared(hang)()
        ended = in_thread(executor.shutdown)
        gate.arrived()
        executor._loop_thread.cancel_closing()
        ended.result(LIMIT)

        assert events(log) == ["open client", "close client", "interrupted"]

    def test_dropped(self, executor: AsyncExecutor, log: Log) -> None:
        """One that is dropped stays open until the end; nothing else keeps it then."""
        opened = weakref.ref(executor.shared(connect, log)())
        gc.collect()
        assert opened() is not None

        executor.shutdown()
        gc.collect()

        assert events(log) == ["open client", "close client"]
        assert opened() is None

    def test_keeps_its_executor(self, log: Log) -> None:
        """It keeps the executor that it was made by."""
        client = AsyncExecutor().shared(connect, log)
        gc.collect()

        assert isinstance(client(), Client)
        del client
        until(lambda: events(log) == ["open client", "close client"])


class TestClosing:
    """`close`."""

    def test_reopened(self, executor: AsyncExecutor, log: Log) -> None:
        """The next one to ask opens it anew; it can be closed twice, or before it is open."""
        client = executor.shared(connect, log)
        client.close()
        first = client()
        client.close()
        client.close()
        assert client() is not first

        assert events(log) == ["open client", "close client", "open client"]

    def test_order(self, executor: AsyncExecutor, log: Log) -> None:
        """One that was opened anew counts as opened last."""
        clients = [executor.shared(connect, log, name) for name in "ab"]
        for client in clients:
            client()
        clients[0].close()
        clients[0]()
        log.clear()
        executor.shutdown()

        assert events(log) == ["close a", "close b"]

    @pytest.mark.parametrize("owner", ["service", "task"])
    def test_opened_again_meanwhile(self, executor: AsyncExecutor, log: Log, owner: str) -> None:
        """What uses a client that is closed opens it again, and is ended before that is closed."""
        client = executor.shared(connect, log)
        uses = 0

        async def use() -> None:
            nonlocal uses
            while True:
                await client
                await asyncio.sleep(0)
                uses += 1

        @asynccontextmanager
        async def serve() -> AsyncGenerator[None, None]:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(use())
                yield
                task.cancel()
            log.append(("close service", None))

        tasks: set[asyncio.Task[Any]] = set()

        async def start() -> None:
            tasks.add(asyncio.create_task(use()))

        if owner == "service":
            executor.shared(serve)()
        else:
            executor.submit(start).result(LIMIT)
        until(lambda: uses > 2)
        closing = in_thread(executor.shutdown)

        closing.result(LIMIT)
        closed = ["open client", "close client"]
        between = ["close service"] if owner == "service" else []
        assert events(log) == [*closed, "open client", *between, "close client"]

    def test_error(self, executor: AsyncExecutor) -> None:
        """What the closing raises is raised by `close`, and by nothing later."""

        @asynccontextmanager
        async def fail() -> AsyncGenerator[int, None]:
            yield 1
            raise Special

        client = executor.shared(fail)
        client()
        with pytest.raises(Special):
            client.close()
        client.close()
        assert client() == 1
        with pytest.raises(Special):
            client.close()

    def test_while_it_is_opened(self, executor: AsyncExecutor, log: Log) -> None:
        """While it is being opened, `close` waits and then closes it."""
        with Gate() as gate:

            @asynccontextmanager
            async def slow() -> AsyncGenerator[int, None]:
                await gate.wait()
                async with connect(log):
                    yield 1

            client = executor.shared(slow)
            waiting = in_thread(client)
            gate.arrived()
            closing = in_thread(client.close)
            until(lambda: len(client._current.opened._waiters) == 1)
        closing.result(LIMIT)

        assert waiting.result(LIMIT) == 1
        assert events(log) == ["open client", "close client"]

    def test_opening_that_fails(self, executor: AsyncExecutor) -> None:
        """It ends as well where the opening fails meanwhile."""
        with Gate() as gate:

            @asynccontextmanager
            async def fail() -> AsyncGenerator[int, None]:
                await gate.wait()
                _fail()
                yield 1

            client = executor.shared(fail)
            waiting = in_thread(client)
            gate.arrived()
            closing = in_thread(client.close)
            until(lambda: len(client._current.opened._waiters) == 1)
        closing.result(LIMIT)

        assert isinstance(waiting.exception(LIMIT), Special)

    def test_asked_meanwhile(self, executor: AsyncExecutor, log: Log) -> None:
        """Who asks while it is being closed waits for that, and opens it anew."""
        with Gate() as gate:

            @asynccontextmanager
            async def slow() -> AsyncGenerator[Client, None]:
                async with connect(log) as client:
                    yield client
                    await gate.wait()

            async def ask() -> Client:
                return await client

            client = executor.shared(slow)
            first = client()
            closing = in_thread(client.close)
            gate.arrived()
            waiting = [in_thread(client), executor.submit(ask)]
            until(lambda: len(client._current._askers) == 2)
        closing.result(LIMIT)
        second, third = (future.result(LIMIT) for future in waiting)

        assert second is third
        assert second is not first
        assert events(log) == ["open client", "close client", "open client"]

    def test_in_many_threads(self, executor: AsyncExecutor, log: Log) -> None:
        """Threads may open and close it at the same time: what was opened was closed before."""
        client = executor.shared(connect, log)

        def use(number: int) -> None:
            client()
            if number % 3 == 0:
                client.close()

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(use, range(300)))
        client.close()

        assert set(events(log)[::2]) == {"open client"}
        assert set(events(log)[1::2]) == {"close client"}

    def test_shutdown_meanwhile(self, executor: AsyncExecutor, log: Log) -> None:
        """A shutdown waits for a closing that is under way."""
        with Gate() as gate:

            @asynccontextmanager
            async def slow() -> AsyncGenerator[None, None]:
                yield
                await gate.wait()
                log.append(("closed", None))

            client = executor.shared(slow)
            client()
            closing = in_thread(client.close)
            gate.arrived()
            executor.shutdown(wait=False, cancel_futures=True)
        executor.shutdown()
        closing.result(LIMIT)

        assert events(log) == ["closed"]


class TestCrash:
    """A background service that ends by itself."""

    def test_error(self, executor: AsyncExecutor) -> None:
        """Its error is that of the next one to ask; the one after that opens it anew."""
        error = Special()
        with Gate() as gate:
            client = executor.shared(service, gate, error)
            assert client() == "ready"
            gate.arrived()
            gate.open()
            until_crashed(client)

        with pytest.raises(ExceptionGroup) as caught:
            client()
        assert caught.value.exceptions == (error,)
        assert client() == "ready"
        until_crashed(client)
        with pytest.raises(ExceptionGroup):
            asyncio.run(_await(client))

    def test_goes_to_one(self, executor: AsyncExecutor) -> None:
        """Of many who ask at once, one gets it."""
        with Gate() as gate:
            client = executor.shared(service, gate, Special())
            client()
            gate.open()
            until_crashed(client)
            client._make = _ready  # the next one does not crash

        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            outcomes = [pool.submit(client) for _ in range(20)]
            errors = [future.exception(LIMIT) for future in outcomes]

        assert len([error for error in errors if error]) == 1

    def test_close(self, executor: AsyncExecutor) -> None:
        """`close` leaves the error to the next one to ask."""
        with Gate() as gate:
            client = executor.shared(service, gate, Special())
            client()
            gate.open()
            until_crashed(client)
        client.close()

        with pytest.raises(ExceptionGroup):
            client()

    @frees_at_once
    def test_that_nobody_asks_for(self, executor: AsyncExecutor, logged_errors: list[Any]) -> None:
        """If nobody asks any more, it is reported."""
        with Gate() as gate:
            client = executor.shared(service, gate, Special())
            client()
            gate.open()
            until_crashed(client)
        del client
        gc.collect()
        until(lambda: bool(logged_errors))

        assert "never retrieved" in logged_errors[0].getMessage()
        logged_errors.clear()

    def test_end_without_an_error(self, executor: AsyncExecutor, log: Log) -> None:
        """One whose task was cancelled is opened anew."""
        client = executor.shared(connect, log)
        client()
        (task,) = executor.tasks
        executor._loop_thread.call_soon(task.cancel)
        until_crashed(client)

        assert isinstance(client(), Client)
        assert events(log) == ["open client", "CancelledError", "open client"]

    def test_loop(self) -> None:
        """Where the event loop fails, the next one to ask gets that error."""
        loops: list[Breaking] = []

        def make() -> Breaking:
            loops.append(Breaking())
            return loops[-1]

        executor = AsyncExecutor(loop_factory=make)
        client = executor.shared(connect, [])
        client()
        for task in executor.tasks:
            setattr(task, "_log_destroy_pending", False)
        with thread_error(OSError):
            loops[0].fail()
        executor.shutdown()

        for _ in range(2):
            with pytest.raises(BrokenExecutor, match="the selector has failed"):
                client()


async def leave(client: Shared[Any], gate: Gate) -> None:
    """Wait for the client, and leave when its opening has come to the gate."""
    waiting = asyncio.ensure_future(client)
    await asyncio.to_thread(gate.arrived)
    waiting.cancel()
    await asyncio.wait([waiting])


def _fail() -> None:
    raise Special


def _exit() -> Any:
    raise SystemExit(3)


async def _await(client: Shared[Any]) -> Any:
    return await client


@asynccontextmanager
async def _ready() -> AsyncGenerator[str, None]:
    yield "ready"


class TestLoops:
    """Synchronous code on a running event loop."""

    def test_own(self, executor: AsyncExecutor, log: Log) -> None:
        """On the own loop it can be asked for where it is open, else it is an error."""
        client = executor.shared(connect, log)

        async def ask() -> Client:
            return client()

        with pytest.raises(DeadlockError, match=r"connect\(\) was .* Use 'await connect' there"):
            executor.submit(ask).result(LIMIT)
        opened = client()
        assert executor.submit(ask).result(LIMIT) is opened

    def test_closing_on_the_own(self, executor: AsyncExecutor, log: Log) -> None:
        """It cannot be closed there, but in a worker thread."""
        client = executor.shared(connect, log)

        async def close() -> None:
            client.close()

        async def close_elsewhere() -> None:
            await sync_to_async(client.close)

        executor.submit(close).result(LIMIT)
        client()
        with pytest.raises(DeadlockError, match=r"await sync_to_async\(connect\.close\)"):
            executor.submit(close).result(LIMIT)
        executor.submit(close_elsewhere).result(LIMIT)

        assert events(log) == ["open client", "close client"]

    def test_foreign(self, executor: AsyncExecutor, log: Log) -> None:
        """On a foreign one a wait is warned of, at the line that waits, and no answer is."""
        client = executor.shared(connect, log)

        async def use() -> None:
            client()
            client()
            client.close()

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            asyncio.run(use())

        assert [(each.category, each.filename) for each in caught] == [
            (BlockingCallWarning, __file__)
        ] * 2
        assert "use 'await connect' there" in str(caught[0].message)


class TestDefaultExecutor:
    """`shared` uses the default executor."""

    def test_when_it_opens(
        self, default_executor: AsyncExecutor, make_executor: MakeExecutor, log: Log
    ) -> None:
        """It lives on the one that is the default when it opens, until it is closed."""
        client = shared(connect, log)
        other = make_executor()
        set_default_executor(other)
        first = client()
        assert (default_executor.tasks, len(other.tasks)) == (set(), 1)

        set_default_executor(default_executor)
        assert client() is first
        other.shutdown()
        assert client() is not first
        assert len(default_executor.tasks) == 1

    def test_after_shutdown(self, default_executor: AsyncExecutor, log: Log) -> None:
        """After its shutdown it refuses, as `submit` does, for all who ask."""
        client = shared(connect, log)
        client()
        default_executor.shutdown()

        for _ in range(2):
            with pytest.raises(InvalidStateError, match="after shutdown"):
                client()
            with pytest.raises(InvalidStateError, match="after shutdown"):
                asyncio.run(_await(client))
        client.close()

    def test_refused(self, executor: AsyncExecutor) -> None:
        """`executor.shared` refuses after the shutdown, but in its own tasks."""
        executor.shutdown()

        with pytest.raises(InvalidStateError, match="after shutdown"):
            executor.shared(connect, [])()


class TestNeedsItself:
    """A client that cannot be opened before it is open."""

    @pytest.mark.parametrize("others", [0, 1, 2])
    def test_opening(self, executor: AsyncExecutor, others: int) -> None:
        """It is an error, also where one needs another that needs the first, and names it."""
        clients: list[Shared[object]] = []

        @asynccontextmanager
        async def connect(number: int) -> AsyncGenerator[object, None]:
            yield await clients[(number + 1) % len(clients)]

        clients += [executor.shared(connect, number) for number in range(1 + others)]

        for _ in range(2):
            with pytest.raises(DeadlockError, match=r"connect would wait for itself"):
                clients[0]()
        assert executor.statistics().running == 0

    def test_closing(self, executor: AsyncExecutor) -> None:
        """So it is where the cleanup of one waits for it."""

        @asynccontextmanager
        async def connect() -> AsyncGenerator[int, None]:
            yield 1
            await client

        client = executor.shared(connect)
        client()

        with pytest.raises(DeadlockError, match="connect would wait for itself"):
            client.close()

    def test_open(self, executor: AsyncExecutor) -> None:
        """While it is open it may await itself, also in the cleanup after a crash."""
        values: list[int] = []
        error = Special()

        @asynccontextmanager
        async def connect() -> AsyncGenerator[int, None]:
            async with service(gate, error):
                try:
                    yield 1
                finally:
                    values.append(await client)

        client = executor.shared(connect)
        with Gate() as gate:
            client()
        until_crashed(client)

        assert values == [1]
        with pytest.raises(ExceptionGroup):
            client()

    def test_task_in_the_background(self, executor: AsyncExecutor) -> None:
        """A task that the opening starts and does not wait for may await it."""

        async def use() -> int:
            return await client

        @asynccontextmanager
        async def connect() -> AsyncGenerator[int, None]:
            tasks.append(asyncio.create_task(use()))
            await asyncio.sleep(0)
            yield 1

        tasks: list[asyncio.Task[int]] = []
        client = executor.shared(connect)

        assert client() == 1
        until(tasks[0].done)
        assert tasks[0].result() == 1

    def test_thread_in_the_background(self, executor: AsyncExecutor) -> None:
        """So may a thread."""
        threads: list[concurrent.futures.Future[int]] = []

        @asynccontextmanager
        async def connect() -> AsyncGenerator[int, None]:
            context = contextvars.copy_context()
            threads.append(in_thread(context.run, client))
            await asyncio.sleep(0)
            yield 1

        client = executor.shared(connect)

        assert client() == 1
        assert threads[0].result(LIMIT) == 1

    def test_wait_that_is_over(self, executor: AsyncExecutor) -> None:
        """One that has waited for another one, and no longer does, is no part of a circle."""
        closing = threading.Event()

        @asynccontextmanager
        async def connect_first() -> AsyncGenerator[int, None]:
            yield 1
            closing.set()
            assert await second == 1

        @asynccontextmanager
        async def connect_second() -> AsyncGenerator[int, None]:
            value = await first
            await gate.wait()
            yield value

        first = executor.shared(connect_first)
        second = executor.shared(connect_second)

        with Gate() as gate:
            opening = in_thread(second)
            gate.arrived()
            closed = in_thread(first.close)
            assert closing.wait(LIMIT)

        assert opening.result(LIMIT) == 1
        closed.result(LIMIT)


def test_repr(executor: AsyncExecutor) -> None:
    """It shows its name and its state."""
    with Gate() as opening, Gate() as closing:

        @executor.shared
        @asynccontextmanager
        async def connect() -> AsyncGenerator[None, None]:
            await opening.wait()
            yield
            await closing.wait()

        shown = [repr(connect)]
        opened = in_thread(connect)
        opening.arrived()
        shown.append(repr(connect))
        opening.open()
        opened.result(LIMIT)
        shown.append(repr(connect))
        closed = in_thread(connect.close)
        closing.arrived()
        shown.append(repr(connect))
        closing.open()
        closed.result(LIMIT)
        shown.append(repr(connect))

    name = connect._name
    states = ["not open", "opening", "open", "closing", "not open"]
    assert shown == [f"<Shared name={name} state={state}>" for state in states]


@pytest.mark.parametrize("use", [pickle.dumps, copy.copy, copy.deepcopy])
def test_neither_pickled_nor_copied(
    executor: AsyncExecutor, log: Log, use: Callable[[object], object]
) -> None:
    """It cannot be pickled or copied, and the error says what to do instead."""
    client = executor.shared(connect, log)
    client()

    with pytest.raises(TypeError, match=r"a shared client .* pickled or copied: share connect"):
        use(client)


def test_first_who_fails(executor: AsyncExecutor, log: Log) -> None:
    """Where the first cannot submit the opening, those who have come meanwhile ask again."""
    client = executor.shared(connect, log)
    with Halt(Lifetime.begin, "self.host.submit").in_new_threads() as halt:
        first = in_thread(client)
        halt.arrived()
        waiting = in_thread(client)
        until(lambda: len(client._current._askers) == 2)
        executor.shutdown()
        halt.go_on()

        assert isinstance(first.exception(LIMIT), InvalidStateError)
        assert isinstance(waiting.exception(LIMIT), InvalidStateError)
    assert log == []


def test_nothing_is_left_for_the_collector(executor: AsyncExecutor) -> None:
    """A client that is opened, closed and dropped leaves no cycle behind."""
    make: Callable[..., AbstractAsyncContextManager[Client]] = connect
    gc.collect()
    gc.disable()
    try:
        client = executor.shared(make, [])
        lifetime = weakref.ref((client(), client._current)[1])
        client.close()
        del client
        until(lambda: lifetime() is None)
    finally:
        gc.enable()


def test_first_whose_loop_does_not_start(log: Log) -> None:
    """So they do where the event loop of the first cannot be made."""
    errors = [Special()]
    with Gate() as gate:

        def make_loop() -> asyncio.AbstractEventLoop:
            if errors:
                error = errors.pop()
                gate.block()
                raise error
            return asyncio.new_event_loop()

        with AsyncExecutor(loop_factory=make_loop) as executor:
            client = executor.shared(connect, log)
            first = in_thread(client)
            gate.arrived()
            waiting = in_thread(client)
            until(lambda: len(client._current._askers) == 2)
            gate.open()

            assert isinstance(first.exception(LIMIT), Special)
            assert isinstance(waiting.result(LIMIT), Client)
    assert events(log) == ["open client", "close client"]


def test_second_of_two_at_once(executor: AsyncExecutor, log: Log) -> None:
    """One who is overtaken by another one after the look gets what that one has opened."""
    client = executor.shared(connect, log)
    with Halt(Shared._ask, "self.__dict__").in_new_threads() as halt:
        second = in_thread(client)
        halt.arrived()
        first = client()
        halt.go_on()

        assert second.result(LIMIT) is first
    assert events(log) == ["open client"]


def test_two_who_replace_it(executor: AsyncExecutor, log: Log) -> None:
    """Of two who find that it has ended, one opens it anew."""
    client = executor.shared(connect, log)
    client()
    (task,) = executor.tasks
    executor._loop_thread.call_soon(task.cancel)
    until_crashed(client)
    with Halt(Shared._drop, "del lifetime.is_current").in_new_threads() as halt:
        second = in_thread(client)
        halt.arrived()
        first = client()
        halt.go_on()

        assert second.result(LIMIT) is first
    assert events(log) == ["open client", "CancelledError", "open client"]


class Local:
    """Stands for what a frame holds."""


@frees_at_once
@pytest.mark.parametrize("kind", ["open", "close", "crash"])
def test_frames_are_not_kept(executor: AsyncExecutor, kind: str) -> None:
    """An error of the client keeps nothing of who gets it, without the garbage collector."""

    @asynccontextmanager
    async def fail() -> AsyncGenerator[None, None]:
        if kind == "open":
            raise Special
        if kind == "close":
            yield
            raise Special
        asyncio.get_running_loop().call_soon(getattr(asyncio.current_task(), "cancel"))
        try:
            yield
        except asyncio.CancelledError:
            raise Special from None

    client = executor.shared(fail)

    def use() -> weakref.ref[Local]:
        local = Local()
        reference = weakref.ref(local)
        try:
            client()
            client.close()
        except Special:
            pass
        return reference

    if kind == "crash":
        client()
        until_crashed(client)
    gc.collect()
    gc.disable()
    try:
        assert use()() is None
    finally:
        gc.enable()


def test_first_whose_stack_is_full() -> None:
    """Wherever the stack of the first is full, the next one opens it."""
    output = run_untraced(
        """
        import sys, threading
        from contextlib import asynccontextmanager
        from aiofutures import AsyncExecutor

        @asynccontextmanager
        async def connect():
            yield "client"

        def deeper(levels):
            return deeper(levels - 1) if levels else client()

        def open_again():
            opened.append(client())

        for levels in range(150, 200):
            opened = []
            executor = AsyncExecutor()
            client = executor.shared(connect)
            sys.setrecursionlimit(200)
            try:
                deeper(levels)
            except RecursionError:
                pass
            sys.setrecursionlimit(1000)
            again = threading.Thread(target=open_again, daemon=True)
            again.start()
            again.join(5)
            assert opened == ["client"], levels
            executor.shutdown()
        """
    )

    assert output == ""


def test_first_whose_stack_is_full_in_the_submission(
    executor: AsyncExecutor, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it does where the opening cannot be submitted."""
    client = executor.shared(connect, log)

    def overflow(_: object) -> None:
        raise RecursionError

    with monkeypatch.context() as patch:
        patch.setattr(Lifetime, "begin", overflow)
        with pytest.raises(RecursionError):
            client()

    assert in_thread(client).result(LIMIT) is client()
