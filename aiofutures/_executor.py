"""The executor and its statistics."""

from __future__ import annotations

import asyncio
import itertools
import sys
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any

from ._common.asgiref_support import LOCAL
from ._common.coroutines import not_callable
from ._common.exceptions import DeadlockError
from ._common.typing import P, T, override
from ._futures.future import Future
from ._futures.results import MapsCalls
from ._loops.caller import Caller, leave_caller, waiting_caller
from ._loops.group import LoopGroup
from ._loops.run import run_forever
from ._loops.thread import LoopOptions, LoopThread
from ._loops.watchdog import Watchdog
from ._loops.waves import is_cleaning_up
from ._loops.workers import Workers
from ._sync.shared import Shared

_number = itertools.count()

#: One entry at most, for the functions that name no executor.
default_executor: dict[str, AsyncExecutor] = {}


@dataclass(frozen=True)
class ExecutorStatistics:
    """The workload of an executor at one moment.

    Attributes:
        pending: Number of calls that were submitted and have not started.
        running: Number of calls that have started and have not finished.
        max_workers: Maximum number of calls that run at once; None means no limit.

    .. versionadded:: 0.2.0
    """

    pending: int
    running: int
    max_workers: int | None


class AsyncExecutor(MapsCalls):
    """Runs async functions on an event loop in its own thread.

    A `concurrent.futures.Executor` that takes async functions. The thread starts with the first
    submit, so constructing one is free. As with `ThreadPoolExecutor`, a `with` block waits for
    the calls submitted in it, and the interpreter waits for them before it exits.

    Args:
        executor: The thread pool for `sync_to_async`; the caller shuts it down. None means a
            private one, of the default size of a `ThreadPoolExecutor`.
        max_workers: Maximum number of calls that run at once; the others wait in the order in which
            they were submitted. None means no limit.
        loops: Number of event loops, each in a thread of its own, which share the calls. More than
            one needs a free-threaded Python, where they compute at the same time.
        loop_factory: Creates the event loop, for instance `uvloop.new_event_loop`.
        thread_name_prefix: Prefix of the threads' names.
        blocked_loop_timeout: Number of seconds for which one callback may block the event loop. If
            it takes longer, a warning with the stack of the blocking code goes to the logger
            `aiofutures`. None disables the watchdog.
        cancel_at_exit: Whether the end of the interpreter cancels unfinished calls instead of
            waiting for them.

    Raises:
        ValueError: `max_workers`, `loops` or `blocked_loop_timeout` is 0 or less; or `loops` is
            more than 1, and Python has the GIL.
        TypeError: `executor` is not a `ThreadPoolExecutor`, or `loops` is not an integer.

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
        loops: int = 1,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
        thread_name_prefix: str = "",
        blocked_loop_timeout: float | None = None,
        cancel_at_exit: bool = False,
    ) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        _check_loops(loops)
        if executor is not None and not isinstance(executor, ThreadPoolExecutor):
            raise TypeError(f"executor must be a ThreadPoolExecutor, not {executor!r}")
        if blocked_loop_timeout is not None and blocked_loop_timeout <= 0:
            raise ValueError("blocked_loop_timeout must be greater than 0")
        name = thread_name_prefix or f"AsyncExecutor-{next(_number)}"
        watch = None
        if blocked_loop_timeout is not None:
            watch = partial(Watchdog, blocked_loop_timeout, run_forever.__code__)
        options = LoopOptions(
            loop_factory=loop_factory or asyncio.new_event_loop,
            workers=Workers(executor, name),
            max_workers=max_workers,
            cancel_at_exit=cancel_at_exit,
            make_watchdog=watch,
            advice=_advice,
        )
        # What runs the calls, and the loop thread that the shared clients live on: the only one.
        self._host: LoopThread | LoopGroup
        if loops == 1:
            self._host = self._loop_thread = LoopThread(name, options)
        else:
            self._host = LoopGroup(loops, name, options)
            self._loop_thread = self._host.members[0]
        # If discarded without a shutdown, the submitted work finishes and then the thread ends.
        weakref.finalize(self, self._host.close).atexit = False

    # Narrower than the base class: `fn` must be async. With @override, pyright would not see that
    # the method fits a protocol.
    def submit(  # type: ignore[override, explicit-override]
        self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run `await fn(*args, **kwargs)` on the event loop.

        The whole call happens there, in a copy of the caller's context: `fn` itself is called on
        the loop thread too, and anything it raises ends up in the future.

        Args:
            fn: An async function, or any callable that returns an awaitable.
            *args: Its positional arguments.
            **kwargs: Its keyword arguments.

        Returns:
            The future of what the awaitable returns, or of a TypeError if `fn` is not async.

        Raises:
            TypeError: `fn` is not callable, for instance a coroutine object.
            InvalidStateError: The executor was shut down.
            BrokenExecutor: Its event loop has failed.
            Exception: The event loop or its thread could not be created; a later call may succeed.
        """
        if not callable(fn):
            raise not_callable(fn)
        context = copy_context()
        if context and (waiting_caller in context or LOCAL in sys.modules):
            # A call of `to_sync` itself notes who waits for it.
            context = context if issubclass(type(fn), Caller) else leave_caller(context)
        future: Future[T] = Future(self._loop_thread, fn, args, kwargs or None, context)
        self._host.submit(future)
        return future

    def sync_to_async(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]:
        """Run a blocking function in a worker thread, in a copy of the current context.

        It starts right away. If the waiting task is cancelled, the task resumes at once; the
        function runs to completion, and its outcome is discarded.

        Args:
            fn: A sync function.
            *args: Its positional arguments.
            **kwargs: Its keyword arguments.

        Returns:
            An awaitable of what it returns or raises, for the running event loop.

        Raises:
            RuntimeError: No event loop is running (call the function directly), or the caller's
                thread pool was shut down.
            TypeError: `fn` is an async function.
            InvalidStateError: The executor was shut down.
        """
        return self._host.run_in_worker(fn, *args, **kwargs)

    def shared(
        self, fn: Callable[P, AbstractAsyncContextManager[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Shared[T]:
        """Create a client that the whole process shares, like the function `shared`, but here.

        Args:
            fn: An async client, or any callable that returns an async context manager.
            *args: Its positional arguments.
            **kwargs: Its keyword arguments.

        Returns:
            An object to call in synchronous code and to await in async code; both return the
            client.

        Raises:
            TypeError: `fn` is not callable.
            InvalidStateError: The executor was shut down.

        .. versionadded:: 0.2.0
        """
        self._loop_thread.refuse_after_shutdown()
        # It keeps this executor, which would shut down if discarded.
        return Shared(lambda: self._loop_thread, fn, args, kwargs)

    def cancel_futures(self) -> None:
        """Cancel every call that is queued or running, as `Future.cancel` does."""
        self._host.cancel_all()

    @override
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more work from outside, finish the submitted work and end the thread.

        Running tasks may still submit calls and use `sync_to_async`. When all of that is done,
        tasks left in the background are cancelled. A thread pool passed in by the caller stays
        open. A second call is harmless, and can ask for more, such as cancelling.

        Args:
            wait: Whether to wait until everything is done.
            cancel_futures: Whether to cancel queued and running calls.

        Raises:
            DeadlockError: It would wait for the very task, or worker thread, that calls it.
        """
        if wait and self._host.is_inside():
            raise DeadlockError(
                "shutdown() would wait forever here, for its own caller; use shutdown(wait=False)"
            )
        self._host.close()
        if cancel_futures:
            self.cancel_futures()
        if wait:
            self._host.join()

    @override
    def _close_and_cancel_rest(self) -> None:
        self._host.close()
        self._host.cancel_all(is_cleaning_up)

    @override
    def _stop_closing(self) -> None:
        self._host.cancel_closing()

    @property
    def tasks(self) -> set[asyncio.Task[Any]]:
        """The unfinished tasks of the event loop, including those that calls have created."""
        return self._host.tasks()

    def statistics(self) -> ExecutorStatistics:
        """Return the workload at this moment.

        .. versionadded:: 0.2.0
        """
        pending, running = self._host.count()
        return ExecutorStatistics(pending, running, self._host.max_workers)

    @override
    def __repr__(self) -> str:
        host, (pending, running) = self._host, self._host.count()
        return (
            f"<{type(self).__name__} name={host._name} max_workers={host.max_workers} "
            f"pending={pending} running={running} state={host.state()}>"
        )


def _check_loops(loops: int) -> None:
    """Raise an error unless an executor can have so many event loops."""
    if not isinstance(loops, int):
        raise TypeError(f"loops must be an integer, not {loops!r}")
    if loops <= 0:
        raise ValueError("loops must be greater than 0")
    if loops > 1 and _has_gil():
        raise ValueError(
            f"loops must be 1, not {loops}, where Python has the GIL: only one event loop could "
            "compute at a time. Use a free-threaded Python for more"
        )


def _has_gil() -> bool:
    """Tell whether one thread alone can run Python at a time; before Python 3.13, always."""
    is_gil_enabled: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)
    return is_gil_enabled()


def _advice(loop_thread: LoopThread) -> str:
    """Return what to do instead of submitting to an executor after its shutdown."""
    executor = default_executor.get("executor")
    if executor is None or executor._loop_thread is not loop_thread:
        return ""
    return ": this was the default executor; replace it with set_default_executor()"
