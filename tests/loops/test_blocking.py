"""How a thread waits."""

import concurrent.futures
import signal
import sys
import threading
from _thread import allocate_lock
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import pytest
from support import LIMIT, in_thread, is_in, until

from aiofutures import AsyncExecutor, Future
from aiofutures._loops import blocking
from aiofutures._loops.blocking import block, locked


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


class Interruption(Exception):
    """What a signal handler raises."""


#: How often the tests below interrupt the main thread, and after how many seconds each time.
INTERRUPTIONS: Final = 2000
INTERVAL: Final = 0.0001
#: When the timer rings again: Python 3.12 can overlook a signal while it looks at something else,
#: and then handles it only when the next one comes.
AGAIN: Final = 0.1

needs_timers = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="Windows has no signals of a timer"
)

#: What a handler raises in a finalizer.
drops_some = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@contextmanager
def signals() -> Iterator[None]:
    """Give the timer, and its signal, of pytest-timeout back at the end of the block."""
    timer = signal.setitimer(signal.ITIMER_REAL, 0)
    handler = signal.getsignal(signal.SIGALRM)
    # Where coverage traces, handlers run at points where otherwise none does.
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(trace)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def repeat_until_interrupted(fn: Callable[[], object]) -> None:
    """Call `fn` again and again until a signal handler raises in it.

    If that is in a finalizer, Python drops it. Without the GIL those of what other threads have
    dropped run here, too.
    """
    raised: list[Interruption] = []

    def interrupt(*_: object) -> None:
        if not raised:
            raised.append(Interruption())
            raise raised[0]

    def repeat() -> None:
        while not raised:
            fn()

    signal.signal(signal.SIGALRM, interrupt)
    with suppress(Interruption):
        signal.setitimer(signal.ITIMER_REAL, INTERVAL, AGAIN)
        # In a function of its own: the `with` block does not cover the jump of its loop.
        repeat()
    signal.setitimer(signal.ITIMER_REAL, 0)


@needs_timers
@drops_some
def test_lock_after_signals() -> None:
    """Wherever a signal handler raises, the lock is free afterwards."""
    lock = threading.RLock()

    with signals():
        for _ in range(INTERRUPTIONS):
            repeat_until_interrupted(lambda: locked(lock, locked, lock, int))

            assert in_thread(lock.acquire, blocking=False).result(LIMIT)
            lock = threading.RLock()


@needs_timers
@drops_some
def test_shutdown_after_signals() -> None:
    """Wherever a signal handler raises in `shutdown`, another thread can shut down as well."""
    executor = AsyncExecutor()

    with signals():
        for _ in range(INTERRUPTIONS):
            repeat_until_interrupted(executor.shutdown)

            in_thread(executor.shutdown).result(LIMIT)
    assert "running=0" in repr(executor)


def test_interrupted_wait_for_a_lock() -> None:
    """A thread whose wait for a lock was ended by a signal handler leaves that to its owner."""
    lock = threading.RLock()
    holding, released = threading.Event(), threading.Event()

    def hold() -> None:
        holding.set()
        released.wait(LIMIT)

    owner = in_thread(locked, lock, hold)
    holding.wait(LIMIT)

    class Interrupted:
        def acquire(self) -> None:
            raise Interruption

        release = lock.release

    with pytest.raises(Interruption):
        locked(Interrupted(), int)  # type: ignore[arg-type]  # a lock whose wait is interrupted
    assert not lock.acquire(blocking=False)
    released.set()
    owner.result(LIMIT)
    assert lock.acquire(blocking=False)
    lock.release()
