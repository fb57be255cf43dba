"""The worker threads in which async functions run blocking code."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from _thread import LockType, allocate_lock
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic
from typing import Any, Final

from .._common.snapshot import snapshot
from .._common.typing import override
from .blocking import block, open_gate
from .lifecycle import worker_pools
from .pool import WorkerPool
from .worker_future import WorkerFuture, call_soon


class Workers:
    """The caller's thread pool, or its own, which starts with the first call.

    Args:
        pool: The caller's pool, which is never shut down here.
        name: Prefix of the names of its own threads.
        own_pool: Those threads, if others use them too; None for a new pool.
    """

    def __init__(
        self, pool: ThreadPoolExecutor | None, name: str, own_pool: WorkerPool | None = None
    ) -> None:
        self._callers_pool = pool
        self._name = name
        self._own_pool = own_pool or WorkerPool(f"{self._name}-worker")
        self._unfinished: set[WorkerFuture[Any]] = set()
        # The locks of threads that wait until no call is left.
        self._gates: list[LockType] = []
        self._notify: Callable[[], object] | None = None
        self._settle_soon: Callable[[WorkerFuture[Any]], bool] = lambda _: False
        worker_pools.add(self)

    def serve(
        self, notify: Callable[[], object], settle_soon: Callable[[WorkerFuture[Any]], bool]
    ) -> None:
        """Call `notify` whenever a call has ended, and offer outcomes to `settle_soon` first.

        Both may be called from any thread.
        """
        self._notify = notify
        self._settle_soon = settle_soon

    def start(self, future: WorkerFuture[Any], *, is_loops: bool = False) -> None:
        """Run the call of `future` in a thread.

        Args:
            future: The future.
            is_loops: Whether the loop itself makes the call, which must not use the caller's pool.

        Raises:
            RuntimeError: The caller's pool was shut down.
        """
        try:
            self._unfinished.add(future)
            if is_loops or self._callers_pool is None:
                self._own_pool.submit(future)
            else:
                box = [future]
                outcome = self._callers_pool.submit(self._run, box)
                outcome.add_done_callback(partial(_end_unrun, box))
        except BaseException:
            # Possibly a signal handler's. Other calls may rely on this one to wake a thread.
            future.cancel()
            self._own_pool.wake()
            raise

    def over_same_threads(self) -> Workers:
        """Return those of another event loop, over the same threads."""
        return Workers(self._callers_pool, self._name, self._own_pool)

    def renewed(self) -> Workers:
        """Return the worker threads of a forked child, which has none of the caller's either."""
        pool = self._callers_pool
        if pool is not None and pool._threads:
            pool = ThreadPoolExecutor(
                pool._max_workers,
                pool._thread_name_prefix or "",
                getattr(pool, "_initializer", None),
                getattr(pool, "_initargs", ()),
            )
        return Workers(pool, self._name)

    @property
    def are_callers(self) -> bool:
        """Whether calls run in the caller's pool, where they may have to wait for a thread."""
        return self._callers_pool is not None

    def default_executor(self, loop: asyncio.AbstractEventLoop) -> ThreadPoolExecutor:
        """Return an object that `loop` accepts as its default executor."""
        return _DefaultExecutor(self, loop)

    def is_idle(self) -> bool:
        """Tell whether no call is waiting or running."""
        return not self._unfinished

    def count(self) -> int:
        """Return how many calls are waiting or running."""
        return len(self._unfinished)

    def is_current(self) -> bool:
        """Tell whether the caller runs in one of the threads."""
        return WorkerPool.current() is self._own_pool or _here.workers is self

    def close(self) -> None:
        """Make its own threads end, each when it has nothing to do."""
        self._own_pool.close()

    def wait_until_idle(self, timeout: float | None = None) -> bool:
        """Wait until no call is waiting or running; return False after the time-out."""
        end = None if timeout is None else monotonic() + timeout
        gate = allocate_lock()
        gate.acquire()
        self._gates.append(gate)
        try:
            while self._unfinished:
                if not block(gate, None if end is None else end - monotonic()):
                    return False
            return True
        finally:
            self._gates.remove(gate)

    def shutdown(self) -> None:
        """Wait for the calls, and end its own threads."""
        self.close()
        self.wait_until_idle()
        # Only now: before Python 3.13, a thread counts as ended if Ctrl-C interrupts its `join`.
        self._own_pool.join()
        self._notify = None

    # For the futures.

    def hand_over(self, future: WorkerFuture[Any]) -> None:
        """Make the event loop of `future` settle it soon, unless that is closed."""
        if not self._settle_soon(future):
            call_soon(future.get_loop(), future.settle)

    def run_here(self, future: WorkerFuture[Any]) -> bool:
        """Run a call in this thread, which counts as a worker thread in the meantime."""
        before = _here.workers
        _here.workers = self
        try:
            return future.run()
        finally:
            _here.workers = before
            # The traceback of an exception leads to this frame.
            del future

    def note_end(self, future: WorkerFuture[Any]) -> None:
        """Note that a call has ended, and notify those that wait."""
        self._unfinished.discard(future)
        if not self._unfinished:
            for gate in snapshot(self._gates):
                open_gate(gate)
        notify = self._notify
        if notify is not None:
            notify()

    def _run(self, box: list[WorkerFuture[Any]]) -> None:
        """Run the call in the box, in a thread of the caller's pool."""
        # A traceback keeps the frames of the pool, and so the arguments: hence the box.
        future = box.pop()
        has_run = self.run_here(future)
        if has_run:
            future.deliver()
        del future


def is_worker_thread() -> bool:
    """Tell whether the caller runs in a worker thread of any executor."""
    return WorkerPool.current() is not None or _here.workers is not None


def _end_unrun(box: list[WorkerFuture[Any]], outcome: concurrent.futures.Future[Any]) -> None:
    """End a call that the caller's pool dropped or could not run, if it is still in the box."""
    while box:
        if outcome.cancelled():
            box.pop().fail(asyncio.CancelledError())
        else:
            box.pop().fail(outcome.exception() or RuntimeError("the pool did not run the call"))


class _Here(threading.local):
    """The state of a thread in a caller's pool, or of one that waits in a call."""

    workers: Workers | None = None


_here: Final = _Here()


class _DefaultExecutor(ThreadPoolExecutor):
    """Worker threads as an event loop's default executor, for `asyncio.to_thread` and others.

    The loop may shut it down, which affects nobody else.

    Args:
        workers: The worker threads.
        loop: The event loop.
    """

    def __init__(self, workers: Workers, loop: asyncio.AbstractEventLoop) -> None:
        # It never starts a thread.
        super().__init__(1)
        self._workers = workers
        self._loop = loop

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run `fn(*args, **kwargs)` in a worker thread that is not the caller's.

        Returns:
            A future of the event loop, which loops return to their callers unchanged.
        """
        future = WorkerFuture(self._workers, self._loop, fn, args, kwargs)
        self._workers.start(future, is_loops=True)
        return future
