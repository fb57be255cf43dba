"""The default executor and the functions that use it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from ._common.typing import P, T
from ._executor import AsyncExecutor, default_executor
from ._futures.future import Future
from ._loops.thread import LoopThread
from ._sync.call import run_in_caller
from ._sync.shared import Shared

_default = default_executor


def get_default_executor() -> AsyncExecutor:
    """Return the executor that `run_async` and the decorators use; the first call creates it.

    .. versionadded:: 0.2.0
    """
    if "executor" not in _default:
        # Atomic: all threads get the same one.
        _default.setdefault("executor", AsyncExecutor(thread_name_prefix="aiofutures"))
    return _default["executor"]


def set_default_executor(executor: AsyncExecutor) -> None:
    """Make `run_async` and the decorators use `executor` from now on.

    Args:
        executor: The new default. The previous one is not shut down.

    Raises:
        TypeError: It is not an `AsyncExecutor`.

    .. versionadded:: 0.2.0
    """
    if not isinstance(executor, AsyncExecutor):
        raise TypeError(f"expected an AsyncExecutor, got {executor!r}")
    _default["executor"] = executor


def run_async(fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Run `await fn(*args, **kwargs)` on the default executor, as `AsyncExecutor.submit` does.

    Args:
        fn: An async function, or any callable that returns an awaitable.
        *args: Its positional arguments.
        **kwargs: Its keyword arguments.

    Returns:
        The future of what the awaitable returns.

    Raises:
        TypeError: `fn` is not callable, for instance a coroutine object.
        InvalidStateError: The executor was shut down.
        BrokenExecutor: Its event loop has failed.
        Exception: The event loop or its thread could not be created; a later call may succeed.

    Example:
        >>> future = run_async(fetch, "https://example.org")
        >>> future.result()
    """
    return get_default_executor().submit(fn, *args, **kwargs)


def sync_to_async(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
    """Run a blocking function in a worker thread, as `AsyncExecutor.sync_to_async` does.

    The thread belongs to the executor whose event loop the caller runs on; on any other event
    loop, to the default executor.

    Args:
        fn: A sync function.
        *args: Its positional arguments.
        **kwargs: Its keyword arguments.

    Returns:
        An awaitable of its result.

    Raises:
        RuntimeError: No event loop is running; call the function directly.
        TypeError: `fn` is an async function.
        InvalidStateError: The executor was shut down.
    """
    loop_thread = LoopThread.running() or get_default_executor()._loop_thread
    return loop_thread.run_in_worker(fn, *args, **kwargs)


def in_caller_thread(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
    """Run a blocking function in the thread that waits in the nearest `to_sync` call.

    That thread has nothing else to do: it waits for a result, for the next item of a generator, or
    to enter or leave a `with` block. Everything that belongs to the thread is available to `fn`: a
    database connection and its transaction, thread-local storage. `fn` may call `to_sync` functions
    itself. If no thread is waiting, as in a submitted call, `fn` runs in a worker thread, as with
    `sync_to_async`.

    `fn` runs when the awaitable is awaited, in a copy of the context, one function at a time. The
    task sees the context variables that it sets, as with `await`. Ctrl-C in `fn` cancels the
    `to_sync` call. So does the call's time limit, but not before `fn` has returned. A task that is
    cancelled meanwhile resumes at once; the outcome of `fn` is discarded.

    Awaiting raises whatever `fn` raises, and:

    - TypeError: `fn` is an async function.
    - InvalidStateError: The thread has stopped waiting, after its time limit or an exception; or no
      thread is waiting, and the executor was shut down.

    Args:
        fn: A sync function.
        *args: Its positional arguments.
        **kwargs: Its keyword arguments.

    Returns:
        An awaitable of its result.

    Example:
        >>> @to_sync
        ... async def order(item: str) -> None:
        ...     price = await fetch_price(item)
        ...     await in_caller_thread(save, item, price)  # in the caller's transaction

    .. versionadded:: 0.2.0
    """
    host = LoopThread.running() or get_default_executor()._loop_thread
    return run_in_caller(host, fn, args, kwargs)


def shared(
    fn: Callable[P, AbstractAsyncContextManager[T]], /, *args: P.args, **kwargs: P.kwargs
) -> Shared[T]:
    """Create a client, or a background service, that the whole process shares.

    Also a decorator, for functions without parameters. Nothing runs until the client is asked for.
    From then on, it lives on the executor that is the default at that moment.

    Args:
        fn: An async client, or any callable that returns an async context manager.
        *args: Its positional arguments.
        **kwargs: Its keyword arguments.

    Returns:
        An object to call in synchronous code and to await in async code; both return the client.

    Raises:
        TypeError: `fn` is not callable.

    Example:
        >>> client = shared(httpx.AsyncClient, base_url="https://example.org")
        >>> @to_sync
        ... async def load(path: str) -> str:
        ...     return (await (await client).get(path)).text

    .. versionadded:: 0.2.0
    """
    return Shared(lambda: get_default_executor()._loop_thread, fn, args, kwargs)


if os.environ.get("AIOFUTURES_INIT", "").strip().lower() not in {"", "0", "false", "no", "off"}:
    get_default_executor()._loop_thread.wake()
