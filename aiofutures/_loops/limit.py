"""The limit on how many calls of an event loop run at once."""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from time import monotonic
from typing import Any, Protocol
from weakref import ref

from .._contract import Runnable
from .._snapshot import snapshot
from .blocking import block

_Resume = Callable[[], object]

#: The call whose place the running code takes up: that runs it, or that called what runs it. A weak
#: reference, as contexts live as long as tracebacks and tasks do.
running_call: ContextVar[ref[Runnable] | None] = ContextVar("aiofutures_running_call", default=None)


class RunsCallbacks(Protocol):
    """An event loop, as its limit sees it."""

    def is_current(self) -> bool:
        """Tell whether the caller runs on it."""
        ...

    def call_soon(self, callback: Callable[..., object], /, *args: Any) -> bool:
        """Schedule a callback, from any thread; False where there is no event loop any more."""
        ...

    def look_soon(self) -> None:
        """Have it look for the next call, as there is a place. Loop thread only."""


class Limit:
    """The places of the calls that run.

    A call that waits for another one of the same host lends its place meanwhile, so that no limit
    makes them wait for each other. It is lent as long as any task or thread of the call waits.

    The loop thread alone counts. A thread that wants its place back appears in `_threads` first,
    and then looks whether the loop has ended; a loop that ends says so first, and then looks there:
    one of the two sees the other.

    Args:
        max_workers: How many places there are.
        loop: The event loop that runs the calls.
    """

    def __init__(self, max_workers: int, loop: RunsCallbacks) -> None:
        self.max_workers = max_workers
        self._loop = loop
        self._taken: set[Runnable] = set()
        # How many tasks and threads of the call wait.
        self._lent: dict[Runnable, int] = {}
        self._returning: deque[tuple[Runnable, _Resume]] = deque()
        self._threads: dict[object, _Resume] = {}
        self._is_closed = False

    # From any thread.

    def lend(self) -> Callable[[_Resume], None] | None:
        """Lend the place of the caller's call, as `LendsPlaces` says."""
        reference = running_call.get()
        call = None if reference is None else reference()
        if call is None or call not in self._taken:
            return None
        if self._loop.is_current():
            self._lend(call)
        else:
            self._loop.call_soon(self._lend, call)
        return partial(self._take_back, call)

    @contextmanager
    def lent(self, timeout: float | None) -> Generator[None]:
        """Lend it during a block, as `LendsPlaces` says."""
        take_back = self.lend()
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

    def _take_back(self, call: Runnable, resume: _Resume) -> None:
        if self._loop.is_current():
            self._return(call, resume)
            return
        key = object()
        self._threads[key] = resume
        self._loop.call_soon(self._return, call, partial(self._resume, key))
        if self._is_closed:
            self._resume(key)

    def _resume(self, key: object) -> None:
        """Let a thread go on that wanted its place back, once."""
        resume = self._threads.pop(key, None)
        if resume is not None:
            resume()

    # On the loop thread.

    def has_place(self) -> bool:
        """Tell whether one more call may run. Loop thread only."""
        return len(self._taken) - len(self._lent) < self.max_workers

    def take(self, call: Runnable) -> None:
        """Give `call` a place until `leave`. Loop thread only."""
        self._taken.add(call)

    def leave(self, call: Runnable) -> None:
        """Take the place from `call`, which is done. Loop thread only."""
        self._taken.discard(call)
        self._lent.pop(call, None)
        self._give_back()

    def close(self) -> None:
        """Let all threads go on that wait for a place: the event loop runs no more."""
        self._is_closed = True
        for key in snapshot(self._threads):
            self._resume(key)

    def _lend(self, call: Runnable) -> None:
        """Let another call run in the place of `call`. Loop thread only."""
        if call in self._taken:
            self._lent[call] = self._lent.get(call, 0) + 1
            self._give_back()
            self._loop.look_soon()

    def _return(self, call: Runnable, resume: _Resume) -> None:
        """Call `resume` as soon as there is a place for `call` again. Loop thread only."""
        if self._lent.get(call) == 1:
            self._returning.append((call, resume))
            self._give_back()
            return
        # Others of the call still wait, or it is done and has none.
        self._end_loan(call)
        resume()

    def _give_back(self) -> None:
        """Let those who wait for a place go on, first come, first served. Loop thread only."""
        while self._returning and self.has_place():
            call, resume = self._returning.popleft()
            self._end_loan(call)
            resume()

    def _end_loan(self, call: Runnable) -> None:
        """Count one less who waits of `call`. Loop thread only."""
        waiting = self._lent.pop(call, 0) - 1
        if waiting > 0:
            self._lent[call] = waiting
