"""The wait of a thread for a lock or an event."""

from __future__ import annotations

import math
import sys
import threading
from _thread import TIMEOUT_MAX, LockType, allocate_lock
from contextlib import suppress
from time import monotonic
from typing import Final

from .pool import WorkerPool

# A time-out costs a wait a tenth, so not on systems where signals do end it.
_LOOKS_FOR_SIGNALS = sys.platform == "win32"
_LOOK: Final = 1.0  # seconds


def block(gate: LockType, timeout: float | None = None) -> bool:
    """Wait until `gate` is released; False after the time-out.

    A worker thread leaves its slot to another one meanwhile.
    """
    pool = WorkerPool.current()
    if pool is None:
        return _acquire(gate, timeout)
    with pool.blocked():
        return _acquire(gate, timeout)


def _acquire(gate: LockType, timeout: float | None) -> bool:
    """Acquire `gate`; False after the time-out.

    On Windows no signal ends a wait for a lock. There the main thread, which alone gets signals,
    waits for a second at a time.
    """
    if not _LOOKS_FOR_SIGNALS or threading.current_thread() is not threading.main_thread():
        if timeout is None:
            return gate.acquire()
        return gate.acquire(timeout=min(max(0.0, timeout), TIMEOUT_MAX))
    end = math.inf if timeout is None else monotonic() + timeout
    while (left := end - monotonic()) > _LOOK:
        if gate.acquire(timeout=_LOOK):
            return True
    return gate.acquire(timeout=max(0.0, left))


class Event:
    """A `threading.Event` without a lock.

    A signal handler that raises could leave that locked, for the loop thread to hang on.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._gates: list[LockType] = []

    def is_set(self) -> bool:
        """Tell whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Wake the threads that wait."""
        self._is_set = True
        for gate in tuple(self._gates):
            # Another thread may have released it.
            with suppress(RuntimeError):
                gate.release()

    def clear(self) -> None:
        """Have threads wait from now on."""
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set; False after the time-out."""
        gate = allocate_lock()
        gate.acquire()
        self._gates.append(gate)
        try:
            return self._is_set or block(gate, timeout)
        finally:
            self._gates.remove(gate)
