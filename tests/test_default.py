"""The default executor and its shortcuts."""

import asyncio
import contextvars
import threading
from typing import Any

import pytest
from support import LIMIT, MakeExecutor, echo, echo_later, in_thread, run_python

from aiofutures import (
    AsyncExecutor,
    Future,
    InvalidStateError,
    _default,
    get_default_executor,
    run_async,
    set_default_executor,
    sync_to_async,
)


class TestDefaultExecutor:
    """`get_default_executor` and `set_default_executor`."""

    def test_made_when_first_asked_for(self) -> None:
        """The default executor is made when it is first asked for, and stays."""
        executor = get_default_executor()

        assert get_default_executor() is executor
        assert executor.submit(_thread_name).result(LIMIT) == "aiofutures"
        _default._default.clear()
        executor.shutdown()

    def test_made_once(self) -> None:
        """Threads that ask for it at the same time get the same one."""
        barrier = threading.Barrier(4)

        def get() -> AsyncExecutor:
            barrier.wait(LIMIT)
            return get_default_executor()

        threads = [in_thread(get) for _ in range(4)]

        assert len({id(thread.result(LIMIT)) for thread in threads}) == 1
        _default._default.clear()

    def test_replaced(self, make_executor: MakeExecutor) -> None:
        """Another executor can take its place; the one before is left as it is."""
        first, second = make_executor(), make_executor()
        set_default_executor(first)
        set_default_executor(second)

        assert get_default_executor() is second
        assert first.submit(echo, 1).result(LIMIT) == 1
        _default._default.clear()

    def test_no_executor(self) -> None:
        """Anything but an `AsyncExecutor` is refused."""
        wrong: Any = None

        with pytest.raises(TypeError, match="expected an AsyncExecutor, got None"):
            set_default_executor(wrong)

    def test_ends_with_the_interpreter(self) -> None:
        """What was submitted to the default executor is finished before the interpreter ends."""
        output = run_python(
            """
            import asyncio
            import aiofutures
            from aiofutures._loops.lifecycle import exiting

            async def work():
                while not exiting.is_set():
                    await asyncio.sleep(0)
                print("done")

            aiofutures.run_async(work)
            """
        )

        assert output == "done\n"


async def _thread_name() -> str:
    return threading.current_thread().name


class TestRunAsync:
    """`run_async`."""

    @pytest.mark.one_loop("says where all calls run")
    def test_runs_on_the_default_executor(self, default_executor: AsyncExecutor) -> None:
        """The call runs on the default executor, as `submit` runs it."""

        async def work(*args: int, **kwargs: int) -> Any:
            return asyncio.get_running_loop(), args, kwargs

        future = run_async(work, 1, fn=2, executor=3)

        assert type(future) is Future
        assert future.result(LIMIT) == (
            default_executor.submit(work).result(LIMIT)[0],
            (1,),
            {"fn": 2, "executor": 3},
        )

    def test_after_shutdown(self, default_executor: AsyncExecutor) -> None:
        """A default executor that was shut down refuses, until another takes its place."""
        default_executor.shutdown()

        with pytest.raises(InvalidStateError):
            _ = run_async(echo, 1)

    @pytest.mark.usefixtures("default_executor")
    def test_coroutine(self) -> None:
        """A coroutine in place of a function is refused, as by `submit`."""
        wrong: Any = echo(1)

        with pytest.raises(TypeError, match="pass echo"):
            _ = run_async(wrong)


class TestSyncToAsync:
    """`sync_to_async`, the function."""

    def test_on_the_loop_of_an_executor(self, make_executor: MakeExecutor) -> None:
        """On the loop of an executor it uses a worker thread of that one."""
        executor = make_executor(thread_name_prefix="mine")

        async def work() -> str:
            return (await sync_to_async(threading.current_thread)).name

        assert executor.submit(work).result(LIMIT).startswith("mine-worker")

    def test_on_another_loop(self, make_executor: MakeExecutor) -> None:
        """On any other loop it uses one of the default executor, which need not have started."""
        set_default_executor(make_executor(thread_name_prefix="default"))

        async def main() -> str:
            return (await sync_to_async(threading.current_thread)).name

        assert asyncio.run(main()).startswith("default-worker")
        _default._default.clear()

    def test_context(self, default_executor: AsyncExecutor) -> None:
        """The function sees the context variables of its caller."""
        variable = contextvars.ContextVar("variable", default="unset")

        async def main() -> str:
            variable.set("in the task")
            return await sync_to_async(variable.get)

        assert asyncio.run(main()) == "in the task"
        assert default_executor.submit(main).result(LIMIT) == "in the task"

    @pytest.mark.usefixtures("default_executor")
    def test_no_loop(self) -> None:
        """Without a running event loop there is nobody to await it."""
        with pytest.raises(RuntimeError, match="no running event loop"):
            _ = sync_to_async(len, "ab")

    def test_while_the_executor_drains(self, default_executor: AsyncExecutor) -> None:
        """Tasks that still run may use it while their executor shuts down."""

        async def work() -> int:
            default_executor.shutdown(wait=False)
            await echo_later(None)
            return await sync_to_async(len, "ab")

        assert default_executor.submit(work).result(LIMIT) == 2
