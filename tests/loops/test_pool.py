"""The thread pool in which a thread that waits takes up no place."""

import concurrent.futures
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import LIMIT, Gate, Halt, in_thread, until

from aiofutures._loops.pool import WorkerPool

_PLACES = ThreadPoolExecutor()._max_workers


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    """A pool, shut down after the test."""
    pool = WorkerPool("test")
    yield pool
    pool.shutdown()


def test_result_and_exception(pool: WorkerPool) -> None:
    """A call's future has what it returns or raises."""
    with pytest.raises(TypeError):
        pool.submit(len, 3).result(LIMIT)  # type: ignore[arg-type]  # that is what is tried

    assert pool.submit(divmod, 7, 2).result(LIMIT) == (3, 1)


def test_current(pool: WorkerPool) -> None:
    """A thread of a pool knows it; other threads have none."""
    assert WorkerPool.current() is None
    assert pool.submit(WorkerPool.current).result(LIMIT) is pool


def test_as_many_threads_as_a_thread_pool_has(pool: WorkerPool) -> None:
    """No more calls run at once than in a ThreadPoolExecutor of the default size."""
    with Gate() as gate:
        calls = [pool.submit(gate.block) for _ in range(_PLACES + 3)]
        gate.arrived(_PLACES)

        assert [call.running() for call in calls] == [True] * _PLACES + [False] * 3

    concurrent.futures.wait(calls, LIMIT)
    for call in calls:
        call.result(0)


def test_cancelled_call_never_runs(pool: WorkerPool) -> None:
    """A call that waits for a place and is cancelled never runs."""
    ran = threading.Event()
    with Gate() as gate:
        blocking = [pool.submit(gate.block) for _ in range(_PLACES)]
        gate.arrived(_PLACES)
        call = pool.submit(ran.set)

        assert call.cancel()

    concurrent.futures.wait(blocking, LIMIT)
    pool.submit(len, "ab").result(LIMIT)
    pool.shutdown()
    assert not ran.is_set()


def test_lent_place(pool: WorkerPool) -> None:
    """A thread that lends its place lets another call run; afterwards there is one place less."""
    with Gate() as gate, Gate() as lent, Gate() as others:

        def lend() -> None:
            gate.block()
            with pool.place_lent():
                lent.block()

        lending = [pool.submit(lend) for _ in range(_PLACES)]
        gate.arrived(_PLACES)
        calls = [pool.submit(others.block) for _ in range(_PLACES + 1)]
        gate.open()
        lent.arrived(_PLACES)

        others.arrived(_PLACES)  # all places are lent, and taken by these
        assert not calls[-1].running()
        lent.open()
        concurrent.futures.wait(lending, LIMIT)
        assert not calls[-1].running()

        others.open()
        concurrent.futures.wait(calls, LIMIT)

    with Gate() as again:
        calls = [pool.submit(again.block) for _ in range(_PLACES + 1)]
        again.arrived(_PLACES)
        assert [call.running() for call in calls].count(True) == _PLACES
    for call in (*lending, *calls):
        call.result(LIMIT)


def test_after_shutdown(pool: WorkerPool) -> None:
    """After the shutdown calls are refused, and nothing is left of them."""
    pool.shutdown()

    for _ in range(2):
        with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
            pool.submit(len, "ab")

    assert not pool._calls


@pytest.mark.skipif(sys.platform != "linux", reason="a stack that is too large is of Linux")
@pytest.mark.parametrize("blocks", [True, False])
def test_no_thread_to_be_had_but_a_busy_one(pool: WorkerPool, blocks: bool) -> None:
    """Where no thread can start and one that was busy takes the call, all is well."""
    with Gate() as busy, Gate() as gate:
        blocking = pool.submit(busy.block)
        busy.arrived()
        with Halt(ThreadPoolExecutor._adjust_thread_count, "t.start()") as halt:
            submitting = in_thread(halt.call, lambda: pool.submit(gate.block))
            halt.arrived()
            busy.open()
            gate.arrived()  # in the thread that was busy
            if not blocks:
                gate.open()
                until(lambda: pool._free_places == _PLACES)  # it has looked for more
            threading.stack_size(1 << 47)
            try:
                halt.go_on()
                call = submitting.result(LIMIT)
            finally:
                threading.stack_size(0)
        gate.open()

        call.result(LIMIT)
        blocking.result(LIMIT)
    assert pool.submit(len, "abc").result(LIMIT) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="a stack that is too large is of Linux")
def test_no_thread_to_be_had(pool: WorkerPool) -> None:
    """Where no thread can start, `submit` says so; a later call runs."""
    threading.stack_size(1 << 47)
    try:
        with pytest.raises(RuntimeError, match="can't start new thread"):
            pool.submit(len, "ab")
    finally:
        threading.stack_size(0)

    assert pool.submit(len, "abc").result(LIMIT) == 3
