"""A task that runs steps one after another, each for a waiting synchronous caller."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Final
from weakref import ref

from .._common.asgiref_support import LOCAL, arrive, leave_alone
from .._common.contract import BoundCall, Host, HostLimit, Runnable, Turns
from .._common.coroutines import drop_frame
from .._common.exceptions import InvalidStateError
from .._common.typing import override
from .._futures.future import Future
from .._loops.blocking import call_elsewhere
from .._loops.caller import Caller, waiting_caller
from .._loops.limit import running_call
from .._loops.thread import LoopThread
from .call import ContextChanges, stop_waiting, wait


class EndedError(Exception):
    """The task that should run the step has ended."""


_ENDS: Final = (GeneratorExit, StopAsyncIteration, EndedError)

# asyncio itself keeps only weak references.
_tasks: set[asyncio.Task[None]] = set()


class Step(Future[Any]):
    """A call that a `StepTask` runs.

    Attributes:
        must_run: Whether it runs even if a cancellation since the last step has an outcome, which
            is then dropped.
        is_last: Whether the task ends with it. The last step must run, and starts no task.
        context: The context of the task after the step.
    """

    must_run = False
    is_last = False
    context: Context | None = None

    @override
    def _must_be_fetched(self, error: BaseException) -> bool:
        """Tell whether `error` is more than the normal end of a step that was ended."""
        return not issubclass(type(error), _ENDS) and super()._must_be_fetched(error)

    def adopt(self, outcome: Step) -> None:
        """Finish the step with the outcome of another one."""
        self.context = outcome.context
        if outcome.cancelled():
            self.settle_cancelled()
        elif outcome._exception is None:
            self.settle(outcome._result)
        else:
            outcome._mark_fetched()
            self.fail(outcome._exception)

    @override
    def cancel(self) -> bool:
        """Cancel the step, unless it is the last and has not started: that has to close things."""
        return (not self.is_last or self.running()) and super().cancel()

    @override
    def withdraw(self) -> bool:
        return not self.is_last and super().withdraw()

    @override
    def is_being_cancelled(self) -> bool:
        # The last step is not cancelled along with all others before it has started.
        return self._is_cleaning_up if self.is_last else super().is_being_cancelled()


class _NextStep:
    """What the task waits for between two steps. It wakes the task at once.

    A further turn of the event loop would cost as much as the rest of a short step on the loop. It
    has only what a task needs of a future, and serves the task for its whole life.
    """

    _asyncio_future_blocking = False

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        #: The task's own callback, while it waits for this.
        self.waiting: Callable[[_NextStep], object] | None = None
        self._is_cancelled = False

    def announce(self) -> None:
        """Make the task look for its step, now if no other task is running."""
        waiting, self.waiting = self.waiting, None
        assert waiting is not None  # noqa: S101
        if asyncio.current_task() is None:
            waiting(self)
        else:
            self._loop.call_soon(waiting, self)

    # The methods that a task calls.

    def __await__(self) -> Generator[Any, None, None]:
        self._asyncio_future_blocking = True
        yield self

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop of the task."""
        return self._loop

    def add_done_callback(self, fn: Callable[..., object], /, *, context: Context) -> None:
        """Store the callback that wakes the task, the only one to wait for this."""
        self.waiting = partial(context.run, fn)

    def cancel(self, msg: Any | None = None) -> bool:
        """Wake the task with a cancellation, in the next turn."""
        if self.waiting is None:
            return False
        self._is_cancelled = True
        self._loop.call_soon(self.waiting, self)
        self.waiting = None
        return True

    def result(self) -> None:
        """Raise CancelledError if the wait was cancelled."""
        if self._is_cancelled:
            self._is_cancelled = False
            raise asyncio.CancelledError


class StepTask:
    """A host that runs its calls in a single task, one at a time.

    Async generators and context managers need this: whatever spans several steps, such as
    `asyncio.timeout`, a task group or a context variable, belongs to a task. The task ends with the
    step that is marked as the last, or that raises.

    Like other calls, steps go through the queue of an event loop, are counted and take a place.
    When a step is at the head of the queue, it goes to the task if that is waiting for one;
    otherwise it is parked until then.

    The attributes below the line in `__init__` belong to the loop thread, except that any thread
    may check whether the task is done. The traceback of a step's exception leads to the frames that
    passed the step on. They must not keep a variable with the step, which has the exception.

    Args:
        host: Where the task runs, if the host has an event loop in this process.
        timeout: Maximum number of seconds for a step; None means no limit.
        name: The name of the task.
        on_cancel: Called in the task if it is cancelled between two steps, for whatever reason. The
            next step gets the outcome instead of running, unless it must run.
    """

    # The given host, once it is known to have an event loop.
    _loop_host: Host

    def __init__(
        self,
        host: Host | None,
        timeout: float | None,
        name: str,
        on_cancel: Callable[[BaseException], Awaitable[Any]],
    ) -> None:
        self.__qualname__ = name
        self._given_host = host
        self._timeout = timeout
        self._on_cancel = on_cancel
        self._changes: ContextChanges | None = None
        self._process: int | None = None
        self._caller = Caller()

        self._task: asyncio.Task[None] | None = None
        self._next: _NextStep | None = None
        self._handed: tuple[Step, BoundCall] | None = None
        self._parked: deque[Step] = deque()
        # The outcomes of cancellations, and the outcome of the step that ends the task.
        self._between_steps: deque[Step] = deque()
        self._final: Step | None = None

    # In the caller's thread.

    def run(
        self, fn: Callable[[], Awaitable[Any]], *, must_run: bool = False, is_last: bool = False
    ) -> Any:
        """Run `await fn()` in the task and return what it returns, or raise what it raises.

        Args:
            fn: The step.
            must_run: See `Step`.
            is_last: See `Step`.

        Raises:
            EndedError: The task has ended; or this is the last step and the task is the parent's.
            TypeError: The host has no event loop in this process.
            BrokenExecutor: The task belongs to the process that this one was forked from.
        """
        if self._is_left_behind():
            if is_last:
                raise EndedError
            raise concurrent.futures.BrokenExecutor(
                f"{self.__qualname__} belongs to the process that was forked; start it again here"
            )
        if self._changes is None:
            self._begin()
        self._caller.is_waiting = True
        step: Step | None = None
        try:
            step = self._submit(fn, must_run=must_run or is_last, is_last=is_last)
            return self._receive(step)
        except RecursionError:
            call_elsewhere(stop_waiting, (step, self._caller))
            raise
        except BaseException as error:
            stop_waiting(step, self._caller)
            # After a shutdown: the task was cancelled, and has cleaned up.
            is_refused = step is None and issubclass(type(error), InvalidStateError)
            if is_refused and is_last and self._has_ended():
                raise EndedError from None
            raise
        finally:
            del fn, step

    def _has_ended(self) -> bool:
        """Tell whether the task has started and ended."""
        return self._task is not None and self._task.done()

    def _begin(self) -> None:
        host = self._given_host
        if host is None or host.local is not host:
            raise TypeError(
                f"{self.__qualname__}() returns something to loop over or enter, step by step in "
                "one task, and its executor has no event loop in this process: run it on an "
                "AsyncExecutor, or use it in an async function and submit that function"
            )
        self._loop_host = host
        self._caller.blocks_loop = asyncio._get_running_loop() is not None
        self._changes = ContextChanges()
        self._process = os.getpid()

    def close(self, fn: Callable[[], Awaitable[Any]]) -> None:
        """Run `await fn()` as the last step, unless the task has ended or never started."""
        # In this order: at the end of the interpreter it has ended, and modules may be cleared.
        if self._process is not None and not (self._has_ended() or self.is_current()):
            self._caller.is_waiting = True
        step = self._submit_last(fn)
        if step is None or step._is_on_own_loop():
            self._caller.run_rest()
            return
        # `suppress` would take groups of exceptions apart.
        try:  # noqa: SIM105
            self._receive(step)
        except (EndedError, concurrent.futures.CancelledError):
            pass

    def start_closing(self, fn: Callable[[], Awaitable[Any]], error: BaseException) -> None:
        """Do the same as `close` without waiting, as `error` was raised here."""
        # Not isinstance: the `__class__` of an exception may raise.
        if issubclass(type(error), RecursionError):
            call_elsewhere(self._close_soon, (fn,))
        else:
            self._close_soon(fn)

    def _close_soon(self, fn: Callable[[], Awaitable[Any]]) -> None:
        self._caller.leave()
        self._submit_last(fn)

    def _submit_last(self, fn: Callable[[], Awaitable[Any]]) -> Step | None:
        if self._process is None or self._has_ended() or self._is_left_behind():
            return None
        try:
            return self._submit(fn, must_run=True, is_last=True)
        except InvalidStateError:
            # After a shutdown: the task was cancelled, and has cleaned up.
            return None

    def _is_left_behind(self) -> bool:
        """Tell whether the task belongs to the process that this one was forked from."""
        return self._process is not None and self._process != os.getpid()

    def _submit(self, fn: Callable[[], Awaitable[Any]], *, must_run: bool, is_last: bool) -> Step:
        step = Step(self, fn, (), None, copy_context())
        if LOCAL in sys.modules:
            leave_alone()
        step._starter = self
        step._name = self.__qualname__
        if must_run:
            step.must_run = True
            step.is_last = is_last
        self.submit(step)
        return step

    def _receive(self, step: Step) -> Any:
        """Return the result of a step, or raise its exception."""
        try:
            return wait(step, self._caller, self._timeout, self.__qualname__)
        finally:
            if self._changes is not None and step.context is not None:
                self._changes.take_over(step.context)
            del step

    # As a host.

    @property
    def limit(self) -> HostLimit | None:
        """The limit of the event loop."""
        return self._loop_host.limit

    @property
    def loop_in_words(self) -> str:
        """How messages continue after "the event loop"."""
        return self._loop_host.loop_in_words

    @property
    def local(self) -> Host:
        """The host of futures derived from a step: the event loop's."""
        return self._loop_host

    def submit(self, future: Runnable, /) -> None:
        """Make the task run a step."""
        self._loop_host.submit(future)

    def cancel(self, future: Runnable, asked: Callable[[bool], object], /) -> None:
        """Cancel the task while it runs this step."""
        self._loop_host.cancel(future, asked)

    def is_current(self) -> bool:
        """Tell whether the caller runs on the event loop."""
        return self._loop_host.is_current()

    def report(self, context: dict[str, Any], /) -> None:
        """Report an error that no caller can receive."""
        self._loop_host.report(context)

    # On the loop thread.

    def start(self, step: Step, turns: Turns) -> None:
        """Pass a step to the task, or park it while another one runs. Loop thread only."""
        if self._task is None and not step.is_last:
            self._hand(step, turns)
        elif self._task is None or self._task.done():
            self._answer(step)
        elif self._next is not None and self._next.waiting is not None:
            self._hand(step, turns)
        else:
            self._parked.append(step)
            turns.park(step)
        del step

    def _hand(self, step: Step, turns: Turns) -> None:
        """Make a step the task's next one; the first starts the task. Loop thread only."""
        call = step.take()
        if call is None:
            return
        if self._task is None:
            serving = self._serve(turns)
            if LOCAL in sys.modules:
                arrive(call[-1])
            try:
                self._task = asyncio.get_running_loop().create_task(
                    serving, name=self.__qualname__, context=call[-1]
                )
            except BaseException as error:
                # Raised by the user's task factory.
                serving.close()
                step.fail(error)
                del step, call
                return
            _tasks.add(self._task)
            self._task.add_done_callback(partial(self._end, turns))
        turns.begin(step, self._task)
        self._handed = step, call
        if self._next is not None:
            del step, call
            self._next.announce()

    async def _serve(self, turns: Turns) -> None:
        """Run the steps, as the task. Loop thread only."""
        waiting_caller.set(self._caller)
        if LOCAL in sys.modules:
            self._caller.serve_asgiref(LoopThread.running)
        changes, limit = ContextChanges(), self.limit
        self._next = _NextStep()
        is_over = False
        while not is_over:
            try:
                while self._handed is None:
                    if self._parked:
                        turns.unpark(self._parked.popleft())
                    await self._next
            except asyncio.CancelledError as error:
                is_over = await self._take_cancellation(error)
                continue
            step, (fn, _, _, context) = self._handed
            if self._between_steps and not step.must_run:
                step.adopt(self._between_steps.popleft())
            else:
                self._between_steps.clear()
                changes.take_over(context)
                if limit is not None:
                    running_call.set(ref(step))
                is_over = await self._take(step, fn)
            if not is_over:
                self._handed = None
                turns.end(step)
            del step, fn, context

    async def _take_cancellation(self, error: BaseException) -> bool:
        """Handle a cancellation between two steps; tell whether the task is over.

        Loop thread only.
        """
        running_call.set(None)
        outcome = Step(self)
        is_over = await self._take(outcome, partial(self._on_cancel, error))
        self._between_steps.append(self._final or outcome)
        self._final = None
        return is_over

    async def _take(self, step: Step, fn: Callable[[], Awaitable[Any]]) -> bool:
        """Finish `step` with the outcome of `await fn()`; tell whether the task is over.

        If so, the outcome is kept until the task is done, and only then the waiting caller
        continues. Loop thread only.
        """
        try:
            value = await fn()
            if not step.is_last:
                step.context = copy_context()
                if LOCAL in sys.modules:
                    leave_alone()
                step.settle(value)
                return False
            outcome = Step(self)
            outcome.settle(value)
        except BaseException as error:
            outcome = Step(self)
            if issubclass(type(error), asyncio.CancelledError):
                outcome.settle_cancelled()
            else:
                drop_frame(error)
                outcome.fail(error)
        finally:
            del fn, step
        outcome.context = copy_context()
        self._final = outcome
        del outcome
        return True

    def _end(self, turns: Turns, task: asyncio.Task[None]) -> None:
        """Answer all remaining steps. Loop thread only."""
        _tasks.discard(task)
        if self._handed is not None:
            if self._final is None:
                self._answer(self._handed[0])
            else:
                self._handed[0].adopt(self._final)
            turns.end(self._handed[0])
            self._handed = self._final = None
        # Parked steps are answered when they start.
        while self._parked:
            turns.unpark(self._parked.popleft())

    def _answer(self, step: Step) -> None:
        """Finish a step that comes after the end of the task. Loop thread only."""
        if self._between_steps:
            step.adopt(self._between_steps.popleft())
        elif self._task is not None and self._task.cancelled():
            step.settle_cancelled()
        else:
            step.fail(EndedError())
