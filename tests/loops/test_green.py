"""Green threads: gevent and eventlet, in processes of their own."""

import _thread
import re
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
from support import LIMIT, echo, run_python

from aiofutures import AsyncExecutor, DeadlockError

_CALLS = """
    import asyncio
    import sys
    import aiofutures

    async def call(number=1):
        await asyncio.sleep(0)
        return number

    async def items():
        yield await call()

    async def in_worker():
        return await aiofutures.sync_to_async(len, "1")

    executor = aiofutures.AsyncExecutor()
    calls = [
        lambda: aiofutures.run_async(call).result(10),
        lambda: aiofutures.to_sync(call)(),
        lambda: next(aiofutures.to_sync(items)()),
        lambda: aiofutures.in_executor(call)().result(10),
        lambda: next(executor.map(call, [1], timeout=10)),
        lambda: aiofutures.gather(call()).result(10)[0],
        lambda: asyncio.run(in_worker()),
    ]

    def outcome(call):
        try:
            return call()
        except Exception as error:
            return type(error).__name__ + ": " + str(error)

    def outcomes():
        for _ in range(2):
            yield from map(outcome, calls)
"""

#: In the words of the errors, after the type.
REFUSED = (
    r"RuntimeError: (?:{}) has replaced the standard library's {}, but .* real threads: .*"
    r"'gthread' of gunicorn .* 'prefork' of Celery.*"
)


def run(*parts: str) -> list[str]:
    """Run the parts of a program after one another, without warnings, and return what it prints."""
    lines = [line for part in parts for line in part.splitlines()]
    script = "\n".join(line.removeprefix("    ") for line in lines)
    return run_python(script, "-W", "ignore").splitlines()


def needs(name: str) -> pytest.MarkDecorator:
    """Skip a case where a library is not there."""
    return pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed")


GEVENT, EVENTLET = needs("gevent"), needs("eventlet")
_GEVENT = "import gevent.monkey; gevent.monkey."
_EVENTLET = "import eventlet; eventlet."


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param(_GEVENT + "patch_all()", marks=GEVENT),
        pytest.param(_GEVENT + "patch_all(select=False)", marks=GEVENT),
        pytest.param(_GEVENT + "patch_thread()", marks=GEVENT),
        pytest.param(_EVENTLET + "monkey_patch()", marks=EVENTLET),
        pytest.param(_EVENTLET + "monkey_patch(thread=True)", marks=EVENTLET),
    ],
)
@pytest.mark.parametrize("order", ["before the import", "after it"])
def test_refused(patch: str, order: str) -> None:
    """Where one has replaced threads every call says so at once, whichever came first."""
    parts = [patch, _CALLS] if order == "before the import" else [_CALLS, patch]

    outcomes = run(*parts, "print(*outcomes(), sep='\\n')")

    assert len(outcomes) == 14
    for outcome in outcomes:
        assert re.fullmatch(REFUSED.format("gevent|eventlet", "threads"), outcome), outcome


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param(_GEVENT + "patch_all()", marks=GEVENT),
        pytest.param(_EVENTLET + "monkey_patch()", marks=EVENTLET),
    ],
)
def test_refused_after_the_start(patch: str) -> None:
    """The same holds where the event loop runs already."""
    before = "print(executor.submit(call).result(), *outcomes(), sep='\\n')"
    after = "print(*outcomes(), sep='\\n', flush=True)"
    # Threads from before do not end well then, those of the standard library's pools either.
    end = "import os; os._exit(0)"

    outcomes = run(_CALLS, before, patch, after, end)

    assert outcomes[:15] == ["1"] * 15
    assert len(outcomes) == 29
    for outcome in outcomes[15:]:
        assert re.fullmatch(REFUSED.format("gevent|eventlet", "threads"), outcome), outcome


@GEVENT
def test_refused_for_a_green_selector() -> None:
    """Where gevent has replaced select alone, no event loop can run in a thread."""
    patch = _GEVENT + "patch_all(thread=False)"

    outcomes = run(patch, _CALLS, "del calls[-1]; print(*outcomes(), sep='\\n')")

    assert len(outcomes) == 12
    for outcome in outcomes:
        assert re.fullmatch(REFUSED.format("gevent", "select"), outcome), outcome


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param("import gevent, gevent.monkey", marks=GEVENT),
        pytest.param(_GEVENT + "patch_all(thread=False, select=False)", marks=GEVENT),
        pytest.param(_GEVENT + "patch_socket()", marks=GEVENT),
        pytest.param("import eventlet, eventlet.patcher", marks=EVENTLET),
        pytest.param(_EVENTLET + "monkey_patch(thread=False)", marks=EVENTLET),
        pytest.param(_EVENTLET + "monkey_patch(thread=False, select=False)", marks=EVENTLET),
    ],
)
def test_works(patch: str) -> None:
    """Where threads are real all works, whatever else is replaced or imported."""
    assert run(patch, _CALLS, "print(*outcomes(), sep='\\n')") == ["1"] * 14


def test_threads_of_a_debugger(executor: AsyncExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A debugger may stand before threads, which are real."""
    monkeypatch.setattr(_thread, "start_new_thread", _of_module("_pydev_bundle.pydev_monkey"))

    assert executor.submit(echo, 1).result(LIMIT) == 1


def test_is_no_deadlock(executor: AsyncExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is no DeadlockError, whose advice could not be followed, and leaves nothing."""
    monkeypatch.setattr(_thread, "start_new_thread", _of_module("gevent.thread"))

    with pytest.raises(RuntimeError, match="gevent has replaced") as caught:
        _ = executor.submit(echo, 1)

    assert not isinstance(caught.value, DeadlockError)
    assert executor.statistics().pending == 0


def _of_module(module: str) -> Callable[..., int]:
    start = _thread.start_new_thread

    def start_new_thread(*args: Any) -> int:
        return start(*args)

    start_new_thread.__module__ = module
    return start_new_thread
