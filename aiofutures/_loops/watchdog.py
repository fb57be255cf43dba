"""The watchdog that reports what blocks an event loop."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import monotonic
from types import CodeType, FrameType
from typing import Final

from .._logging import log_warning
from .lifecycle import Thread

# Samples per time-out: the warning is late by at most a fifth of it.
_LOOKS: Final = 5
_RUN_CALLBACK: Final = asyncio.Handle._run.__code__
_LOOP: Final = (
    asyncio.BaseEventLoop.run_forever.__code__,
    getattr(asyncio.BaseEventLoop, "_run_once").__code__,  # noqa: B009  not in typeshed
)


class _Pulse:
    """The time at which `loop` turned last, to within `interval` seconds while it turns."""

    def __init__(self, loop: asyncio.AbstractEventLoop, interval: float) -> None:
        self._loop = loop
        self._interval = interval
        self._timer: asyncio.TimerHandle
        self.last: float
        self.beat()

    def beat(self) -> None:
        """Note the time, from now on in each interval. Loop thread only."""
        self.last = monotonic()
        self._timer = self._loop.call_later(self._interval, self.beat)

    def stop(self) -> None:
        """Note no more. Loop thread only."""
        self._timer.cancel()


class Watchdog:
    """Warns while a callback holds the loop called `name` for longer than `timeout` seconds.

    It samples the stack of the thread. If the same callback is still on it and the loop has not
    turned, the callback blocks. The loop only runs an occasional timer, at no measurable cost. The
    function with the code `entry` runs the loop; the functions it calls are callbacks.
    """

    def __init__(self, timeout: float, entry: CodeType, name: str) -> None:
        self._timeout = timeout
        self._entry = entry
        self._name = name

    @contextmanager
    def watching(self, loop: asyncio.AbstractEventLoop) -> Generator[None]:
        """Watch `loop`, which the calling thread runs inside the block."""
        pulse, stopped = _Pulse(loop, self._timeout / _LOOKS), threading.Event()
        name, args = f"{self._name}-watchdog", (pulse, threading.get_ident(), stopped)
        watching = Thread(self._watch, name, args)
        try:
            watching.start()
        except RuntimeError as error:
            # No thread can be started. The calls matter more.
            log_warning("cannot watch the event loop %s: %s", self._name, error)
            pulse.stop()
            yield
            return
        try:
            yield
        finally:
            pulse.stop()
            stopped.set()
            watching.join()

    def _watch(self, pulse: _Pulse, thread: int, stopped: threading.Event) -> None:
        callback: FrameType | None = None
        warned = False
        cpu_time = _cpu_clock(thread)
        looked = since = beaten = monotonic()
        used = cpu_time()
        while not stopped.wait(self._timeout / _LOOKS):
            # The stack first: the callback may continue as soon as this thread releases the GIL.
            stack = self._stack(sys._current_frames().get(thread))
            now, used_before, used = monotonic(), used, cpu_time()
            # A C function that holds the GIL stops this thread too. The callback found afterwards
            # has been running since the loop turned last, unless the machine was just busy.
            was_stopped = min(now - looked, 2 * (used - used_before)) >= self._timeout
            if pulse.last != beaten:
                beaten = pulse.last
                callback, since, warned = None, now, False
            found = stack[-1][0] if stack else None
            if found is not callback:
                callback, since = found, max(looked, beaten) if was_stopped else now
            if now - since >= self._timeout and not warned:
                self._warn(now - since, stack)
                warned = True
            looked = now
            del stack, found

    def _stack(self, frame: FrameType | None) -> list[tuple[FrameType, int]]:
        """Return the frames and lines of the running callback, innermost first; none if idle.

        Each run of a callback has its own outermost frame. With uvloop, that is the frame of the
        function or coroutine. A coroutine has the same frame in every step, but takes only one step
        in a turn of the loop.
        """
        stack: list[tuple[FrameType, int]] = []
        while frame is not None and frame.f_code not in _LOOP:
            if frame.f_code is self._entry:
                return stack
            stack.append((frame, frame.f_lineno))
            if frame.f_code is _RUN_CALLBACK:
                return stack
            frame = frame.f_back
        return []

    def _warn(self, seconds: float, stack: list[tuple[FrameType, int]]) -> None:
        ours = (_RUN_CALLBACK.co_filename, self._entry.co_filename)
        summary = traceback.StackSummary.extract(
            (frame, line) for frame, line in reversed(stack) if frame.f_code.co_filename not in ours
        )
        where = "a callback not written in Python"
        if summary:
            where = f"{summary[-1].name}() in {summary[-1].filename}:{summary[-1].lineno}"
        message = "the event loop %s has been blocked for %.2f seconds by %s\n%s"
        log_warning(message, self._name, seconds, where, "".join(summary.format()))


def _cpu_clock(thread: int) -> Callable[[], float]:
    """Return a clock of a thread's CPU time in seconds, or of real time if unavailable."""
    if hasattr(time, "pthread_getcpuclockid"):
        return functools.partial(time.clock_gettime, time.pthread_getcpuclockid(thread))
    return monotonic
