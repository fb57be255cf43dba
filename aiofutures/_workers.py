"""The worker threads in which async functions run what blocks."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Any

from ._typing import P, T


class Workers:
    """The caller's thread pool, or one of its own that starts with the first call.

    Args:
        pool: The caller's pool; it is never shut down here.
        name: What the names of its own threads begin with.
    """

    def __init__(self, pool: ThreadPoolExecutor | None, name: str) -> None:
        self._callers_pool = pool
        self._name = name
        self.abandon()

    def abandon(self) -> None:
        """Begin anew in a forked child, which has none of the threads."""
        self._own_pool = ThreadPoolExecutor(thread_name_prefix=f"{self._name}-worker")
        self._calls: set[concurrent.futures.Future[Any]] = set()

    @property
    def pool(self) -> ThreadPoolExecutor:
        """The pool whose threads are used."""
        return self._callers_pool or self._own_pool

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]:
        """Run `fn(*args, **kwargs)` in a thread, in a copy of the caller's context."""
        context = copy_context()
        context.run(_current.set, self)
        call = self.pool.submit(context.run, _call, fn, args, kwargs)
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return call

    def busy(self) -> bool:
        """Tell whether a call waits or runs."""
        return bool(self._calls)

    def is_current(self) -> bool:
        """Tell whether the caller runs in one of these threads, for `submit`."""
        return _current.get() is self

    def shutdown(self) -> None:
        """Wait for the calls and end its own threads."""
        self._own_pool.shutdown()
        concurrent.futures.wait(self._calls.copy())


def _call(fn: Callable[..., T], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> T:
    try:
        return fn(*args, **kwargs)
    except StopIteration as exception:
        # It cannot be raised into a coroutine: asyncio would leave the task waiting for ever.
        raise RuntimeError("the function raised StopIteration") from exception


_current: ContextVar[Workers | None] = ContextVar("aiofutures_workers", default=None)
