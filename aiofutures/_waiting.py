"""The wait of a thread for a lock."""

from __future__ import annotations

import math
import sys
import threading
from _thread import TIMEOUT_MAX, LockType
from time import monotonic
from typing import Final

from ._pool import WorkerPool

# A time-out costs a wait a tenth, so not on systems where signals do end it.
_LOOKS_FOR_SIGNALS = sys.platform == "win32"
_LOOK: Final = 1.0  # seconds


def block(gate: LockType, timeout: float | None = None) -> bool:
    """Wait until `gate` is released; False after the time-out.

    A worker thread leaves its place to another one meanwhile.
    """
    pool = WorkerPool.current()
    if pool is None:
        return _acquire(gate, timeout)
    with pool.place_lent():
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
