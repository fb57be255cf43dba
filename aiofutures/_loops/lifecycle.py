"""The loop threads that run in this process, at the end of the interpreter and after a fork."""

from __future__ import annotations

import asyncio
import atexit

# Exit hooks run in reverse order: that of the worker threads must be registered before ours.
import concurrent.futures.thread  # noqa: F401
import os
import threading
import weakref
from collections.abc import Callable
from typing import Protocol


class Abandonable(Protocol):
    """An owner of threads that a forked child does not have."""

    def abandon(self) -> None: ...


class Closable(Protocol):
    """An owner of idle threads, which the end of the interpreter would wait for."""

    def close(self) -> None: ...


class EndsAtExit(Abandonable, Closable, Protocol):
    """A loop thread, as this module sees it."""

    cancel_at_exit: bool

    def cancel_all(self) -> None: ...
    def cancel_closing(self) -> None: ...
    def join(self) -> None: ...


#: The loop threads that have started and not ended, by their event loop.
running_loop_threads: dict[asyncio.AbstractEventLoop, EndsAtExit] = {}

#: Owners of threads, also of one about to start, or of locks: for a forked child.
abandonable: weakref.WeakSet[Abandonable] = weakref.WeakSet()

#: Owners of idle threads that no loop thread ends.
closable: weakref.WeakSet[Closable] = weakref.WeakSet()

#: Whether the interpreter is exiting, so that no thread can start any more.
exiting = threading.Event()


def _finish() -> None:
    """Finish all calls before the interpreter exits; Ctrl-C cancels them."""
    try:
        exiting.set()
        _end_loop_threads(cancel=False)
    except (KeyboardInterrupt, SystemExit):
        _end_loop_threads(cancel=True)
    finally:
        for owner in tuple(closable):
            owner.close()


def _end_loop_threads(*, cancel: bool) -> None:
    for loop_thread in running_loop_threads.copy().values():
        loop_thread.close()
        if cancel or loop_thread.cancel_at_exit:
            loop_thread.cancel_all()
        if cancel:
            loop_thread.cancel_closing()
    for loop_thread in running_loop_threads.copy().values():
        loop_thread.join()


def _abandon() -> None:
    """Leave the threads of the parent process to it."""
    for owner in tuple(abandonable):
        owner.abandon()
    running_loop_threads.clear()


# This runs before the interpreter joins its threads and concurrent.futures stops its workers;
# plain atexit would run after both.
_register: Callable[..., object] = getattr(threading, "_register_atexit", atexit.register)
_register(_finish)
if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_abandon)
