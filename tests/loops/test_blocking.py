"""How a thread waits."""

import concurrent.futures
import threading
from _thread import allocate_lock

import pytest
from support import LIMIT, in_thread, is_in, until

from aiofutures import Future
from aiofutures._loops import blocking
from aiofutures._loops.blocking import block


def test_wait_longer_than_a_lock_can() -> None:
    """A time-out beyond what the platform's locks take is as good as none."""
    future: Future[int] = Future()
    waiting = in_thread(future.result, 1e15)

    future.set_result(1)

    assert waiting.result() == 1


def test_event_of_a_waiter() -> None:
    """What `wait` waits for tells whether it is set, as an event does."""
    future: Future[int] = Future()
    waiting = in_thread(concurrent.futures.wait, [future], LIMIT)
    until(lambda: bool(future._waiters))
    event = next(iter(future._waiters)).event
    before = event.is_set()

    future.set_result(1)

    assert waiting.result(LIMIT).done == {future}
    assert (before, event.is_set()) == (False, True)


def test_wait_that_looks_for_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that goes on after each look ends when it is released, and not before."""
    monkeypatch.setattr(blocking, "_LOOKS_FOR_SIGNALS", True)
    monkeypatch.setattr(blocking, "_LOOK", 0.01)
    gate = allocate_lock()
    gate.acquire()

    def release() -> None:
        until(lambda: is_in(threading.main_thread(), block))
        assert not threading.Event().wait(0.05)
        gate.release()

    releasing = in_thread(release)

    assert block(gate)
    assert not block(gate, 0.05)
    assert not block(gate, 0.001)
    releasing.result(LIMIT)
