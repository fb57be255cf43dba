"""The limit on how many calls of several event loops run at once."""

from __future__ import annotations

from collections import deque
from threading import RLock
from typing import Protocol

from .._common.snapshot import snapshot
from .._common.typing import override
from .limit import Limit, RunsCallbacks


class Drains(RunsCallbacks, Protocol):
    """One of the event loops, as its limit sees it."""

    def drain(self) -> None:
        """Start what is queued, as far as there are places. Loop thread only."""


class Places:
    """The places that several event loops share.

    A loop takes a place out before it starts a call. One that finds none gets the next that is
    given back: first asked, first served. Only loop threads come here, in which no signal handler
    runs. But the interpreter may collect garbage under the lock, and so end a wait that comes here
    again: hence it is reentrant, and no sum is cut in two by a call.

    Args:
        count: How many places there are.
    """

    def __init__(self, count: int) -> None:
        #: The limits of all event loops that have shared the places.
        self.limits: list[SharedLimit] = []
        self.visitors: dict[object, None] = {}
        self._free = count
        self._asking: deque[SharedLimit] = deque()
        self._lock = RLock()

    def are_taken(self) -> bool:
        """Tell whether all are taken at this moment."""
        return self._free <= 0

    def ask(self, limit: SharedLimit) -> bool:
        """Give `limit` a place; False where there is none, and it gets one later."""
        with self._lock:
            if self._free > 0:
                self._free -= 1
                limit.held += 1
                return True
            if limit not in self._asking:
                self._asking.append(limit)
            return False

    def give(self, limit: SharedLimit, count: int) -> None:
        """Take so many places from `limit`, for those who ask."""
        receivers: list[SharedLimit] = []
        with self._lock:
            # A loop that has just got one may leave it and end before it is notified.
            if count > limit.held:
                count = limit.held
            limit.held -= count
            self._free += count
            while self._free > 0 and self._asking:
                self._free -= 1
                receivers.append(self._asking.popleft())
                receivers[-1].held += 1
        for receiver in receivers:
            if not receiver.notify():
                # Its loop runs no more.
                self.give(receiver, 1)

    def leave(self, limit: SharedLimit) -> None:
        """Take all places from `limit`, which asks for no more."""
        with self._lock:
            for limits in (self._asking, self.limits):
                if limit in limits:
                    limits.remove(limit)
            count = limit.held
        self.give(limit, count)


class SharedLimit(Limit):
    """The limit of one of the event loops that share places.

    It counts its own calls as any limit does, and holds a place for each that runs. One more is
    held from the moment at which a call may run until it does: it is given back at the end of each
    look at the queue.

    Args:
        places: The places.
        loop: The event loop that runs the calls.
    """

    def __init__(self, places: Places, loop: Drains) -> None:
        # What it holds is in `held`.
        super().__init__(0, loop)
        #: How many places it holds. `Places` alone changes it.
        self.held = 0
        self._places = places
        self._drain = loop.drain
        self._visitors = places.visitors
        places.limits.append(self)

    def notify(self) -> bool:
        """Have the loop use a place that it has got; False where it runs no more."""
        return self._loop.call_soon(self._use)

    @override
    def _is_visitor(self) -> bool:
        is_here = any(each._loop.is_current() for each in snapshot(self._places.limits))
        return not is_here and super()._is_visitor()

    @override
    def _relieve_soon(self) -> None:
        for each in snapshot(self._places.limits):
            super(SharedLimit, each)._relieve_soon()

    @override
    def has_place(self) -> bool:
        """Tell whether one more call may run, and keep the place for it. Loop thread only."""
        return self.held > self._needed() or self._places.ask(self)

    def tidy(self) -> None:
        """Give back the places that no call needs. Loop thread only."""
        spare = self.held - self._needed()
        if spare > 0:
            self._places.give(self, spare)

    def leave_places(self) -> None:
        """Leave all places to the other loops: this one ends. Loop thread only."""
        self._places.leave(self)

    def _use(self) -> None:
        """Use a place, for those first who wait for theirs. Loop thread only."""
        super()._resume_next()
        self._drain()

    @override
    def _resume_next(self) -> None:
        """Let those who wait for a place go on, and others after them. Loop thread only."""
        super()._resume_next()
        self.tidy()

    @override
    def _is_full(self) -> bool:
        return self._places.are_taken()

    def _needed(self) -> int:
        """Return how many calls run, which do not lend their places. Loop thread only."""
        return len(self._taken) - len(self._lent)
