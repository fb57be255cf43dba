"""The futures of asyncio that members return, as futures that synchronous code can wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from contextvars import copy_context
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet

from .._common.snapshot import snapshot
from .._futures.future import Future
from .._loops.lifecycle import abandonable
from .base import Home

_outcomes: Final[WeakKeyDictionary[asyncio.Future[Any], Future[Any]]] = WeakKeyDictionary()
# In a forked child the ones above may be gone first.
_made: Final[WeakSet[Future[Any]]] = WeakSet()
# Event loops keep only weak references to tasks.
_following: Final[set[asyncio.Task[Any]]] = set()


def followed(source: asyncio.Future[Any], home: Home, wrap: Callable[[Any], Any]) -> Future[Any]:
    """Return a future of the outcome of one of the event loop `home`, which it does not cancel.

    Nobody need ever finish that, so no call waits for it: a task in the background does.
    """
    known = _outcomes.get(source)
    # Who has cancelled one may ask for another.
    if known is not None and not (known.cancelled() and not source.cancelled()):
        return known
    outcome: Future[Any] = Future(home.host)
    _outcomes[source] = outcome
    _made.add(outcome)

    async def wait() -> Any:
        return wrap(await asyncio.shield(source))

    def finish(task: asyncio.Task[Any]) -> None:
        _following.discard(task)
        if outcome.done():
            return
        if task.cancelled():
            outcome.cancel()
        elif (error := task.exception()) is not None:
            outcome.fail(error)
        else:
            outcome.settle(task.result())

    async def begin() -> None:
        task = asyncio.create_task(wait())
        _following.add(task)
        task.add_done_callback(finish)

    call: Future[Any] = Future(home.host, begin, (), None, copy_context())
    call._only_waits = True
    # It may never begin.
    call.add_done_callback(lambda _: outcome.cancel() if call.cancelled() else None)
    home.host.submit(call)
    return outcome


class _Outcomes:
    """The futures that follow others, which nothing finishes in a forked child."""

    def abandon(self) -> None:
        """Fail all of them."""
        error = BrokenExecutor("the process that runs this call was forked; submit it again here")
        for outcome in snapshot(_made):
            outcome.abandon(error)
        _outcomes.clear()


_abandons: Final = _Outcomes()
abandonable.add(_abandons)
