"""What `docs/limits.md` says of other libraries and of Python is so."""

import asyncio
import gc
import weakref
from contextvars import Context, ContextVar
from pathlib import Path

import pytest
from support import frees_at_once, run_python

from aiofutures import AsyncExecutor, to_sync


class Request:
    """What a context variable refers to."""


request_of: ContextVar[Request] = ContextVar("request_of")


def serve(
    executor: AsyncExecutor, seconds: float | None, limit: float | None
) -> "weakref.ref[Request]":
    """Make a call for a request, with one of two kinds of limits; return what can tell its end."""

    async def handle() -> None:
        async with asyncio.timeout(limit):
            await asyncio.sleep(0)

    request = Request()
    request_of.set(request)
    to_sync(timeout=seconds, executor=executor)(handle)()
    return weakref.ref(request)


@frees_at_once
@pytest.mark.parametrize(("seconds", "limit", "is_kept"), [(None, 3600, True), (3600, None, False)])
def test_timers(seconds: float | None, limit: float | None, is_kept: bool) -> None:
    """A cancelled timer of asyncio, behind another one, keeps the request; `to_sync` has none."""
    with AsyncExecutor() as executor:
        earlier = executor.submit(asyncio.sleep, 60)

        request = Context().run(serve, executor, seconds, limit)

        gc.collect()
        assert (request() is not None) == is_kept
        earlier.cancel()


def test_call_at_import(tmp_path: Path) -> None:
    """A call at import time waits for ever for a task that imports from the same package."""
    (tmp_path / "shop.py").write_text(
        "from aiofutures import to_sync\n"
        "@to_sync(timeout=0.5)\n"
        "async def load():\n"
        "    from shop import PRICE\n"
        "try:\n"
        "    load()\n"
        "except TimeoutError as error:\n"
        "    print(type(error).__name__)\n"
        "PRICE = 1\n"
    )
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import shop"

    assert run_python(script) == "TimeoutError\n"
