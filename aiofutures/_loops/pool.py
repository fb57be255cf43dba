"""A thread pool in which a thread that waits for an event loop takes up no place."""

from __future__ import annotations

import concurrent.futures
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

from .._typing import P, T, override

_MOST_THREADS: Final = 1_000_000  # the places are counted here; the system's limit comes first


class WorkerPool(ThreadPoolExecutor):
    """Runs as many calls at once as a `ThreadPoolExecutor`, not counting those that wait.

    A function in a worker thread may wait for a task that needs a worker thread itself, and so
    on. In a pool of fixed size, enough of these would wait for each other for ever.

    Args:
        thread_name_prefix: What the names of the threads begin with.
    """

    def __init__(self, thread_name_prefix: str) -> None:
        super().__init__(_MOST_THREADS, thread_name_prefix)
        self._free_places = ThreadPoolExecutor()._max_workers
        self._calls: deque[_PoolCall] = deque()
        # Guards the two above. Nothing of the user's runs under it but what the garbage collector
        # may find there, whose finalizers may wait for a future: hence reentrant.
        self._places_lock = threading.RLock()

    @staticmethod
    def current() -> WorkerPool | None:
        """Return the pool whose thread the caller runs in."""
        return _here.pool

    @staticmethod
    def leave() -> None:
        """Make the calling thread an ordinary one: of a forked child, or between two calls."""
        _here.pool = None

    @override
    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]:
        """Run `fn(*args, **kwargs)` in a thread as soon as there is a place."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        call = _PoolCall(future, fn, args, kwargs)
        with self._places_lock:
            self._calls.append(call)
        try:
            self._start_next()
        except RuntimeError:  # shut down, or no thread to be had
            with self._places_lock:
                if call in self._calls:
                    self._calls.remove(call)
                    raise
        return future

    @contextmanager
    def place_lent(self) -> Generator[None]:
        """Leave the place of the calling thread to another call meanwhile."""
        with self._places_lock:
            self._free_places += 1
        try:
            self._start_next()
            yield
        finally:
            with self._places_lock:
                self._free_places -= 1  # below zero until another call has ended

    def _start_next(self) -> None:
        """Have a thread take the next call, if there is one and a place for it."""
        with self._places_lock:
            if not self._calls or self._free_places <= 0:
                return
            self._free_places -= 1
        place: list[WorkerPool] = [self]
        try:
            super().submit(self._work, place)
        except RuntimeError:
            # The standard pool queues the work before it starts a thread for it: a thread that was
            # busy may have taken it, and the place with it.
            try:
                place.pop()
            except IndexError:
                return
            with self._places_lock:
                self._free_places += 1
            raise

    def _work(self, place: list[WorkerPool]) -> None:
        """Run calls as long as there are any, if the place is still to be had."""
        try:
            _here.pool = place.pop()
        except IndexError:
            return
        while (call := self._next_call()) is not None:
            call.run()
            del call
        self.leave()  # a pool that nobody else knows ends its threads

    def _next_call(self) -> _PoolCall | None:
        """Return the next call for a thread that has a place, or give up the place."""
        with self._places_lock:
            if self._calls and self._free_places >= 0:
                return self._calls.popleft()
            self._free_places += 1
            return None


class _Here(threading.local):
    """What a thread knows of itself."""

    pool: WorkerPool | None = None  # the one whose thread it is


_here: Final = _Here()


class _PoolCall:
    """A call that waits for a place."""

    def __init__(
        self,
        future: concurrent.futures.Future[Any],
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self._future = future
        self._fn = fn
        self._args = args
        self._kwargs = kwargs

    def run(self) -> None:
        """Run the call, unless its future was cancelled."""
        if not self._future.set_running_or_notify_cancel():
            return
        try:
            result = self._fn(*self._args, **self._kwargs)
        except BaseException as exception:
            self._future.set_exception(exception)
            # The traceback holds this frame, and this frame would hold the exception.
            del self
        else:
            self._future.set_result(result)
