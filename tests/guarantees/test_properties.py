"""Whatever the order of events, the promises hold."""

import asyncio
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Literal

from hypothesis import given
from hypothesis import strategies as st
from support import LIMIT, Gate

from aiofutures import AsyncExecutor, CancelledError, Future, InvalidStateError

Kind = Literal["value", "error", "wait", "wait and fail", "swallow", "nest", "block"]

KINDS: tuple[Kind, ...] = ("value", "error", "wait", "wait and fail", "swallow", "nest", "block")


class Call:
    """One call of a run: what it does, and what became of it."""

    def __init__(self, executor: AsyncExecutor, kind: Kind, run: "Run") -> None:
        self.executor = executor
        self.kind = kind
        self.run = run
        self.gate = Gate()
        self.started = False
        self.cancelled_while_queued = False
        self.child: Future[None] | None = None
        self.future: Future[int] | None = None

    async def __call__(self) -> int:
        """Do what its kind says."""
        assert not self.cancelled_while_queued
        self.started = True
        self.run.enter(self)
        try:
            return await self._work()
        finally:
            self.run.leave(self)

    async def _work(self) -> int:
        if self.kind == "error":
            raise OSError
        if self.kind == "block":
            return await self.executor.sync_to_async(abs, -1)
        if self.kind == "nest":
            self.run.leave(self)  # it lends its place
            with suppress(CancelledError):
                self.child = self.executor.submit(asyncio.sleep, 0)
                await self.child
            self.run.enter(self)
        if self.kind == "swallow":
            with suppress(asyncio.CancelledError):
                await self.gate.wait()
        if self.kind in ("wait", "wait and fail"):
            await self.gate.wait()
        if self.kind == "wait and fail":
            raise OSError
        return 1


class Run:
    """An executor and all its calls. The methods are the events."""

    def __init__(self, max_workers: int | None) -> None:
        self.max_workers = max_workers
        self.executor = AsyncExecutor(max_workers=max_workers)
        self.calls: list[Call] = []
        self.is_shutting_down = False
        self.was_shut_down = False
        self.running: set[Call] = set()
        self.most = 0

    def enter(self, call: Call) -> None:
        """Note that a call runs. On the loop thread."""
        self.running.add(call)
        self.most = max(self.most, len(self.running))

    def leave(self, call: Call) -> None:
        """Note that a call does not run any more. On the loop thread."""
        self.running.discard(call)

    def submit(self, kind: Kind) -> None:
        """Submit a call; it is refused after the shutdown and only then."""
        call = Call(self.executor, kind, self)
        was_shut_down = self.was_shut_down
        try:
            call.future = self.executor.submit(call)
        except InvalidStateError:
            assert self.is_shutting_down
            return
        self.calls.append(call)
        assert not was_shut_down

    def cancel(self, number: int) -> None:
        """Cancel a call."""
        call = self._call(number)
        future = None if call is None else call.future
        if call is None or future is None:
            return
        was_done = future.done()
        accepted = future.cancel()
        assert accepted or future.done()
        assert not (was_done and accepted and not future.cancelled())
        if accepted and future.cancelled() and not call.started:
            call.cancelled_while_queued = True

    def look(self, number: int) -> None:
        """Ask for a result without waiting for it."""
        call = self._call(number)
        future = None if call is None else call.future
        if future is not None:
            with suppress(TimeoutError, OSError, CancelledError):
                assert future.result(0) == 1

    def release(self, number: int) -> None:
        """Let a call that waits go on."""
        call = self._call(number)
        if call is not None:
            call.gate.open()

    def cancel_all(self, _: int) -> None:
        """Cancel everything."""
        self.executor.cancel_futures()

    def shutdown(self, number: int) -> None:
        """Shut the executor down, with or without cancelling."""
        self.is_shutting_down = True
        self.executor.shutdown(wait=False, cancel_futures=bool(number % 2))
        self.was_shut_down = True

    def count(self, _: int) -> None:
        """See that the statistics add up, as far as they can while all goes on."""
        done_before = sum(call.future.done() for call in self.calls if call.future)
        statistics = self.executor.statistics()
        done_after = sum(call.future.done() for call in self.calls if call.future)
        children = sum(call.kind == "nest" for call in self.calls)
        open_ = statistics.pending + statistics.running
        assert len(self.calls) - done_after <= open_ <= len(self.calls) - done_before + children
        assert statistics.max_workers == self.max_workers
        if self.max_workers is not None and not children:
            assert statistics.running <= self.max_workers

    def end(self) -> None:
        """Let everything finish, and see that it did."""
        for call in self.calls:
            call.gate.open()
        self.executor.shutdown()
        for call in self.calls:
            assert call.future is not None
            assert call.future.done()
            assert call.started or call.future.cancelled()
            assert not (call.started and call.cancelled_while_queued)
            if not call.future.cancelled():
                error = call.future.exception()
                assert (error is not None) == (call.kind in ("error", "wait and fail"))
            assert call.child is None or call.child.done()
        statistics = self.executor.statistics()
        assert (statistics.pending, statistics.running) == (0, 0)
        assert self.executor.tasks == set()
        assert not self.running
        assert self.max_workers is None or self.most <= self.max_workers

    def _call(self, number: int) -> Call | None:
        # Another thread may add more.
        return self.calls[number % len(self.calls)] if self.calls else None


EVENTS: tuple[Callable[[Run, int], None], ...] = (
    Run.cancel,
    Run.cancel,
    Run.look,
    Run.release,
    Run.release,
    Run.count,
    Run.cancel_all,
    Run.shutdown,
)
events = st.one_of(
    st.sampled_from(KINDS),
    st.tuples(st.integers(0, len(EVENTS) - 1), st.integers(0, 30)),
)


@given(st.sampled_from([None, 1, 2]), st.lists(events, max_size=40))
def test_any_order_of_events(max_workers: int | None, order: list[Any]) -> None:
    """Every accepted future resolves, the counts add up, and nothing cancelled early runs."""
    run = Run(max_workers)
    try:
        for event in order:
            if isinstance(event, str):
                run.submit(event)  # type: ignore[arg-type]  # it is one of the kinds
            else:
                EVENTS[event[0]](run, event[1])
    finally:
        run.end()


@given(
    st.sampled_from([None, 1, 2]),
    st.lists(st.lists(events, max_size=15), min_size=2, max_size=3),
)
def test_any_order_in_several_threads(max_workers: int | None, orders: list[list[Any]]) -> None:
    """The same holds where several threads do it at the same time."""
    run = Run(max_workers)
    barrier = threading.Barrier(len(orders))

    def play(order: list[Any]) -> None:
        barrier.wait(LIMIT)
        for event in order:
            if isinstance(event, str):
                run.submit(event)  # type: ignore[arg-type]  # it is one of the kinds
            elif EVENTS[event[0]] is not Run.count:
                EVENTS[event[0]](run, event[1])

    try:
        with ThreadPoolExecutor(len(orders)) as pool:
            list(pool.map(play, orders))
    finally:
        run.end()


@given(
    st.lists(st.integers(-2, 5), max_size=20),
    st.sampled_from([None, 1, 2, 7]),
    st.sampled_from([None, 1, 3]),
)
def test_map_is_map(numbers: list[int], buffersize: int | None, max_workers: int | None) -> None:
    """`map` yields what the built-in one yields, up to the first error."""

    async def invert(number: int) -> float:
        for _ in range(abs(number)):
            await asyncio.sleep(0)
        return 1 / number

    expected = [1 / number for number in itertools.takewhile(bool, numbers)]
    with AsyncExecutor(max_workers=max_workers) as executor:
        results = executor.map(invert, numbers, buffersize=buffersize)
        actual: list[float] = []
        with suppress(ZeroDivisionError):
            actual.extend(results)
            assert 0 not in numbers

    assert actual == expected
    assert results.futures == ()


@given(
    st.lists(st.booleans(), max_size=20),
    st.sampled_from([None, 1, 2, 7]),
    st.sampled_from([None, 1, 3]),
)
def test_every_result_comes_once(
    consume: list[bool], buffersize: int | None, max_workers: int | None
) -> None:
    """Mixed as one likes, iteration and `as_completed` yield every result once."""

    async def work(number: int) -> int:
        for _ in range(number % 3):
            await asyncio.sleep(0)
        return number

    with AsyncExecutor(max_workers=max_workers) as executor:
        results = executor.map(work, range(len(consume)), buffersize=buffersize)
        completed = results.as_completed()

        seen = [next(completed if which else results) for which in consume]

        assert sorted(seen) == list(range(len(consume)))
        assert list(results) == list(completed) == []
