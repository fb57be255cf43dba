"""The threads of this process, at the end of the interpreter and after a fork.

The end has two phases. Before Python joins its threads, `_finish_calls` waits for submitted work,
while threads can still be started. The loops, whose threads are daemons, continue to serve other
threads and exit functions until these have ended. Then `_end`, itself an exit function, ends
whatever was not submitted. It closes no loop, because exit functions that were registered before
this package was imported run after it. Without daemon threads, or if no exit functions run,
everything ends in the first phase.
"""

from __future__ import annotations

import _thread
import asyncio
import atexit

# Exit hooks run in reverse order: the one for worker threads must be registered before ours.
import concurrent.futures.thread  # noqa: F401
import os
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, Final, Protocol

from .._common.contract import Runnable
from .._common.exceptions import InvalidStateError
from .._common.logging import log_warning
from .._common.snapshot import snapshot
from .._common.typing import override
from .green import are_threads_real
from .waves import CancelsCalls, cancel_all, is_cleaning_up, nobody

# After this many seconds, a warning names the calls that delay the end.
_PATIENCE: Final = 5.0
# Threads kept in reserve for exit functions, which cannot start any.
_SPARES: Final = 4
# These versions start no thread once the main thread has ended (CPython gh-113964).
_REFUSES: Final = (3, 12) <= sys.version_info < (3, 12, 2)
_HAS_DAEMONS: Final[bool] = getattr(_thread, "daemon_threads_allowed", lambda: True)()


class Waits(Protocol):
    """Something with calls to finish in its own threads."""

    def close(self) -> None: ...
    def is_idle(self) -> bool:
        """Tell whether all submitted work is done."""
        ...

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until all submitted work is done; return False after the time-out."""
        ...


class Abandonable(Protocol):
    """Something that a forked child leaves to its parent."""

    def abandon(self) -> None: ...


class Whole(Protocol):
    """A loop thread, or a group of them, whose calls may wait for each other."""

    @property
    def runs(self) -> Sequence[CancelsCalls]:
        """The event loops."""
        ...

    def close(self) -> None: ...
    def join(self) -> None: ...


class EndsAtExit(Waits, Abandonable, Protocol):
    """A loop thread, as this module sees it."""

    cancel_at_exit: bool

    @property
    def whole(self) -> Whole:
        """What has to be cancelled, and closed, along with it."""
        ...

    def cancel_closing(self) -> bool: ...
    def join(self) -> None: ...
    def guard(self) -> None:
        """Refuse calls from daemon threads, which could keep it busy forever."""

    def names(self) -> Iterable[str]:
        """Return the names of the remaining calls."""
        ...

    def end_background_tasks(self) -> bool:
        """Cancel tasks that were not submitted, and wait; tell whether there were any."""
        ...

    def pass_turn(self, timeout: float) -> None:
        """Wait until the loop has run everything scheduled so far."""


class Reports(Protocol):
    """Something that reports an error when it is discarded, or earlier."""

    def report(self) -> None: ...


#: The running loop threads, by their event loop.
running_loop_threads: dict[asyncio.AbstractEventLoop, EndsAtExit] = {}

#: All loop threads, even those not started: a forked child renews them, and their worker threads
#: may be running.
loop_threads: weakref.WeakSet[EndsAtExit] = weakref.WeakSet()

#: Other objects that a forked child leaves to its parent.
abandonable: weakref.WeakSet[Abandonable] = weakref.WeakSet()

#: Owners of worker threads.
worker_pools: weakref.WeakSet[Waits] = weakref.WeakSet()

#: Errors that nobody has fetched, by id.
unfetched: dict[int, weakref.ref[Reports]] = {}

#: Whether the interpreter is ending.
exiting = threading.Event()

_spares: list[_Spare] = []
_has_warned = threading.Event()
_was_interrupted = threading.Event()


class Thread(threading.Thread):
    """A daemon thread, where the interpreter allows these."""

    _is_handed = False

    def __init__(
        self, target: Callable[..., object], name: str, args: tuple[Any, ...] = ()
    ) -> None:
        super().__init__(target=target, name=name, args=args, daemon=_HAS_DAEMONS)

    @override
    def start(self) -> None:
        """Start the thread. At the very end of the interpreter, a spare thread replaces it.

        Raises:
            InvalidStateError: The interpreter is ending, and there is no spare thread.
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
    """A thread that waits until it can replace another one."""

    def __init__(self) -> None:
        super().__init__(self._wait, "aiofutures-spare")
        self._gate = _thread.allocate_lock()
        self._gate.acquire()
        self._place: threading.Thread | None = None

    def take_over(self, place: threading.Thread) -> None:
        """Do the work of a thread that cannot start."""
        self._place = place
        self.name = place.name
        self._gate.release()

    def dismiss(self) -> None:
        """End the thread, unless it has taken over or was never started."""
        with suppress(ValueError):
            _spares.remove(self)
            self._gate.release()
            self.join()

    def _wait(self) -> None:
        self._gate.acquire()
        if self._place is not None:
            self._place.run()


def _keep_spares(count: int) -> list[_Spare]:
    """Keep this many threads in reserve, or as many as Python still starts."""
    spares = [_Spare() for _ in range(count)]
    with suppress(RuntimeError):
        for spare in spares:
            spare.start()
            _spares.append(spare)
    return spares


@contextmanager
def keeping_thread() -> Iterator[None]:
    """Keep a spare thread for a block that starts one, as the main thread may end first."""
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
    for whole in _wholes(snapshot(loop_threads)):
        whole.close()
    for whole in _wholes(snapshot(running_loop_threads.values())):
        whole.join()
    for pool in snapshot(worker_pools):
        pool.close()


def _is_multiprocessing_child() -> bool:
    """Tell whether this process ends without running its exit functions."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def _end() -> None:
    """End whatever was not submitted, after other threads and exit functions."""
    exiting.set()
    if not _was_interrupted.is_set():
        _wait_or_cancel()
        for loop_thread in snapshot(running_loop_threads.values()):
            while _end_background_tasks(loop_thread):
                _wait_or_cancel()
    _report_unfetched()


def _end_background_tasks(loop_thread: EndsAtExit) -> bool:
    """Do so, but not for a client whose closing is interrupted; tell whether more may follow."""
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
        # A second one ends the wait.
        _was_interrupted.set()
        _cancel_all(snapshot(running_loop_threads.values()), but=nobody)
        for loop_thread in snapshot(running_loop_threads.values()):
            loop_thread.cancel_closing()
        _wait()
        _was_interrupted.clear()


def _wait() -> None:
    """Wait until all submitted work is done."""
    all_of_them = snapshot(loop_threads)
    for loop_thread in all_of_them:
        loop_thread.guard()
    # What is being cancelled already cleans up, and is not interrupted.
    its_own = [loop_thread for loop_thread in all_of_them if loop_thread.cancel_at_exit]
    _cancel_all(its_own, but=is_cleaning_up)
    end = monotonic() + _PATIENCE
    while busy := _first_busy():
        busy.wait_until_idle(max(0.0, end - monotonic()) or _PATIENCE)
        if monotonic() >= end and not _has_warned.is_set():
            _has_warned.set()
            _warn()


def _cancel_all(those: Iterable[EndsAtExit], but: Callable[[Runnable], bool]) -> None:
    """Cancel all calls of these loop threads, each once, but those to spare."""
    cancel_all([whole.runs for whole in _wholes(those)], but)


def _wholes(those: Iterable[EndsAtExit]) -> Iterable[Whole]:
    """Return what these loop threads are or belong to, each once."""
    return dict.fromkeys(loop_thread.whole for loop_thread in those)


def _first_busy() -> Waits | None:
    """Return a loop thread or an owner of worker threads that still has work."""
    all_of_them = (*snapshot(running_loop_threads.values()), *snapshot(worker_pools))
    return next((one for one in all_of_them if not one.is_idle()), None)


def _warn() -> None:
    log_warning(
        "the interpreter cannot exit before these calls end: %s. Ctrl-C cancels them; "
        "AsyncExecutor(cancel_at_exit=True) cancels them instead of waiting",
        in_words(name for loop_thread in snapshot(loop_threads) for name in loop_thread.names()),
    )


def in_words(names: Iterable[str]) -> str:
    """Return the names, each once, with a count if it occurs more often."""
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
    """In a forked child, leave the parent's threads to the parent."""
    exiting.clear()
    _has_warned.clear()
    _was_interrupted.clear()
    _spares.clear()
    # Those of the child register themselves anew.
    worker_pools.clear()
    for owner in (*snapshot(loop_threads), *snapshot(abandonable)):
        owner.abandon()
    running_loop_threads.clear()


# A plain atexit function would run after the interpreter has joined its threads and
# concurrent.futures has stopped its workers.
_register: Callable[..., object] = getattr(threading, "_register_atexit", atexit.register)
_register(_finish_calls)
atexit.register(_end)
if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_abandon)
