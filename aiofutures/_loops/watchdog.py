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
from typing import Final, NamedTuple

from .._common.logging import log_warning
from .lifecycle import Thread

# Samples per time-out: the warning is late by at most a fifth of it.
_LOOKS: Final = 5
_RUN_CALLBACK: Final = asyncio.Handle._run.__code__
_LOOP: Final = (
    asyncio.BaseEventLoop.run_forever.__code__,
    getattr(asyncio.BaseEventLoop, "_run_once").__code__,  # noqa: B009  not in typeshed
)


class _Moment(NamedTuple):
    """A point in time, and the CPU time that the loop thread had used by then, in seconds."""

    now: float
    cpu: float


class _Pulse:
    """The moment at which `loop` turned last, to within `interval` seconds while it turns.

    `clock` tells the moment.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, interval: float, clock: Callable[[], _Moment]
    ) -> None:
        self.clock = clock
        self.last: _Moment
        self._loop = loop
        self._interval = interval
        self._timer: asyncio.TimerHandle
        self.beat()

    def beat(self) -> None:
        """Note the moment, from now on in each interval. Loop thread only."""
        self.last = self.clock()
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
        self._interval = timeout / _LOOKS
        self._entry = entry
        self._name = name

    @contextmanager
    def watching(self, loop: asyncio.AbstractEventLoop) -> Generator[None]:
        """Watch `loop`, which the calling thread runs inside the block."""
        thread, stopped = threading.get_ident(), threading.Event()
        pulse = _Pulse(loop, self._interval, _clock(thread))
        name, args = f"{self._name}-watchdog", (pulse, thread, stopped)
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
        looked = beaten = pulse.clock()
        since = looked.now
        while not stopped.wait(self._interval):
            # The stack first: the callback may continue as soon as this thread releases the GIL.
            stack = self._stack(sys._current_frames().get(thread))
            moment = pulse.clock()
            if pulse.last != beaten:
                beaten = pulse.last
                callback, since, warned = None, moment.now, False
            found = stack[-1][0] if stack else None
            if found is not callback:
                # A C function that holds the GIL stops this thread too. The callback found
                # afterwards has been running since the last look, or the last turn that the pulse
                # may have missed, unless the machine was just busy.
                begin = max(looked.now, beaten.now + self._interval)
                cpu = moment.cpu - max(looked, beaten).cpu
                was_stopped = min(moment.now - begin, 2 * cpu) >= self._timeout
                callback, since = found, begin if was_stopped else moment.now
            if stack is None:
                since = moment.now
            elif moment.now - since >= self._timeout and not warned:
                self._warn(moment.now - since, stack)
                warned = True
            looked = moment
            del stack, found

    def _stack(self, frame: FrameType | None) -> list[tuple[FrameType, int]] | None:
        """Return the frames and lines of the running callback, innermost first; None if idle.

        Each run of a callback has its own outermost frame. With uvloop, that is the frame of the
        function or coroutine. A coroutine has the same frame in every step, but takes only one step
        in a turn of the loop.
        """
        stack: list[tuple[FrameType, int]] = []
        while frame is not None and frame.f_code not in _LOOP:
            if frame.f_code is self._entry:
                # uvloop, which is idle or runs a callback in C.
                return stack
            stack.append((frame, frame.f_lineno))
            if frame.f_code is _RUN_CALLBACK:
                return stack
            frame = frame.f_back
        # Between two callbacks there are finalizers, for instance; only the selector is idle.
        is_idle = frame is None or (bool(stack) and stack[-1][0].f_code.co_name == "select")
        return None if is_idle else stack

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


def _clock(thread: int) -> Callable[[], _Moment]:
    """Return a clock of real time and a thread's CPU time; real time, where it is unavailable."""
    cpu: Callable[[], float] = monotonic
    if hasattr(time, "pthread_getcpuclockid"):
        cpu = functools.partial(time.clock_gettime, time.pthread_getcpuclockid(thread))
    return lambda: _Moment(monotonic(), cpu())
