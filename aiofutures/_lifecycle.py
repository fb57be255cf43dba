"""The loop threads that run in this process, at the end of the interpreter and after a fork."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable
from typing import Protocol


class Started(Protocol):
    """What is known here of a loop thread."""

    cancel_at_exit: bool

    def close(self) -> None: ...
    def cancel_all(self) -> None: ...
    def join(self) -> None: ...
    def abandon(self) -> None: ...


#: The loop threads that have started and not ended, by their event loop.
started: dict[asyncio.AbstractEventLoop, Started] = {}

#: Whether the interpreter is ending, so that no thread can start any more.
exiting = threading.Event()


def _finish() -> None:
    """Let what was submitted finish before the interpreter ends; Ctrl-C cancels it."""
    exiting.set()
    loop_threads = tuple(started.values())
    for loop_thread in loop_threads:
        loop_thread.close()
        if loop_thread.cancel_at_exit:
            loop_thread.cancel_all()
    try:
        for loop_thread in loop_threads:
            loop_thread.join()
    except KeyboardInterrupt:
        for loop_thread in loop_threads:
            loop_thread.cancel_all()
        for loop_thread in loop_threads:
            loop_thread.join()


def _abandon() -> None:
    """Leave the parent's threads to the parent."""
    for loop_thread in tuple(started.values()):
        loop_thread.abandon()
    started.clear()


# Before the interpreter joins its threads and before concurrent.futures stops its workers; plain
# atexit would come after both.
_register: Callable[[Callable[[], None]], object] = getattr(
    threading, "_register_atexit", atexit.register
)
_register(_finish)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon)
