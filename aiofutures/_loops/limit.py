"""The limit on the number of calls that an event loop runs at once."""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from time import monotonic
from typing import Any, Protocol, TypeAlias
from weakref import ref

from .._common.contract import Host, HostLimit, Runnable, TakeBack
from .._common.snapshot import snapshot
from .blocking import block

_Resume: TypeAlias = Callable[[], object]

#: The call whose place the running code occupies, directly or through the calls that led to it. A
#: weak reference, as tracebacks and tasks keep contexts alive.
running_call: ContextVar[ref[Runnable] | None] = ContextVar("aiofutures_running_call", default=None)


def lend(host: Host | None) -> TakeBack | None:
    """Lend places while the caller waits for a call of `host`; None if it changes nothing.

    The caller's own place, and those that calls of `host` do not need while they pause.
    """
    if host is None:
        return None
    limit = host.limit
    place = _lend_own(limit)
    visit = None if limit is None else limit.visit()
    if place is None or visit is None:
        return place or visit
    return partial(_take_back_both, place, visit)


def pause() -> TakeBack | None:
    """Lend the caller's place while it waits for what needs no place; None as in `lend`."""
    return None if running_call.get() is None else _lend_own(None)


def lends_nothing(host: Host | None) -> bool:
    """Tell quickly whether `lend` would change nothing."""
    return host is None or (running_call.get() is None and host.limit is None)


def _lend_own(limit: HostLimit | None) -> TakeBack | None:
    future = _running_call()
    if future is None or future._host is None or future._host.limit is None:
        return None
    return future._host.limit.lend(future, limit)


def _take_back_both(place: TakeBack, visit: TakeBack, resume: _Resume) -> None:
    visit(partial(place, resume))


@contextmanager
def lent(host: Host | None, timeout: float | None) -> Generator[None]:
    """Lend places during a block, then wait until the caller has one again.

    Args:
        host: The host of the call that the thread waits for.
        timeout: Maximum number of seconds for both; None means no limit.
    """
    take_back = lend(host)
    if take_back is None:
        yield
        return
    end = None if timeout is None else monotonic() + timeout
    gate = allocate_lock()
    gate.acquire()
    try:
        yield
    finally:
        take_back(gate.release)
    block(gate, None if end is None else end - monotonic())


def _running_call() -> Runnable | None:
    reference = running_call.get()
    return None if reference is None else reference()


class RunsCallbacks(Protocol):
    """An event loop, as seen by its limit."""

    def is_current(self) -> bool:
        """Tell whether the caller runs on it."""
        ...

    def is_elsewhere(self) -> bool:
        """Tell whether the caller runs on another's event loop, or in its worker threads."""
        ...

    def is_visitor(self) -> bool:
        """Tell whether the caller is part of some call, but not on this event loop."""
        ...

    def call_soon(self, callback: Callable[..., object], /, *args: Any) -> bool:
        """Schedule a callback, from any thread; False if the event loop is gone."""
        ...

    def look_soon(self) -> None:
        """Look for the next call soon, as there is a place. Loop thread only."""


class Limit:
    """The places of running calls.

    A call that waits for another call which needs a place, here or elsewhere, lends its own in the
    meantime, so that limits cannot make calls wait for each other. The place is lent as long as any
    task or thread of the call waits. A call that waits for something which needs no place *pauses*:
    it lends its place only where *visitors*, parts of calls that run elsewhere, wait for a call or
    for their own place here while every call that has one pauses. Perhaps it waits for them.

    Only the loop thread counts. A thread that wants its place back first appears in `_threads`,
    then checks whether the loop has ended; a loop that ends first says so, then looks there. So one
    of the two sees the other.

    Args:
        max_workers: How many places there are.
        loop: The event loop that runs the calls.
    """

    def __init__(self, max_workers: int, loop: RunsCallbacks) -> None:
        self.max_workers = max_workers
        self._loop = loop
        self._taken: set[Runnable] = set()
        # For each call: how many of its tasks and threads wait, and how many pause.
        self._lent: dict[Runnable, int] = {}
        self._paused: dict[Runnable, int] = {}
        # Any thread adds and removes them.
        self._visitors: dict[object, None] = {}
        self._returning: deque[tuple[Runnable, _Resume]] = deque()
        self._threads: dict[object, _Resume] = {}
        self._is_closed = False

    # From any thread.

    def lend(self, future: Runnable, limit: HostLimit | None) -> TakeBack | None:
        """Lend the place of `future` while the caller waits, as `HostLimit` says."""
        if future not in self._taken or self._loop.is_elsewhere():
            return None
        # Calls that pause may wait for a task or thread elsewhere that wants its place back.
        visit = None if self._loop.is_current() else object()
        self._soon(self._pause if limit is None else self._lend, future)
        end = self._go_on if limit is None else self._return
        return partial(self._take_back, partial(end, future, visit), visit)

    def visit(self) -> TakeBack | None:
        """Have calls lend their places while the caller waits, as `HostLimit` says."""
        if not self._is_visitor():
            return None
        key = object()
        self._visitors[key] = None
        self._relieve_soon()
        return partial(self._end_visit, key)

    def _is_visitor(self) -> bool:
        """Tell whether the caller is part of some call, but not on one of these event loops."""
        return self._loop.is_visitor()

    def _relieve_soon(self) -> None:
        # A call that pauses later looks for visitors itself.
        if self._paused:
            self._soon(self._relieve)

    def claim(self, resume: _Resume) -> None:
        """Give the running call a place, as `HostLimit` says. Loop thread only."""
        future = _running_call()
        assert future is not None  # noqa: S101  its own, whose limit this is
        self._return(future, None, resume)

    def _soon(self, change: Callable[..., None], *args: Any) -> None:
        if self._loop.is_current():
            change(*args)
        else:
            self._loop.call_soon(change, *args)

    def _end_visit(self, key: object, resume: _Resume) -> None:
        """Resume a visitor."""
        self._visitors.pop(key, None)
        resume()

    def _take_back(
        self, end: Callable[[_Resume], None], visit: object | None, resume: _Resume
    ) -> None:
        if visit is not None:
            resume = partial(self._end_visit, visit, resume)
        if self._loop.is_current():
            end(resume)
            return
        key = object()
        self._threads[key] = resume
        self._loop.call_soon(end, partial(self._resume, key))
        if self._is_closed:
            self._resume(key)

    def _resume(self, key: object) -> None:
        """Resume a thread that wanted its place back, once."""
        resume = self._threads.pop(key, None)
        if resume is not None:
            resume()

    # On the loop thread.

    def has_place(self) -> bool:
        """Tell whether one more call may run. Loop thread only."""
        return len(self._taken) - len(self._lent) < self.max_workers

    def take(self, future: Runnable) -> None:
        """Give `future` a place until `leave`; one that only waits lends it. Loop thread only."""
        self._taken.add(future)
        if future._only_waits:
            self._lent[future] = 1

    def leave(self, future: Runnable) -> None:
        """Take back the place of `future`, which is done. Loop thread only."""
        self._taken.discard(future)
        for counts in (self._lent, self._paused):
            counts.pop(future, None)
        self._resume_next()

    def close(self) -> None:
        """Resume all threads that wait for a place: the event loop has ended."""
        self._is_closed = True
        for key in snapshot(self._threads):
            self._resume(key)

    def _lend(self, future: Runnable) -> None:
        """Let another call use the place of `future`. Loop thread only."""
        if future in self._taken:
            _add(self._lent, future)
            self._resume_next()
            self._loop.look_soon()

    def _return(self, future: Runnable, visit: object | None, resume: _Resume) -> None:
        """Call `resume` as soon as there is a place for `future` again. Loop thread only."""
        if self._lent.get(future) == 1:
            self._returning.append((future, resume))
            self._resume_next()
            if visit is not None and self._returning:
                self._visitors[visit] = None
                self._relieve_soon()
            return
        # Other tasks of the call still wait, or it is done and has no place.
        _remove(self._lent, future)
        resume()

    def _resume_next(self) -> None:
        """Resume calls that wait for a place, first come, first served. Loop thread only."""
        while self._returning and self.has_place():
            future, resume = self._returning.popleft()
            _remove(self._lent, future)
            resume()
            if self._visitors and future in self._paused:
                # What has resumed may end, and leave the call with waits that pause.
                self._loop.call_soon(self._relieve)

    def _pause(self, future: Runnable) -> None:
        """Lend the place of `future` if visitors need it. Loop thread only."""
        if future in self._taken:
            _add(self._paused, future)
            self._relieve()

    def _relieve(self) -> None:
        """Lend one place to visitors, if all who have one pause. Loop thread only."""
        holders = len(self._taken) - len(self._lent)
        if not self._visitors or len(self._paused) < holders or not self._is_full():
            return
        if holders and holders == len(self._paused) - len(self._paused.keys() & self._lent.keys()):
            pausing = next(each for each in self._paused if each not in self._lent)
            for _ in range(self._paused.pop(pausing)):
                self._lend(pausing)

    def _is_full(self) -> bool:
        return not self.has_place()

    def _go_on(self, future: Runnable, visit: object | None, resume: _Resume) -> None:
        """End a pause of `future`. Loop thread only."""
        if future in self._paused:
            _remove(self._paused, future)
            resume()
        else:
            self._return(future, visit, resume)


def _add(counts: dict[Runnable, int], future: Runnable) -> None:
    counts[future] = counts.get(future, 0) + 1


def _remove(counts: dict[Runnable, int], future: Runnable) -> None:
    count = counts.pop(future, 0) - 1
    if count > 0:
        counts[future] = count
