"""What executors say of themselves, and why they refuse."""

import asyncio
import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import LIMIT, Breaking, Gate, MakeExecutor, echo, in_child, run_python, thread_error

from aiofutures import (
    AsyncExecutor,
    Future,
    InvalidStateError,
    _default,
    gather,
    get_default_executor,
    in_executor,
    run_async,
    set_default_executor,
    sync_to_async,
    to_sync,
)

SHUT_DOWN = "cannot schedule new futures after shutdown"


@pytest.fixture
def default() -> Iterator[AsyncExecutor]:
    """The default executor, made for this test."""
    yield get_default_executor()
    _default._default.clear()


class TestRepr:
    """`repr(executor)`."""

    def test_states(self, make_executor: MakeExecutor) -> None:
        """It tells the name, the limit, the workload and the state, in the words of the API."""
        executor = make_executor(max_workers=2, thread_name_prefix="crawler")
        words = "<AsyncExecutor name=crawler max_workers=2 pending={} running={} state={}>".format
        with Gate() as gate:
            before = repr(executor)
            futures = [executor.submit(gate.wait) for _ in range(5)]
            gate.arrived(2)
            during = repr(executor)
            executor.shutdown(wait=False)
            closing = repr(executor)
        executor.shutdown()

        assert before == words(0, 0, "not started")
        assert during == words(3, 2, "running")
        assert closing == words(3, 2, "shut down")
        assert repr(executor) == words(0, 0, "shut down")
        assert all(future.done() for future in futures)

    def test_names(self, default: AsyncExecutor) -> None:
        """Without a prefix it is the name that the threads have; the default one's is known."""
        executor = AsyncExecutor()

        assert repr(executor).startswith("<AsyncExecutor name=AsyncExecutor-")
        assert repr(default) == (
            "<AsyncExecutor name=aiofutures max_workers=None pending=0 running=0 state=not started>"
        )

    def test_failed_loop(self) -> None:
        """An executor whose event loop has failed is broken."""
        loop = Breaking()
        executor = AsyncExecutor(loop_factory=lambda: loop)
        executor.submit(echo, 1).result(LIMIT)
        with thread_error(OSError):
            loop.fail()

        assert repr(executor).endswith("state=broken>")

    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    def test_forked_child(self, executor: AsyncExecutor) -> None:
        """In a forked child the executor has not started."""
        executor.submit(echo, 1).result(LIMIT)

        def check() -> None:
            assert repr(executor).endswith("state=not started>")

        in_child(check)


@pytest.mark.parametrize("take", [pickle.dumps, copy.deepcopy, copy.copy])
class TestPickling:
    """What cannot leave its process."""

    def test_executor(self, executor: AsyncExecutor, take: Callable[[Any], object]) -> None:
        """An executor can be neither pickled nor copied, and says so itself."""
        executor.submit(echo, 1).result(LIMIT)

        with pytest.raises(TypeError, match=r"^an executor cannot be pickled or copied: .*Async"):
            take(executor)

    def test_future(self, executor: AsyncExecutor, take: Callable[[Any], object]) -> None:
        """Nor can a future, be it made by hand."""
        for future in (executor.submit(echo, 1), Future[int]()):
            with pytest.raises(TypeError, match=r"^a future cannot be pickled or copied: .*Future"):
                take(future)


class TestRefusal:
    """Calls that come after the shutdown."""

    def test_own(self, executor: AsyncExecutor) -> None:
        """An executor that was shut down says that, in the standard words."""
        executor.shutdown()

        with pytest.raises(InvalidStateError, match=f"^{SHUT_DOWN}$"):
            _ = executor.submit(echo, 1)

    @pytest.mark.parametrize(
        "call",
        [
            lambda _: run_async(echo, 1),
            lambda _: to_sync(echo)(1),
            lambda _: in_executor(echo)(1),
            lambda _: get_default_executor().submit(echo, 1),
            lambda _: asyncio.run(_in_worker()),
            lambda future: future.map(str),
            lambda future: gather(future),
        ],
    )
    def test_default(self, default: AsyncExecutor, call: Callable[[Future[int]], object]) -> None:
        """The default one adds how it is replaced."""
        future = run_async(echo, 1)
        default.shutdown()

        with pytest.raises(InvalidStateError, match=f"^{SHUT_DOWN}.*set_default_executor") as error:
            call(future)

        assert isinstance(error.value, RuntimeError)
        assert future.result() == 1

    def test_replaced(self, default: AsyncExecutor) -> None:
        """One that is not the default one any more does not."""
        set_default_executor(AsyncExecutor())
        default.shutdown()

        with pytest.raises(InvalidStateError, match=f"^{SHUT_DOWN}$"):
            _ = default.submit(echo, 1)

    def test_end_of_the_interpreter(self) -> None:
        """At the end of the interpreter there is nothing to replace it by."""
        output = run_python(
            """
            import atexit
            import aiofutures

            async def work():
                pass

            def late():
                try:
                    aiofutures.run_async(work)
                except RuntimeError as error:
                    print("set_default_executor" in str(error))

            aiofutures.run_async(work).result()
            atexit.register(late)
            """
        )

        assert output in {"False\n", ""}


async def _in_worker() -> None:
    await sync_to_async(len, ())
