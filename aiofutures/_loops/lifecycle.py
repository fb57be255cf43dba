"""The loop threads that run in this process, at the end of the interpreter and after a fork."""

from __future__ import annotations

import asyncio
import atexit

# Exit hooks run in the reverse order: that of the worker threads has to be registered by now.
import concurrent.futures.thread  # noqa: F401
import os
import threading
import weakref
from collections.abc import Callable
from typing import Protocol


class Abandonable(Protocol):
    """What has threads that a forked child does not have."""

    def abandon(self) -> None: ...


class Closable(Protocol):
    """What has idle threads, for which the end of the interpreter would wait."""

    def close(self) -> None: ...


class EndsAtExit(Abandonable, Protocol):
    """What is known here of a loop thread."""

    cancel_at_exit: bool

    def close(self) -> None: ...
    def cancel_all(self) -> None: ...
    def join(self) -> None: ...


#: The loop threads that have started and not ended, by their event loop.
running_loop_threads: dict[asyncio.AbstractEventLoop, EndsAtExit] = {}

#: What has threads, or is about to start one, or holds a lock: for a forked child.
abandonable: weakref.WeakSet[Abandonable] = weakref.WeakSet()

#: What may have idle threads left that no loop thread ends.
closable: weakref.WeakSet[Closable] = weakref.WeakSet()

#: Whether the interpreter is ending, so that no thread can start any more.
exiting = threading.Event()


def _finish() -> None:
    """Let what was submitted finish before the interpreter ends; Ctrl-C cancels it."""
    try:
        exiting.set()
        for loop_thread in running_loop_threads.copy().values():
            loop_thread.close()
            if loop_thread.cancel_at_exit:
                loop_thread.cancel_all()
        _join()
    except (KeyboardInterrupt, SystemExit):
        for loop_thread in running_loop_threads.copy().values():
            loop_thread.close()
            loop_thread.cancel_all()
        _join()
    finally:
        for each in tuple(closable):
            each.close()


def _join() -> None:
    for loop_thread in running_loop_threads.copy().values():
        loop_thread.join()


def _abandon() -> None:
    """Leave the parent's threads to the parent."""
    for abandoned in tuple(abandonable):
        abandoned.abandon()
    running_loop_threads.clear()


# Before the interpreter joins its threads and before concurrent.futures stops its workers; plain
# atexit would come after both.
_register: Callable[..., object] = getattr(threading, "_register_atexit", atexit.register)
_register(_finish)
if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_abandon)
