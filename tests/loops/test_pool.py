"""The thread pool in which a thread that waits takes up no slot."""

import concurrent.futures
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest
from support import LIMIT, Gate, Halt, in_thread, until
from typing_extensions import override

from aiofutures._loops.pool import WorkerPool

_SLOTS = ThreadPoolExecutor()._max_workers
_START = "Context().run(thread.start)"


class Item:
    """Calls a function; its outcome is in a future."""

    def __init__(self, fn: Callable[..., Any], *args: Any) -> None:
        self.future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._call = fn, args

    def run(self) -> bool:
        """Call the function."""
        if not self.future.set_running_or_notify_cancel():
            return False
        fn, args = self._call
        self._outcome = fn(*args)
        return True

    def deliver(self) -> None:
        """Set the result."""
        self.future.set_result(self._outcome)

    def fail(self, error: BaseException) -> None:
        """Set the error."""
        self.future.set_exception(error)


class Undeliverable(Item):
    """Its outcome has nowhere to go."""

    @override
    def deliver(self) -> NoReturn:
        """Refuse."""
        raise SystemExit("refused")


Submit = Callable[..., "concurrent.futures.Future[Any]"]


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    """A pool, whose threads end after the test."""
    pool = WorkerPool("test")
    yield pool
    pool.close()
    pool.join()


@pytest.fixture
def submit(pool: WorkerPool) -> Submit:
    """Runs a function in the pool."""

    def submit(fn: Callable[..., Any], *args: Any) -> "concurrent.futures.Future[Any]":
        item = Item(fn, *args)
        pool.submit(item)
        return item.future

    return submit


@contextmanager
def no_threads() -> Iterator[None]:
    """No thread can start meanwhile."""
    threading.stack_size(1 << 47)
    try:
        yield
    finally:
        threading.stack_size(0)


needs_no_threads = pytest.mark.skipif(
    sys.platform != "linux", reason="a stack that is too large is of Linux"
)


def test_current(pool: WorkerPool, submit: Submit) -> None:
    """A thread of a pool knows it; other threads have none."""
    assert WorkerPool.current() is None
    assert submit(WorkerPool.current).result(LIMIT) is pool


def test_as_many_threads_as_a_thread_pool_has(submit: Submit) -> None:
    """No more items run at once than in a ThreadPoolExecutor of the default size."""
    with Gate() as gate:
        calls = [submit(gate.block) for _ in range(_SLOTS + 3)]
        gate.arrived(_SLOTS)

        assert [call.running() for call in calls] == [True] * _SLOTS + [False] * 3

    concurrent.futures.wait(calls, LIMIT)
    for call in calls:
        call.result(0)


def test_one_thread_for_one_at_a_time(pool: WorkerPool, submit: Submit) -> None:
    """A thread that has delivered an outcome is the one that takes the next item."""
    for _ in range(100):
        submit(len, "ab").result(LIMIT)

    assert len(pool._threads) == 1


def test_cancelled_item_never_runs(pool: WorkerPool, submit: Submit) -> None:
    """An item that waits for a slot and is cancelled never runs."""
    ran = threading.Event()
    with Gate() as gate:
        blocking = [submit(gate.block) for _ in range(_SLOTS)]
        gate.arrived(_SLOTS)
        call = submit(ran.set)

        assert call.cancel()

    concurrent.futures.wait(blocking, LIMIT)
    submit(len, "ab").result(LIMIT)
    pool.close()
    pool.join()
    assert not ran.is_set()


def test_blocked(pool: WorkerPool, submit: Submit) -> None:
    """A thread that waits leaves its slot to another; afterwards there is one slot less."""
    with Gate() as gate, Gate() as waiting, Gate() as others:

        def wait() -> None:
            gate.block()
            with pool.blocked():
                waiting.block()

        blocked = [submit(wait) for _ in range(_SLOTS)]
        gate.arrived(_SLOTS)
        calls = [submit(others.block) for _ in range(_SLOTS + 1)]
        gate.open()
        waiting.arrived(_SLOTS)

        others.arrived(_SLOTS)  # these have all slots now
        assert not calls[-1].running()
        waiting.open()
        concurrent.futures.wait(blocked, LIMIT)
        assert not calls[-1].running()

        others.open()
        concurrent.futures.wait(calls, LIMIT)

    with Gate() as again:
        calls = [submit(again.block) for _ in range(_SLOTS + 1)]
        again.arrived(_SLOTS)
        assert [call.running() for call in calls].count(True) == _SLOTS
    for call in (*blocked, *calls):
        call.result(LIMIT)


def test_outcome_that_cannot_be_delivered(
    pool: WorkerPool, submit: Submit, logged_errors: list[logging.LogRecord]
) -> None:
    """The thread goes on, and what was raised is logged."""
    pool.submit(Undeliverable(len, "ab"))
    until(lambda: pool._idle == 1)

    assert submit(len, "ab").result(LIMIT) == 2
    assert len(pool._threads) == 1
    assert [record.getMessage() for record in logged_errors] == [
        "cannot deliver the outcome of a call in a worker thread"
    ]
    logged_errors.clear()


class TestClose:
    """`close` and `join`."""

    def test_idle_threads_end(self, pool: WorkerPool, submit: Submit) -> None:
        """All threads end that wait for items."""
        with Gate() as gate:
            calls = [submit(gate.block) for _ in range(_SLOTS)]
            gate.arrived(_SLOTS)
        concurrent.futures.wait(calls, LIMIT)

        pool.close()

        for thread in pool._threads:
            thread.join(LIMIT)
        assert not any(thread.is_alive() for thread in pool._threads)

    def test_items_run(self, pool: WorkerPool, submit: Submit) -> None:
        """What waits for a slot still runs before they end, and so does what comes later."""
        with Gate() as gate:
            calls = [submit(gate.block) for _ in range(_SLOTS + 3)]
            gate.arrived(_SLOTS)

            pool.close()

        pool.join()
        assert all(call.done() for call in calls)
        assert submit(len, "ab").result(LIMIT) == 2

    def test_item_that_comes_too_late_for_a_thread(self, pool: WorkerPool, submit: Submit) -> None:
        """An item that counts on a thread which is about to end runs in another one."""
        with Halt(WorkerPool._end, "with self._lock").in_new_threads() as halt:
            pool.close()
            submit(len, "ab").result(LIMIT)
            halt.arrived()
            call = submit(len, "abc")
            halt.go_on()

            assert call.result(LIMIT) == 3


@needs_no_threads
class TestNoThreadToBeHad:
    """Where no thread can start."""

    def test_item_fails(self, submit: Submit) -> None:
        """An item fails that nobody can run; a later one runs."""
        with no_threads():
            call = submit(len, "ab")

            with pytest.raises(RuntimeError, match="can't start new thread"):
                call.result(LIMIT)

        assert submit(len, "abc").result(LIMIT) == 3

    def test_busy_thread(self, submit: Submit) -> None:
        """A thread that is busy takes the item when it is done with its own."""
        with Gate() as gate:
            blocking = submit(gate.block)
            gate.arrived()
            with no_threads():
                call = submit(len, "ab")
            gate.open()

            assert call.result(LIMIT) == 2
        blocking.result(LIMIT)

    def test_thread_that_is_idle_by_then(self, pool: WorkerPool, submit: Submit) -> None:
        """So does one that has become idle while the start was tried."""
        with Gate() as gate:
            blocking = submit(gate.block)
            gate.arrived()
            with Halt(WorkerPool._start_thread, _START) as halt:
                submitting = in_thread(halt.call, submit, len, "ab")
                halt.arrived()
                gate.open()
                blocking.result(LIMIT)
                until(lambda: pool._idle == 1)
                with no_threads():
                    halt.go_on()
                    assert submitting.result(LIMIT).result(LIMIT) == 2

    def test_blocked_thread(self, pool: WorkerPool, submit: Submit) -> None:
        """What would have to run while the only thread waits fails."""
        calls: list[concurrent.futures.Future[Any]] = []

        def wait() -> str:
            with no_threads():
                calls.append(submit(len, "ab"))
                with pool.blocked():
                    return str(calls[0].exception(LIMIT))

        assert submit(wait).result(LIMIT) == "can't start new thread"

    def test_others_rely_on_it(self, submit: Submit) -> None:
        """So does an item of another thread that has found the start under way."""
        with Halt(WorkerPool._start_thread, _START) as halt:
            submitting = in_thread(halt.call, submit, len, "ab")
            halt.arrived()
            calls = [submit(len, "abc")]
            with no_threads():
                halt.go_on()
                calls.append(submitting.result(LIMIT))

                for call in calls:
                    with pytest.raises(RuntimeError, match="can't start new thread"):
                        call.result(LIMIT)


def test_two_rings_at_once(pool: WorkerPool) -> None:
    """Of two threads that ring at the same moment, one is enough."""
    with Halt(WorkerPool._ring, "self._bell.release()") as halt:
        closing = in_thread(halt.call, pool.close)
        halt.arrived()
        pool.close()
        halt.go_on()

        closing.result(LIMIT)


class Leaving(Item):
    """It makes its thread an ordinary one, as a fork does in the child."""

    @override
    def run(self) -> bool:
        """Leave the pool."""
        WorkerPool.leave()
        return super().run()


def test_thread_that_has_left(pool: WorkerPool) -> None:
    """A thread that has left the pool in its item delivers nothing, and ends."""
    item = Leaving(threading.current_thread)

    pool.submit(item)

    until(lambda: bool(pool._threads) and not pool._threads[0].is_alive())
    assert item.future.running()


def test_thread_that_a_worker_cannot_start(
    pool: WorkerPool, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a worker thread cannot start another one, whatever the error, it goes on by itself."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if WorkerPool.current() is pool:
            raise MemoryError
        start(thread)

    with Gate() as gate:
        calls = [submit(gate.block)]
        gate.arrived()
        pool._starting = True
        calls += [submit(abs, -number) for number in range(3)]
        monkeypatch.setattr(threading.Thread, "start", refuse)
        pool._starting = False

    assert [call.result(LIMIT) for call in calls] == [None, 0, 1, 2]


def test_thread_that_wakes_too_late(pool: WorkerPool) -> None:
    """A thread that finds no slot when it wakes takes no item, and is idle again."""
    item = Item(abs, -1)
    pool._free = 0
    pool._items.append(item)

    pool._run_items([])

    assert (pool._idle, len(pool._items)) == (1, 1)
    pool._idle, pool._free = 0, pool._size
    pool.wake()
    assert item.future.result(LIMIT) == 1
