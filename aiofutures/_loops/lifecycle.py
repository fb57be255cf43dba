"""The threads of this process, at the end of the interpreter and after a fork.

The end has two phases. Before Python joins its threads, `_finish_calls` waits for what was
submitted, while threads can still be started. Until all other threads have ended and the exit
functions have run, the loops go on serving them: their threads are daemons. Then `_end`, an exit
function itself, ends what nobody has submitted. No loop is closed, for exit functions that were
registered before this package was imported run after it. Where there are no daemon threads, or no
exit functions run, all ends in the first phase.
"""

from __future__ import annotations

import _thread
import asyncio
import atexit

# Exit hooks run in reverse order: that of the worker threads must be registered before ours.
import concurrent.futures.thread  # noqa: F401
import os
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, Final, Protocol

from .._exceptions import InvalidStateError
from .._logging import log_warning
from .._snapshot import snapshot
from .._typing import override
from .green import are_threads_real

# After so many seconds what holds up the end is named.
_PATIENCE: Final = 5.0
# Threads that wait for work, for calls of exit functions: these cannot start any.
_SPARES: Final = 4
# These start no thread once the main thread has ended (CPython gh-113964).
_REFUSES: Final = (3, 12) <= sys.version_info < (3, 12, 2)
_HAS_DAEMONS: Final[bool] = getattr(_thread, "daemon_threads_allowed", lambda: True)()


class Waits(Protocol):
    """Something that has calls to finish, in threads of its own."""

    def close(self) -> None: ...
    def is_idle(self) -> bool:
        """Tell whether nothing that was submitted is left to do."""
        ...

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until nothing that was submitted is left; return False after the time-out."""
        ...


class Abandonable(Protocol):
    """Something that a forked child leaves to the parent process."""

    def abandon(self) -> None: ...


class EndsAtExit(Waits, Abandonable, Protocol):
    """A loop thread, as this module sees it."""

    cancel_at_exit: bool

    def cancel_all(self) -> None: ...
    def cancel_closing(self) -> bool: ...
    def join(self) -> None: ...
    def guard(self) -> None:
        """Refuse submits of daemon threads, which would keep it busy for ever."""

    def names(self) -> Iterable[str]:
        """Return the names of what is left."""
        ...

    def end_background_tasks(self) -> bool:
        """Cancel what nobody has submitted, and wait for it; tell whether there was anything."""
        ...

    def pass_turn(self, timeout: float) -> None:
        """Wait until the loop has done what it was asked to do so far."""


class Reports(Protocol):
    """Something that reports an error when it dies, or before."""

    def report(self) -> None: ...


#: The loop threads that have started and not ended, by their event loop.
running_loop_threads: dict[asyncio.AbstractEventLoop, EndsAtExit] = {}

#: All loop threads, also those about to start: for a forked child, and for their worker threads.
loop_threads: weakref.WeakSet[EndsAtExit] = weakref.WeakSet()

#: What else a forked child begins anew.
abandonable: weakref.WeakSet[Abandonable] = weakref.WeakSet()

#: Owners of worker threads.
worker_pools: weakref.WeakSet[Waits] = weakref.WeakSet()

#: Errors that nobody has fetched, by their id.
unfetched: dict[int, weakref.ref[Reports]] = {}

#: Whether the interpreter is ending.
exiting = threading.Event()

_spares: list[_Spare] = []
_has_warned = threading.Event()
_was_interrupted = threading.Event()


class Thread(threading.Thread):
    """A thread that the end of the interpreter does not wait for, if there are such."""

    _is_handed = False

    def __init__(
        self, target: Callable[..., object], name: str, args: tuple[Any, ...] = ()
    ) -> None:
        super().__init__(target=target, name=name, args=args, daemon=_HAS_DAEMONS)

    @override
    def start(self) -> None:
        """Start it. At the very end of the interpreter one that waits for work takes its place.

        Raises:
            InvalidStateError: The interpreter is ending, and there is none.
        """
        try:
            super().start()
        except RuntimeError as error:
            if not exiting.is_set() and "shutdown" not in str(error):
                raise
            try:
                spare = _spares.pop()
            except IndexError:
                raise InvalidStateError(
                    "cannot schedule new futures: the interpreter is exiting"
                ) from None
            self._is_handed = True
            spare.take_over(self)

    @override
    def join(self, timeout: float | None = None) -> None:
        if not self._is_handed:
            super().join(timeout)


class _Spare(Thread):
    """A thread that waits until it can take the place of another one."""

    def __init__(self) -> None:
        super().__init__(self._wait, "aiofutures-spare")
        self._gate = _thread.allocate_lock()
        self._gate.acquire()
        self._place: threading.Thread | None = None

    def take_over(self, place: threading.Thread) -> None:
        """Do what that thread, which cannot start, was to do."""
        self._place = place
        self.name = place.name
        self._gate.release()

    def dismiss(self) -> None:
        """End, unless it has taken over or was never started."""
        with suppress(ValueError):
            _spares.remove(self)
            self._gate.release()
            self.join()

    def _wait(self) -> None:
        self._gate.acquire()
        if self._place is not None:
            self._place.run()


def _keep_spares(count: int) -> list[_Spare]:
    """Keep so many threads, or as many as Python still starts."""
    spares = [_Spare() for _ in range(count)]
    with suppress(RuntimeError):
        for spare in spares:
            spare.start()
            _spares.append(spare)
    return spares


@contextmanager
def keeping_thread() -> Iterator[None]:
    """Keep a thread for what is about to start one, and may take longer than the main thread."""
    is_main = threading.current_thread() is threading.main_thread()
    spares = _keep_spares(1 if _REFUSES and not is_main else 0)
    try:
        yield
    finally:
        for spare in spares:
            spare.dismiss()


def _finish_calls() -> None:
    """Finish all calls before the interpreter joins its threads; Ctrl-C cancels them."""
    exiting.set()
    _wait_or_cancel()
    if _HAS_DAEMONS and are_threads_real() and not _is_multiprocessing_child():
        _keep_spares(_SPARES)
        return
    _report_unfetched()
    for loop_thread in snapshot(loop_threads):
        loop_thread.close()
    for loop_thread in snapshot(running_loop_threads.values()):
        loop_thread.join()
    for pool in snapshot(worker_pools):
        pool.close()


def _is_multiprocessing_child() -> bool:
    """Tell whether this process ends without its exit functions."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def _end() -> None:
    """End what nobody has submitted, after other threads and exit functions."""
    exiting.set()
    if not _was_interrupted.is_set():
        _wait_or_cancel()
        for loop_thread in snapshot(running_loop_threads.values()):
            while _end_background_tasks(loop_thread):
                _wait_or_cancel()
    _report_unfetched()


def _end_background_tasks(loop_thread: EndsAtExit) -> bool:
    """Do so, but for a client whose closing is interrupted; tell whether there may be more."""
    try:
        return loop_thread.end_background_tasks()
    except (KeyboardInterrupt, SystemExit):
        if not loop_thread.cancel_closing():
            raise
        return True


def _wait_or_cancel() -> None:
    try:
        _wait()
    except (KeyboardInterrupt, SystemExit):
        # If it comes once more, it ends the wait.
        _was_interrupted.set()
        for loop_thread in snapshot(running_loop_threads.values()):
            loop_thread.cancel_all()
            loop_thread.cancel_closing()
        _wait()
        _was_interrupted.clear()


def _wait() -> None:
    """Wait until no loop thread has anything submitted left to do."""
    for loop_thread in snapshot(loop_threads):
        loop_thread.guard()
        if loop_thread.cancel_at_exit:
            loop_thread.cancel_all()
    end = monotonic() + _PATIENCE
    while busy := _first_busy():
        busy.wait_until_idle(max(0.0, end - monotonic()) or _PATIENCE)
        if monotonic() >= end and not _has_warned.is_set():
            _has_warned.set()
            _warn()


def _first_busy() -> Waits | None:
    """Return a loop thread, or an owner of worker threads, that has something left to do."""
    all_of_them = (*snapshot(running_loop_threads.values()), *snapshot(worker_pools))
    return next((one for one in all_of_them if not one.is_idle()), None)


def _warn() -> None:
    log_warning(
        "the interpreter cannot exit before these calls end: %s. Ctrl-C cancels them; with "
        "AsyncExecutor(cancel_at_exit=True) they are cancelled instead of waited for",
        in_words(name for loop_thread in snapshot(loop_threads) for name in loop_thread.names()),
    )


def in_words(names: Iterable[str]) -> str:
    """Return the names, each once, with the number of those that come more than once."""
    counted = Counter(names).items()
    return ", ".join(f"{name} ({count})" if count > 1 else name for name, count in counted)


def _report_unfetched() -> None:
    """Report errors while there is still somebody to report them to."""
    for reference in snapshot(unfetched.values()):
        error = reference()
        if error is not None:
            error.report()
    for loop_thread in snapshot(running_loop_threads.values()):
        loop_thread.pass_turn(_PATIENCE)


def _abandon() -> None:
    """Leave the threads of the parent process to it."""
    exiting.clear()
    _has_warned.clear()
    _was_interrupted.clear()
    _spares.clear()
    for owner in (*snapshot(loop_threads), *snapshot(abandonable)):
        owner.abandon()
    running_loop_threads.clear()


# Plain atexit would run after the interpreter has joined its threads, and concurrent.futures has
# stopped its workers.
_register: Callable[..., object] = getattr(threading, "_register_atexit", atexit.register)
_register(_finish_calls)
atexit.register(_end)
if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_abandon)
