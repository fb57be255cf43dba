"""The decorators that give an async function a synchronous face."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from inspect import iscoroutine
from typing import Any, Protocol, TypeVar, overload

from ._coroutines import is_async_generator_function, name_of
from ._default import get_default_executor
from ._futures.future import Future
from ._sync.call import ContextChanges, Openable, SubmitsCalls, SyncCall, wait
from ._sync.signatures import copy_signature
from ._sync.views import open_view
from ._typing import P, T

Y = TypeVar("Y")
S = TypeVar("S")
X = TypeVar("X", bound=bool | None)


class ToSync(Protocol):
    """The decorator that `to_sync` returns when it is given options."""

    @overload
    def __call__(self, fn: Callable[P, Awaitable[T]], /) -> Callable[P, T]: ...
    @overload
    def __call__(
        self, fn: Callable[P, AsyncGenerator[Y, S]], /
    ) -> Callable[P, Generator[Y, S, None]]: ...
    @overload
    def __call__(
        self, fn: Callable[P, AbstractAsyncContextManager[T, X]], /
    ) -> Callable[P, AbstractContextManager[T, X]]: ...
    @overload
    def __call__(
        self, fn: Callable[P, AsyncIterable[Y]], /
    ) -> Callable[P, Generator[Y, None, None]]: ...


class InExecutor(Protocol):
    """The decorator that `in_executor` returns when it is given options."""

    def __call__(self, fn: Callable[P, Awaitable[T]], /) -> Callable[P, Future[T]]: ...


@overload
def to_sync(fn: Callable[P, Awaitable[T]], /) -> Callable[P, T]: ...
@overload
def to_sync(fn: Callable[P, AsyncGenerator[Y, S]], /) -> Callable[P, Generator[Y, S, None]]: ...
@overload
def to_sync(
    fn: Callable[P, AbstractAsyncContextManager[T, X]], /
) -> Callable[P, AbstractContextManager[T, X]]: ...
@overload
def to_sync(fn: Callable[P, AsyncIterable[Y]], /) -> Callable[P, Generator[Y, None, None]]: ...
@overload
def to_sync(*, timeout: float | None = None, executor: SubmitsCalls | None = None) -> ToSync: ...
def to_sync(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    timeout: float | None = None,
    executor: SubmitsCalls | None = None,
) -> Any:
    """Give an async function a synchronous face.

    What the function returns decides what callers get:

    - for an awaitable, as from any `async def` without `yield`: the result, once it is there;
    - for an async context manager, including a class such as an async client: a context manager;
    - for an async generator or iterable: a generator, with `send`, `throw` and `close`.

    An async generator function becomes a generator function: nothing starts before the first item.
    It all runs on the event loop of an executor; a generator or a `with` block is one task there
    for its whole life. Changes to context variables reach the caller, as with `await`. An
    exception in the waiting thread, such as Ctrl-C, cancels the call and propagates after its
    cleanup or 5 seconds.

    Args:
        fn: An async function, method, class or any callable that returns one of these.
        timeout: Maximum number of seconds for a call, for each step of a generator, and for
            entering and leaving a context manager; after that it is cancelled. None means no limit.
        executor: Where calls run; None means the default executor at the time of the call.

    Returns:
        A plain function with the parameters of `fn`, to be called from synchronous code. It warns
        with BlockingCallWarning if it blocks an event loop other than the executor's. It raises
        what `fn` raises, and:

        - TimeoutError: The call was not done in time.
        - CancelledError: The call was cancelled.
        - DeadlockError: It was called on the event loop that has to run it.
        - InvalidStateError, BrokenExecutor: As `AsyncExecutor.submit`.

    Raises:
        TypeError: `fn` is not callable.

    Example:
        >>> @to_sync
        ... async def fetch(url: str) -> bytes: ...
        >>> body = fetch("https://example.org")

    .. versionadded:: 0.2.0
    """

    def decorate(fn: Callable[..., Any]) -> Any:
        make = _generating if is_async_generator_function(fn) else _blocking
        wrapper = make(fn, name_of(fn), timeout, executor)
        return copy_signature(wrapper, fn, lambda returned: returned)

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
        executor: Where calls run; None means the default executor at the time of the call.

    Returns:
        A plain function with the parameters of `fn`. It raises InvalidStateError if the executor
        was shut down.

    Raises:
        TypeError: `fn` is not callable.

    Example:
        >>> @in_executor
        ... async def fetch(url: str) -> bytes: ...
        >>> futures = [fetch(url) for url in urls]

    .. versionadded:: 0.2.0
    """

    def decorate(fn: Callable[..., Any]) -> Any:
        def starting(*args: Any, **kwargs: Any) -> Any:
            runner = get_default_executor() if executor is None else executor
            return runner.submit(fn, *args, **kwargs)

        return copy_signature(starting, fn, Future.__class_getitem__)

    return _apply("in_executor", decorate, fn)


def _blocking(
    fn: Callable[..., Any],
    name: str,
    timeout: float | None,
    executor: SubmitsCalls | None,
    *,
    stacklevel: int = 2,
) -> Callable[..., Any]:
    """Return a function that calls `fn` on an event loop and waits for what comes of it."""

    def blocking(*args: Any, **kwargs: Any) -> Any:
        call = SyncCall(fn, name)
        changes = ContextChanges()
        runner = get_default_executor() if executor is None else executor
        future = runner.submit(call, *args, **kwargs)
        host = future._host
        try:
            result = wait(future, timeout, name, stacklevel=stacklevel)
        except BaseException:
            # `wait` cancels it, unless a signal handler raised before the wait.
            if not future._cancel_requested:
                future.cancel()
            raise
        finally:
            if call.context is not None:
                changes.take_over(call.context)
            # The traceback of its exception holds this frame.
            del future
        # Not isinstance: the `__class__` of a result may raise.
        if type(result) is Openable:
            return open_view(result, host, timeout, name)
        return result

    return blocking


def _generating(
    fn: Callable[..., Any], name: str, timeout: float | None, executor: SubmitsCalls | None
) -> Callable[..., Generator[Any, Any, None]]:
    """Return a generator function over an async one; it calls that when the first item is asked."""
    open_ = _blocking(fn, name, timeout, executor, stacklevel=3)

    def generating(*args: Any, **kwargs: Any) -> Generator[Any, Any, None]:
        generator = open_(*args, **kwargs)
        # The async generator may let go of them.
        del args, kwargs
        yield from generator

    return generating


def _apply(name: str, decorate: Callable[[Any], Any], fn: Any) -> Any:
    """Decorate `fn`, or return the decorator if only options were given."""
    if fn is None:
        return functools.partial(_apply, name, decorate)
    # Type checkers do not see that the decorators are in the wrong order.
    if isinstance(fn, (classmethod, staticmethod)):
        return type(fn)(_apply(name, decorate, fn.__func__))
    if callable(fn):
        return decorate(fn)
    if iscoroutine(fn):
        fn.close()
        raise TypeError(f"{name}() decorates functions: pass {fn.__qualname__} without calling it")
    raise TypeError(f"{name}() decorates async functions, not {fn!r}")
