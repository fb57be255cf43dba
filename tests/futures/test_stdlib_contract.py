"""The contract of the standard library, against the standard library."""

import asyncio
import concurrent.futures
import itertools
import logging
import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures._base import FINISHED
from functools import partial
from typing import Any, get_args

import pytest
from support import LIMIT, Gate, echo, echo_later, fail, fail_later, in_thread

from aiofutures import AsyncExecutor, Future

ALL = concurrent.futures.ALL_COMPLETED
FIRST = concurrent.futures.FIRST_COMPLETED
FIRST_EXCEPTION = concurrent.futures.FIRST_EXCEPTION


class TestWait:
    """`concurrent.futures.wait`."""

    @pytest.mark.parametrize("return_when", [ALL, FIRST, FIRST_EXCEPTION])
    def test_done_already(self, executor: AsyncExecutor, return_when: str) -> None:
        """Futures that are done are not waited for."""
        futures = [executor.submit(echo, n) for n in range(3)]
        for future in futures:
            future.result(LIMIT)

        assert concurrent.futures.wait(futures, 0, return_when) == (set(futures), set())

    def test_all_completed(self, executor: AsyncExecutor) -> None:
        """ALL_COMPLETED waits for all, however they end."""
        with Gate() as gate:
            futures: list[Future[Any]] = [
                executor.submit(gate.wait),
                executor.submit(echo_later, 1),
                executor.submit(fail_later, OSError()),
                executor.submit(fail_later, asyncio.CancelledError()),
            ]
            waiting = in_thread(concurrent.futures.wait, futures, LIMIT)
            gate.arrived()

        assert waiting.result(LIMIT) == (set(futures), set())
        assert isinstance(futures[2].exception(), OSError)

    @pytest.mark.parametrize(
        ("fn", "argument"),
        [(echo_later, 1), (fail_later, OSError()), (fail_later, asyncio.CancelledError())],
    )
    def test_first_completed(
        self, executor: AsyncExecutor, fn: Callable[[Any], Any], argument: Any
    ) -> None:
        """FIRST_COMPLETED waits for one, however it ends."""
        with Gate() as first, Gate() as others:

            async def work() -> Any:
                await first.wait()
                return await fn(argument)

            future = executor.submit(work)
            pending = [executor.submit(others.wait) for _ in range(2)]
            waiting = in_thread(
                concurrent.futures.wait, [future, *pending], LIMIT, return_when=FIRST
            )
            others.arrived(2)
            first.open()

            assert waiting.result(LIMIT) == ({future}, set(pending))

            others.open()
            concurrent.futures.wait(pending, LIMIT)
        assert future.cancelled() or future.exception() is argument or future.result() == 1

    def test_first_exception(self, executor: AsyncExecutor) -> None:
        """FIRST_EXCEPTION waits for an error, not for a result or a cancellation."""
        with Gate() as first, Gate() as others:

            async def work() -> None:
                await first.wait()
                raise OSError

            result: Future[Any] = executor.submit(echo_later, 1)
            future: Future[Any] = executor.submit(work)
            pending: Future[Any] = executor.submit(others.wait)
            waiting = in_thread(
                concurrent.futures.wait,
                [result, future, pending],
                LIMIT,
                return_when=FIRST_EXCEPTION,
            )
            result.result(LIMIT)
            others.arrived()
            assert not waiting.done()
            first.open()

            assert waiting.result(LIMIT) == ({result, future}, {pending})

            others.open()
            pending.result(LIMIT)
        assert isinstance(future.exception(), OSError)

    def test_timeout(self, executor: AsyncExecutor) -> None:
        """After the time-out what is done and what is not is returned."""
        with Gate() as gate:
            done: Future[Any] = executor.submit(echo, 1)
            done.result(LIMIT)
            future: Future[Any] = executor.submit(gate.wait)

            assert concurrent.futures.wait([done, future], 0.001) == ({done}, {future})

        future.result(LIMIT)

    def test_mixed(self, executor: AsyncExecutor) -> None:
        """Futures of several kinds of executor can be waited for together."""
        with Gate() as gate, ThreadPoolExecutor(1) as pool:
            futures = {pool.submit(gate.block), executor.submit(gate.wait)}
            gate.arrived(2)
            waiting = in_thread(concurrent.futures.wait, futures, LIMIT)

            gate.open()

            assert waiting.result(LIMIT) == (futures, set())

    def test_waits_again(self, executor: AsyncExecutor) -> None:
        """A future can be waited for any number of times, by several threads too."""
        with Gate() as gate:
            future = executor.submit(gate.pass_on, 1)
            gate.arrived()
            waiting = [
                in_thread(concurrent.futures.wait, [future], LIMIT, return_when=when)
                for when in (ALL, FIRST, FIRST_EXCEPTION)
            ]
            assert concurrent.futures.wait([future], 0.001).not_done

            gate.open()

            assert all(each.result(LIMIT) == ({future}, set()) for each in waiting)

    def test_races_the_end(self, executor: AsyncExecutor) -> None:
        """A future that ends while somebody begins to wait is noticed."""
        for _ in range(200):
            futures = [executor.submit(echo_later, n) for n in range(2)]

            assert not concurrent.futures.wait(futures, LIMIT).not_done


class TestAsCompleted:
    """`concurrent.futures.as_completed`."""

    def test_order(self, executor: AsyncExecutor) -> None:
        """The futures come as they are done."""
        with Gate() as first, Gate() as second:
            futures = [executor.submit(gate.wait) for gate in (first, second)]
            completed = concurrent.futures.as_completed(futures, LIMIT)

            second.open()
            assert next(completed) is futures[1]
            first.open()
            assert next(completed) is futures[0]

        assert list(completed) == []

    def test_timeout(self, executor: AsyncExecutor) -> None:
        """The time-out is raised with the standard words."""
        with Gate() as gate:
            futures: list[Future[Any]] = [executor.submit(echo, 1), executor.submit(gate.wait)]
            completed = concurrent.futures.as_completed(futures, 0.01)

            assert next(completed) is futures[0]
            with pytest.raises(TimeoutError, match=re.escape("1 (of 2) futures unfinished")):
                next(completed)

        futures[1].result(LIMIT)

    def test_mixed(self, executor: AsyncExecutor) -> None:
        """Futures of several kinds of executor come as they are done."""
        with ThreadPoolExecutor(2) as pool:
            futures: list[concurrent.futures.Future[int]] = []
            for number in range(10):
                futures += [executor.submit(echo_later, number), pool.submit(abs, -number)]

            results = [each.result() for each in concurrent.futures.as_completed(futures, LIMIT)]

        assert sorted(results) == sorted([*range(10)] * 2)


class TestAsyncio:
    """What asyncio does with futures and executors."""

    def test_wrap_future(self, executor: AsyncExecutor) -> None:
        """`asyncio.wrap_future` takes a future of an executor, with whatever outcome."""

        async def main() -> None:
            assert await asyncio.wrap_future(executor.submit(echo_later, 1)) == 1
            with pytest.raises(OSError, match="lost"):
                await asyncio.wrap_future(executor.submit(fail_later, OSError("lost")))
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wrap_future(executor.submit(fail_later, asyncio.CancelledError()))

        asyncio.run(main())
        executor.submit(main).result(LIMIT)

    def test_cancelling_a_wrapped_future(self, executor: AsyncExecutor) -> None:
        """Cancelling what `asyncio.wrap_future` returns cancels the call."""
        with Gate() as gate:
            future = executor.submit(gate.wait)
            gate.arrived()

            async def main() -> None:
                wrapped = asyncio.wrap_future(future)
                wrapped.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await wrapped

            asyncio.run(main())

            with pytest.raises(concurrent.futures.CancelledError):
                future.result(LIMIT)

    def test_run_in_executor(self, executor: AsyncExecutor) -> None:
        """`loop.run_in_executor` runs async functions on the executor."""

        async def main() -> int:
            run: Any = asyncio.get_running_loop().run_in_executor
            result: int = await run(executor, echo_later, 1)
            return result

        assert asyncio.run(main(), debug=False) == 1


class Recorder:
    """Does the same to an executor or future of the standard library and to one of ours."""

    @staticmethod
    def outcome(fn: Callable[[], Any]) -> tuple[str, object]:
        """Return what `fn` does, so that two can be compared."""
        try:
            return "returned", fn()
        except concurrent.futures.InvalidStateError:
            return "raised", concurrent.futures.InvalidStateError
        except RuntimeError:
            return "raised", RuntimeError
        except BaseException as error:
            return "raised", (type(error), str(error))


ERROR = OSError("lost")
STEPS: dict[str, Callable[[Any], Any]] = {
    "run": lambda future: future.set_running_or_notify_cancel(),
    "result": lambda future: future.set_result(1),
    "exception": lambda future: future.set_exception(ERROR),
    "none": lambda future: future.set_exception(None),
    "cancel": lambda future: future.cancel(),
}


class TestFuture:
    """Futures that are made directly, as tests do."""

    @pytest.mark.parametrize(
        "steps",
        [
            steps
            for steps in itertools.product(STEPS, repeat=3)
            # Only the standard one tells cancelled from cancelled and notified.
            if not ("cancel" in steps and steps.count("run") == 2)
        ],
        ids="-".join,
    )
    def test_same_as_the_standard_one(
        self, steps: tuple[str, ...], logged_errors: list[logging.LogRecord]
    ) -> None:
        """After the same steps a future is in the same state as the standard one."""
        standard: concurrent.futures.Future[int] = concurrent.futures.Future()
        ours: Future[int] = Future()
        notes: tuple[list[object], list[object]] = ([], [])
        for future, called in zip((standard, ours), notes, strict=True):
            future.add_done_callback(partial(_note, called, "called"))

        for step in steps:
            fn = STEPS[step]
            expected = Recorder.outcome(lambda fn=fn: fn(standard))  # type: ignore[misc]
            actual = Recorder.outcome(lambda fn=fn: fn(ours))  # type: ignore[misc]
            if expected == ("raised", RuntimeError):
                # A state that is not expected: ours says which.
                expected = ("raised", concurrent.futures.InvalidStateError)

            assert actual == expected
            for ask in ("done", "running", "cancelled"):
                assert getattr(ours, ask)() == getattr(standard, ask)()
            for get in ("result", "exception"):
                assert Recorder.outcome(lambda get=get: getattr(ours, get)(0)) == (  # type: ignore[misc]
                    Recorder.outcome(lambda get=get: getattr(standard, get)(0))  # type: ignore[misc]
                )
            assert _words(ours) == _words(standard)
            assert (ours._state == FINISHED) == (standard._state == FINISHED)
            # What asyncio asks for from Python 3.14 on.
            assert ours._get_snapshot() == (
                standard.done(),
                standard.cancelled(),
                standard._result,
                standard._exception,
            )
        assert notes[0] == notes[1]
        assert all(record.name == "concurrent.futures" for record in logged_errors)
        logged_errors.clear()

    def test_repr(self, executor: AsyncExecutor) -> None:
        """The representation has the standard words, and then the name of the call."""
        with Gate() as gate:
            running = executor.submit(gate.wait)
            gate.arrived()
            futures: list[Future[Any]] = [
                Future(),
                running,
                executor.submit(echo, 1),
                executor.submit(fail, OSError()),
                executor.submit(fail, asyncio.CancelledError()),
            ]
            concurrent.futures.wait(futures[2:], LIMIT)

            assert [_words(future) for future in futures] == [
                "<Future at 0x state=pending>",
                "<Future at 0x state=running call=Gate.wait>",
                "<Future at 0x state=finished returned int call=echo>",
                "<Future at 0x state=finished raised OSError call=fail>",
                "<Future at 0x state=cancelled call=fail>",
            ]
        futures[3].exception()
        running.result(LIMIT)

    def test_is_a_standard_future(self, executor: AsyncExecutor) -> None:
        """A future is an instance of the standard class."""
        assert isinstance(executor.submit(echo, 1), concurrent.futures.Future)

    def test_class_getitem(self) -> None:
        """The class can be subscripted at run time."""
        assert get_args(Future[int]) == (int,)


def _note(notes: list[object], note: object, _: object) -> None:
    notes.append(note)


def _note_self(notes: list[object], number: int, future: object, it: object) -> None:
    notes.append((number, it is future))


def _words(future: concurrent.futures.Future[Any]) -> str:
    return re.sub(r"0x[0-9a-f]+", "0x", repr(future))


async def invert_later(number: int) -> float:
    """Fail for 0."""
    await asyncio.sleep(0)
    return 1 / number


def invert(number: int) -> float:
    """Fail for 0."""
    return 1 / number


def _until_error(results: Iterable[float]) -> list[object]:
    seen: list[object] = []
    try:
        for result in results:
            seen.append(result)
    except Exception as error:
        seen.append((type(error), str(error)))
    return seen


class TestExecutor:
    """The interface of `concurrent.futures.Executor`."""

    def test_is_a_standard_executor(self, executor: AsyncExecutor) -> None:
        """An executor is an instance of the standard class, and a context manager."""
        assert isinstance(executor, Executor)
        with executor as entered:
            assert entered is executor

    @pytest.mark.parametrize(
        "numbers", [[], [1], [1, 2, 3], [0], [1, 0, 2], [2, 0, 0], list(range(1, 100))]
    )
    def test_map(self, executor: AsyncExecutor, numbers: list[int]) -> None:
        """`map` yields, and raises, what that of a ThreadPoolExecutor does."""
        with ThreadPoolExecutor(2) as pool:
            expected = _until_error(pool.map(invert, numbers))

            actual = _until_error(executor.map(invert_later, numbers))

        assert actual == expected

    def test_map_of_several_iterables(self, executor: AsyncExecutor) -> None:
        """The same holds for several iterables of different lengths."""

        async def divide(a: int, b: int) -> tuple[int, int]:
            return divmod(a, b)

        inputs = ([7, 8, 9], [2, 3, 4, 5])
        with ThreadPoolExecutor(2) as pool:
            expected = list(pool.map(divmod, *inputs))

            assert list(executor.map(divide, *inputs)) == expected

    def test_refused_after_shutdown(self, executor: AsyncExecutor) -> None:
        """What `submit` raises after the shutdown is caught by what catches the standard one."""
        executor.shutdown()
        pool = ThreadPoolExecutor(1)
        pool.shutdown()

        with pytest.raises(RuntimeError) as expected:
            pool.submit(len, "ab")
        with pytest.raises(RuntimeError) as actual:
            _ = executor.submit(echo, 1)

        assert str(actual.value) == str(expected.value)

    def test_max_workers(self) -> None:
        """A `max_workers` of 0 is refused with the standard words."""
        with pytest.raises(ValueError, match="max_workers") as expected:
            ThreadPoolExecutor(0)
        with pytest.raises(ValueError, match="max_workers") as actual:
            AsyncExecutor(max_workers=0)

        assert str(actual.value) == str(expected.value)

    def test_done_callbacks(self, executor: AsyncExecutor) -> None:
        """Callbacks get the future, in the order in which they were added."""
        notes: tuple[list[object], list[object]] = ([], [])
        with Gate() as gate, ThreadPoolExecutor(1) as pool:
            futures = (pool.submit(gate.block), executor.submit(gate.wait))
            gate.arrived(2)
            done = threading.Semaphore(0)
            for future, called in zip(futures, notes, strict=True):
                for number in range(3):
                    future.add_done_callback(partial(_note_self, called, number, future))
                future.add_done_callback(lambda _: done.release())
            gate.open()
        for _ in futures:
            assert done.acquire(timeout=LIMIT)

        assert notes[0] == notes[1] == [(0, True), (1, True), (2, True)]
