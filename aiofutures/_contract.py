"""The contract between a future and what runs its call.

Neither side knows anything else of the other. A loop thread is a host, and so is a task that takes
one step after another; a cluster or a group of loops would be another one, and nothing else of the
package would have to change.

The way of a call: a future goes to `Host.submit`, in the thread of the caller. Later, in whichever
thread it likes, the host calls `take`. It gets the call, or None: then the future is cancelled. Of
what it has taken the host tells the outcome, with `settle`, `fail` or `settle_cancelled`. Where it
cannot even start a call it calls `fail` at once. The first outcome counts; what comes later is
dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from contextvars import Context
from typing import Any, Protocol, TypeAlias

#: A call that was taken to be run: the function, its arguments and the context to run it in. None
#: stands for no keyword arguments.
#: The argument types were checked against `ParamSpec` at `submit` and are not known here.
BoundCall: TypeAlias = tuple[
    Callable[..., Awaitable[Any]], tuple[Any, ...], dict[str, Any] | None, Context
]


class LendsPlaces(Protocol):
    """A limit on how many calls run at once: a call that waits for another one lends its place."""

    def lend(self) -> Callable[[Callable[[], object]], None] | None:
        """Lend the place of the caller's call to another one, for as long as the caller waits.

        Returns:
            A function that calls another one as soon as there is a place again. None where the
            caller has no place of this limit.
        """
        ...

    def lent(self, timeout: float | None, /) -> AbstractContextManager[None]:
        """Lend the place of the call that the calling thread belongs to, during a block.

        At the end the thread waits for a place, unless the time is up by then.

        Args:
            timeout: Maximum number of seconds for all of it; None for no limit.
        """
        ...


class Host(Protocol):
    """What runs the calls of futures. A future keeps its host for ever.

    All of it may be called from any thread, also by a signal handler or a finalizer.
    """

    @property
    def limit(self) -> LendsPlaces | None:
        """The limit on how many calls run at once; None for no limit."""
        ...

    @property
    def local(self) -> Host:
        """The host, in this process, of what follows a future here.

        `Future.map`, `then` and their like run there. It is the host itself if that has an event
        loop of its own in this process. Only such a host can take steps, for generators and
        context managers.
        """
        ...

    def submit(self, future: Runnable, /) -> None:
        """Run the call of `future` soon.

        Raises:
            Exception: It takes no more calls; the future is cancelled or failed then.
        """

    def cancel(self, future: Runnable, /) -> None:
        """Ask for the cancellation of a call that was taken.

        Nothing happens where the call is done. The future is done when the call is.
        """

    def is_current(self) -> bool:
        """Tell whether a wait for a call of this host would never end if the caller blocked."""
        ...

    def report(self, context: dict[str, Any], /) -> None:
        """Report an error that no caller can receive.

        Args:
            context: As for `asyncio.loop.call_exception_handler`; "message" and "exception" are
                there.
        """


class Runnable(Protocol):
    """A future, as its host sees it."""

    # For the host alone: what runs the call, to cancel it by; None while nothing does.
    _task: Any

    @property
    def _starter(self) -> Starter | None:
        """What starts the call on the loop thread; None: it gets a task of its own."""
        ...

    @property
    def _host(self) -> Host | None: ...

    def cancel(self) -> bool: ...
    def running(self) -> bool: ...
    def done(self) -> bool: ...
    def exception(self) -> BaseException | None: ...

    def take(self) -> BoundCall | None:
        """Take the call out, to run it; None where it was cancelled, or taken before."""
        ...

    def settle(self, result: Any, /) -> None:
        """Finish the future with what its call has returned."""

    def fail(self, error: BaseException, /) -> None:
        """Finish the future with what its call has raised, or what kept it from being run.

        Where nobody has taken the call, nobody can any more.
        """

    def settle_cancelled(self) -> None:
        """Finish the future as cancelled: its call was."""

    def abandon(self, error: BaseException, /) -> None:
        """Finish the future in a forked child, in which nothing runs its call."""


class Starter(Protocol):
    """What takes calls out of the queue of an event loop to run them in a task that is there."""

    def start(self, future: Any, turns: Turns, /) -> None:
        """Start a call that is at the head of the queue; there is a place. Loop thread only."""


class Turns(Protocol):
    """An event loop, as such a task sees it. All of it is for the loop thread only."""

    def begin(self, future: Runnable, task: asyncio.Task[Any], /) -> None:
        """Note that `task` runs the call of `future` now; it takes a place."""

    def end(self, future: Runnable, /) -> None:
        """Note that the call of `future` is done; it leaves its place."""

    def park(self, future: Runnable, /) -> None:
        """Keep a call that cannot begin yet. It takes no place."""

    def unpark(self, future: Runnable, /) -> None:
        """Put a call that was parked at the head of the queue."""
