"""The decorators that give an async function a synchronous face."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import warnings
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context, copy_context
from inspect import iscoroutine
from typing import Any, Final, Generic, Protocol, overload

from ._calls import ensure_coroutine, name_of
from ._default import get_default_executor
from ._exceptions import BlockingCallWarning, DeadlockError
from ._future import Future
from ._places import holder
from ._signatures import dress
from ._typing import P, T

_CLEANUP_SECONDS: Final = 5.0  # what an interrupted call may take for its cleanup


class SubmitsCalls(Protocol):
    """What the decorators ask of an executor."""

    def submit(
        self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Run `await fn(*args, **kwargs)`."""
        ...


class ToSync(Protocol):
    """`to_sync` with its options."""

    def __call__(self, fn: Callable[P, Awaitable[T]], /) -> Callable[P, T]:
        """Decorate `fn`."""
        ...


class InExecutor(Protocol):
    """`in_executor` with its options."""

    def __call__(self, fn: Callable[P, Awaitable[T]], /) -> Callable[P, Future[T]]:
        """Decorate `fn`."""
        ...


@overload
def to_sync(fn: Callable[P, Awaitable[T]], /) -> Callable[P, T]: ...
@overload
def to_sync(*, timeout: float | None = None, executor: SubmitsCalls | None = None) -> ToSync: ...
def to_sync(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    timeout: float | None = None,
    executor: SubmitsCalls | None = None,
) -> Any:
    """Turn an async function into one that blocks until the result is there.

    A call runs on the event loop of an executor. What it changes in context variables is changed
    for the caller too, as with `await`. An exception in the thread that waits, such as Ctrl-C,
    cancels the call, and goes on after its cleanup or 5 seconds.

    Args:
        fn: An async function, method or any callable that returns an awaitable.
        timeout: The most seconds a call may take; it is cancelled then. None for no limit.
        executor: Where calls run; None for the default executor at the time of the call.

    Returns:
        A plain function with the parameters of `fn`, to be called from synchronous code. It
        raises what `fn` raises, and further:

        - TimeoutError: The call was not done in time.
        - CancelledError: The call was cancelled.
        - DeadlockError: It was called on the very event loop that has to run it.

    Raises:
        TypeError: `fn` is not callable.

    Example:
        >>> @to_sync
        ... async def fetch(url: str) -> bytes: ...
        >>> body = fetch("https://example.org")
    """

    def decorate(fn: Callable[..., Any]) -> Any:
        def blocking(*args: Any, **kwargs: Any) -> Any:
            return _run_blocking(
                _ContextKeepingCall(fn), args, kwargs, timeout, executor or get_default_executor()
            )

        return dress(blocking, fn, lambda returned: returned)

    return _apply("to_sync", decorate, fn)


@overload
def in_executor(fn: Callable[P, Awaitable[T]], /) -> Callable[P, Future[T]]: ...
@overload
def in_executor(*, executor: SubmitsCalls | None = None) -> InExecutor: ...
def in_executor(
    fn: Callable[..., Any] | None = None, /, *, executor: SubmitsCalls | None = None
) -> Any:
    """Turn an async function into one that starts the call and returns its `Future`.

    Args:
        fn: An async function, method or any callable that returns an awaitable.
        executor: Where calls run; None for the default executor at the time of the call.

    Returns:
        A plain function with the parameters of `fn`. It raises InvalidStateError when the
        executor was shut down.

    Raises:
        TypeError: `fn` is not callable.

    Example:
        >>> @in_executor
        ... async def fetch(url: str) -> bytes: ...
        >>> futures = [fetch(url) for url in urls]
    """

    def decorate(fn: Callable[..., Any]) -> Any:
        def starting(*args: Any, **kwargs: Any) -> Any:
            return (executor or get_default_executor()).submit(fn, *args, **kwargs)

        return dress(starting, fn, Future.__class_getitem__)

    return _apply("in_executor", decorate, fn)


def _apply(name: str, decorate: Callable[[Any], Any], fn: Any) -> Any:
    """Decorate `fn`, or return the decorator where only options were given."""
    if fn is None:
        return lambda fn: _apply(name, decorate, fn)
    if isinstance(fn, (classmethod, staticmethod)):  # no checker can tell that the order is wrong
        return type(fn)(_apply(name, decorate, fn.__func__))
    if callable(fn):
        return decorate(fn)
    if iscoroutine(fn):
        fn.close()  # it will not run
        raise TypeError(f"{name}() decorates functions: pass {fn.__qualname__} without calling it")
    raise TypeError(f"{name}() decorates async functions, not {fn!r}")


class _ContextKeepingCall(Generic[T]):
    """An async function that keeps what it changes in its context."""

    def __init__(self, fn: Callable[..., Awaitable[T]]) -> None:
        self.fn = fn
        self.context: Context | None = None
        self.__qualname__ = name_of(fn)  # of the task

    async def __call__(self, /, *args: Any, **kwargs: Any) -> T:
        try:
            result: T = await ensure_coroutine(self.fn, self.fn(*args, **kwargs))
            return result
        finally:
            self.context = copy_context()


def _run_blocking(
    call: _ContextKeepingCall[T],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    timeout: float | None,
    executor: SubmitsCalls,
) -> T:
    """Run `call` on `executor`, wait for it, and take over what it has changed in its context."""
    before = copy_context()
    future = executor.submit(call, *args, **kwargs)
    try:
        if asyncio._get_running_loop() is not None:
            _check_blocked_loop(call, future)
        return future.result(timeout)
    except TimeoutError:
        if future.done():  # it is the call's own, or the call was done at the last moment
            return future.result()
        future.cancel()
        raise TimeoutError(
            f"{call.__qualname__}() was cancelled: it was not done in {timeout} seconds"
        ) from None
    except BaseException:
        if not future.done():
            future.cancel()
            concurrent.futures.wait([future], _CLEANUP_SECONDS)
        raise
    finally:
        if call.context is not None:
            _take_over(before, call.context)


def _check_blocked_loop(call: _ContextKeepingCall[Any], future: Future[Any]) -> None:
    """Refuse to block the loop that has to run `call`; warn of blocking another one."""
    try:
        future._refuse_wait_on_own_loop()
    except DeadlockError:
        name = call.__qualname__
        raise DeadlockError(
            f"{name}() was called on the event loop that has to run it: it would wait for ever. "
            f"Use 'await {name}.__wrapped__(...)' in async functions"
        ) from None
    if not _in_ipython_kernel():
        warnings.warn(
            f"{call.__qualname__}() blocks the running event loop until it is done; "
            "await the async function itself there",
            BlockingCallWarning,
            stacklevel=4,
        )


def _in_ipython_kernel() -> bool:
    """Tell whether the running loop is a notebook's, where a cell may block."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def _take_over(before: Context, after: Context) -> None:
    """Set the variables of the current context that differ between two others."""
    for variable, value in after.items():
        if variable is holder:  # says who runs the call, which the caller does not
            continue
        if variable not in before or before[variable] is not value:
            variable.set(value)
