"""The state machine of a future: its call, its outcome and its waiters.

There is no lock. Two questions are decided by deleting an attribute, which is atomic: exactly one
thread succeeds. Deleting `_fn` decides about the call, which the host runs and `cancel` drops.
Deleting `_context` decides who writes the outcome: the host, `cancel` or `set_result`. Without a
lock, nothing can get stuck in a forked child, a signal handler or a finalizer.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Callable
from concurrent.futures._base import CANCELLED_AND_NOTIFIED, FINISHED, PENDING, RUNNING
from contextlib import suppress
from contextvars import Context
from types import FunctionType, TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn
from weakref import ref

from .._common.contract import BoundCall, Host, Runnable, Starter
from .._common.coroutines import name_of, traceback_of
from .._common.exceptions import InvalidStateError
from .._common.logging import log_error
from .._common.snapshot import snapshot
from .._common.typing import T, override
from .._loops.waves import Cleanups
from .waiters import Awaiters, StdlibWaiters, UnfetchedException, Watchers

#: Done, with an exception. The standard library's FINISHED means done with a result here.
FAILED: Final = "FAILED"

#: The final states.
DONE: Final = frozenset({CANCELLED_AND_NOTIFIED, FINISHED, FAILED})


class BaseFuture(concurrent.futures.Future[T]):
    """The state of a `Future`.

    Args:
        host: Runs the call; None if the outcome is set by hand.
        fn: The function to call; None without a host.
        args: Its positional arguments.
        kwargs: Its keyword arguments; None if there are none.
        context: The context to call it in.
    """

    # Instance attributes hold what every future has from the start, including each part of the
    # call: with a tuple instead, a call in a burst takes a third longer. Class-level defaults are
    # for what is set later, or never.
    _result: Any = None
    _exception: BaseException | None = None
    _traceback: TracebackType | None = None
    _watchers: Watchers | None = None
    _unfetched: UnfetchedException | None = None
    _task: asyncio.Task[T] | None = None
    _starter: Starter | None = None
    _awaiters: Awaiters | None = None
    _cancel_requested = False
    _is_cleaning_up = False
    _news: ref[BaseException] | None = None
    _cleanup: ref[Runnable] | None = None
    _only_waits = False
    _withdrawn: Callable[..., Awaitable[T]] | None = None
    _waves = 0
    _waves_asked = 0

    def __init__(
        self,
        host: Host | None = None,
        fn: Callable[..., Awaitable[T]] | None = None,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        context: Context | None = None,
        /,
    ) -> None:
        self._host = host
        # PENDING until the future is done, even while its call runs: see `running`.
        self._status = PENDING
        self._fn: Any = fn
        self._args: Any = args
        self._kwargs: Any = kwargs
        self._context: Any = context
        self._name: str | None = None

    @override
    def cancelled(self) -> bool:
        """Tell whether the future was cancelled and is done."""
        return self._status == CANCELLED_AND_NOTIFIED

    @override
    def running(self) -> bool:
        """Tell whether the call has started and has not finished yet."""
        return not hasattr(self, "_fn") and self._status == PENDING

    @override
    def done(self) -> bool:
        """Tell whether the call has returned, raised or been cancelled."""
        return self._status in DONE

    @override
    def __repr__(self) -> str:
        state = "cancelled" if self.cancelled() else self._status.lower()
        if self._status == FINISHED:
            state = f"finished returned {type(self._result).__name__}"
        elif self._status == FAILED:
            state = f"finished raised {type(self._exception).__name__}"
        elif self.running():
            state = "running"
        name = self._call_name()
        call = "" if name is None else f" call={name}"
        return f"<{type(self).__name__} at {id(self):#x} state={state}{call}>"

    def _call_name(self) -> str | None:
        """Return the qualified name of the function; None if the outcome is set by hand."""
        fn = getattr(self, "_fn", None)
        return self._name if self._name is not None or fn is None else name_of(fn)

    @override
    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a future cannot be pickled or copied: pass its result() instead of {self!r}"
        )

    # The rest of the standard library's contract, which only executors and tests call.

    @override
    def set_running_or_notify_cancel(self) -> bool:
        """Mark the future as running, unless it was cancelled.

        Returns:
            False if it was cancelled, in which case the call must not be run.

        Raises:
            InvalidStateError: The future is already running or done.
        """
        if self.take() is not None:
            return True
        if self.cancelled():
            return False
        raise InvalidStateError(f"{self!r} cannot be marked as running again")

    @override
    def set_result(self, result: T) -> None:
        """Finish the future with `result`.

        Raises:
            InvalidStateError: The future is already done.
        """
        self._set(FINISHED, result, None)

    @override
    def set_exception(self, exception: BaseException | None) -> None:
        """Finish the future with `exception`.

        Raises:
            InvalidStateError: The future is already done.
        """
        self._set(FINISHED if exception is None else FAILED, None, exception)

    def _set(self, status: str, result: T | None, exception: BaseException | None) -> None:
        if not self._decide(status, result, exception):
            # The standard library's message, then ours.
            raise InvalidStateError(f"{self._state}: {self!r} is already done")
        self._notify_and_drop_call()

    def _get_snapshot(self) -> tuple[bool, bool, T | None, BaseException | None]:
        """Tell whether it is done, whether it is cancelled, and the outcome.

        Called by asyncio from Python 3.14 on. The inherited method reads attributes that do not
        exist here.
        """
        return self.done(), self.cancelled(), self._result, self._exception

    # Attributes in typeshed; here they are created when needed.
    if not TYPE_CHECKING:

        @property
        def _state(self) -> str:
            """The state as `concurrent.futures.wait` and `as_completed` see it."""
            stdlib = None if self._watchers is None else self._watchers.stdlib
            if self.running() or (stdlib is not None and stdlib.looks_done() is False):
                return RUNNING
            return FINISHED if self._status == FAILED else self._status

        @property
        def _condition(self) -> StdlibWaiters:
            """What `concurrent.futures.wait` and `as_completed` use as the future's lock."""
            watchers = self._watch()
            if watchers.stdlib is None:
                vars(watchers).setdefault("stdlib", StdlibWaiters(self))
            return watchers.stdlib

        _waiters = _condition

    # For the host.

    def take(self) -> BoundCall | None:
        """Take the call, to run it; None if it was cancelled, or taken before."""
        try:
            fn = self._fn
            call = fn, self._args, self._kwargs, self._context
            del self._fn
        except AttributeError:
            return None
        self._args = self._kwargs = None
        # Faster for plain functions, which most are.
        if type(fn) is FunctionType:
            self._name = fn.__qualname__
        elif self._name is None and fn is not None:
            self._name = name_of(fn)
        return call

    def settle(self, result: T) -> None:
        """Finish the future with the result of its call."""
        # The same as `_decide`, inlined to save a call per future.
        # law: no calls
        try:
            del self._context
        except AttributeError:
            return
        self._result = result
        self._status = FINISHED
        # law: end of no calls
        if self._watchers is not None:
            self._notify()

    def fail(self, error: BaseException) -> None:
        """Finish the future with an exception of its call, or the reason why it cannot run."""
        if self._status in DONE:
            return
        # First this: once the future is done, another thread may fetch the exception.
        if self._host is not None and self._must_be_fetched(error):
            self._unfetched = UnfetchedException(error, self._host.report)
        is_decided = self._decide(FAILED, None, error)
        # A callback that was added in between found no outcome yet.
        if not is_decided or not self._must_be_fetched(error):
            self._mark_fetched()
        if is_decided:
            self._notify_and_drop_call()

    def _must_be_fetched(self, error: BaseException) -> bool:
        """Tell whether `error` must be reported if nobody fetches it."""
        return self._watchers is None or not self._watchers.has_callbacks()

    def settle_cancelled(self) -> None:
        """Finish the future as cancelled, as its call was."""
        if self._decide(CANCELLED_AND_NOTIFIED, None, None):
            self._notify()

    def abandon(self, error: BaseException) -> None:
        """Finish the future in a forked child, where no other thread is left to do so."""
        # Even if a thread of the parent was about to do so.
        if self._status not in DONE:
            self._exception = error
            self._status = FAILED
            self._decide(FAILED, None, error)
            self._drop_call()
        # The waiting threads and loops are the parent's, except for iterators of `as_completed`.
        watchers = vars(self).pop("_watchers", None)
        if watchers is not None and watchers.stdlib is not None:
            watchers.stdlib.abandon(self)

    def note_cancel(self) -> None:
        """Note that what runs the call is asked to cancel. Loop thread only."""
        self._is_cleaning_up = Cleanups.have_begun = True

    def is_being_cancelled(self) -> bool:
        """Tell whether the call was asked to cancel, or will be, along with all others."""
        return self._is_cleaning_up or self._waves > 0

    # For the host, when it cancels all its calls.

    def withdraw(self) -> bool:
        """Cancel the call, unless it was taken. `tell_withdrawn` notifies its waiters."""
        # As in `_decide`.
        # law: no calls
        try:
            fn = self._fn
            del self._fn
            del self._context
        except AttributeError:
            return False
        self._withdrawn = fn
        self._status = CANCELLED_AND_NOTIFIED
        # law: end of no calls
        return True

    def tell_withdrawn(self) -> None:
        """Notify the waiters of a withdrawn call."""
        # The opening of a shared client has no function.
        fn = vars(self).pop("_withdrawn", self)
        if fn is self or self._host is None:
            return
        if self._name is None and fn is not None:
            self._name = name_of(fn)
        try:
            self._notify_and_drop_call()
        finally:
            self._host.cancel(self, lambda _: None)
            self._hand_on(fn)

    def _hand_on(self, fn: object) -> None:
        """Cancel the futures that a withdrawn call was derived from."""

    # Decisions.

    def _decide(self, status: str, result: Any, error: BaseException | None) -> bool:
        """Write the outcome; False if there is another one already, or soon."""
        traceback = None if error is None else traceback_of(error)
        # With no calls in between, no signal handler can raise halfway.
        # law: no calls
        try:
            del self._context
        except AttributeError:
            return False
        self._result = result
        self._exception = error
        self._traceback = traceback
        self._status = status
        # law: end of no calls
        return True

    def _cancel_pending(self) -> bool:
        """Cancel the future, unless its call was taken; tell whether it was cancelled."""
        # As in `_decide`.
        # law: no calls
        try:
            fn = self._fn
            del self._fn
            del self._context
        except AttributeError:
            return False
        self._status = CANCELLED_AND_NOTIFIED
        # law: end of no calls
        try:
            self._name = self._name or (fn and name_of(fn))
            self._notify_and_drop_call()
        except BaseException:
            # A signal handler raised: leave nobody waiting.
            self._notify()
            raise
        # Only now: it may have a finalizer.
        del fn
        return True

    def _notify_and_drop_call(self) -> None:
        """Notify the waiters first, as the function and its arguments may have finalizers."""
        try:
            self._notify()
        finally:
            self._drop_call()

    def _drop_call(self) -> None:
        """Release a call that nobody will run."""
        self._name = self._call_name()
        with suppress(AttributeError):
            del self._fn
        self._args = self._kwargs = None

    # Waiters.

    def _watch(self) -> Watchers:
        """Return the waiters. After adding one, check the state of the future."""
        watchers = self._watchers
        if watchers is None:
            # Atomic, so that all threads use the same one.
            watchers = self.__dict__.setdefault("_watchers", Watchers())
        return watchers

    def _is_on_own_loop(self) -> bool:
        """Tell whether the caller runs on the event loop that runs the call."""
        return self._host is not None and self._host.is_current()

    def _notify(self) -> None:
        """Wake or call all waiters. Repeating it after an interruption is harmless."""
        watchers = self._watchers
        if watchers is not None:
            watchers.notify(self)
            if watchers.has_callbacks():
                self._run_callbacks(watchers)

    def _run_callbacks(self, watchers: Watchers) -> None:
        """Call each callback once, even if several threads do so at the same time."""
        errors: list[BaseException] = []
        callbacks = watchers.callbacks
        while callbacks:
            with suppress(IndexError):
                callback = callbacks.popleft()
                try:
                    self._call(callback)
                except BaseException as error:
                    errors.append(error)
        while watchers.of_asyncio:
            for key in snapshot(watchers.of_asyncio):
                with suppress(KeyError):
                    self._call(watchers.of_asyncio.pop(key))
        if errors:
            raise errors.pop(0)

    def _call(self, callback: Callable[[Any], object]) -> None:
        """Call one, and log its exception unless the calling thread should get it."""
        try:
            callback(self)
        except BaseException as error:
            if not (issubclass(type(error), Exception) or self._is_on_own_loop()):
                raise
            log_error(error, "exception calling callback for %r", self)

    def _mark_fetched(self) -> None:
        if self._unfetched is not None:
            self._unfetched.exception = None
