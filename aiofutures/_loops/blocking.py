"""Blocking waits of a thread for a lock or an event."""

from __future__ import annotations

import math
import sys
import threading
from _thread import TIMEOUT_MAX, LockType, allocate_lock, start_new_thread
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from .._common.snapshot import snapshot
from .._common.typing import P, T
from .pool import WorkerPool

# On Windows, signals do not interrupt a wait for a lock; without the GIL, they may not if they come
# as it begins. There the main thread, the only one to receive signals, waits for `_LOOK` seconds at
# a time. Elsewhere that would slow waits by a tenth.
_HAS_GIL: Final[bool] = getattr(sys, "_is_gil_enabled", lambda: True)()
_LOOKS_FOR_SIGNALS = sys.platform == "win32" or not _HAS_GIL
_LOOK: Final = 1.0
# Starting a thread takes about ten.
_FRAMES: Final = 30


def block(gate: LockType, timeout: float | None = None) -> bool:
    """Wait for `gate`, giving up a worker thread's slot; return False after the time-out."""
    pool = WorkerPool.current()
    if pool is None:
        return _acquire(gate, timeout)
    with pool.blocked():
        return _acquire(gate, timeout)


def open_gate(gate: LockType) -> None:
    """Release the thread that waits for `gate`, or is about to."""
    if gate.locked():
        # Another thread may have released it first.
        with suppress(RuntimeError):
            gate.release()


#: Calls a function in another thread, as there may be no room for it on the caller's stack. It is a
#: function in C, which needs no room itself.
call_elsewhere: Final = start_new_thread


def ensure_room(frames: int = _FRAMES) -> None:
    """Raise RecursionError unless the stack has room for so many calls, none of which may fail."""
    if frames:
        ensure_room(frames - 1)


def _acquire(gate: LockType, timeout: float | None) -> bool:
    """Acquire `gate`; return False after the time-out."""
    if not _LOOKS_FOR_SIGNALS or threading.current_thread() is not threading.main_thread():
        if timeout is None:
            return gate.acquire()
        return gate.acquire(timeout=min(max(0.0, timeout), TIMEOUT_MAX))
    # Without reading a clock, which tests may have frozen.
    left = math.inf if timeout is None else timeout
    while left > _LOOK:
        if gate.acquire(timeout=_LOOK):
            return True
        left -= _LOOK
    return gate.acquire(timeout=max(0.0, left))


def locked(lock: threading.RLock, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `fn` while holding `lock`, and release it wherever a signal handler raises.

    On Python 3.14, a `with` statement would leave it locked if the handler runs after `__enter__`,
    before the block has started.
    """
    try:
        lock.acquire()
        return fn(*args, **kwargs)
    finally:
        # No call comes first, not even to `suppress`: a handler could run after it.
        try:  # noqa: SIM105
            lock.release()
        except RuntimeError:
            # The handler interrupted the wait for the lock. Only a thread without the lock waits,
            # so this releases nothing that an outer `locked` needs.
            pass


class Event:
    """A `threading.Event` without the lock that a raising signal handler could leave locked."""

    def __init__(self) -> None:
        self._is_set = False
        self._gates: list[LockType] = []

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        for gate in snapshot(self._gates):
            open_gate(gate)

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        gate = allocate_lock()
        gate.acquire()
        self._gates.append(gate)
        try:
            return self._is_set or block(gate, timeout)
        finally:
            self._gates.remove(gate)
