"""The doorbell that wakes a loop thread to look at its queue."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from .._common.typing import override


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

    It makes waiting for a call a fifth faster: the loop reads once, whereas asyncio's own wake-up
    makes it read twice, and the second read raises an exception.
    """

    _fd = -1

    def __init__(self, loop: asyncio.AbstractEventLoop, answer: Callable[[], object]) -> None:
        super().__init__(loop, answer)
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
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


def doorbell(loop: asyncio.AbstractEventLoop, answer: Callable[[], object]) -> Doorbell:
    """Return the fastest doorbell for `loop`; some loops do not support readers."""
    if sys.platform == "linux":
        with suppress(NotImplementedError):
            return EventDoorbell(loop, answer)
    return Doorbell(loop, answer)
