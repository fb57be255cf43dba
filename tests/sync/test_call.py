"""Waiting for a call, and the context variables that it changes."""

import asyncio
import gc
import pickle
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from contextvars import Context, ContextVar, copy_context
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from support import (
    LIMIT,
    Gate,
    echo,
    echo_later,
    fail_later,
    frees_at_once,
    in_thread,
    let_go,
    until,
)
from typing_extensions import override

from aiofutures import (
    AsyncExecutor,
    BlockingCallWarning,
    CancelledError,
    DeadlockError,
    Future,
    TimeoutError,
    in_caller_thread,
    to_sync,
)
from aiofutures._loops.caller import Caller
from aiofutures._loops.limit import running_call
from aiofutures._sync.call import ContextChanges, SyncCall, UnattendedCall, stop_waiting, wait


async def numbers() -> AsyncIterator[int]:
    """Yield one."""
    yield 1


@asynccontextmanager
async def connection() -> AsyncIterator[int]:
    """Give one."""
    yield 1


class TestInAnotherProcess:
    """A call that is pickled is one for another process."""

    def test_result(self) -> None:
        """It keeps its function and name, and returns what the function returns."""
        call = pickle.loads(pickle.dumps(SyncCall(echo_later, "Shop.load")))

        assert call.__qualname__ == "Shop.load"
        assert asyncio.run(call(1)) == 1

    @pytest.mark.parametrize("fn", [numbers, connection])
    def test_steps(self, fn: Callable[..., Any]) -> None:
        """What is iterated or entered cannot leave its process: the error names the function."""
        call = pickle.loads(pickle.dumps(SyncCall(fn, "Shop.load")))

        with pytest.raises(
            TypeError, match=r"^Shop.load\(\) returns something to loop over or enter"
        ):
            asyncio.run(call())

    def test_sync_function(self) -> None:
        """A sync function gets the error that it gets in this process."""
        call = pickle.loads(pickle.dumps(SyncCall(abs, "abs")))

        with pytest.raises(TypeError, match="It is a sync function"):
            asyncio.run(call(1))


@frees_at_once
def test_late_end(executor: AsyncExecutor) -> None:
    """A call that outlives the wait of its caller leaves nothing to the garbage collector."""
    variable: ContextVar[object] = ContextVar("variable")
    gate, kept = Gate(), list[weakref.ref[object]]()

    async def clean_up_slowly() -> None:
        try:
            await asyncio.sleep(LIMIT)
        finally:
            await gate.wait()
            value = Gate()
            kept.append(weakref.ref(value))
            variable.set(value)

    gc.disable()
    try:
        with pytest.raises(TimeoutError):
            to_sync(timeout=0.3, executor=executor)(clean_up_slowly)()
        gate.open()
        until(lambda: bool(kept) and not executor.tasks)

        let_go(executor)
        assert kept[0]() is None
    finally:
        gc.enable()


class TestNobodyWaits:
    """A call in another process has no thread that waits there."""

    def test_in_caller_thread(self, executor: AsyncExecutor) -> None:
        """What is to run in that thread runs in a worker thread."""

        async def call() -> str:
            return await in_caller_thread(lambda: threading.current_thread().name)

        remote = UnattendedCall(call, "call")

        assert "-worker" in executor.submit(remote).result(LIMIT)


class TestWait:
    """`wait`."""

    def test_result(self, executor: AsyncExecutor) -> None:
        """It returns the result."""
        assert wait(executor.submit(echo_later, 1), Caller(), LIMIT, "call") == 1

    @pytest.mark.parametrize(
        "error", [OSError(), TimeoutError("own"), DeadlockError("own"), SystemExit(1)]
    )
    def test_error_of_the_call(self, executor: AsyncExecutor, error: BaseException) -> None:
        """It raises what the call raises, also what it could raise itself."""
        with pytest.raises(type(error)) as caught:
            wait(executor.submit(fail_later, error), Caller(), LIMIT, "call")

        assert caught.value is error

    def test_timeout(self, executor: AsyncExecutor) -> None:
        """After the time-out the call is cancelled."""
        with Gate() as gate:
            future = executor.submit(gate.wait)
            gate.arrived()

            with pytest.raises(TimeoutError, match=r"call\(\) was cancelled: .* in 0.01 seconds"):
                wait(future, Caller(), 0.01, "call")

            with pytest.raises(CancelledError):
                future.result(LIMIT)

    def test_done_at_the_last_moment(self) -> None:
        """A call that is done just after the time-out has not timed out."""

        class LastMoment(Future[int]):
            @override
            def done(self) -> bool:
                was_done = super().done()
                if not was_done:
                    self.set_result(1)
                return was_done

        assert wait(LastMoment(), Caller(), 0, "call") == 1

    def test_frozen_time(self, executor: AsyncExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where a test has stopped the clocks the time-out says so, and waits for no cleanup."""
        for name, module in tuple(sys.modules.items()):
            if name.startswith("aiofutures") and hasattr(module, "monotonic"):
                monkeypatch.setattr(module, "monotonic", lambda: 0.0)
        with Gate() as gate:

            async def work() -> None:
                try:
                    await asyncio.sleep(LIMIT)
                finally:
                    await gate.wait()

            future = executor.submit(work)
            with pytest.raises(TimeoutError, match=r"call\(\) was cancelled: .* in 0.3 seconds"):
                wait(future, Caller(), 0.3, "call")

            gate.arrived()
            assert not future.done()

    def test_own_loop(self, executor: AsyncExecutor) -> None:
        """Where it would block the loop that runs the call, the call is cancelled."""
        futures = []

        async def work() -> None:
            futures.append(executor.submit(asyncio.sleep, LIMIT))
            wait(futures[0], Caller(), None, "call")

        with pytest.raises(DeadlockError, match=r"call\(\) was called on the event loop"):
            executor.submit(work).result(LIMIT)

        with pytest.raises(CancelledError):
            futures[0].result(LIMIT)


class TestFullStack:
    """What is left to do when there is no room on the stack."""

    def test_refused(self) -> None:
        """The error of the executor is raised."""

        class Full:
            def submit(self, fn: object, /, *args: object, **kwargs: object) -> Future[Any]:
                raise RecursionError

        with pytest.raises(RecursionError):
            to_sync(executor=Full())(echo)(1)

    def test_stop_waiting(self, executor: AsyncExecutor) -> None:
        """The call is cancelled, unless it is done, and its thread runs nothing more for it."""
        done = executor.submit(echo, 1)
        done.result(LIMIT)
        with Gate() as gate:
            future = executor.submit(gate.wait)
            gate.arrived()
            for left in (future, done, None):
                call = SyncCall(echo, "echo")
                stop_waiting(left, call)
                assert call.is_waiting is None
            with pytest.raises(CancelledError):
                future.result(LIMIT)
        assert done.result() == 1


class TestWarning:
    """The warning of a call that blocks a running event loop."""

    def test_foreign_loop(self, executor: AsyncExecutor) -> None:
        """It names the call and points to the line of the caller."""

        async def main() -> None:
            wait(executor.submit(echo_later, 1), Caller(), LIMIT, "call", stacklevel=1)

        with pytest.warns(BlockingCallWarning, match=r"call\(\) blocks the running") as caught:
            asyncio.run(main())

        assert caught[0].filename == __file__

    def test_unasked(self, executor: AsyncExecutor) -> None:
        """There is none where none was asked for, nor where no event loop runs."""

        async def main() -> None:
            wait(executor.submit(echo_later, 1), Caller(), LIMIT, "call")

        asyncio.run(main())
        wait(executor.submit(echo_later, 1), Caller(), LIMIT, "call", stacklevel=1)

    @pytest.mark.parametrize("shell", [SimpleNamespace(kernel=1), None, SimpleNamespace()])
    def test_notebook(
        self, executor: AsyncExecutor, monkeypatch: pytest.MonkeyPatch, shell: object
    ) -> None:
        """There is none in a notebook, whose cells run on an event loop."""
        ipython = SimpleNamespace(get_ipython=lambda: shell)
        monkeypatch.setitem(sys.modules, "IPython", ipython)

        async def main() -> None:
            wait(executor.submit(echo_later, 1), Caller(), LIMIT, "call", stacklevel=1)

        expectation: Any = nullcontext() if hasattr(shell, "kernel") else pytest.warns()
        with expectation:
            asyncio.run(main())

    def test_ipython_that_is_being_imported(
        self, executor: AsyncExecutor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """There is one while another thread imports IPython, which has no shell yet."""
        monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))

        async def main() -> None:
            wait(executor.submit(echo_later, 1), Caller(), LIMIT, "call", stacklevel=1)

        with pytest.warns():
            asyncio.run(main())

    def test_own_loop(self, executor: AsyncExecutor) -> None:
        """There is none on the loop that runs the call: that is an error."""

        async def main() -> None:
            wait(executor.submit(echo_later, 1), Caller(), LIMIT, "call", stacklevel=1)

        with pytest.raises(DeadlockError):
            executor.submit(main).result(LIMIT)


@pytest.fixture
def variable() -> ContextVar[int]:
    """A variable that is set nowhere: the tests share a context."""
    return ContextVar("variable", default=0)


def with_value(variable: ContextVar[int], value: int) -> Context:
    """Return a context like this one, but for the variable."""
    context = copy_context()
    context.run(variable.set, value)
    return context


class TestContextChanges:
    """`ContextChanges`."""

    def test_new_value(self, variable: ContextVar[int]) -> None:
        """What has changed there is changed here."""
        changes = ContextChanges()

        changes.take_over(with_value(variable, 1))

        assert variable.get() == 1

    def test_old_value(self, variable: ContextVar[int]) -> None:
        """What has not changed there since the last time stays as it is here."""
        changes = ContextChanges()
        changes.take_over(with_value(variable, 1))
        there = copy_context()

        variable.set(2)
        changes.take_over(there)

        assert variable.get() == 2

    def test_unset(self, variable: ContextVar[int]) -> None:
        """What was set there and is no more is unset here."""
        without = copy_context()
        changes = ContextChanges()
        changes.take_over(with_value(variable, 1))
        changes.take_over(with_value(variable, 2))

        changes.take_over(without)

        assert variable not in copy_context()

    def test_unset_in_another_thread(self, variable: ContextVar[int]) -> None:
        """What was set in one thread is not unset in another one, which has never had it."""
        without = copy_context()
        changes = ContextChanges()
        in_thread(changes.take_over, with_value(variable, 1)).result(LIMIT)

        changes.take_over(without)

        assert variable not in copy_context()

    def test_not_a_change(self, variable: ContextVar[int]) -> None:
        """What is here already is not set again: there would be something to unset."""
        without = copy_context()
        changes = ContextChanges()
        there = with_value(variable, 1)
        variable.set(1)

        changes.take_over(there)
        changes.take_over(without)

        assert variable.get() == 1

    def test_who_runs(self) -> None:
        """Who runs a task is not handed on."""
        changes = ContextChanges()
        there = copy_context()
        there.run(running_call.set, weakref.ref(Future()))

        changes.take_over(there)

        assert running_call.get() is None
