"""The worker threads in which async functions run what blocks."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from ._pool import WorkerPool
from ._typing import P, T, override


class Workers:
    """The caller's thread pool, or one of its own that starts with the first call.

    Args:
        pool: The caller's pool; it is never shut down here.
        name: What the names of its own threads begin with.
    """

    def __init__(self, pool: ThreadPoolExecutor | None, name: str) -> None:
        self._callers_pool = None if pool is None else _CallersPool(pool)
        self._name = name
        self.abandon()

    def abandon(self) -> None:
        """Begin anew in a forked child, which has none of the threads."""
        self._own_pool = WorkerPool(f"{self._name}-worker")
        self._calls: set[concurrent.futures.Future[Any]] = set()
        self._threads: set[int] = set()  # identifiers of those that run a call

    @property
    def pool(self) -> ThreadPoolExecutor:
        """The pool whose threads are used."""
        return self._callers_pool or self._own_pool

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]:
        """Run `fn(*args, **kwargs)` in a thread, in a copy of the caller's context."""
        call = self.pool.submit(copy_context().run, self._run, fn, args, kwargs)
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return call

    def busy(self) -> bool:
        """Tell whether a call waits or runs."""
        return bool(self._calls)

    def is_current(self) -> bool:
        """Tell whether the caller runs in one of the threads."""
        return WorkerPool.current() is self._own_pool or threading.get_ident() in self._threads

    def shutdown(self) -> None:
        """Wait for the calls and end the threads that are not the caller's."""
        self._own_pool.shutdown()
        concurrent.futures.wait(self._calls.copy())

    def _run(self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> T:
        thread = threading.get_ident()
        self._threads.add(thread)
        try:
            return fn(*args, **kwargs)
        except StopIteration as exception:
            # It cannot be raised into a coroutine: asyncio would leave the task waiting for ever.
            raise RuntimeError("the function raised StopIteration") from exception
        finally:
            self._threads.discard(thread)


class _CallersPool(ThreadPoolExecutor):
    """The caller's pool, but for `shutdown`: an event loop shuts its default executor down."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        super().__init__(1)  # never starts a thread
        self._pool = pool

    @override
    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]:
        """Run `fn(*args, **kwargs)` in a thread of the caller's."""
        return self._pool.submit(fn, *args, **kwargs)
