"""The decorators that make async functions callable from synchronous code."""

from __future__ import annotations

import asyncio
import functools
import math
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextvars import copy_context
from functools import partial
from inspect import Signature, iscoroutine
from typing import Any, Final, Protocol, TypeVar, overload

from ._common.contract import Host
from ._common.coroutines import (
    generating_codes,
    is_async_generator_function,
    name_of,
    passed_for_async,
)
from ._common.typing import P, T
from ._default import get_default_executor
from ._futures.future import Future
from ._futures.future import _then as then_awaiting
from ._loops.blocking import call_elsewhere
from ._loops.run import Run
from ._sync.call import (
    UNWANTED,
    ContextChanges,
    Openable,
    SubmitsCalls,
    SyncCall,
    stop_waiting,
    wait,
)
from ._sync.openers import calling_codes, entering, iterating
from ._sync.signatures import awaited, awaited_or_viewed, copy_signature, entered, iterated
from ._sync.views import ContextManager, opened, view

Y = TypeVar("Y")
S = TypeVar("S")
X = TypeVar("X", bound=bool | None)

# The code that calls functions passed for async ones.
_CALLERS: Final = frozenset(fn.__code__ for fn in (Run._start, SyncCall.__call__, then_awaiting))


class ToSync(Protocol):
    """Make an async function callable from synchronous code, with the options given to `to_sync`.

    Use it as a decorator: `@to_sync(timeout=10)`.
    """

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


class ToSyncContext(Protocol):
    """Make what a function returns usable in a `with` statement, with the options given before.

    Use it as a decorator: `@to_sync_context(timeout=10)`.
    """

    def __call__(
        self, fn: Callable[P, AbstractAsyncContextManager[T, X]], /
    ) -> Callable[P, AbstractContextManager[T, X]]: ...


class ToSyncIter(Protocol):
    """Make what a function returns usable in a `for` loop, with the options given before.

    Use it as a decorator: `@to_sync_iter(timeout=10)`.
    """

    @overload
    def __call__(
        self, fn: Callable[P, AsyncIterable[Y]], /
    ) -> Callable[P, Generator[Y, None, None]]: ...
    @overload
    def __call__(
        self, fn: Callable[P, Awaitable[AsyncIterable[Y]]], /
    ) -> Callable[P, Generator[Y, None, None]]: ...
    @overload
    def __call__(
        self, fn: Callable[P, AbstractAsyncContextManager[AsyncIterable[Y]]], /
    ) -> Callable[P, Generator[Y, None, None]]: ...


class InExecutor(Protocol):
    """Turn an async function into one that starts the call, with the options given before.

    Use it as a decorator: `@in_executor(executor=executor)`.
    """

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
    """Make an async function callable from synchronous code.

    The result depends on what the function returns:

    - an awaitable, as any `async def` without `yield` does: the call waits, and returns its result.
      To enter or iterate over it instead, use `to_sync_context` or `to_sync_iter`;
    - an async context manager, which may be an async client: the call returns a context manager;
    - an async generator or iterable: it returns a generator, with `send`, `throw` and `close`.

    Everything runs on an executor's event loop; a generator or a `with` block is one task there for
    its whole life. An async generator function becomes a generator function: nothing starts before
    the first item. Changes to context variables reach the caller, as with `await`. An exception
    raised in the waiting thread, such as Ctrl-C, cancels the call, and propagates after its cleanup
    or 5 seconds. A call that blocks an event loop other than the executor's issues a
    BlockingCallWarning.

    Calls raise whatever `fn` raises, and:

    - TimeoutError: The call did not finish in time.
    - CancelledError: The call was cancelled.
    - DeadlockError: The call was made on the event loop that has to run it.
    - InvalidStateError, BrokenExecutor: As for `AsyncExecutor.submit`.

    Args:
        fn: An async function, method or class, or any callable that returns one of these.
        timeout: Maximum number of seconds for a call, for each step of a generator, and for
            entering and leaving a context manager, each of which is then cancelled. None means no
            limit.
        executor: The executor that runs the calls; None means the default executor at the time of
            the call.

    Returns:
        A plain function with the name and parameters of `fn`. It can be pickled if that name leads
        to it, as it does with a decorator.

    Raises:
        TypeError: `fn` is not callable, or `timeout` is not a number.
        ValueError: `timeout` is NaN.

    Example:
        >>> @to_sync
        ... async def fetch(url: str) -> bytes: ...
        >>> body = fetch("https://example.org")

    .. versionadded:: 0.2.0
    """

    def decorate(fn: Callable[..., Any]) -> Any:
        make = _generating if is_async_generator_function(fn) else _blocking
        wrapper = make(fn, name_of(fn), timeout, executor)
        return copy_signature(wrapper, fn, awaited_or_viewed)

    return _apply("to_sync", decorate, fn)


@overload
def to_sync_context(
    fn: Callable[P, AbstractAsyncContextManager[T, X]], /
) -> Callable[P, AbstractContextManager[T, X]]: ...
@overload
def to_sync_context(
    *, timeout: float | None = None, executor: SubmitsCalls | None = None
) -> ToSyncContext: ...
def to_sync_context(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    timeout: float | None = None,
    executor: SubmitsCalls | None = None,
) -> Any:
    """Make what a function returns usable in a `with` statement, even if it could be awaited.

    Many clients can be awaited or entered: `aiosqlite.connect()`, `redis.Redis()`,
    `engine.connect()`. `to_sync` awaits them; this is for `with`. Entering the block calls the
    function and enters the result, in one task, which lives until the block is left.

    Args:
        fn: A function, method or class that returns an async context manager.
        timeout: Maximum number of seconds for entering and for leaving; None means no limit.
        executor: The executor to run it on; None means the default executor when it is entered.

    Returns:
        A plain function with the parameters of `fn` that returns a context manager. Nothing runs
        until that is entered. Entering it raises what `fn` and `__aenter__` raise, the errors of a
        `to_sync` call, and TypeError if the result is not an async context manager.

    Raises:
        TypeError: `fn` is not callable, or `timeout` is not a number.
        ValueError: `timeout` is NaN.

    Example:
        >>> connect = to_sync_context(aiosqlite.connect)
        >>> with connect("shop.db") as connection: ...

    .. versionadded:: 0.2.0
    """

    def decorate(fn: Callable[..., Any]) -> Any:
        name = name_of(fn)
        open_ = _blocking(entering(fn, name), name, timeout, executor, opened, stacklevel=3)

        def managing(*args: Any, **kwargs: Any) -> Any:
            return ContextManager(partial(open_, *args, **kwargs))

        return copy_signature(managing, fn, entered)

    return _apply("to_sync_context", decorate, fn)


@overload
def to_sync_iter(fn: Callable[P, AsyncIterable[Y]], /) -> Callable[P, Generator[Y, None, None]]: ...
@overload
def to_sync_iter(
    fn: Callable[P, Awaitable[AsyncIterable[Y]]], /
) -> Callable[P, Generator[Y, None, None]]: ...
@overload
def to_sync_iter(
    fn: Callable[P, AbstractAsyncContextManager[AsyncIterable[Y]]], /
) -> Callable[P, Generator[Y, None, None]]: ...
@overload
def to_sync_iter(
    *, timeout: float | None = None, executor: SubmitsCalls | None = None
) -> ToSyncIter: ...
def to_sync_iter(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    timeout: float | None = None,
    executor: SubmitsCalls | None = None,
) -> Any:
    """Make what a function returns usable in a `for` loop, after awaiting or entering it if needed.

    A coroutine is awaited. An async context manager is entered, and left when the iteration ends,
    also by `break` or an exception; any other awaitable is awaited. The result is treated the same
    way, until there is something to iterate over. All of this happens in one task.

    Args:
        fn: A function, method or class whose result leads to an async iterable in this way.
        timeout: Maximum number of seconds for each item; for the first one, that includes
            everything before it. None means no limit.
        executor: The executor to run it on; None means the default executor at the time of the
            first item.

    Returns:
        A generator function with the parameters of `fn`. Nothing runs until the first item is asked
        for. That raises what `fn` raises, the errors of a `to_sync` call, and TypeError if there is
        nothing to iterate over.

    Raises:
        TypeError: `fn` is not callable, or `timeout` is not a number.
        ValueError: `timeout` is NaN.

    Example:
        >>> events = to_sync_iter(client.chat.completions.create)
        >>> for event in events(model="...", messages=[...], stream=True): ...

    .. versionadded:: 0.2.0
    """

    def decorate(fn: Callable[..., Any]) -> Any:
        name = name_of(fn)
        wrapper = _generating(iterating(fn, name), name, timeout, executor)
        return copy_signature(wrapper, fn, iterated)

    return _apply("to_sync_iter", decorate, fn)


@overload
def in_executor(fn: Callable[P, Awaitable[T]], /) -> Callable[P, Future[T]]: ...
@overload
def in_executor(*, executor: SubmitsCalls | None = None) -> InExecutor: ...
def in_executor(
    fn: Callable[..., Any] | None = None, /, *, executor: SubmitsCalls | None = None
) -> Any:
    """Turn an async function into one that starts the call and returns its `Future`.

    Args:
        fn: An async function or method, or any callable that returns an awaitable.
        executor: The executor that runs the calls; None means the default executor at the time of
            the call.

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

        return copy_signature(starting, fn, _in_future)

    return _apply("in_executor", decorate, fn)


def _in_future(fn: Callable[..., Any]) -> Any:
    """Return the type of the future of a call of `fn`, if that is known."""
    returned = awaited(fn)
    return returned if returned is Signature.empty else Future.__class_getitem__(returned)


def _refuse_as_async(name: str) -> None:
    """Raise an error if a decorated function, or a partial of one, is passed as async."""
    code = sys._getframe(2).f_code
    if code in _CALLERS or code in calling_codes:
        raise passed_for_async(name)


def _foreign_executor(executor: object, future: object) -> TypeError:
    """Return the error for an executor whose futures are of another kind."""
    return TypeError(
        f"executor must be one of this package, such as an AsyncExecutor, not {executor!r}, which "
        f"has returned {future!r}"
    )


def _check_seconds(timeout: float | None) -> None:
    """Raise an error for a time limit that is not a number, such as a timedelta."""
    error: type[Exception] = ValueError
    try:
        if timeout is None or not math.isnan(timeout):
            return
    except TypeError:
        error = TypeError
    raise error(f"timeout must be a number of seconds or None, not {timeout!r}")


def _blocking(
    fn: Callable[..., Any],
    name: str,
    timeout: float | None,
    executor: SubmitsCalls | None,
    make_view: Callable[[Openable, Host | None, float | None, str], Any] = view,
    finish: Callable[[Any, Any], Any] | None = None,
    *,
    stacklevel: int = 2,
) -> Callable[..., Any]:
    """Return a function that calls `fn` on an event loop and waits for the result.

    `make_view` turns an iterator or a context manager into what the caller gets; `finish` does the
    same for anything else, given the first argument.
    """
    _check_seconds(timeout)

    def blocking(*args: Any, **kwargs: Any) -> Any:
        blocks_loop = asyncio._get_running_loop() is not None
        if blocks_loop:
            _refuse_as_async(name)
        call = SyncCall(fn, name)
        if blocks_loop:
            call.blocks_loop = True
        before = copy_context()
        runner = get_default_executor() if executor is None else executor
        future: Future[Any] | None = None
        try:
            future = runner.submit(call, *args, **kwargs)
            host = future._host
            result = wait(future, call, timeout, name, stacklevel if blocks_loop else None)
        except RecursionError:
            call_elsewhere(stop_waiting, (future, call))
            raise
        except BaseException:
            if future is not None and not isinstance(future, Future):
                raise _foreign_executor(runner, future) from None
            stop_waiting(future, call)
            raise
        finally:
            context, call.context = call.context, UNWANTED
            if context is not None and len(context) > call.own_variables:
                ContextChanges(before).take_over(context)
            # The traceback of its exception refers to this frame, and so to the call.
            del future, call, before, context
        # Not isinstance: the `__class__` of a result may raise.
        if type(result) is Openable:
            return make_view(result, host, timeout, name)
        return result if finish is None else finish(result, args[0])

    return blocking


def _generating(
    fn: Callable[..., Any],
    name: str,
    timeout: float | None,
    executor: SubmitsCalls | None,
    make_view: Callable[[Openable, Host | None, float | None, str], Any] = view,
) -> Callable[..., Generator[Any, Any, None]]:
    """Return a generator function that calls an async one when asked for the first item."""
    open_ = _blocking(fn, name, timeout, executor, make_view, stacklevel=3)

    def generating(*args: Any, **kwargs: Any) -> Generator[Any, Any, None]:
        generator = open_(*args, **kwargs)
        # So that only the async generator keeps them alive.
        del args, kwargs
        yield from generator

    generating_codes.add(generating.__code__)
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
