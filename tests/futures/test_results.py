"""What `map` returns: the results in order, as they finish, and their futures."""

import asyncio
import concurrent.futures
import gc
import itertools
import operator
import weakref
from collections.abc import Iterator
from concurrent.futures import wait
from typing import Any

import pytest
from support import LIMIT, Gate, Halt, MakeExecutor, echo, echo_later, in_thread, let_go, until
from typing_extensions import override

from aiofutures import AsyncExecutor, CancelledError, DeadlockError, Future, Results

BUFFERSIZES = [None, 1, 2, 100]


async def add(*numbers: int) -> int:
    """Add."""
    await asyncio.sleep(0)
    return sum(numbers)


async def invert(number: int) -> float:
    """Fail for 0."""
    await asyncio.sleep(0)
    return 1 / number


class Noting:
    """An iterable that notes how far it was read."""

    def __init__(self) -> None:
        self.read = 0

    def __iter__(self) -> Iterator[int]:
        for number in itertools.count():
            self.read += 1
            yield number


class Result:
    """Can be referred to weakly."""


class TestMap:
    """`map`, iterated."""

    @pytest.mark.parametrize("buffersize", BUFFERSIZES)
    def test_in_order(self, executor: AsyncExecutor, buffersize: int | None) -> None:
        """The results come in the order of the input, whatever order the calls finish in."""

        async def work(number: int) -> int:
            for _ in range(-number % 5):
                await asyncio.sleep(0)
            return number

        assert list(executor.map(work, range(20), buffersize=buffersize)) == list(range(20))

    def test_iterables(self, executor: AsyncExecutor) -> None:
        """Up to six iterables, and more, are read side by side; the shortest one decides."""
        one, two = range(4), range(10, 13)
        anything: Any = executor.map

        assert list(executor.map(add, one)) == [0, 1, 2, 3]
        assert list(executor.map(add, one, two)) == [10, 12, 14]
        assert list(executor.map(add, one, two, one)) == [10, 13, 16]
        assert list(executor.map(add, one, two, one, one)) == [10, 14, 18]
        assert list(executor.map(add, one, two, one, one, one)) == [10, 15, 20]
        assert list(executor.map(add, one, two, one, one, one, one)) == [10, 16, 22]
        assert list(anything(add, *[one] * 9)) == [0, 9, 18, 27]
        assert list(anything(add)) == []

    def test_is_eager(self, executor: AsyncExecutor) -> None:
        """Everything is submitted by the call of `map`, before anybody asks for a result."""
        with Gate() as gate:
            results = executor.map(gate.pass_on, range(3))

            gate.arrived(3)

        assert list(results) == [0, 1, 2]

    def test_chunksize_has_no_meaning(self, executor: AsyncExecutor) -> None:
        """`chunksize` is accepted, as the standard executors do, and has no meaning."""
        assert list(executor.map(echo, range(3), chunksize=2)) == [0, 1, 2]

    def test_of_nothing(self, executor: AsyncExecutor) -> None:
        """Without input there are no results."""
        nothing: list[int] = []
        results = executor.map(echo, nothing)

        assert list(results) == []
        assert list(results.as_completed()) == []

    @pytest.mark.parametrize("buffersize", BUFFERSIZES)
    def test_error_of_a_call(self, executor: AsyncExecutor, buffersize: int | None) -> None:
        """An error of a call is raised in its place; what is left is cancelled, the end is near."""
        results = executor.map(invert, [1, 2, 0, 4, 5], buffersize=buffersize)

        assert [next(results), next(results)] == [1, 0.5]
        with pytest.raises(ZeroDivisionError):
            next(results)

        assert results.futures == ()
        with pytest.raises(StopIteration):
            next(results)

    def test_error_cancels_the_rest(self, executor: AsyncExecutor) -> None:
        """The calls that are left after an error are cancelled."""
        with Gate() as gate:

            async def work(number: int) -> float:
                if number:
                    await gate.wait()
                return 1 / number

            results = executor.map(work, [0, 1, 2])
            futures = results.futures
            gate.arrived(2)

            with pytest.raises(ZeroDivisionError):
                next(results)

            concurrent.futures.wait(futures, LIMIT)
            assert [future.cancelled() for future in futures] == [False, True, True]

    @pytest.mark.parametrize("how", [next, lambda results: next(results.as_completed())])
    def test_timeout(self, executor: AsyncExecutor, how: Any) -> None:
        """The time-out is for all results, counts from the call of `map`, and cancels the rest."""
        with Gate() as gate:
            results = executor.map(gate.pass_on, range(3), timeout=0.01)
            futures = results.futures
            gate.arrived(3)

            with pytest.raises(TimeoutError):
                how(results)

            concurrent.futures.wait(futures, LIMIT)
            assert all(future.cancelled() for future in futures)
        assert list(results) == []

    def test_results_that_are_there_in_spite_of_the_timeout(self, executor: AsyncExecutor) -> None:
        """What is there already is handed out, however late it is asked for."""
        results = executor.map(echo, range(4), timeout=0)
        concurrent.futures.wait(results.futures, LIMIT)

        assert [next(results), next(results)] == [0, 1]
        assert list(results.as_completed()) == [2, 3]

    def test_timeout_that_is_long_enough(self, executor: AsyncExecutor) -> None:
        """A time-out that is not reached changes nothing."""
        assert list(executor.map(echo_later, range(3), timeout=LIMIT)) == [0, 1, 2]
        assert set(executor.map(echo_later, range(3), timeout=LIMIT).as_completed()) == {0, 1, 2}

    def test_cancelled_call(self, make_executor: MakeExecutor) -> None:
        """A call that somebody has cancelled raises CancelledError in its place."""
        executor = make_executor(max_workers=1)
        with Gate() as gate:
            results = executor.map(gate.pass_on, range(2))
            results.futures[1].cancel()
            gate.open()

            assert next(results) == 0
            with pytest.raises(CancelledError):
                next(results)

    def test_error_of_the_input(self, executor: AsyncExecutor) -> None:
        """Without buffersize an error of the input is raised by `map`, as in the stdlib."""
        with pytest.raises(ZeroDivisionError):
            executor.map(echo, (1 // number for number in [1, 0]))

    @pytest.mark.one_loop("a call on another loop may be done before the wait")
    def test_on_the_own_loop(self, executor: AsyncExecutor) -> None:
        """Iterating on the own loop is refused, and no result is lost by that."""

        async def work() -> Results[int]:
            results = executor.map(echo_later, range(3))
            with pytest.raises(DeadlockError):
                next(results)
            with pytest.raises(DeadlockError):
                next(results.as_completed())
            assert len(results.futures) == 3
            return results

        assert list(executor.submit(work).result(LIMIT)) == [0, 1, 2]

    @pytest.mark.one_loop("a call on another loop may be done before the wait")
    def test_on_the_own_loop_with_buffersize(self, executor: AsyncExecutor) -> None:
        """The same holds where the results are read ahead."""

        async def work() -> Results[int]:
            results = executor.map(echo_later, range(5), buffersize=1)
            with pytest.raises(DeadlockError):
                next(results)
            return results

        assert list(executor.submit(work).result(LIMIT)) == [0, 1, 2, 3, 4]

    def test_finished_results_on_the_own_loop(self, executor: AsyncExecutor) -> None:
        """Results that are there can be iterated on the own loop too."""
        results = executor.map(echo, range(4))
        concurrent.futures.wait(results.futures, LIMIT)

        async def work() -> list[int]:
            return [next(results), *results.as_completed()]

        assert executor.submit(work).result(LIMIT) == [0, 1, 2, 3]

    def test_call_that_fails_with_deadlock_error(self, executor: AsyncExecutor) -> None:
        """A DeadlockError that a call itself has raised is handed on as any other error."""

        with Gate() as gate:

            async def work(number: int) -> None:
                if number == 0:
                    raise DeadlockError(number)
                await gate.wait()

            results = executor.map(work, range(2))
            futures = results.futures
            gate.arrived()

            with pytest.raises(DeadlockError, match="0"):
                next(results)

            concurrent.futures.wait(futures, LIMIT)
            assert futures[1].cancelled()

    @pytest.mark.parametrize("buffersize", BUFFERSIZES)
    def test_awaited_futures(self, executor: AsyncExecutor, buffersize: int | None) -> None:
        """The futures can be awaited where the results cannot be iterated."""

        async def work() -> list[int]:
            results = executor.map(echo_later, range(3), buffersize=buffersize)
            return [await future for future in results.futures]

        assert executor.submit(work).result(LIMIT) == list(range(3))[:buffersize]


class TestBuffersize:
    """`buffersize`, on every Python version."""

    @pytest.mark.parametrize("buffersize", [1, 3])
    def test_reads_only_so_far(self, executor: AsyncExecutor, buffersize: int) -> None:
        """No more than `buffersize` calls are submitted ahead, also of an infinite iterable."""
        numbers = Noting()

        results = executor.map(echo, numbers, buffersize=buffersize)

        assert (numbers.read, len(results.futures)) == (buffersize, buffersize)
        for number in range(5):
            assert next(results) == number
            assert (numbers.read, len(results.futures)) == (buffersize + number + 1, buffersize)
        results.close()

    def test_as_completed_reads_only_so_far(self, executor: AsyncExecutor) -> None:
        """The same holds for the results as they finish."""
        numbers = Noting()
        results = executor.map(echo, numbers, buffersize=3)

        seen = list(itertools.islice(results.as_completed(), 10))

        assert len(set(seen)) == 10
        assert numbers.read == 13
        results.close()

    def test_finite_input(self, executor: AsyncExecutor) -> None:
        """At the end of the input the results end."""
        assert list(executor.map(echo, range(5), buffersize=2)) == [0, 1, 2, 3, 4]
        assert sorted(executor.map(echo, range(5), buffersize=2).as_completed()) == [0, 1, 2, 3, 4]

    def test_error_of_the_input(self, executor: AsyncExecutor) -> None:
        """An error of the input is raised, once, after the results that came before it."""
        results = executor.map(echo, (6 // number for number in [1, 2, 0, 3]), buffersize=2)

        assert [next(results), next(results)] == [6, 3]
        with pytest.raises(ZeroDivisionError):
            next(results)
        assert list(results) == []

    def test_error_of_the_input_as_completed(self, executor: AsyncExecutor) -> None:
        """The same holds for the results as they finish."""
        results = executor.map(echo, (6 // number for number in [1, 2, 0]), buffersize=5)
        completed = results.as_completed()

        assert {next(completed), next(completed)} == {6, 3}
        with pytest.raises(ZeroDivisionError):
            next(completed)

    def test_executor_that_was_shut_down(self, executor: AsyncExecutor) -> None:
        """Where the executor is shut down meanwhile, that is raised after what was submitted."""
        results = executor.map(echo, range(5), buffersize=2)
        executor.shutdown()

        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(RuntimeError, match="after shutdown"):
            next(results)

    @pytest.mark.parametrize("buffersize", [0, -1])
    def test_too_small(self, executor: AsyncExecutor, buffersize: int) -> None:
        """A buffersize of 0 or less is refused with the words of the standard library."""
        with pytest.raises(ValueError, match=r"^buffersize must be None or > 0$"):
            executor.map(echo, [1], buffersize=buffersize)

    @pytest.mark.parametrize("buffersize", ["3", 1.5])
    def test_no_integer(self, executor: AsyncExecutor, buffersize: Any) -> None:
        """A buffersize that is no integer is refused with the words of the standard library."""
        with pytest.raises(TypeError, match=r"^buffersize must be an integer or None$"):
            executor.map(echo, [1], buffersize=buffersize)


class TestFutures:
    """`Results.futures`."""

    def test_in_order(self, executor: AsyncExecutor) -> None:
        """The futures are those of the calls, in the order of the input."""
        results = executor.map(echo_later, range(3))

        assert [future.result(LIMIT) for future in results.futures] == [0, 1, 2]
        assert all(type(future) is Future for future in results.futures)

    def test_without_the_consumed_ones(self, executor: AsyncExecutor) -> None:
        """A future whose result was handed out is not there any more."""
        results = executor.map(echo, range(3))
        futures = results.futures

        next(results)
        assert results.futures == futures[1:]
        next(results.as_completed())
        assert len(results.futures) == 1
        list(results)
        assert results.futures == ()

    def test_fits_the_standard_library(self, executor: AsyncExecutor) -> None:
        """The futures can be handed to `concurrent.futures.as_completed`."""
        results = executor.map(echo_later, range(3))

        done = concurrent.futures.as_completed(results.futures, timeout=LIMIT)

        assert {future.result() for future in done} == {0, 1, 2}


class TestAsCompleted:
    """`Results.as_completed`."""

    def test_order(self, executor: AsyncExecutor) -> None:
        """The results come in the order in which the calls finish."""
        with Gate() as first, Gate() as second, Gate() as third:
            gates = [first, second, third]

            async def work(number: int) -> int:
                await gates[number].wait()
                return number

            completed = executor.map(work, range(3)).as_completed()
            for number in (1, 2, 0):
                gates[number].open()

                assert next(completed) == number

        assert next(completed, None) is None

    def test_after_some_were_consumed(self, executor: AsyncExecutor) -> None:
        """It yields what is left, and can be mixed with plain iteration."""
        results = executor.map(echo, range(6))
        concurrent.futures.wait(results.futures, LIMIT)

        assert next(results) == 0
        completed = results.as_completed()
        assert next(completed) == 1
        assert next(results) == 2
        assert next(completed) == 3
        again = results.as_completed()
        assert next(again) == 4
        assert list(completed) == [5]
        assert list(again) == []

    def test_error(self, executor: AsyncExecutor) -> None:
        """An error of a call is raised when it happens, and cancels what is left."""
        with Gate() as gate:

            async def work(number: int) -> float:
                if number:
                    await gate.wait()
                return 1 / number

            results = executor.map(work, [1, 0, 2])
            futures = results.futures
            gate.arrived(2)

            with pytest.raises(ZeroDivisionError):
                list(results.as_completed())

            concurrent.futures.wait(futures, LIMIT)
            assert [future.cancelled() for future in futures] == [True, False, True]

    def test_finished_just_before_the_wait(self) -> None:
        """A call that finishes while somebody is about to wait for it is not missed."""
        with AsyncExecutor() as executor, Gate() as gate:
            results = executor.map(gate.pass_on, [1])
            completed = results.as_completed()
            with Halt(Results._next_finished, "if self._finished:") as halt:
                waiting = in_thread(halt.call, lambda: list(completed))
                halt.arrived()
                gate.open()
                concurrent.futures.wait(results.futures, LIMIT)
                _ = executor.submit(echo_later, 1).result(LIMIT)  # its callbacks have run

                halt.go_on()

                assert waiting.result(LIMIT) == [1]

    def test_finished_just_before_the_look(self) -> None:
        """Calls that finish while somebody looks for the first are there in their order."""
        with AsyncExecutor() as executor, Gate() as first, Gate() as second:
            results = executor.map(Gate.wait, [first, second])
            futures = results.futures
            completed = results.as_completed()
            with Halt(Results._next_finished, "if first.done()") as halt:
                waiting = in_thread(halt.call, next, completed)
                halt.arrived()
                for gate, future in ((second, futures[1]), (first, futures[0])):
                    gate.open()
                    future.result(LIMIT)
                _ = executor.submit(echo_later, 1).result(LIMIT)  # their callbacks have run

                halt.go_on()

                waiting.result(LIMIT)
            assert results.futures == (futures[0],)

    def test_in_a_worker_thread(self, make_executor: MakeExecutor) -> None:
        """A worker thread that waits for the results lends the place of its task meanwhile."""
        executor = make_executor(max_workers=1)

        def collect() -> list[int]:
            return sorted(executor.map(echo_later, range(3), timeout=LIMIT).as_completed())

        async def parent() -> list[int]:
            return await executor.sync_to_async(collect)

        assert executor.submit(parent).result(LIMIT) == [0, 1, 2]


class TestClose:
    """`Results.close` and the end of their life."""

    def test_cancels_what_is_left(self, executor: AsyncExecutor) -> None:
        """`close` cancels what is left; the results end then."""
        with Gate() as gate:
            results = executor.map(gate.pass_on, range(3))
            futures = results.futures
            gate.arrived(3)

            results.close()

            concurrent.futures.wait(futures, LIMIT)
            assert all(future.cancelled() for future in futures)
        assert results.futures == ()
        assert list(results) == []
        results.close()

    def test_stops_reading(self, executor: AsyncExecutor) -> None:
        """After `close` nothing is read from the input any more."""
        numbers = Noting()
        results = executor.map(echo, numbers, buffersize=2)
        next(results)

        results.close()

        assert list(results) == []
        assert numbers.read == 3

    @pytest.mark.parametrize("buffersize", BUFFERSIZES)
    @pytest.mark.parametrize("completed", [True, False])
    def test_released_once_yielded(
        self, executor: AsyncExecutor, buffersize: int | None, completed: bool
    ) -> None:
        """A result is let go of as soon as it was handed out."""

        async def make(_: int) -> Result:
            return Result()

        gc.disable()
        try:
            results = executor.map(make, range(5), buffersize=buffersize)
            concurrent.futures.wait(results.futures, LIMIT)
            iterator = results.as_completed() if completed else iter(results)
            for _ in range(3):
                reference = weakref.ref(next(iterator))
                let_go(executor)

                assert reference() is None
        finally:
            gc.enable()
        results.close()

    def test_dropped_results(self, executor: AsyncExecutor) -> None:
        """Results that nobody consumes are finished all the same, as in the stdlib."""
        seen: list[int] = []

        async def note(number: int) -> None:
            seen.append(number)

        executor.map(note, range(3))
        executor.shutdown()

        assert sorted(seen) == [0, 1, 2]


class TestLengthHint:
    """`operator.length_hint`."""

    def test_without_buffersize(self, executor: AsyncExecutor) -> None:
        """It is known how many results are left where everything was submitted."""
        results = executor.map(echo, range(3))

        assert operator.length_hint(results) == 3
        next(results)
        assert operator.length_hint(results) == 2

    def test_with_buffersize(self, executor: AsyncExecutor) -> None:
        """It is not known where the input is still being read."""
        results = executor.map(echo, range(3), buffersize=1)

        assert operator.length_hint(results, -1) == -1
        results.close()


class Interrupting(Iterator[int]):
    """Numbers. Ctrl-C comes while the fourth is looked for, and again for the fifth."""

    def __init__(self) -> None:
        self._numbers = iter(range(1, 8))

    @override
    def __next__(self) -> int:
        number = next(self._numbers)
        if number in {4, 6}:
            raise KeyboardInterrupt
        return number


@pytest.mark.parametrize("as_completed", [False, True])
def test_ctrl_c_in_the_input(executor: AsyncExecutor, as_completed: bool) -> None:
    """Ctrl-C in an input that is read step by step loses no result."""
    results = executor.map(echo_later, Interrupting(), buffersize=2)
    numbers: list[int] = []
    interruptions = 0

    while True:
        try:
            for number in results.as_completed() if as_completed else results:
                numbers.append(number)
            break
        except KeyboardInterrupt:
            interruptions += 1

    assert sorted(numbers) == [1, 2, 3, 5, 7]
    assert interruptions == 2


def test_mixed_order_lets_go(executor: AsyncExecutor) -> None:
    """After one in the order of completion, those that come in order are let go of as well."""
    results = executor.map(make_object, range(10))
    assert isinstance(next(results.as_completed()), Object)

    references = [weakref.ref(value) for value in results]

    gc.collect()
    assert sum(reference() is not None for reference in references) == 0


def test_close_lets_go(executor: AsyncExecutor) -> None:
    """`close` lets go of results that were there already."""
    results = executor.map(make_object, range(10))
    next(results.as_completed())
    references = [weakref.ref(future) for future in results.futures]
    wait(results.futures, LIMIT)

    results.close()

    def gone() -> bool:
        gc.collect()
        return all(reference() is None for reference in references)

    until(gone)


def test_mixed_order_of_futures_that_others_have(executor: AsyncExecutor) -> None:
    """What came in order does not come again in the order of completion."""
    results = executor.map(echo, range(4))
    futures = results.futures
    wait(futures, LIMIT)
    as_completed = results.as_completed()

    numbers = [next(as_completed), next(results), *as_completed]

    assert sorted(numbers) == [0, 1, 2, 3]


class Object:
    """A result."""


async def make_object(_: int) -> Object:
    """Return a new object."""
    await asyncio.sleep(0)
    return Object()
