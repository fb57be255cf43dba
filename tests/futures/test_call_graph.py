"""The call graph of asyncio: who awaits a call."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from support import LIMIT, MakeExecutor, interpreter

from aiofutures import AsyncExecutor, Future

pytestmark = [
    pytest.mark.skipif(sys.version_info < (3, 14), reason="new in Python 3.14"),
    pytest.mark.one_loop("the call graph of asyncio is that of one loop"),
]


def capture() -> list[str]:
    """Return the names of the tasks and functions that await the running task."""
    names: list[str] = []
    graphs: list[Any] = [getattr(asyncio, "capture_call_graph")()]
    while graphs:
        graph = graphs.pop()
        for awaiter in graph.awaited_by:
            names += [entry.frame.f_code.co_name for entry in awaiter.call_stack]
            names.append(f"task {awaiter.future.get_name().rpartition('.')[-1]}")
        graphs += graph.awaited_by
    return names


async def child() -> list[str]:
    """Return them after the first step: in that, nobody awaits it yet."""
    await asyncio.sleep(0)
    return capture()


@pytest.mark.parametrize("max_workers", [None, 1])
def test_awaiter(make_executor: MakeExecutor, max_workers: int | None) -> None:
    """A call sees the task that awaits it, with its coroutines, also where it has to wait first."""
    executor = make_executor(max_workers=max_workers)

    async def inner() -> list[str]:
        return await executor.submit(child)

    async def outer() -> list[str]:
        return await inner()

    assert executor.submit(outer).result(LIMIT) == ["inner", "outer", "task outer"]


def test_several_awaiters(executor: AsyncExecutor) -> None:
    """All of them are seen while they wait, whenever they came, and none afterwards."""
    called: list[Any] = []

    async def call(event: asyncio.Event) -> list[str]:
        called.append(asyncio.current_task())
        await event.wait()
        return capture()

    async def wait(future: Future[list[str]]) -> list[str]:
        return await future

    async def outer() -> list[str]:
        event = asyncio.Event()
        future = executor.submit(call, event)
        early = asyncio.create_task(wait(future), name="early")
        while not called:
            await asyncio.sleep(0)
        late = asyncio.create_task(wait(future), name="late")
        asyncio.get_running_loop().call_later(0.01, event.set)
        return [*await future, *await early][: len(await late)]

    names = executor.submit(outer).result(LIMIT)

    assert sorted(names) == ["outer", "task early", "task late", "task outer", "wait", "wait"]
    assert not called[0]._asyncio_awaited_by


def test_awaiter_on_another_loop(executor: AsyncExecutor) -> None:
    """It is not seen: what another thread does may change at any moment."""

    async def outer() -> list[str]:
        return await executor.submit(child)

    assert asyncio.run(outer()) == []


def test_awaiting_outside_of_a_task(executor: AsyncExecutor) -> None:
    """What awaits there is not seen."""

    async def outer() -> list[str]:
        future = executor.submit(child)
        waiting = future.__await__()
        asyncio.get_running_loop().call_soon(next, waiting)
        while not future.done():
            await asyncio.sleep(0)
        return future.result()

    assert executor.submit(outer).result(LIMIT) == []


@pytest.mark.skipif(
    sys.version_info < (3, 15) or sys.platform != "linux",
    reason="before Python 3.15 it looks at the main thread alone; elsewhere it takes privileges",
)
@pytest.mark.parametrize("command", ["ps", "pstree"])
def test_process(command: str) -> None:
    """A process whose main thread waits in a `to_sync` call shows the coroutines of the user."""
    script = """
        import asyncio
        from aiofutures import run_async, to_sync

        async def innermost():
            print("here", flush=True)
            await asyncio.Event().wait()

        async def inner():
            await run_async(innermost)

        @to_sync
        async def outer():
            await inner()

        outer()
        """
    with subprocess.Popen(interpreter(script), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "here\n"
            look = [sys.executable, "-m", "asyncio", command, str(process.pid)]
            done = subprocess.run(look, capture_output=True, text=True, timeout=LIMIT, check=False)
        finally:
            process.kill()

    if "PermissionError" in done.stderr:
        pytest.skip("this machine lets no process look into another one")
    assert done.returncode == 0, done.stderr
    for name in ("outer", "inner", "innermost"):
        assert name in done.stdout.split(), done.stdout
