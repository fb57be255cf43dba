"""The pool of worker threads."""

from __future__ import annotations

import asyncio
import threading
from _thread import allocate_lock
from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import Context
from typing import Any, Final, Protocol

from .._common.logging import log_error
from .._common.snapshot import snapshot
from .lifecycle import Thread


class PoolItem(Protocol):
    """A call, as seen by the pool."""

    def run(self) -> bool:
        """Run the call and keep its outcome; False if it was cancelled. Does not raise."""

    def deliver(self) -> None:
        """Deliver the outcome of a call that has run."""

    def fail(self, error: BaseException, /) -> None:
        """End the call, which will not run, with `error`."""


class WorkerPool:
    """Runs items in threads, as many at once as a `ThreadPoolExecutor` does by default.

    A function in a worker thread may wait for a task that itself needs a worker thread, and so on.
    In a pool of fixed size, enough of these would wait for each other forever. Here a thread gives
    up its *slot* while it waits, and another thread takes the slot.

    A submit appends its item, then looks for a free slot. A thread that gives up a slot then looks
    for items. Either wakes at most one thread, which takes an item and wakes the next thread if
    there are more. So no item waits for a thread that never comes.

    Only worker threads take and give up slots, and signal handlers do not run in them. So no slot
    is lost, wherever a handler raises.

    Args:
        thread_name_prefix: Prefix of the threads' names.
    """

    def __init__(self, thread_name_prefix: str) -> None:
        self._name = thread_name_prefix
        self._size = ThreadPoolExecutor()._max_workers
        self._items: deque[PoolItem] = deque()
        self._threads: list[threading.Thread] = []
        # Whether the newest of them has not begun to work yet.
        self._starting = False
        self._closed = False
        # Idle threads wait to acquire it. While it is released, one of them is about to wake.
        self._bell = allocate_lock()
        self._bell.acquire()
        # The number of threads that wait for the bell or are about to, and of free slots, which is
        # negative when threads have returned from a wait.
        self._idle = 0
        self._free = self._size
        # Guards both counts. Only worker threads acquire it, and call nothing while they hold it.
        self._lock = allocate_lock()

    @staticmethod
    def current() -> WorkerPool | None:
        """Return the pool that the calling thread belongs to, if any."""
        return _here.pool

    @staticmethod
    def leave() -> None:
        """Make the calling thread an ordinary one, which ends with its item."""
        _here.pool = None

    def submit(self, item: PoolItem) -> None:
        """Run `item` as soon as there is a slot. It fails if no thread can be started."""
        self._items.append(item)
        self.wake()

    def wake(self) -> None:
        """Make a thread look at the items, if there are any and a slot is free."""
        if not self._items or self._free <= 0:
            return
        if self._idle:
            self._ring()
        elif not self._starting:
            self._start_thread()

    @contextmanager
    def blocked(self) -> Generator[None]:
        """Give up the calling thread's slot while it waits."""
        self.leave_slot()
        try:
            yield
        finally:
            self.take_slot()

    def leave_slot(self) -> None:
        """Give up the calling thread's slot as it begins to wait, possibly nested."""
        _here.waits += 1
        if _here.waits == 1:
            with self._lock:
                self._free += 1
            self.wake()

    def take_slot(self) -> None:
        """Take the slot back when the calling thread's last wait ends."""
        _here.waits -= 1
        # At once: in return, the next thread to finish its item takes no other.
        if _here.waits == 0:
            with self._lock:
                self._free -= 1

    def close(self) -> None:
        """Make threads end instead of waiting for items. Items submitted later still run."""
        self._closed = True
        self._ring()

    def join(self) -> None:
        """Wait until the threads have ended, after `close`."""
        # Threads that have ended may have started others.
        while alive := [thread for thread in snapshot(self._threads) if thread.is_alive()]:
            for thread in alive:
                thread.join()

    def _ring(self) -> None:
        if self._bell.locked():
            # Another thread may have released it first.
            with suppress(RuntimeError):
                self._bell.release()

    def _start_thread(self) -> None:
        name = f"{self._name}_{len(self._threads)}"
        thread = Thread(self._work, name)
        self._starting = True
        try:
            self._threads.append(thread)
            # In an empty context: in some versions of Python, the thread would keep the caller's.
            Context().run(thread.start)
        except BaseException as error:
            self._starting = False
            # A signal handler's error, as these do not run in worker threads: the thread may run.
            if not isinstance(error, RuntimeError) and self.current() is not self:
                raise
            self._threads.remove(thread)
            self._do_without(error)

    def _do_without(self, error: BaseException) -> None:
        """Fail the items, unless some thread will take them."""
        while self._items and not self._idle and self._free == self._size:
            with suppress(IndexError):
                self._items.popleft().fail(error)
        if self._idle:
            self._ring()

    # In a worker thread.

    def _work(self) -> None:
        """Run items, and wait for more until the pool is closed."""
        _here.pool = self
        self._starting = False
        # The last item, not delivered yet.
        ended: list[PoolItem] = []
        while True:
            self._run_items(ended)
            # The item called `leave`.
            if _here.pool is not self:
                return
            # Only now that this thread is idle: if the task submits another item, none is started.
            _deliver(ended)
            self.wake()
            if self._closed and not self._items:
                break
            self._bell.acquire()
            with self._lock:
                self._idle -= 1
        self._end()

    def _run_items(self, ended: list[PoolItem]) -> None:
        """Run items while there are items and slots, and leave the last item in `ended`."""
        with self._lock:
            if self._free <= 0:
                self._idle += 1
                return
            self._free -= 1
        while _here.pool is self and (item := self._next_item()) is not None:
            _deliver(ended)
            self.wake()
            if item.run():
                ended.append(item)
            # Waits in an event loop that the item has left.
            while _here.waits > 0:
                self.take_slot()
        # No variable holds an item now: the traceback of an exception leads to this frame.

    def _next_item(self) -> PoolItem | None:
        """Return the next item for a thread that has a slot, or give up the slot."""
        if self._free >= 0:
            try:
                return self._items.popleft()
            except IndexError:
                pass
        with self._lock:
            self._free += 1
            self._idle += 1
        return None

    def _end(self) -> None:
        """Leave items that came too late for this thread to other threads."""
        with self._lock:
            self._idle -= 1
        self.wake()
        # They must end, too.
        if self._idle:
            self._ring()


class _Here(threading.local):
    """The state of a thread."""

    pool: WorkerPool | None = None
    waits = 0


_here: Final = _Here()


def leave_slot_for(future: asyncio.Future[Any]) -> None:
    """Give up the thread's slot until `future` is done, which its own event loop waits for."""
    pool = WorkerPool.current()
    if pool is not None:
        pool.leave_slot()
        # Not with the method of a subclass, which may take the callback for a task's.
        asyncio.Future.add_done_callback(future, lambda _: pool.take_slot(), context=Context())


def _deliver(ended: list[PoolItem]) -> None:
    """Deliver the item in `ended`, if any. The thread continues even if that fails."""
    try:
        while ended:
            ended.pop().deliver()
    except BaseException as error:
        log_error(error, "cannot deliver the outcome of a call in a worker thread")
