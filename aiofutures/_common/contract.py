"""The contract between a future and what runs its call.

Neither side knows anything else about the other. In the caller's thread, a future is passed to
`Host.submit`. Later, in any thread, the host calls `take`, and gets the call, or None if there is
nothing to run. It reports the outcome with `settle`, `fail` or `settle_cancelled`. The first
outcome counts; later ones are dropped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, Protocol, TypeAlias
from weakref import ref

#: The function, its arguments, keyword arguments (None for none), and the context to call it in.
BoundCall: TypeAlias = tuple[
    Callable[..., Awaitable[Any]], tuple[Any, ...], dict[str, Any] | None, Context
]


class Host(Protocol):
    """What runs the calls of futures. A future keeps the host that queues its call.

    Any thread may call all of this, and so may signal handlers and finalizers.
    """

    @property
    def limit(self) -> HostLimit | None:
        """The limit on how many calls run at once; None for no limit."""
        ...

    @property
    def loop_in_words(self) -> str:
        """What follows "the event loop" in messages about a wait that would never end there."""
        ...

    @property
    def local(self) -> Host:
        """Where `Future.map`, `then` and their like run: itself, if it is an event loop here.

        Only an event loop in this process can take the steps of generators and `with` blocks.
        """
        ...

    def submit(self, future: Runnable, /) -> None:
        """Run the call of `future` soon, or raise an error and cancel or fail the future."""

    def cancel(self, future: Runnable, asked: Callable[[bool], object], /) -> None:
        """Ask for the cancellation of a call that runs. The future is done when the call is.

        Also called, to have it forgotten, for a call that was cancelled before anybody took it.

        Args:
            future: The future of the call.
            asked: Called when the call is asked, with whether it had ended before.
        """

    def is_current(self) -> bool:
        """Return whether the caller would wait forever for its calls if it blocked."""
        ...

    def report(self, context: dict[str, Any], /) -> None:
        """Report an error that no caller can receive, as `loop.call_exception_handler` does."""


#: Ends a loan, and calls a function as soon as there is a place again.
TakeBack: TypeAlias = Callable[[Callable[[], object]], None]


class HostLimit(Protocol):
    """A limit on how many calls run at once; a call that waits for another lends its place."""

    def lend(self, future: Runnable, limit: HostLimit | None, /) -> TakeBack | None:
        """Lend the place of a call while the caller, a task or thread of that call, waits.

        Args:
            future: That of the call.
            limit: The limit of what the caller waits for.

        Returns:
            None if there is nothing to lend.
        """
        ...

    def visit(self) -> TakeBack | None:
        """Have calls that pause lend their places while the caller waits for a call here.

        Returns:
            None if the caller is no part of a call, or on the event loop of this limit.
        """
        ...

    def claim(self, resume: Callable[[], object], /) -> None:
        """Call `resume` when there is a place for the running call, which only waited so far."""


class Runnable(Protocol):
    """A future, as seen by its host."""

    #: What runs the call, for the host to cancel it by; None while nothing does.
    _task: Any
    #: How often it was to be cancelled along with all calls of its host, and how often its waiters
    #: have been told. Those that waited all along pass none of these cancellations on.
    _waves: int
    _waves_asked: int
    #: Whether what runs the call was asked to cancel, so that its cleanup may have begun.
    _is_cleaning_up: bool
    #: By what it learned that something it awaited was cancelled; gone when it has handled that.
    _news: ref[BaseException] | None
    #: The call whose cleanup made this one.
    _cleanup: ref[Runnable] | None
    #: Whether the call does nothing but wait for others, for which it needs no place.
    _only_waits: bool
    #: The qualified name of what is called, for its task and in messages.
    _name: str | None

    #: What runs the call. A group of event loops puts the one in its place that is to do it.
    _host: Host | None

    def _call_name(self) -> str | None: ...

    @property
    def _starter(self) -> Starter | None: ...
    @property
    def _awaiters(self) -> SeesTask | None: ...

    def cancel(self) -> bool: ...
    def withdraw(self) -> bool:
        """Cancel the call, unless it was taken. `tell_withdrawn` notifies its waiters."""
        ...

    def tell_withdrawn(self) -> None:
        """Notify the waiters of a withdrawn call."""

    def note_cancel(self) -> None:
        """Note that what runs the call is asked to cancel. Loop thread only."""

    def running(self) -> bool: ...
    def done(self) -> bool: ...
    def exception(self) -> BaseException | None: ...

    def take(self) -> BoundCall | None:
        """Take the call, to run it; None if it was cancelled or already taken."""
        ...

    def settle(self, result: Any, /) -> None:
        """Finish the future with the result of its call."""

    def fail(self, error: BaseException, /) -> None:
        """Finish the future with an error of its call or its host; it can no longer be taken."""

    def settle_cancelled(self) -> None:
        """Finish the future as cancelled, as its call was."""

    def abandon(self, error: BaseException, /) -> None:
        """Finish the future in a forked child, where nothing runs its call."""


class SeesTask(Protocol):
    """The tasks that await a call on the event loop that runs it."""

    def begin(self, task: Any, /) -> None:
        """Note that `task` runs the call now. Loop thread only."""


class Starter(Protocol):
    """A task that takes calls of an event loop's queue as its steps."""

    def start(self, future: Any, turns: Turns, /) -> None:
        """Take the call at the head of the queue; there is a place. Loop thread only."""


class Turns(Protocol):
    """An event loop, as seen by such a task. All of it is for the loop thread only."""

    def begin(self, future: Runnable, task: Any, /) -> None:
        """Note that `task` runs the call of `future` now, which takes a place."""

    def end(self, future: Runnable, /) -> None:
        """Note that the call of `future` is done, which leaves its place."""

    def park(self, future: Runnable, /) -> None:
        """Keep a call that cannot begin yet. It takes no place."""

    def unpark(self, future: Runnable, /) -> None:
        """Put a parked call at the head of the queue."""


def ignore(_: bool) -> None:
    """Do nothing, as the callback of `Host.cancel` if nobody wants to know."""
