"""Those who wait for a future."""

import asyncio
import concurrent.futures
import gc
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest
from support import LIMIT, Gate, Halt, Refusing, in_thread, until
from typing_extensions import override

from aiofutures import AsyncExecutor, Future
from aiofutures._futures import waiters
from aiofutures._futures.waiters import AsyncWaiter, StdlibWaiters, UnfetchedException, Watchers
from aiofutures._loops.blocking import block


def test_wait_sees_a_future_that_is_done() -> None:
    """A future that is done before its waiter looks does not block it."""
    future: Future[int] = Future()
    future.set_result(1)

    waiters._block(future, None, None)

    assert future._watch().gates == []


def test_wait_gives_way_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done after the loop thread had its turn needs no waking up."""
    future: Future[int] = Future()
    monkeypatch.setattr(waiters, "_give_way", partial(future.set_result, 1))

    assert future.result(LIMIT) == 1

    assert future._watchers is None


def test_wait_that_times_out_leaves_nothing_behind() -> None:
    """The gate of a waiter that gave up is gone."""
    future: Future[int] = Future()

    with pytest.raises(TimeoutError):
        future.result(0.001)

    assert future._watch().gates == []


def test_settled_between_the_look_and_the_wait() -> None:
    """A future that is settled after its waiter has looked wakes it all the same."""
    future: Future[int] = Future()
    with Halt(block, "pool = WorkerPool.current()") as halt:
        waiting = in_thread(halt.call, future.result)
        halt.arrived()

        future.set_result(1)

        halt.go_on()
        assert waiting.result() == 1


def test_settled_between_the_registration_and_the_look() -> None:
    """A waiter looks at the state after it has registered: being woken before is harmless."""
    future: Future[int] = Future()
    with Halt(waiters._block, "while not future.done():") as halt:
        waiting = in_thread(halt.call, future.result)
        halt.arrived()

        future.set_result(1)

        halt.go_on()
        assert waiting.result() == 1


def test_settled_before_the_registration() -> None:
    """A waiter that registers after the future was settled does not wait."""
    future: Future[int] = Future()
    with Halt(waiters._block, "gates.append(gate)") as halt:
        waiting = in_thread(halt.call, future.result)
        halt.arrived()

        future.set_result(1)

        halt.go_on()
        assert waiting.result() == 1


def test_waiters_of_the_standard_library_are_told_once() -> None:
    """`as_completed` that has seen futures done is not told of them again: it would fail."""
    futures: list[Future[int]] = [Future() for _ in range(3)]
    with Halt(Future._set, "self._notify_and_drop_call()") as one:
        with Halt(Future._set, "self._notify_and_drop_call()") as two:
            settling = [in_thread(one.call, futures[0].set_result, 0)]
            one.arrived()
            settling.append(in_thread(two.call, futures[1].set_result, 1))
            two.arrived()
            completed = concurrent.futures.as_completed(futures, LIMIT)
            seen = [next(completed)]

    for each in settling:
        each.result()
    futures[2].set_result(2)
    assert {*seen, *completed} == {*futures}


def test_waiters_of_the_standard_library_count() -> None:
    """A future that ends between two looks of `wait` is counted once."""
    future: Future[int] = Future()
    look = vars(concurrent.futures._base)["_create_and_install_waiters"]
    with Halt(look, "count = sum(") as halt:
        waiting = in_thread(halt.call, concurrent.futures.wait, [future], 2 * LIMIT)
        halt.arrived()

        future.set_result(1)

        halt.go_on()
        assert not waiting.result(LIMIT).not_done


def test_state_is_that_of_the_snapshot() -> None:
    """A thread that has the lock that `wait` takes sees the future as it was; others do not."""
    future: Future[int] = Future()
    with future._condition:
        in_thread(future.set_result, 1).result(LIMIT)
        held = future._state
        elsewhere = in_thread(lambda: future._state).result(LIMIT)

    assert (held, elsewhere, future._state) == ("RUNNING", "FINISHED", "FINISHED")


def test_snapshot_of_a_signal_handler() -> None:
    """A signal handler that waits in the middle of `wait` leaves the snapshot of that alone."""
    future: Future[int] = Future()
    with future._condition:
        future.set_result(1)
        assert concurrent.futures.wait([future], LIMIT).done == {future}
        held = future._state

    assert (held, future._state) == ("RUNNING", "FINISHED")


def test_nothing_is_locked() -> None:
    """A thread that is interrupted while it has the lock that `wait` takes holds up nobody."""
    future: Future[int] = Future()
    future._condition.acquire()
    waiting = in_thread(concurrent.futures.wait, [future], LIMIT)
    until(lambda: len(future._waiters) == 1)

    future.set_result(1)

    assert waiting.result(LIMIT).done == {future}
    assert concurrent.futures.wait([future], LIMIT).done == {future}


def test_snapshot_that_asyncio_takes() -> None:
    """What asyncio asks for, from Python 3.14 on, is what is true now."""
    future: Future[int] = Future()
    with future._condition:
        future.set_result(1)

        assert future._get_snapshot() == (True, False, 1, None)


def test_only_who_settles_releases_the_gates() -> None:
    """A thread that begins to `wait` for a future that ends does not wake others in its place."""
    future: Future[int] = Future()
    with Halt(block, "pool = WorkerPool.current()") as waiting_halt:
        waiting = in_thread(waiting_halt.call, future.result)
        waiting_halt.arrived()
        with Halt(Watchers.notify, "open_gate(gate)") as halt:
            settling = in_thread(halt.call, future.set_result, 1)
            halt.arrived()

            done = concurrent.futures.wait([future], LIMIT).done

            halt.go_on()
            settling.result(LIMIT)

    assert done == {future}
    assert waiting.result(LIMIT) == 1


def test_told_by_several_threads() -> None:
    """Whoever finds that a waiter is to be told does it, and it is told once."""
    future: Future[int] = Future()
    with Halt(StdlibWaiters.append, "self._waiters[waiter] =") as halt:
        completed = concurrent.futures.as_completed([future], LIMIT)
        waiting = in_thread(halt.call, lambda: list(completed))
        halt.arrived()
        with Halt(Watchers.notify, "self.stdlib.notify") as settling_halt:
            settling = in_thread(settling_halt.call, future.set_result, 1)
            settling_halt.arrived()
            halt.go_on()

            assert waiting.result(LIMIT) == [future]

    settling.result(LIMIT)
    assert len(future._waiters) == 0


class Interrupted(list[Any]):
    """A list to which a thread appends and is interrupted."""

    @override
    def append(self, item: Any) -> None:
        super().append(item)
        if len(self) == 1:
            raise KeyboardInterrupt


def test_told_in_spite_of_an_interruption() -> None:
    """Where a signal handler raises while waiters are told, each of them is told once."""
    future: Future[int] = Future()
    waiting = [in_thread(concurrent.futures.wait, [future], LIMIT) for _ in range(3)]
    until(lambda: len(future._waiters) == 3)
    first = next(iter(future._waiters))
    first.finished_futures = Interrupted()

    with pytest.raises(KeyboardInterrupt):
        future.set_result(1)

    assert [each.result(LIMIT).done for each in waiting] == [{future}] * 3
    assert first.finished_futures == [future]


def test_two_who_tell_one_waiter() -> None:
    """Of two threads that tell a waiter at once one does."""
    future: Future[int] = Future()
    waiting = in_thread(concurrent.futures.wait, [future], LIMIT)
    until(lambda: bool(future._waiters))
    with Halt(StdlibWaiters._notify, "del self._unheard[waiter]") as halt:
        settling = in_thread(halt.call, future.set_result, 1)
        halt.arrived()
        condition: Any = future._condition

        condition.notify(future)

        assert waiting.result(LIMIT).done == {future}
        halt.go_on()
        settling.result(LIMIT)


def test_iterator_of_a_child_that_was_told_half() -> None:
    """At a fork while a waiter counts a future, it is not given that once more."""
    future: Future[int] = Future()
    iterating = in_thread(list, concurrent.futures.as_completed([future], LIMIT))
    until(lambda: bool(future._waiters))
    waiter = next(iter(future._waiters))
    waiter.finished_futures.append(future)
    condition: Any = future._condition

    condition.abandon(future)

    assert iterating.result(LIMIT) == [future]


def test_iterator_of_a_child_that_knows() -> None:
    """An iterator that was told before the fork is not told again in the child."""
    future: Future[int] = Future()
    other: Future[int] = Future()
    completed = concurrent.futures.as_completed([future, other], LIMIT)
    waiting = in_thread(next, completed)
    until(lambda: bool(future._waiters))
    waiters = list(future._waiters)

    future.set_result(1)
    assert waiting.result(LIMIT) is future
    for each in (future, other):
        condition: Any = each._condition
        condition.abandon(each)

    assert [waiter.finished_futures for waiter in waiters] == [[other]]


def test_iterator_of_a_child_that_is_just_being_told() -> None:
    """At a fork in the moment when another thread tells an iterator, its lock is made anew."""
    future: Future[int] = Future()
    iterating = in_thread(list, concurrent.futures.as_completed([future], LIMIT))
    until(lambda: bool(future._waiters))
    waiter: Any = next(iter(future._waiters))
    with Halt(type(waiter).add_result, "(_AsCompletedWaiter, self).add_result") as halt:
        settling = in_thread(halt.call, future.set_result, 1)
        halt.arrived()
        held = waiter.lock

        condition: Any = future._condition
        condition.abandon(future)

        assert held.locked()
        assert not waiter.lock.locked()
        # The iterator may have taken it already.
        until(lambda: waiter.finished_futures == [future] or iterating.done())
        halt.go_on()
    settling.result(LIMIT)
    iterating.exception(LIMIT)


def test_every_thread_is_woken() -> None:
    """All threads that wait for one future are woken."""
    future: Future[int] = Future()
    with Halt(block, "pool = WorkerPool.current()") as first:
        with Halt(block, "pool = WorkerPool.current()") as second:
            waiting = [in_thread(halt.call, future.result) for halt in (first, second)]
            first.arrived()
            second.arrived()

            future.set_result(1)

    assert [each.result() for each in waiting] == [1, 1]


def test_wake_twice_is_harmless() -> None:
    """Waking once more, after an interruption, does nothing."""
    future: Future[int] = Future()
    with Halt(block, "pool = WorkerPool.current()") as halt:
        waiting = in_thread(halt.call, future.result)
        halt.arrived()
        future.set_result(1)

        future._notify()

        halt.go_on()
        assert waiting.result() == 1


class Recorder:
    """What `concurrent.futures.wait` installs, as far as a future uses it."""

    def __init__(self) -> None:
        self.finished_futures: list[Any] = []
        self.event = threading.Event()
        self.calls: list[str] = []

    def add_result(self, future: Any) -> None:
        """Note a result."""
        self.calls.append("result")
        self.finished_futures.append(future)

    def add_exception(self, future: Any) -> None:
        """Note an exception."""
        self.calls.append("exception")
        self.finished_futures.append(future)

    def add_cancelled(self, future: Any) -> None:
        """Note a cancellation."""
        self.calls.append("cancelled")
        self.finished_futures.append(future)


@pytest.mark.parametrize("outcome", ["result", "exception", "cancelled"])
def test_stdlib_waiters_hear_the_outcome_once(outcome: str) -> None:
    """Each waiter of `concurrent.futures.wait` is told how the future ended, once."""
    future: Future[int] = Future()
    recorder = Recorder()
    anything: Any = future
    with anything._condition:
        anything._waiters.append(recorder)

    {
        "result": lambda: future.set_result(1),
        "exception": lambda: future.set_exception(OSError()),
        "cancelled": future.cancel,
    }[outcome]()
    future._notify()

    assert recorder.calls == [outcome]


def test_stdlib_waiters_do_not_keep_their_future() -> None:
    """The waiters of a future do not refer back to it, so that it dies without the collector."""
    future: Future[int] = Future()
    waiters: Any = future._condition
    waiters.append(Recorder())
    reference = weakref.ref(future)

    del future

    assert reference() is None
    with waiters:
        waiters.append(Recorder())
    assert len(waiters) == 1


def test_async_waiter_is_woken_once() -> None:
    """Waking an asyncio waiter again changes nothing."""

    async def main() -> None:
        waiter = AsyncWaiter(Future())
        waiter.notify(None)
        waiter.notify(None)
        await waiter

    asyncio.run(main())


def test_async_waiter_outlives_its_loop() -> None:
    """A future that is done after the event loop of its waiter was closed wakes nobody."""
    future: Future[int] = Future()

    async def wait() -> int:
        return await future

    loop = asyncio.new_event_loop()
    task = loop.create_task(wait())
    loop.run_until_complete(asyncio.sleep(0))
    vars_of_task: Any = task
    vars_of_task._log_destroy_pending = False
    loop.close()

    future.set_result(1)

    assert not task.done()


def test_async_waiter_does_not_hide_errors() -> None:
    """An error of an open event loop is not taken for a closed one."""
    loop = Refusing()

    async def make() -> AsyncWaiter:
        return AsyncWaiter(Future())

    waiter = loop.run_until_complete(make())
    loop.errors = [RuntimeError("refused")]

    with pytest.raises(RuntimeError, match="refused"):
        waiter.notify(None)
    loop.close()


def test_async_waiter_cannot_be_cancelled_when_done() -> None:
    """Cancelling a wait that has ended does nothing, also to the future."""
    future: Future[int] = Future()

    async def main() -> bool:
        waiter = AsyncWaiter(future)
        waiter.notify(None)
        return waiter.cancel()

    assert asyncio.run(main()) is False
    assert not future.cancelled()


def test_unfetched_exception_is_reported_once() -> None:
    """An exception that nobody looks at is reported when it dies."""
    reports: list[dict[str, Any]] = []
    error = OSError("lost")

    unfetched = UnfetchedException(error, reports.append)
    del unfetched
    gc.collect()

    assert reports == [{"message": "Future exception was never retrieved", "exception": error}]


def test_fetched_exception_is_not_reported() -> None:
    """An exception that somebody has looked at is not reported."""
    reports: list[dict[str, Any]] = []
    unfetched = UnfetchedException(OSError("seen"), reports.append)

    unfetched.exception = None
    del unfetched
    gc.collect()

    assert reports == []


def test_gate_is_not_needed_for_threads_that_come_late() -> None:
    """A thread that asks after the outcome is there does not wait."""
    future: Future[int] = Future()
    with Gate() as gate:

        def wait() -> int:
            gate.block()
            return future.result(0)

        late = in_thread(wait)
        gate.arrived()

        future.set_result(1)

        gate.open()
        assert late.result(LIMIT) == 1


def asyncios(called: list[object], what: object) -> Callable[[Any], object]:
    """Return a callback that looks like one of asyncio's functions."""

    def note(_: object) -> None:
        called.append(what)

    note.__module__ = "asyncio.tasks"
    return note


class TestCallbacksOfAsyncio:
    """Those that `asyncio.wait` adds, and removes when it gives up."""

    def test_removed_in_any_order(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Removing one looks at no other one, and the others are called."""

        async def main() -> list[object]:
            future: Future[None] = Future()
            called: list[object] = []
            callbacks = [asyncios(called, number) for number in range(5)]
            for callback in [*callbacks, callbacks[4], callbacks[4]]:
                future.add_done_callback(callback)
            with monkeypatch.context() as patch:
                patch.delattr(waiters, "snapshot")
                assert future.remove_done_callback(callbacks[3]) == 1
                assert future.remove_done_callback(callbacks[3]) == 0
                assert future.remove_done_callback(callbacks[4]) == 3
                assert future.remove_done_callback(callbacks[0]) == 1
            future.set_result(None)
            await asyncio.sleep(0)
            return called

        assert asyncio.run(main()) == [1, 2]

    def test_added_twice(self) -> None:
        """One that was added twice is called twice."""

        async def main() -> list[object]:
            future: Future[None] = Future()
            called: list[object] = []
            callback = asyncios(called, "once")
            future.add_done_callback(callback)
            future.add_done_callback(callback)
            future.set_result(None)
            await asyncio.sleep(0)
            return called

        assert asyncio.run(main()) == ["once", "once"]

    def test_two_threads_call_them(self) -> None:
        """Two threads that find the same one call it once."""

        async def main() -> list[object]:
            future: Future[None] = Future()
            called: list[object] = []
            future.add_done_callback(asyncios(called, "once"))
            halted = "self._call(watchers.of_asyncio.pop(key))"
            with Halt(Future._run_callbacks, halted) as halt:
                settling = in_thread(halt.call, future.set_result, None)
                halt.arrived()

                future._notify()

                halt.go_on()
                settling.result(LIMIT)
            await asyncio.sleep(0)
            return called

        assert asyncio.run(main()) == ["once"]

    def test_of_a_call_that_fails(self, executor: AsyncExecutor, logged_errors: list[Any]) -> None:
        """An error of which `asyncio.wait` hears counts as fetched."""

        async def fail() -> None:
            await asyncio.sleep(0)
            raise OSError

        async def main() -> None:
            await asyncio.wait([cast(Any, executor.submit(fail))])

        for _ in range(10):
            asyncio.run(main())
        gc.collect()
        executor.shutdown()

        assert logged_errors == []
