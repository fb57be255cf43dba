"""One lifetime of a shared client, from its opening to its closing, in one task."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures._base import FINISHED
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any, Generic
from weakref import ref

from .._common.asgiref_support import LOCAL, arrive, use, without_sensitive_context
from .._common.contract import Turns
from .._common.coroutines import drop_frame
from .._common.exceptions import DeadlockError
from .._common.typing import T
from .._futures.future import Future
from .._loops.caller import waiting_caller
from .._loops.limit import running_call
from .._loops.run import OpenClient
from .._loops.thread import LoopThread

# The lifetime of a task, which the tasks it creates inherit.
_lifetime: ContextVar[ref[Lifetime[Any]] | None] = ContextVar("_lifetime", default=None)


class AskAgainError(Exception):
    """The lifetime ended, or its opening was given up, before there was an answer."""


class Lifetime(Generic[T]):
    """A client that one task opens, keeps open and closes.

    The opening is a submitted call, whose future is `opened`; after that, the task continues, but
    no longer as a call. `closed` is done when the task ends, or when the opening has failed. If an
    error ends the task before closing was requested, that is a crash.

    Every caller has its own future. When the last caller leaves, the opening is cancelled. Callers
    that have come in the meantime ask again, and so do those that come during the closing.

    Args:
        host: Where the task runs.
        make: Returns the async context manager that opens and closes the client.
        name: The name of the task.
    """

    def __init__(
        self, host: LoopThread, make: Callable[[], AbstractAsyncContextManager[T]], name: str
    ) -> None:
        self.host = host
        # Whichever thread deletes it replaces this lifetime by the next one.
        self.is_current = True
        self.is_closing = False
        context = without_sensitive_context(copy_context())
        self.opened: Future[T] = Future(host, None, (), None, context)
        self.opened._starter = self
        self.opened.add_done_callback(self._note_opened)
        self.closed: Future[None] = Future(host)
        self._make = make
        self._name = name
        self._is_submitted = False
        self._is_given_up = False
        self._askers: set[Future[T]] = set()
        self._may_close = asyncio.Event()
        self._error: BaseException | None = None
        self._task: asyncio.Task[Any] | None = None
        # The lifetime that the task waits for until it is open.
        self._needs: Lifetime[Any] | None = None

    # From any thread.

    def begin(self) -> None:
        """Submit the opening."""
        self.host.submit(self.opened)
        self._is_submitted = True

    def give_up(self) -> None:
        """Cancel the opening, once, as nobody waits for it."""
        if not self._is_given_up:
            self._is_given_up = True
            self.opened.cancel()

    def is_open(self) -> bool:
        """Tell whether the client can be used."""
        return self.opened._status == FINISHED and not (self.is_closing or self.closed.done())

    def ask(self) -> Future[T]:
        """Return a new future of the client, whose `cancel` affects no other one.

        It fails with AskAgainError if another lifetime must follow.

        Raises:
            DeadlockError: This lifetime waits for the one whose task asks.
        """
        asker: Future[T] = Future(self.host)
        self._askers.add(asker)
        asker.add_done_callback(self._leave)
        source: Future[Any] = self.closed if self.is_closing else self.opened
        source.add_done_callback(lambda _: self._answer(asker))
        waiting = _living()
        if waiting is not None and not asker.done():
            waiting.wait_for(self, asker)
        return asker

    def close_soon(self) -> None:
        """Start closing the client, which is open."""
        self.host.call_soon(self._begin_closing)

    def _answer(self, asker: Future[T]) -> None:
        """Finish the future of a caller."""
        # Read once: `_leave` may clear it.
        error = self.opened._exception
        if error is not None:
            asker.fail(error)
        elif self.opened._status == FINISHED and not self.closed.done():
            asker.settle(self.opened._result)
        elif self.opened.cancelled() and self._is_submitted and not self._is_given_up:
            asker.settle_cancelled()
        else:
            asker.fail(AskAgainError())
        # Its traceback may refer to this frame.
        del error

    def _leave(self, asker: Future[T]) -> None:
        self._askers.discard(asker)
        if self._askers:
            return
        if not self.opened.done():
            self.give_up()
        # All callers have received it, and its traceback refers to their frames.
        self.opened._exception = None

    def _note_opened(self, opened: Future[T]) -> None:
        """End the lifetime if the opening failed."""
        if opened._status == FINISHED:
            return
        self.closed.settle(None)
        # Read once, as above.
        error = opened._exception
        if error is not None and not self._askers:
            self._report("failed to open", error)
        del error

    # On the loop thread.

    def start(self, opened: Future[T], turns: Turns, /) -> None:
        """Begin the task, as there is a place. Loop thread only."""
        opened._starter = None
        call = opened.take()
        if call is None:
            return
        self._is_submitted = True
        living = self._live(turns)
        if LOCAL in sys.modules:
            arrive(call[-1])
        try:
            task = asyncio.get_running_loop().create_task(living, name=self._name, context=call[-1])
        except BaseException as error:
            # Raised by the user's task factory.
            living.close()
            opened.fail(error)
            return
        task.add_done_callback(partial(self._end, turns))
        turns.begin(opened, task)

    async def _live(self, turns: Turns) -> None:
        """Open the client, keep it open and close it, as the task. Loop thread only."""
        # An eager task begins before `turns` knows that it runs the opening.
        await asyncio.sleep(0)
        self._task = task = asyncio.current_task()
        assert task is not None  # noqa: S101
        _lifetime.set(ref(self))
        running_call.set(ref(self.opened))
        waiting_caller.set(None)
        if LOCAL in sys.modules:
            use(None)
        try:
            async with self._make() as value:
                self.host.open_clients[self.closed] = OpenClient(task, self._close)
                self.opened.settle(value)
                turns.end(self.opened)
                await self._may_close.wait()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            # Not in the task: frames of task groups refer to the task, and all refer to this one.
            drop_frame(error)
            self._error = error
        finally:
            del self, task

    def _end(self, turns: Turns, task: asyncio.Task[None]) -> None:
        """Settle the futures at the end of the client. Loop thread only."""
        self.host.open_clients.pop(self.closed, None)
        error, self._error = self._error, None
        if self.opened._task is not None:
            if error is None:
                self.opened.settle_cancelled()
            else:
                self.opened.fail(error)
            turns.end(self.opened)
        elif error is None:
            self.closed.settle(None)
        else:
            self.closed.fail(error)
        del error

    def wait_for(self, other: Lifetime[Any], asker: Future[Any]) -> None:
        """Note that this task waits for `other` until `asker` is done. Loop thread only.

        Raises:
            DeadlockError: `other` waits for this lifetime.
        """
        self._needs = other
        asker.add_done_callback(self._need_nothing)
        needed: Lifetime[Any] | None = other
        while needed is not None and needed is not self:
            needed = needed._needs
        if needed is self:
            self._needs = None
            asker.cancel()
            raise DeadlockError(
                f"{self._name} would wait for itself, forever: the code that opens or closes a "
                "shared client cannot await it, nor another client that does"
            )

    def _need_nothing(self, _: object) -> None:
        self._needs = None

    def _begin_closing(self) -> None:
        """Let the task continue and close the client. Loop thread only."""
        self.is_closing = True
        self._may_close.set()

    async def _close(self) -> None:
        """Close the client at the end of the event loop, and report its error. Loop thread only."""
        self._begin_closing()
        try:
            await self.closed
        except asyncio.CancelledError:
            # Ctrl-C: the task is cancelled along with the remaining ones.
            raise
        except BaseException as error:
            self._report("failed to close", error)

    def _report(self, what: str, error: BaseException) -> None:
        """Report an error that no caller receives."""
        self.host.report({"message": f"{self._name} {what}", "exception": error})


def _living() -> Lifetime[Any] | None:
    """Return the lifetime whose task is the running one, if any."""
    reference = _lifetime.get()
    lifetime = reference and reference()
    if not lifetime or asyncio._get_running_loop() is None:
        return None
    return lifetime if asyncio.current_task() is lifetime._task else None
