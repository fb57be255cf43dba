"""The executor, and the figures that it tells of itself."""

from __future__ import annotations

import asyncio
import builtins
import itertools
import weakref
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, TypeVar, overload

from ._coroutines import not_callable
from ._exceptions import DeadlockError
from ._futures.future import Future
from ._loops.run import run_forever
from ._loops.thread import LoopThread
from ._loops.watchdog import Watchdog
from ._loops.workers import Workers
from ._results import Results
from ._typing import P, T, override

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")

_number = itertools.count()


@dataclass(frozen=True)
class ExecutorStatistics:
    """What an executor has to do at one moment.

    Attributes:
        pending: Calls that were submitted and have not started.
        running: Calls that have started and have not finished.
        max_workers: The most that may run at once; None for no limit.

    .. versionadded:: 0.2.0
    """

    pending: int
    running: int
    max_workers: int | None


class AsyncExecutor(Executor):
    """Runs async functions on an event loop in one thread of its own.

    A `concurrent.futures.Executor` that takes async functions. The thread starts with the first
    submit, so that constructing one is free. As with `ThreadPoolExecutor`, a `with` block waits
    for what was submitted in it, and so does the end of the interpreter.

    Args:
        executor: The thread pool for `sync_to_async`; the caller shuts it down. None makes
            one of its own, of the size that `ThreadPoolExecutor` has by default.
        max_workers: The most calls that run at once; the others wait in the order of their
            submission. None sets no limit.
        loop_factory: Makes the event loop, for instance `uvloop.new_event_loop`.
        thread_name_prefix: What the names of the threads begin with.
        blocked_loop_timeout: Warn, on the logger `aiofutures`, when one callback holds the event
            loop for more than so many seconds: no other task can run meanwhile. The warning has
            the stack of what blocks. None for no watch.
        cancel_at_exit: Whether the end of the interpreter cancels what is left instead of
            waiting for it.

    Raises:
        ValueError: `max_workers` or `blocked_loop_timeout` is 0 or less.
        TypeError: `executor` is not a `ThreadPoolExecutor`.

    Example:
        >>> with AsyncExecutor() as executor:
        ...     future = executor.submit(fetch, "https://example.org")
        ...     print(future.result())
    """

    def __init__(
        self,
        executor: ThreadPoolExecutor | None = None,
        *,
        max_workers: int | None = None,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
        thread_name_prefix: str = "",
        blocked_loop_timeout: float | None = None,
        cancel_at_exit: bool = False,
    ) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if executor is not None and not isinstance(executor, ThreadPoolExecutor):
            raise TypeError(f"executor must be a ThreadPoolExecutor, not {executor!r}")
        if blocked_loop_timeout is not None and blocked_loop_timeout <= 0:
            raise ValueError("blocked_loop_timeout must be greater than 0")
        name = thread_name_prefix or f"AsyncExecutor-{next(_number)}"
        watchdog = None
        if blocked_loop_timeout is not None:
            watchdog = Watchdog(blocked_loop_timeout, run_forever.__code__, name)
        self._loop_thread = LoopThread(
            loop_factory=loop_factory or asyncio.new_event_loop,
            name=name,
            make_workers=partial(Workers, executor, name),
            max_workers=max_workers,
            cancel_at_exit=cancel_at_exit,
            watchdog=watchdog,
        )
        # Dropped without a shutdown: the work that was submitted finishes, then the thread ends.
        # pyrefly: cannot, it takes the property for an attribute without a slot
        weakref.finalize(self, self._loop_thread.close).atexit = False

    # Without @override: pyright would not see that the method fits a protocol.
    def submit(  # type: ignore[override, explicit-override]  # narrower: fn must be async
        self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run `await fn(*args, **kwargs)` on the event loop.

        Everything about the call happens there, in a copy of the caller's context: also `fn`
        itself is called on the loop thread, and what it raises is in the future.

        Args:
            fn: An async function, or any callable that returns an awaitable.
            *args: Its positional arguments.
            **kwargs: Its keyword arguments.

        Returns:
            The future of what the awaitable returns. A function that is not async ends it with
            a TypeError.

        Raises:
            TypeError: `fn` is not callable, for instance a coroutine object.
            InvalidStateError: The executor was shut down.
            BrokenExecutor: Its event loop has failed.
            Exception: The event loop or its thread could not be made; a later call may succeed.
        """
        if not callable(fn):
            raise not_callable(fn)
        future: Future[T] = Future(self._loop_thread, fn, args, kwargs or None, copy_context())
        self._loop_thread.submit(future)
        return future

    # Narrower, as submit. One finding, which checkers report in three places.
    @overload  # type: ignore[override]
    def map(  # type: ignore[override, unused-ignore]
        self,
        fn: Callable[[A], Awaitable[T]],
        iterable1: Iterable[A],
        /,
        *,
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Results[T]: ...

    @overload
    def map(
        self,
        fn: Callable[[A, B], Awaitable[T]],
        iterable1: Iterable[A],
        iterable2: Iterable[B],
        /,
        *,
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Results[T]: ...

    @overload
    def map(
        self,
        fn: Callable[[A, B, C], Awaitable[T]],
        iterable1: Iterable[A],
        iterable2: Iterable[B],
        iterable3: Iterable[C],
        /,
        *,
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Results[T]: ...

    @overload
    def map(
        self,
        fn: Callable[[A, B, C, D], Awaitable[T]],
        iterable1: Iterable[A],
        iterable2: Iterable[B],
        iterable3: Iterable[C],
        iterable4: Iterable[D],
        /,
        *,
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Results[T]: ...

    @overload
    def map(
        self,
        fn: Callable[[A, B, C, D, E], Awaitable[T]],
        iterable1: Iterable[A],
        iterable2: Iterable[B],
        iterable3: Iterable[C],
        iterable4: Iterable[D],
        iterable5: Iterable[E],
        /,
        *,
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Results[T]: ...

    @overload
    def map(
        self,
        fn: Callable[[A, B, C, D, E, F], Awaitable[T]],
        iterable1: Iterable[A],
        iterable2: Iterable[B],
        iterable3: Iterable[C],
        iterable4: Iterable[D],
        iterable5: Iterable[E],
        iterable6: Iterable[F],
        /,
        *,
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Results[T]: ...

    @override
    def map(  # type: ignore[override, ty:incompatible-method-override, unused-ignore]
        self,
        fn: Callable[..., Awaitable[T]],
        /,
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Results[T]:
        """Call `fn` with the items of the iterables side by side, like the built-in `map`.

        Args:
            fn: An async function, or any callable that returns an awaitable.
            *iterables: Where its arguments come from; the shortest one decides.
            timeout: The most seconds from now until the last result; None for no limit.
            chunksize: Accepted because the standard executors do; it has no meaning here.
            buffersize: The most calls that are submitted ahead of the result that was asked for;
                the iterables are then read as results are. None submits everything at once.

        Returns:
            An iterator over the results in the order of the input, which also has the futures.

        Raises:
            TypeError: `buffersize` is not an integer, or `fn` not callable.
            ValueError: `buffersize` is 0 or less.
            InvalidStateError: The executor was shut down.
        """
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        calls: Iterable[Future[T]] = ()
        if iterables:
            calls = builtins.map(self.submit, itertools.repeat(fn), *iterables)
        return Results(iter(calls), timeout=timeout, buffersize=buffersize)

    def sync_to_async(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]:
        """Run a function that blocks in a worker thread, in a copy of the current context.

        It starts right away. A task that is cancelled while it waits goes on at once; the thread
        runs to its end, and its outcome is dropped.

        Args:
            fn: A sync function.
            *args: Its positional arguments.
            **kwargs: Its keyword arguments.

        Returns:
            An awaitable of what it returns or raises, for the event loop that is running.

        Raises:
            RuntimeError: No event loop is running: call the function itself.
            TypeError: `fn` is an async function.
            InvalidStateError: The executor was shut down.
            RuntimeError: The thread pool of the caller's was shut down.
        """
        return self._loop_thread.run_in_worker(fn, *args, **kwargs)

    def cancel_futures(self) -> None:
        """Cancel every call that is queued or running, as `Future.cancel` does."""
        self._loop_thread.cancel_all()

    @override
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work from outside, finish what there is and free the thread.

        Tasks that still run may submit more and use `sync_to_async`. When all that is done, the
        tasks that it left behind in the background are cancelled. A thread pool of the caller's
        stays open. Calling it again is harmless and may ask for more, for instance to cancel.

        Args:
            wait: Whether to return only when everything is done.
            cancel_futures: Whether to cancel what is queued or running.

        Raises:
            DeadlockError: It would wait for the very task, or worker thread, that calls it.
        """
        if wait and self._loop_thread.is_inside():
            raise DeadlockError(
                "shutdown() would wait here for its own caller, for ever; use shutdown(wait=False)"
            )
        self._loop_thread.close()
        if cancel_futures:
            self.cancel_futures()
        if wait:
            self._loop_thread.join()

    @override
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """Wait for what was submitted; cancel it first on KeyboardInterrupt and SystemExit."""
        interrupted = isinstance(exc_val, (KeyboardInterrupt, SystemExit))
        try:
            self.shutdown(wait=True, cancel_futures=interrupted)
        except (KeyboardInterrupt, SystemExit):  # a signal handler has raised meanwhile
            self.shutdown(wait=True, cancel_futures=True)
            raise

    @property
    def tasks(self) -> set[asyncio.Task[Any]]:
        """The tasks of the event loop that are not done, also those that submitted calls made."""
        return self._loop_thread.tasks()

    def statistics(self) -> ExecutorStatistics:
        """Return how much there is to do at this moment.

        .. versionadded:: 0.2.0
        """
        pending, running = self._loop_thread.count()
        return ExecutorStatistics(pending, running, self._loop_thread.max_workers)

    @override
    def __repr__(self) -> str:
        pending, running = self._loop_thread.count()
        return f"<{type(self).__name__} pending={pending} running={running}>"
