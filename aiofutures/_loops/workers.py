"""The worker threads in which async functions run what blocks."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from typing import Any

from .._typing import P, T, override
from .lifecycle import abandonable
from .pool import WorkerPool


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
        abandonable.add(self)

    def abandon(self) -> None:
        """Begin anew in a forked child, which has none of the threads."""
        WorkerPool.leave()  # its lock may be held by a thread that is the parent's
        self._own_pool = WorkerPool(f"{self._name}-worker")
        self._calls: set[concurrent.futures.Future[Any]] = set()
        self._threads: set[int] = set()  # identifiers of those that run a call

    def submit(
        self,
        notice: Callable[[], object],
        fn: Callable[P, T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> concurrent.futures.Future[T]:
        """Run `fn(*args, **kwargs)` in a thread, in a copy of the caller's context.

        Args:
            notice: Called when the call has ended, so that it is not `busy` any more.
            fn: The function.
            args: Its arguments.
            kwargs: Its keyword arguments.
        """
        pool = self._own_pool if self._callers_pool is None else self._callers_pool
        call: concurrent.futures.Future[T] = pool.submit(
            self._run, copy_context(), fn, args, kwargs
        )
        calls = self._calls

        def end(_: object) -> None:
            calls.discard(call)
            notice()

        try:
            calls.add(call)
            call.add_done_callback(end)
        except BaseException:  # a signal handler has raised: `shutdown` must not wait for ever
            call.add_done_callback(end)
            raise
        return call

    def default_executor(
        self, submit: Callable[..., concurrent.futures.Future[Any]]
    ) -> ThreadPoolExecutor:
        """Return what an event loop can take for its default executor; `submit` does the work."""
        return _DefaultExecutor(submit)

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

    def _run(
        self,
        context: Context,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        thread = threading.get_ident()
        self._threads.add(thread)
        try:
            return context.run(fn, *args, **kwargs)
        except StopIteration as exception:
            # It cannot be raised into a coroutine: asyncio would leave the task waiting for ever.
            raise RuntimeError("the function raised StopIteration") from exception
        finally:
            self._threads.discard(thread)


class _DefaultExecutor(ThreadPoolExecutor):
    """Worker threads as an event loop wants them, for `run_in_executor` and `asyncio.to_thread`.

    The loop may shut it down: that concerns nobody else.

    Args:
        submit: Runs a function in a worker thread.
    """

    def __init__(self, submit: Callable[..., concurrent.futures.Future[Any]]) -> None:
        super().__init__(1)  # never starts a thread
        self._submit = submit

    @override
    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]:
        """Run `fn(*args, **kwargs)` in a worker thread."""
        return self._submit(fn, *args, **kwargs)
