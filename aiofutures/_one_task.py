"""A task that does one thing after another for a synchronous caller."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Final, NamedTuple

from ._blocking import ContextChanges, wait
from ._calls import as_coroutine
from ._contract import Host
from ._exceptions import InvalidStateError
from ._future import Future, submitted
from ._limit import running_call
from ._loop_thread import LoopThread
from ._typing import override
from ._watchers import UnfetchedException


class EndedError(Exception):
    """There is no task any more that could do the step."""


_ENDS: Final = (asyncio.CancelledError, GeneratorExit, StopAsyncIteration, EndedError)

_tasks: set[asyncio.Task[None]] = set()  # asyncio itself keeps only weak references


class Outcome(NamedTuple):
    """What a step has returned or raised, and the context in which it left the task."""

    value: Any
    error: BaseException | None
    context: Context
    unfetched: UnfetchedException | None = None  # reports the error if no caller gets it


class _Step(asyncio.Future[Outcome]):
    """What the task is to do, and the outcome of it.

    Cancelling it cancels the task, whose outcome then comes.
    """

    def __init__(
        self,
        fn: Callable[[], Awaitable[Any]],
        task: asyncio.Task[None] | None,
        *,
        must_run: bool,
        is_last: bool,
    ) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self.fn = fn
        self.must_run = must_run or is_last
        self.is_last = is_last
        self.context = copy_context()  # the caller's
        self._task = task

    @override
    def cancel(self, msg: Any | None = None) -> bool:
        return not self.done() and self._task is not None and self._task.cancel(msg)


class _Arrival(asyncio.Future[None]):
    """What the task waits for between two steps. It wakes the task at once.

    Another turn of the event loop would cost as much as all else that a short step does there.
    """

    _wake: Callable[[asyncio.Future[None]], object]

    @override
    def add_done_callback(
        self, fn: Callable[..., object], /, *, context: Context | None = None
    ) -> None:
        """Take what wakes the task, which alone waits for this."""
        context = copy_context() if context is None else context
        self._wake = partial(context.run, fn)  # without `self`, which would be a cycle

    @override
    def cancel(self, msg: Any | None = None) -> bool:
        if not super().cancel(msg):
            return False
        self.get_loop().call_soon(self._wake, self)
        return True

    def announce(self) -> None:
        """Have the task look for its next step, now if no other task is running."""
        self.set_result(None)
        if asyncio.current_task() is None:
            self._wake(self)
        else:
            self.get_loop().call_soon(self._wake, self)


class OneTask:
    """Runs steps in one and the same task, one at a time, each for a caller that waits.

    An async generator or context manager needs that: what holds from one step to the next, such
    as `asyncio.timeout`, a task group or a context variable, belongs to a task. The task ends
    with the step that is the last, or that raises.

    Args:
        host: Where the task runs, if it has an event loop of its own in this process.
        timeout: The most seconds for a step; None for no limit.
        name: The name of the task.
        on_cancel: What the task does when it is cancelled between two steps, for whatever reason.
            The next step gets the outcome, instead of being done, unless it must run.
    """

    def __init__(
        self,
        host: Host | None,
        timeout: float | None,
        name: str,
        on_cancel: Callable[[BaseException], Awaitable[Any]],
    ) -> None:
        self.__qualname__ = name  # of the tasks
        self._host = host
        self._timeout = timeout
        self._on_cancel = on_cancel
        self._changes: ContextChanges | None = None
        self._process: int | None = None  # in which the first step was submitted
        # Of the loop thread alone, but for looks whether the task is done:
        self._task: asyncio.Task[None] | None = None
        self._steps: deque[_Step] = deque()
        self._arrival: _Arrival | None = None  # what the task waits for meanwhile
        self._unasked: deque[Outcome] = deque()  # of cancellations between two steps

    # In the caller's thread.

    def run(
        self, fn: Callable[[], Awaitable[Any]], *, must_run: bool = False, is_last: bool = False
    ) -> Any:
        """Run `await fn()` in the task and return what it returns, or raise what it raises.

        Args:
            fn: The step.
            must_run: Whether it is done even if a cancellation since the last one has an outcome,
                which is dropped then.
            is_last: Whether the task ends with it. The last step must run, and begins no task.

        Raises:
            EndedError: The task has ended.
            TypeError: The host has no event loop here for a task that takes steps.
            BrokenExecutor: The task was left behind in the process that was forked.
        """
        if self.is_left_behind():
            raise concurrent.futures.BrokenExecutor(
                f"{self.__qualname__} runs in the process that was forked; begin it again here"
            )
        if self._changes is None:
            self._local_host()
            self._changes = ContextChanges()
            self._process = os.getpid()
        try:
            return self._receive(submitted(self._local_host(), self, fn, must_run, is_last))
        finally:
            # The traceback of an exception that was thrown in has this frame.
            del fn

    def _local_host(self) -> Host:
        if self._host is None or self._host.local is not self._host:
            raise TypeError(
                f"{self.__qualname__}() returns what is iterated or entered, one step after "
                "another in one task, and its executor has no event loop of its own here: run it "
                "on an AsyncExecutor, or await it in an async function and submit that"
            )
        return self._host

    def close(self, fn: Callable[[], Awaitable[Any]]) -> None:
        """Run `await fn()` as the last step, unless the task has ended or never begun."""
        future = self.start_closing(fn)
        if future is None or future._is_on_own_loop():
            return
        with suppress(EndedError, concurrent.futures.CancelledError):
            self._receive(future)

    def start_closing(self, fn: Callable[[], Awaitable[Any]]) -> Future[Outcome] | None:
        """Do as `close`, but do not wait for it."""
        if self._process is None or self.is_left_behind():
            return None
        if self._task is not None and self._task.done():
            return None
        try:
            future = submitted(self._local_host(), self, fn, True, True)  # noqa: FBT003
        except InvalidStateError:  # shut down: the task was cancelled, and cleaned up after that
            return None
        # Somebody may cancel it before it begins: the end of a wait, or `cancel_futures`.
        future.add_done_callback(lambda done: done.cancelled() and self.start_closing(fn))
        return future

    def is_left_behind(self) -> bool:
        """Tell whether the task runs in the process from which this one was forked."""
        return self._process is not None and self._process != os.getpid()

    def _receive(self, future: Future[Outcome]) -> Any:
        """Return what a step returns, or raise what it raises."""
        outcome = wait(future, self._timeout, self.__qualname__)
        assert self._changes is not None  # noqa: S101  this is the outcome of a step
        self._changes.take_over(outcome.context)
        if outcome.unfetched is not None:
            outcome.unfetched.exception = None
        error = outcome.error
        if error is None:
            return outcome.value
        try:
            if isinstance(error, asyncio.CancelledError):
                raise concurrent.futures.CancelledError
            raise error
        finally:
            # The traceback holds this frame, and this frame would hold the exception.
            del error, outcome, future

    # On the loop thread.

    def __call__(
        self, fn: Callable[[], Awaitable[Any]], must_run: bool = False, is_last: bool = False
    ) -> Coroutine[Any, Any, Outcome]:
        """Have the task do a step.

        Not async, so that the executor calls it outside of any task: this one can do the step at
        once. Elsewhere it does so in the next turn of the event loop.
        """
        if self._task is None and not is_last:  # else the first one was cancelled in time
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._serve(), name=self.__qualname__)
            _tasks.add(self._task)
            self._task.add_done_callback(self._end)
        # A variable would keep what the step raises. The step runs below this frame, to which its
        # own frames lead back.
        steps: list[_Step] = [_Step(fn, self._task, must_run=must_run, is_last=is_last)]
        del fn
        if self._task is None or self._task.done():
            steps[0].set_result(self._outcome_after(self._task))
        else:
            self._steps.append(steps[0])
            if self._arrival is not None and not self._arrival.done():
                self._arrival.announce()
        # A coroutine: of an awaitable the executor would have to find out that it is one.
        return as_coroutine(steps.pop())

    async def _serve(self) -> None:
        """Do the steps. The body of the task."""
        changes = ContextChanges()
        is_last = False
        while not is_last:
            try:
                while not self._steps:
                    self._arrival = _Arrival(loop=asyncio.get_running_loop())
                    await self._arrival
                step = self._steps.popleft()
            except asyncio.CancelledError as error:
                running_call.set(None)
                self._unasked.append(await _outcome_of(partial(self._on_cancel, error)))
                is_last = self._unasked[-1].error is not None
                continue
            if self._unasked and not step.must_run:
                step.set_result(self._unasked.popleft())
                del step
                continue
            self._unasked.clear()
            changes.take_over(step.context)
            place = step.context.get(running_call)
            if running_call.get() is not place:
                running_call.set(place)
            outcome = await _outcome_of(step.fn)
            is_last = step.is_last or outcome.error is not None
            step.set_result(outcome)
            del step, outcome

    def _end(self, task: asyncio.Task[None]) -> None:
        """Leave no step without an answer."""
        _tasks.discard(task)
        while self._steps:
            self._steps.popleft().set_result(self._outcome_after(task))

    def _outcome_after(self, task: asyncio.Task[None] | None) -> Outcome:
        """Return the outcome of a step that comes after the end of the task."""
        if self._unasked:
            return self._unasked.popleft()
        cancelled = task is not None and task.cancelled()  # before it began
        error = asyncio.CancelledError() if cancelled else EndedError()
        return Outcome(None, error, copy_context())


def _unfetched(error: BaseException) -> UnfetchedException | None:
    """Return what reports `error`, unless it is how a step ends that somebody has ended."""
    host = LoopThread.running()
    if host is None or isinstance(error, _ENDS):
        return None
    return UnfetchedException(error, host.report)


async def _outcome_of(fn: Callable[[], Awaitable[Any]]) -> Outcome:
    try:
        value = await fn()
    except BaseException as error:
        # Without this frame, which would hold the error; nor may a variable hold either.
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
        return Outcome(None, error, copy_context(), _unfetched(error))
    finally:
        del fn  # it may hold the error, whose traceback leads to this frame
    return Outcome(value, None, copy_context())
