"""The results of `AsyncExecutor.map`."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures._base import FINISHED
from time import monotonic
from weakref import ref

from ._exceptions import DeadlockError
from ._futures.future import Future
from ._futures.waiters import refuse_on_own_loop, wait
from ._typing import T, override


class Results(Iterator[T]):
    """The results of `AsyncExecutor.map`, in the order of the input.

    An error of a call is raised in its place. It, a time-out and `close` cancel what is left;
    leaving a loop early does not, as others may have the futures. A result is let go of as soon as
    it is handed out. Not for use by several threads at once.

    Example:
        >>> for page in executor.map(fetch, urls):
        ...     print(len(page))

    .. versionadded:: 0.2.0
    """

    def __init__(
        self, submissions: Iterator[Future[T]], *, timeout: float | None, buffersize: int | None
    ) -> None:
        self._deadline = None if timeout is None else monotonic() + timeout
        # Submits one more with each step.
        self._submissions = submissions
        self._source_error: Exception | None = None
        # Weak: `__next__` takes some of them.
        self._finished: deque[ref[Future[T]]] = deque()
        self._next_done: Future[None] = Future()
        self._buffersize = buffersize
        self._futures: deque[Future[T]] | _InAnyOrder[T]
        self._futures = deque(submissions if buffersize is None else ())
        self._submit_ahead()

    @property
    def futures(self) -> Sequence[Future[T]]:
        """The futures that were submitted and not yet consumed, in the order of the input."""
        return tuple(self._futures)

    @override
    def __next__(self) -> T:
        """Return the next result, after waiting for it.

        Raises:
            StopIteration: There is none left.
            TimeoutError: It was not there in the time that `map` was given for all.
            CancelledError: The call was cancelled.
            DeadlockError: The wait would block the event loop that runs the call.
            BaseException: Whatever the call raised.
        """
        futures = self._futures
        if not futures:
            self._raise_at_end()
            raise StopIteration
        future = futures.popleft()
        # Nothing to wait for. Looking with methods would take a tenth more for each result.
        if self._buffersize is None and future._status == FINISHED:
            result: T = future._result
            return result
        # A variable would keep it: this frame is in tracebacks.
        first = [future]
        del future
        self._submit_after(first)
        return self._result(first.pop())

    def as_completed(self) -> Iterator[T]:
        """Yield the results that are left in the order in which the calls finish.

        Yields:
            What each call has returned.

        Raises:
            TimeoutError: They were not there in the time that `map` was given for all.
            CancelledError: A call was cancelled.
            DeadlockError: The wait would block the event loop that runs the calls.
            BaseException: Whatever a call raised.
        """
        futures = self._futures
        if not isinstance(futures, _InAnyOrder):
            self._futures = futures = _InAnyOrder((future, None) for future in futures)
            for future in self.futures:
                future.add_done_callback(self._notify_finished)
                # Or this frame would keep the result.
                del future
        while futures:
            finished = [self._next_finished()]
            # Consumed by __next__ meanwhile.
            if finished[0] not in futures:
                continue
            del futures[finished[0]]
            self._submit_after(finished)
            # Without a reference that would keep the result.
            yield self._result(finished.pop())
        self._raise_at_end()

    def close(self) -> None:
        """Cancel what is left and let go of it."""
        self._submissions = iter(())
        self._finished.clear()
        while self._futures:
            future = self._futures.popleft()
            future.cancel()
            future.add_done_callback(_forget)

    def __length_hint__(self) -> int:
        """Return how many results are left, as far as that is known."""
        return len(self._futures) if self._buffersize is None else NotImplemented

    def _submit_ahead(self) -> None:
        """Keep `buffersize` calls submitted. An error of the input waits for its place."""
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
        """Submit ahead; where a signal handler raises in the input, what was taken comes again."""
        try:
            self._submit_ahead()
        except BaseException:
            if taken[0].done() and isinstance(self._futures, _InAnyOrder):
                self._finished.appendleft(ref(taken[0]))
            self._futures.appendleft(taken.pop())
            raise

    def _raise_at_end(self) -> None:
        """Raise what ended the input early, once."""
        error, self._source_error = self._source_error, None
        if error is not None:
            raise error

    def _result(self, future: Future[T]) -> T:
        try:
            return future.result(self._seconds_left())
        except DeadlockError:
            if future.done():
                self.close()
                raise
            # Nothing is lost: it can be iterated in another thread.
            self._futures.appendleft(future)
            raise
        except BaseException:
            future.cancel()
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
            # It has not said so: the callback is that of another process.
            if first.done() and not self._finished:
                return first
            # A future stands for the next one: it is waited for as that.
            self._next_done = Future(first._host)
            if self._finished:
                continue
            refuse_on_own_loop(first)
            try:
                wait(self._next_done, self._seconds_left())
            except TimeoutError:
                self.close()
                raise

    def _seconds_left(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - monotonic())


class _InAnyOrder(OrderedDict[Future[T], None]):
    """A deque of futures from whose midst one can be taken. It takes more time and memory."""

    def popleft(self) -> Future[T]:
        """Take the first."""
        return self.popitem(last=False)[0]

    def append(self, future: Future[T]) -> None:
        """Add one at the end."""
        self[future] = None

    def appendleft(self, future: Future[T]) -> None:
        """Add one at the beginning."""
        self[future] = None
        self.move_to_end(future, last=False)


def _forget(_: object) -> None:
    """Take the outcome that nobody wants any more, so that nobody reports it."""
