"""The `map` of executors of async functions, and its results."""

from __future__ import annotations

import builtins
import itertools
from abc import abstractmethod
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from concurrent.futures._base import FINISHED
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, overload
from weakref import ref

from .._common.exceptions import DeadlockError
from .._common.typing import A, B, C, D, E, F, P, T, override
from .future import Future
from .waiters import not_done, refuse_on_own_loop, wait_until_done


class MapsCalls(Executor):
    """The part of an executor that does not depend on where it runs calls."""

    if TYPE_CHECKING:
        # Narrower than the base class: `fn` must be async.
        def submit(  # type: ignore[override, explicit-override]
            self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
        ) -> Future[T]: ...

    # Narrower, like `submit`. Checkers report it in three places.
    @overload  # type: ignore[override]
    def map(  # type: ignore[override, unused-ignore]
        self,
        fn: Callable[[A], Awaitable[T]],
        iterable1: Iterable[A],
        /,
        *,
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Results[T]: ...
    @overload
    def map(
        self,
        fn: Callable[[A, B], Awaitable[T]],
        iterable1: Iterable[A],
        iterable2: Iterable[B],
        /,
        *,
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Results[T]: ...
    @overload
    def map(
        self,
        fn: Callable[[A, B, C], Awaitable[T]],
        iterable1: Iterable[A],
        iterable2: Iterable[B],
        iterable3: Iterable[C],
        /,
        *,
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Results[T]: ...
    @overload
    def map(
        self,
        fn: Callable[[A, B, C, D], Awaitable[T]],
        iterable1: Iterable[A],
        iterable2: Iterable[B],
        iterable3: Iterable[C],
        iterable4: Iterable[D],
        /,
        *,
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Results[T]: ...
    @overload
    def map(
        self,
        fn: Callable[[A, B, C, D, E], Awaitable[T]],
        iterable1: Iterable[A],
        iterable2: Iterable[B],
        iterable3: Iterable[C],
        iterable4: Iterable[D],
        iterable5: Iterable[E],
        /,
        *,
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Results[T]: ...
    @overload
    def map(
        self,
        fn: Callable[[A, B, C, D, E, F], Awaitable[T]],
        iterable1: Iterable[A],
        iterable2: Iterable[B],
        iterable3: Iterable[C],
        iterable4: Iterable[D],
        iterable5: Iterable[E],
        iterable6: Iterable[F],
        /,
        *,
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Results[T]: ...
    @override
    def map(  # type: ignore[override, ty:incompatible-method-override, unused-ignore]
        self,
        fn: Callable[..., Awaitable[T]],
        /,
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Results[T]:
        """Call `fn` with the items of the iterables side by side, like the built-in `map`.

        Args:
            fn: An async function, or any callable that returns an awaitable.
            *iterables: The arguments, one iterable for each parameter; the shortest one decides.
            timeout: Maximum number of seconds from now until the last result; None means no limit.
            chunksize: Ignored; accepted because the standard executors accept it.
            buffersize: Maximum number of calls submitted ahead of the results you consume; the
                iterables are then read as needed. None submits everything at once.

        Returns:
            An iterator over the results in the order of the input. It also has the futures.

        Raises:
            TypeError: `buffersize` is not an integer, or `fn` not callable.
            ValueError: `buffersize` is 0 or less.
            InvalidStateError: The executor was shut down.
        """
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        calls: Iterable[Future[T]] = ()
        if iterables:
            calls = builtins.map(self.submit, itertools.repeat(fn), *iterables)
        return Results(iter(calls), timeout=timeout, buffersize=buffersize)

    @override
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """Wait for all calls; cancel them on KeyboardInterrupt and SystemExit, also meanwhile."""
        interrupted = isinstance(exc_val, (KeyboardInterrupt, SystemExit))
        try:
            if interrupted:
                self._close_and_cancel_rest()
            self.shutdown(wait=True)
        except (KeyboardInterrupt, SystemExit):
            self._stop_closing()
            self.shutdown(wait=True, cancel_futures=True)
            raise

    @abstractmethod
    def _close_and_cancel_rest(self) -> None:
        """Accept no more calls, and cancel those that were not asked to cancel before."""

    def _stop_closing(self) -> None:
        """Stop waiting for clients that are being closed: the wait was interrupted."""

    @override
    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"an executor cannot be pickled or copied: create one where you need it, not {self!r}"
        )


class Results(Iterator[T]):
    """The results of `AsyncExecutor.map`, in the order of the input.

    If a call fails, its exception is raised at that position. That, a time-out and `close` cancel
    the remaining calls; leaving a loop early does not, because others may hold the futures. A
    result is released as soon as you have received it. Not for use by several threads at once.

    Example:
        >>> for page in executor.map(fetch, urls):
        ...     print(len(page))

    .. versionadded:: 0.2.0
    """

    def __init__(
        self, submissions: Iterator[Future[T]], *, timeout: float | None, buffersize: int | None
    ) -> None:
        self._timeout = timeout
        self._deadline = None if timeout is None else monotonic() + timeout
        self._buffersize = buffersize
        # Each step of `_submissions` submits a call. `_finished` is weak: `__next__` takes some.
        self._submissions = submissions
        self._source_error: Exception | None = None
        self._finished: deque[ref[Future[T]]] = deque()
        self._next_done: Future[None] = Future()
        self._futures: deque[Future[T]] | _InAnyOrder[T] = deque(() if buffersize else submissions)
        self._submit_ahead()

    @property
    def futures(self) -> Sequence[Future[T]]:
        """The futures that are submitted and not yet consumed, in the order of the input."""
        return tuple(self._futures)

    @override
    def __next__(self) -> T:
        """Wait for the next result and return it.

        Raises:
            StopIteration: No result is left.
            TimeoutError: The time limit of `map` has passed.
            CancelledError: The call was cancelled.
            DeadlockError: The wait would block the event loop that runs the call.
            BaseException: Whatever the call raised.
        """
        futures = self._futures
        if not futures:
            self._raise_at_end()
            raise StopIteration
        future = futures.popleft()
        # Nothing to wait for. Calling methods would make each result a tenth slower.
        if self._buffersize is None and future._status == FINISHED:
            result: T = future._result
            return result
        # Tracebacks refer to this frame, where a variable would keep the future.
        first = [future]
        del future
        self._submit_after(first)
        return self._result(first.pop())

    def as_completed(self) -> Iterator[T]:
        """Iterate over the remaining results in the order in which the calls finish.

        Yields:
            What each call returned.

        Raises:
            TimeoutError: The time limit of `map` has passed.
            CancelledError: A call was cancelled.
            DeadlockError: The wait would block the event loop that runs the calls.
            BaseException: Whatever a call raised.
        """
        futures = self._futures
        if not isinstance(futures, _InAnyOrder):
            self._futures = futures = _InAnyOrder((future, None) for future in futures)
            for future in self.futures:
                future.add_done_callback(self._notify_finished)
                del future
        # As above, this frame keeps no future. `__next__` may have taken one in the meantime.
        while futures:
            finished = [self._next_finished()]
            if finished[0] in futures:
                del futures[finished[0]]
                self._submit_after(finished)
                yield self._result(finished.pop())
        self._raise_at_end()

    def close(self) -> None:
        """Cancel the remaining calls and release their futures."""
        self._submissions = iter(())
        self._finished.clear()
        while self._futures:
            future = self._futures.popleft()
            # Once: it may be cleaning up.
            if not future.is_being_cancelled():
                future.cancel()
            # An exception of a future with a callback is not reported as never retrieved.
            future.add_done_callback(lambda _: None)

    def __length_hint__(self) -> int:
        """Return how many results are left, if that is known."""
        return len(self._futures) if self._buffersize is None else NotImplemented

    def _submit_ahead(self) -> None:
        """Keep `buffersize` calls submitted; an error of the input is raised after the last."""
        while self._buffersize is not None and len(self._futures) < self._buffersize:
            try:
                future = next(self._submissions)
            except StopIteration:
                return
            except Exception as error:
                self._source_error = error
                self._submissions = iter(())
                return
            self._futures.append(future)
            if isinstance(self._futures, _InAnyOrder):
                future.add_done_callback(self._notify_finished)

    def _submit_after(self, taken: list[Future[T]]) -> None:
        """Submit ahead; if a signal handler raises in the input, give back the one in `taken`."""
        try:
            self._submit_ahead()
        except BaseException:
            if taken[0].done() and isinstance(self._futures, _InAnyOrder):
                self._finished.appendleft(ref(taken[0]))
            self._futures.appendleft(taken.pop())
            raise

    def _raise_at_end(self) -> None:
        """Raise the error that ended the input early, once."""
        error, self._source_error = self._source_error, None
        if error is not None:
            raise error

    def _result(self, future: Future[T]) -> T:
        try:
            if not future.done() and not wait_until_done(future, self._seconds_left()):
                self._time_out(future)
            return future.result()
        except DeadlockError:
            if future.done():
                self.close()
            else:
                # Nothing is lost: another thread can continue.
                self._futures.appendleft(future)
            raise
        except BaseException:
            # `close` cancels it, too.
            self._futures.appendleft(future)
            self.close()
            raise
        finally:
            del future

    def _notify_finished(self, future: Future[T]) -> None:
        self._finished.append(ref(future))
        self._next_done.cancel()

    def _next_finished(self) -> Future[T]:
        while True:
            while self._finished:
                finished = self._finished.popleft()()
                if finished is not None:
                    return finished
            first = next(iter(self._futures))
            # After a fork, its callback belongs to the parent process.
            if first.done() and not self._finished:
                return first
            # `_notify_finished` cancels it.
            self._next_done = Future(first._host)
            if self._finished:
                continue
            refuse_on_own_loop(first)
            if not wait_until_done(self._next_done, self._seconds_left()):
                self._time_out(first)

    def _time_out(self, future: Future[T]) -> NoReturn:
        self.close()
        raise not_done(future, self._timeout)

    def _seconds_left(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - monotonic())


class _InAnyOrder(OrderedDict[Future[T], None]):
    """A deque that can also remove futures from its middle, at the cost of time and memory."""

    def popleft(self) -> Future[T]:
        return self.popitem(last=False)[0]

    def append(self, future: Future[T]) -> None:
        self[future] = None

    def appendleft(self, future: Future[T]) -> None:
        self[future] = None
        self.move_to_end(future, last=False)
