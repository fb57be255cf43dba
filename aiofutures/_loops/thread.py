"""The thread that runs an event loop: its start, its end, and what a fork leaves of it."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from contextlib import nullcontext, suppress
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, isasyncgenfunction, iscoroutinefunction
from types import FunctionType
from typing import Any
from weakref import ref

from .._common import asgiref_support
from .._common.asgiref_support import LOCAL
from .._common.contract import Host, Runnable
from .._common.exceptions import InvalidStateError
from .._common.logging import handle_loop_error
from .._common.typing import P, T
from .blocking import call_elsewhere, ensure_room, locked
from .caller import CallerFuture, waiting_caller
from .doorbell import doorbell
from .green import are_threads_real, refuse_green_selector, refuse_green_threads
from .lifecycle import (
    Thread,
    Whole,
    exiting,
    keeping_thread,
    loop_threads,
    running_loop_threads,
)
from .limit import Limit
from .pool import WorkerPool
from .run import OpenClient, Run
from .watchdog import Watchdog
from .waves import Cleanups, cancel_all, cleanup_of, nobody
from .worker_future import PausingFuture, WorkerFuture
from .workers import Workers


@dataclass(frozen=True)
class LoopOptions:
    """How a loop thread does its work.

    Attributes:
        loop_factory: Creates the event loop.
        workers: The worker threads, which end with the loop.
        max_workers: Maximum number of calls that run at once; None means no limit.
        cancel_at_exit: Whether the end of the interpreter cancels unfinished calls.
        make_watchdog: Creates what watches the event loop of this name, unless it is None.
        advice: Returns what to do instead of submitting after the shutdown.
    """

    loop_factory: Callable[[], asyncio.AbstractEventLoop]
    workers: Workers
    max_workers: int | None
    cancel_at_exit: bool
    make_watchdog: Callable[[str], Watchdog] | None
    advice: Callable[[LoopThread], str]


class LoopThread:
    """A host that runs calls on an event loop in its own thread.

    The thread starts with the first call and, once closed, ends after the last. Everything about
    one event loop is in its `Run`. After a fork, or if the thread could not be started, a new one
    replaces it.

    Args:
        name: The thread's name.
        options: How it does its work.
    """

    def __init__(self, name: str, options: LoopOptions) -> None:
        self.max_workers = options.max_workers
        self.cancel_at_exit = options.cancel_at_exit
        self._loop_factory = options.loop_factory
        self._name = name
        self._advice = options.advice
        self._watchdog = options.make_watchdog and options.make_watchdog(name)
        self._workers = options.workers
        self._run = self._new_run(closing=False)
        self._run.is_guarded = exiting.is_set()
        # Kept by a forked child so that nothing closes it.
        self._of_parents: list[object] = []
        # Only one thread may start the loop thread. No user code runs while it is held, except
        # for signal handlers, which may submit: hence reentrant.
        self._start_lock = threading.RLock()
        loop_threads.add(self)

    @staticmethod
    def running() -> LoopThread | None:
        """Return the loop thread that the caller runs on, if any."""
        loop = asyncio._get_running_loop()
        loop_thread = None if loop is None else running_loop_threads.get(loop)
        return loop_thread if isinstance(loop_thread, LoopThread) else None

    @staticmethod
    def running_call() -> Runnable | None:
        """Return the call that the current task runs, if any."""
        loop_thread = LoopThread.running()
        return None if loop_thread is None else loop_thread._run.running_call()

    @staticmethod
    def note_cleanup(future: Runnable) -> None:
        """If it is the cleanup of a call that submits `future`, note whose."""
        call = LoopThread.running_call()
        cleanup = None if call is None else cleanup_of(call)
        if cleanup is not None:
            future._cleanup = ref(cleanup)

    # As a host.

    loop_in_words = "that has to run it"

    @property
    def whole(self) -> Whole:
        """What is cancelled and closed along with it: itself."""
        return self

    @property
    def limit(self) -> Limit | None:
        """The limit on the number of calls that run at once; None means no limit."""
        return self._run.limit

    @property
    def local(self) -> Host:
        """The host of derived futures: this one."""
        return self

    def submit(self, future: Runnable, /) -> None:
        """Queue the call of `future`, starting the thread with the first.

        Raises:
            InvalidStateError: The loop thread accepts no more calls.
            BrokenExecutor: Its event loop has failed.
            Exception: The thread could not be started; a later call may succeed.
        """
        run = self._run
        if run.is_guarded and self._refuses(run):
            raise self._refusal(run)
        if Cleanups.have_begun:
            self.note_cleanup(future)
        try:
            run.queue.append(future)
            if not run.awake:
                # Most calls do not need this.
                if run.loop is None or not are_threads_real():
                    self._ensure_started(run)
                run.wake()
        except RecursionError:
            call_elsewhere(_take_back, (run, future))
            raise
        except BaseException:
            # Possibly a signal handler's.
            _take_back(run, future)
            raise
        if run.is_guarded and self._refuses(run) and future.take() is not None:
            future.settle_cancelled()
            raise self._refusal(run)

    def cancel(self, future: Runnable, asked: Callable[[bool], object], /) -> None:
        """Request the cancellation of the task that runs the call, or forget the call."""
        self._run.cancel(future, asked)

    def is_current(self) -> bool:
        """Tell whether the caller runs on this event loop."""
        # The same as `Run.is_current`, inlined as every call needs it.
        loop = self._run.loop
        return loop is not None and asyncio._get_running_loop() is loop

    def is_inside(self) -> bool:
        """Tell whether the caller runs on this event loop or in one of its worker threads."""
        return self._run.is_inside()

    def report(self, context: dict[str, Any], /) -> None:
        """Pass an error that no caller can receive to the event loop's exception handler."""
        self._run.report(context)

    # For the executor.

    def wake(self) -> None:
        """Start the thread, if it is not running."""
        self._ensure_started(self._run)
        self._run.wake()

    @property
    def runs(self) -> list[Run]:
        """The event loop, for what concerns all of several."""
        return [self._run]

    def is_in_wave(self) -> bool:
        """Tell whether the cancellation of all calls of the event loop is on its way."""
        return self._run.is_in_wave

    def cancel_all(self, but: Callable[[Runnable], bool] = nobody) -> None:
        """Cancel queued calls at once, and running ones, but those to spare."""
        cancel_all([self.runs], but)

    def cancel_closing(self) -> bool:
        """Stop waiting for a client that is being closed at the end, if there is one."""
        being_closed = self._run.being_closed
        return being_closed is not None and being_closed.cancel()

    def tasks(self) -> set[asyncio.Task[Any]]:
        """Return the unfinished tasks of the event loop."""
        return self._run.tasks()

    def count(self) -> tuple[int, int]:
        """Return how many calls are pending and how many are running."""
        return self._run.count()

    def state(self) -> str:
        """Return its state, in the words that executors use."""
        run = self._run
        if run.failure is not None:
            return "broken"
        if run.closing:
            return "shut down"
        return "not started" if run.loop is None else "running"

    def close(self) -> None:
        """Accept no more calls from outside, and end when none is left."""
        # Again, if starting it failed in the meantime. The worker threads may run without it.
        run = None
        while run is not self._run:
            run = self._run
            if not run.close():
                self._workers.close()

    def join(self) -> None:
        """Wait until the thread has ended."""
        run, thread = locked(self._start_lock, lambda: (self._run, self._run.thread))
        if thread is None:
            self._workers.shutdown()
            return
        # First this: before Python 3.13, a thread counts as ended if Ctrl-C interrupts its `join`,
        # and the interpreter would no longer wait for it.
        run.ended.wait()
        thread.join()

    def guard(self) -> None:
        """Refuse calls from daemon threads, as the interpreter is ending."""
        self._run.is_guarded = True

    def is_idle(self) -> bool:
        """Tell whether all submitted work is done."""
        return not self._run.has_work()

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until all submitted work is done; return False after the time-out."""
        return self._run.wait_until_idle(timeout)

    def names(self) -> list[str]:
        """Return the names of the remaining calls."""
        futures = [future for future in self._run.futures() if not future.done()]
        names = [str(future._call_name()) for future in futures]
        return names + ["a call in a worker thread"] * self._workers.count()

    def end_background_tasks(self) -> bool:
        """Cancel tasks that were not submitted, and wait; tell whether there were any."""
        run = self._run
        if not run.closing:
            wait = run.begin_ending()
            return wait()
        if run.thread is not None:
            run.ended.wait()
        return False

    def pass_turn(self, timeout: float) -> None:
        """Wait until the loop has run everything scheduled so far."""
        self._run.pass_turn(timeout)

    def run_in_worker(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run a blocking function in a worker thread, for the running event loop."""
        refuse_if_async(fn)
        refuse_green_threads()
        loop = asyncio.get_running_loop()
        self.refuse_after_shutdown()
        # Threads of its own never run out.
        is_own = loop is self._run.loop and not self._workers.are_callers
        make = WorkerFuture if is_own else PausingFuture
        future = make(self._workers, loop, fn, args, kwargs)
        self._workers.start(future)
        return future

    def run_in_caller(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> CallerFuture[T]:
        """Run a function in the thread that waits in the nearest `to_sync` call.

        If no thread waits, do the same as `run_in_worker`.
        """
        make = partial(CallerFuture, self._workers, asyncio.get_running_loop(), fn, args, kwargs)
        caller = waiting_caller.get()
        if caller is not None and (accepted := caller.run(make)) is not None:
            return accepted
        refuse_green_threads()
        self.refuse_after_shutdown()
        future = make()
        self._workers.start(future)
        return future

    def run_in_any_caller(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> CallerFuture[T]:
        """Do the same, in the nearest call of `to_sync` or of asgiref's `async_to_sync`."""
        executor = asgiref_support.executor_of_asgiref() if LOCAL in sys.modules else None
        if executor is not None:
            future = CallerFuture(self._workers, asyncio.get_running_loop(), fn, args, kwargs)
            # It refuses what comes from the very thread that waits.
            with suppress(RuntimeError):
                executor.submit(future.run_and_deliver)
                return future
            future.withdraw()
        return self.run_in_caller(fn, *args, **kwargs)

    def refuse_after_shutdown(self) -> None:
        """Raise an error if calls are no longer accepted."""
        if self._run.is_guarded and self._refuses(self._run):
            raise self._refusal(self._run)

    # For shared clients.

    @property
    def open_clients(self) -> dict[Runnable, OpenClient]:
        """The open clients, for the loop thread."""
        return self._run.open_clients

    def call_soon(self, callback: Callable[..., object], /, *args: Any) -> bool:
        """Schedule `callback` on the event loop. It is not a call and takes no place.

        Returns:
            False if the event loop is not running.
        """
        return self._run.call_soon(callback, *args)

    def _notify_worker_done(self) -> None:
        """Check whether a closing loop was waiting for the worker thread that is done."""
        run = self._run
        if run.is_watched:
            run.call_soon(run.look_whether_idle)

    def _refusal(self, run: Run) -> Exception:
        """Return the error for a call after the shutdown."""
        if run.closing:
            return run.refusal(self._advice(self))
        return InvalidStateError("cannot schedule new futures: the interpreter is exiting")

    def _refuses(self, run: Run) -> bool:
        """Tell whether a guarded run refuses the caller's submits.

        A closing run accepts those of its own calls, and the end of the interpreter those of
        threads that it waits for.
        """
        if sys.is_finalizing():
            # In a `__del__`, for instance: only this thread still runs.
            return True
        if run.is_over or run.closing:
            return run.is_over or not self.is_inside()
        thread = threading.current_thread()
        return thread.daemon and not isinstance(thread, Thread)

    # Its start and end.

    def _ensure_started(self, run: Run) -> None:
        """Start the thread if it is not running, and refuse green threads."""
        refuse_green_threads()
        if run.loop is None:
            ensure_room()
            # In an empty context: the loop would keep the first caller's.
            with keeping_thread():
                Context().run(self._start, run)

    def _start(self, run: Run) -> None:
        loop = self._loop_factory()
        try:
            refuse_green_selector(loop)
            _refuse_if_not_new(loop)
            locked(self._start_lock, self._start_thread, run, loop)
        except BaseException as error:
            if run.failure is error:
                run.fail_all(error, _start_error(error))
            raise
        finally:
            # Another thread was first, or starting the thread failed.
            if run.loop is not loop and _is_free(loop):
                loop.close()

    def _start_thread(self, run: Run, loop: asyncio.AbstractEventLoop) -> None:
        """Start the thread, unless another thread or a handler did. Called with the lock held."""
        if run.thread is not None:
            return
        if run.is_guarded and self._refuses(run):
            raise self._refusal(run)
        try:
            bell = doorbell(loop, run.drain)
            thread = Thread(self._serve, self._name, (run,))
            # With no calls in between, no signal handler can submit halfway.
            # law: no calls
            if run.loop is not None:
                return
            run.bell = bell
            run.thread = thread
            run.loop = loop
            # law: end of no calls
            running_loop_threads[loop] = self
            thread.start()
        except BaseException as error:
            # No thread could be started, or a signal handler raised and the thread may be running.
            if run.loop in {None, loop} and run.claim():
                self._begin_anew(run, loop, error)
            raise

    def _begin_anew(
        self, run: Run, loop: asyncio.AbstractEventLoop, failure: BaseException
    ) -> None:
        """Replace a run that could not start. Called with the lock held."""
        running_loop_threads.pop(loop, None)
        run.loop = run.thread = run.bell = None
        self._run = self._new_run(closing=False)
        self._run.is_guarded = run.is_guarded
        if run.closing:
            self.close()
        run.failure = failure
        run.closing = run.is_guarded = run.is_over = True

    def _serve(self, run: Run) -> None:
        """Run the event loop until it is closing and nothing is left to do, as the thread."""
        if not run.claim():
            return
        loop, bell = run.loop, run.bell
        assert loop is not None  # noqa: S101
        assert bell is not None  # noqa: S101
        try:
            self._workers.serve(self._notify_worker_done, run.settle_soon)
            loop.set_default_executor(self._workers.default_executor(loop))
            if loop.get_exception_handler() is None:
                loop.set_exception_handler(handle_loop_error)
            with nullcontext() if self._watchdog is None else self._watchdog.watching(loop):
                run.run()
        except BaseException as exception:
            run.fail_all(exception)
            raise
        finally:
            try:
                self._workers.shutdown()
                running_loop_threads.pop(loop, None)
                run.free(loop, bell)
            finally:
                run.ended.set()

    # In a forked child.

    def abandon(self) -> None:
        """Start over, as the thread belongs to the parent.

        Its loop must never be closed here: that would remove the parent's sockets from the epoll
        set that both processes share.
        """
        run = self._run
        error = BrokenExecutor("the process that runs this call was forked; submit it again here")
        for future in run.futures():
            future.abandon(error)
        tasks = run.tasks()
        for task in tasks:
            setattr(task, "_log_destroy_pending", False)  # noqa: B010  asyncio's own switch
        # Kept by an object that the frames of the parent's thread keep alive, which nothing frees.
        # Otherwise the `finally` blocks of the parent's tasks would run at the end of the child.
        self._of_parents.append((run, tasks))
        WorkerPool.leave()
        self._workers = self._renewed_workers()
        # A thread of the parent may hold the old one.
        self._start_lock = threading.RLock()
        self._run = self._new_run(closing=run.closing)

    # What a group of loop threads does in another way.

    def _new_run(self, *, closing: bool) -> Run:
        """Return a run that has not begun."""
        return Run(self.max_workers, self._workers, closing=closing)

    def _renewed_workers(self) -> Workers:
        """Return the worker threads of a forked child."""
        return self._workers.renewed()


def _take_back(run: Run, future: Runnable) -> None:
    """Cancel a call that was queued when an error came, and wake the loop for those of others."""
    # The error reaches the caller, and needs no report. The last step of a task cannot be cancelled
    # and must run.
    if not future.cancel() and future.done():
        future.exception()
    run.call_soon(run.drain)


def refuse_if_async(fn: object) -> None:
    """Raise TypeError for a function that should be awaited instead of run in a thread."""
    # `iscoroutinefunction` takes half as long as a call.
    if type(fn) is FunctionType and not fn.__dict__:
        is_async = fn.__code__.co_flags & (CO_COROUTINE | CO_ASYNC_GENERATOR)
    else:
        is_async = iscoroutinefunction(fn) or isasyncgenfunction(fn)
    if is_async:
        instead = "loop over it with 'async for'" if isasyncgenfunction(fn) else "await it"
        raise TypeError(f"{fn!r} is already async: {instead} instead")


def _refuse_if_not_new(loop: object) -> None:
    """Raise an error if `loop_factory` returned something other than a new event loop."""
    if not isinstance(loop, asyncio.AbstractEventLoop):
        raise TypeError(f"loop_factory must return a new event loop, not {loop!r}")
    if loop.is_closed():
        raise RuntimeError(f"loop_factory must return a new event loop; {loop!r} is closed")
    if not _is_free(loop):
        raise RuntimeError(
            f"loop_factory must return a new event loop; {loop!r} is already running. To run "
            "coroutines on it, use asyncio.run_coroutine_threadsafe"
        )


def _is_free(loop: object) -> bool:
    """Tell whether this is an event loop that is not running."""
    if not isinstance(loop, asyncio.AbstractEventLoop):
        return False
    return not (loop.is_running() or loop in running_loop_threads)


def _start_error(failure: BaseException) -> Exception:
    """Return the exception for futures queued while the thread failed to start."""
    if isinstance(failure, Exception):
        return failure
    return BrokenExecutor(f"the start of the loop was interrupted: {failure!r}")
