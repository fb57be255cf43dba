"""The doorbell that wakes a loop thread to look at its queue."""

from __future__ import annotations

import asyncio
import os
import select
import selectors
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, Final

from .._common.typing import override

# Any: gevent and eventlet remove them, now or later.
_epoll: Final[Any] = getattr(select, "epoll", None)
_EpollSelector: Final[Any] = getattr(selectors, "EpollSelector", None)


class Doorbell:
    """Calls `answer` on an event loop at least once after the last ring, from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, answer: Callable[[], object]) -> None:
        self._loop = loop
        self._answer = answer

    def ring(self) -> None:
        """Schedule a call of `answer`, unless the loop is closed."""
        try:
            self._loop.call_soon_threadsafe(self._answer)
        except RuntimeError:
            if not self._loop.is_closed():
                raise

    def remove(self) -> None:
        """Stop listening. Loop thread only."""


class EventDoorbell(Doorbell):
    """A doorbell over an eventfd, a Linux feature.

    It makes waiting for a call a third faster: asyncio's own wake-up makes the loop read twice, and
    the second read raises an exception. Here the loop reads once, or not at all where each write is
    an event of its own ("edge-triggered", see epoll(7)). Reading releases the GIL, and takes a
    tenth of the time of a call.
    """

    _fd = -1

    def __init__(self, loop: asyncio.AbstractEventLoop, answer: Callable[[], object]) -> None:
        super().__init__(loop, answer)
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        if not _answer_each_write(loop, self._fd, answer):
            loop.add_reader(self._fd, self._read)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # Not in `remove`: a thread may still ring, and the number could refer to another file. At
        # the end of the interpreter this module may be empty.
        if self._fd >= 0:
            close(self._fd)

    @override
    def ring(self) -> None:
        os.eventfd_write(self._fd, 1)

    @override
    def remove(self) -> None:
        self._loop.remove_reader(self._fd)

    def _read(self) -> None:
        # After a callback raised SystemExit, asyncio reports the same ring again.
        try:
            os.eventfd_read(self._fd)
        except BlockingIOError:
            return
        self._answer()


def _answer_each_write(
    loop: asyncio.AbstractEventLoop, fd: int, answer: Callable[[], object]
) -> bool:
    """Call `answer` on `loop` after each write to an eventfd, which nobody reads.

    Returns:
        False if that is impossible. Another reader may then replace it.
    """
    # A private name of asyncio's. Other loops, such as uvloop's, have no selector.
    selector: Any = getattr(loop, "_selector", None)
    if _epoll is None or type(selector) is not _EpollSelector or not _each_write_is_an_event():
        return False
    loop.add_reader(fd, answer)
    # A duplicate, as the object closes its file.
    with _epoll.fromfd(os.dup(selector.fileno())) as duplicate:
        try:
            duplicate.modify(fd, select.EPOLLIN | select.EPOLLET)
        except FileNotFoundError:
            # The loop watches it elsewhere.
            return False
    return True


@cache
def _each_write_is_an_event() -> bool:
    """Tell whether epoll reports each write to an eventfd that nobody reads, and only once.

    Linux does; this is for what only looks like Linux.
    """
    fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    try:
        with _epoll() as watching:
            watching.register(fd, select.EPOLLIN | select.EPOLLET)
            events = []
            for _ in range(2):
                os.eventfd_write(fd, 1)
                events += [len(watching.poll(0)), len(watching.poll(0))]
    finally:
        os.close(fd)
    return events == [1, 0, 1, 0]


def doorbell(loop: asyncio.AbstractEventLoop, answer: Callable[[], object]) -> Doorbell:
    """Return the fastest doorbell for `loop`; some loops do not support readers."""
    if sys.platform == "linux":
        with suppress(NotImplementedError):
            return EventDoorbell(loop, answer)
    return Doorbell(loop, answer)
