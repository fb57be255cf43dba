"""A client that all threads of a process share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import wait
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Generic, NoReturn

from .._common.coroutines import name_of, not_callable
from .._common.exceptions import DeadlockError
from .._common.typing import T, override
from .._futures.future import Future
from .._loops.blocking import call_elsewhere
from .._loops.lifecycle import abandonable
from .._loops.thread import LoopThread
from .call import warn_of_blocked_loop
from .lifetime import AskAgainError, Lifetime
from .openers import entering


class Shared(Generic[T]):
    """A client, or a background service, that the whole process shares.

    Created by `shared` and `AsyncExecutor.shared`. Call it in synchronous code, await it in async
    code. The first caller opens the client, and all callers get the same one; it is opened and
    closed in one task. If opening fails, every waiting caller gets the error, and the next one
    tries again.

    The client stays open until `close`, the shutdown of its executor or the end of the interpreter;
    the last two close all clients, the last one opened first. It is not a call: nothing waits for
    it, counts it or cancels it. A forked child opens its own.

    If the context manager ends by itself, as one with a task group does when a task in it fails,
    the next caller gets the error, and the one after that opens the client again.

    .. versionadded:: 0.2.0
    """

    _current: Lifetime[T]

    def __init__(
        self,
        host: Callable[[], LoopThread],
        fn: Callable[..., AbstractAsyncContextManager[T]],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        if not callable(fn):
            raise not_callable(fn)
        self._host = host
        self._name = name_of(fn)
        self._make: Callable[[], AbstractAsyncContextManager[T]] = partial(
            entering(fn, self._name), *args, **kwargs
        )
        abandonable.add(self)

    @override
    def __repr__(self) -> str:
        lifetime = self._lifetime()
        if lifetime is None or lifetime.closed.done():
            state = "not open"
        elif lifetime.is_closing:
            state = "closing"
        else:
            state = "open" if lifetime.is_open() else "opening"
        return f"<{type(self).__name__} name={self._name} state={state}>"

    @override
    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a shared client cannot be pickled or copied: share {self._name} in a module that "
            f"every process imports, which opens it once in each, instead of sending {self!r}"
        )

    def __call__(self) -> T:
        """Return the client, and open it first if it is not open.

        Raises:
            BaseException: Whatever opening the client raised, or the error it ended with by itself.
            TypeError: The function returned something other than an async context manager.
            CancelledError: The opening was cancelled.
            DeadlockError: The client is not open, and this is the event loop that has to open it.
                Also raised if the code that opens it, or another client that this needs, awaits it.
            InvalidStateError, BrokenExecutor: As for `AsyncExecutor.submit`.
        """
        lifetime = self._lifetime()
        if lifetime is not None and lifetime.is_open():
            return lifetime.opened.result()
        # It may have an exception whose traceback will hold this frame.
        del lifetime
        # `suppress` would take groups of exceptions apart.
        while True:
            try:
                return self._wait(self._ask())
            except AskAgainError:
                pass

    def __await__(self) -> Generator[Any, None, T]:
        """Return the client as a call does, without blocking, on any event loop."""
        while True:
            try:
                return (yield from self._ask().__await__())
            except AskAgainError:
                pass

    def close(self) -> None:
        """Close the client, if it is open or being opened, and wait until it is closed.

        The next caller opens it again.

        Raises:
            BaseException: Whatever closing the client raised.
            DeadlockError: This is the event loop that has to close it.
        """
        lifetime = self._lifetime()
        if lifetime is None or lifetime.closed.done():
            return
        name = f"{self._name}.close"
        _refuse_to_block(lifetime.closed, name, "closes", f"await sync_to_async({name})", 3)
        try:
            wait([lifetime.opened])
            lifetime.close_soon()
            lifetime.closed.result()
        finally:
            if lifetime.closed.done():
                self._drop(lifetime)
            # The traceback of its exception holds this frame.
            del lifetime

    def abandon(self) -> None:
        """Leave what is open to the parent process, in a forked child; its executor keeps it."""
        vars(self).pop("_current", None)

    def _lifetime(self) -> Lifetime[T] | None:
        lifetime: Lifetime[T] | None = vars(self).get("_current")
        return lifetime

    def _ask(self) -> Future[T]:
        """Return a future of the client, and open it if it is not open.

        Raises:
            BaseException: The error that the client ended with by itself.
        """
        while (lifetime := self._lifetime()) is not None:
            if not lifetime.closed.done():
                return lifetime.ask()
            error = self._drop(lifetime)
            if error is not None:
                try:
                    raise error
                finally:
                    # Its traceback holds this frame.
                    del error, lifetime
        new = Lifetime(self._host(), self._make, self._name)
        asker = new.ask()
        try:
            # Atomic: of those who come at once, one opens it.
            first: Lifetime[T] = self.__dict__.setdefault("_current", new)
            if first is not new:
                return first.ask()
            new.begin()
        except RecursionError:
            call_elsewhere(new.give_up, ())
            raise
        except BaseException:
            # It was refused, or a signal handler raised: the others who have come ask again.
            new.give_up()
            raise
        return asker

    def _wait(self, asker: Future[T]) -> T:
        try:
            _refuse_to_block(asker, self._name, "opens", f"await {self._name}", 4)
            return asker.result()
        except BaseException:
            asker.cancel()
            raise
        finally:
            # The traceback of its exception holds this frame.
            del asker

    def _drop(self, lifetime: Lifetime[T]) -> BaseException | None:
        """Forget a lifetime that is over; return the error of a crash, to one caller."""
        # law: no calls
        try:
            del lifetime.is_current
            del self._current
        except AttributeError:
            return None
        # law: end of no calls
        return None if lifetime.is_closing else lifetime.closed.exception()


def _refuse_to_block(
    future: Future[Any], name: str, does: str, instead: str, stacklevel: int
) -> None:
    """Raise an error, or warn, if a wait for `future` blocks the running event loop."""
    if asyncio._get_running_loop() is None or (future._is_on_own_loop() and future.done()):
        return
    if future._is_on_own_loop():
        raise DeadlockError(
            f"{name}() was called on the event loop that {does} it, and would wait forever. "
            f"Use '{instead}' there"
        )
    warn_of_blocked_loop(future, name, f"use '{instead}' there", stacklevel)
