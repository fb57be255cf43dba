"""A task that does one thing after another for a synchronous caller."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Any, NamedTuple

from ._blocking import ContextChanges, SubmitsCalls, wait
from ._exceptions import InvalidStateError
from ._future import Future
from ._places import holder
from ._typing import T

_tasks: set[asyncio.Task[None]] = set()  # asyncio itself keeps only weak references


class Outcome(NamedTuple):
    """What a step has returned or raised, and the context in which it left the task."""

    value: Any
    error: BaseException | None
    context: Context


class _Step(NamedTuple):
    """What the task is to do next."""

    fn: Callable[[], Awaitable[Any]]
    is_last: bool
    holder: object  # whose place it takes up


class OneTask:
    """Runs steps in one and the same task, one at a time, each for a caller that waits.

    An async generator or context manager needs that: what holds from one step to the next, such
    as `asyncio.timeout`, a task group or a context variable, belongs to a task.

    Args:
        executor: Where the task runs.
        timeout: The most seconds for a step; None for no limit.
        name: The name of the task.
        on_cancel: What the task does when it is cancelled between two steps.
    """

    def __init__(
        self,
        executor: SubmitsCalls,
        timeout: float | None,
        name: str,
        on_cancel: Callable[[BaseException], Awaitable[Any]],
    ) -> None:
        self.__qualname__ = name  # of the tasks
        self._executor = executor
        self._timeout = timeout
        self._on_cancel = on_cancel
        self._changes: ContextChanges | None = None
        self._process = os.getpid()
        # Of the loop thread alone:
        self._task: asyncio.Task[None] | None = None
        self._step: _Step | None = None
        self._arrival: asyncio.Future[None] | None = None
        self._answer: asyncio.Future[Outcome] | None = None
        self._unasked: Outcome | None = None  # of a cancellation between two steps

    # In the caller's thread.

    def run(self, fn: Callable[[], Awaitable[T]], *, is_last: bool = False) -> T:
        """Run `await fn()` in the task and return what it returns, or raise what it raises."""
        if self._changes is None:
            self._changes = ContextChanges()
        future = self._executor.submit(self, fn, is_last)
        outcome = wait(future, self._timeout, self.__qualname__)
        self._changes.take_over(outcome.context)
        error = outcome.error
        if error is None:
            value: T = outcome.value
            return value
        try:
            if isinstance(error, asyncio.CancelledError):
                raise concurrent.futures.CancelledError
            raise error
        finally:
            # The traceback holds this frame, and this frame would hold the exception.
            del error, outcome, future

    def close(self, fn: Callable[[], Awaitable[Any]]) -> None:
        """Run `await fn()` as the last step, unless the task has ended or never begun."""
        future = self.start_closing(fn)
        if future is not None and not future._is_on_own_loop():
            wait(future, self._timeout, self.__qualname__)

    def start_closing(self, fn: Callable[[], Awaitable[Any]]) -> Future[Outcome] | None:
        """Do as `close`, but do not wait for it."""
        if self._task is None or self._task.done() or self._process != os.getpid():
            return None
        try:
            return self._executor.submit(self, fn, is_last=True)
        except InvalidStateError:  # shut down: the task was cancelled, and cleaned up after that
            return None

    # On the loop thread.

    async def __call__(self, fn: Callable[[], Awaitable[Any]], is_last: bool) -> Outcome:
        """Have the task do a step."""
        loop = asyncio.get_running_loop()
        if self._task is None:
            self._task = loop.create_task(self._serve(), name=self.__qualname__)
            _tasks.add(self._task)
            self._task.add_done_callback(_tasks.discard)
        if self._unasked is not None:
            outcome, self._unasked = self._unasked, None
            return outcome
        if self._task.done():
            return Outcome(None, StopAsyncIteration(), copy_context())
        self._step = _Step(fn, is_last, holder.get())
        self._answer = loop.create_future()
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
        try:
            return await self._answer
        except asyncio.CancelledError:
            self._task.cancel()
            await asyncio.wait([self._task])
            raise

    async def _serve(self) -> None:
        """Do the steps. The body of the task."""
        is_last = False
        while not is_last:
            try:
                step = await self._next_step()
            except asyncio.CancelledError as error:
                step = _Step(partial(self._on_cancel, error), is_last=False, holder=None)
            holder.set(step.holder)
            outcome = await _outcome_of(step.fn)
            is_last = step.is_last or outcome.error is not None
            self._deliver(outcome)
            del step, outcome

    async def _next_step(self) -> _Step:
        while self._step is None:
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        step, self._step = self._step, None
        return step

    def _deliver(self, outcome: Outcome) -> None:
        """Hand `outcome` to who waits for it, else keep it for the next who asks."""
        if self._answer is None or self._answer.done():
            self._unasked = outcome
            return
        self._step = None
        self._answer.set_result(outcome)


async def _outcome_of(fn: Callable[[], Awaitable[Any]]) -> Outcome:
    try:
        value = await fn()
    except BaseException as error:
        if error.__traceback__ is not None:  # without this frame, which would hold the error
            error.__traceback__ = error.__traceback__.tb_next
        return Outcome(None, error, copy_context())
    return Outcome(value, None, copy_context())
