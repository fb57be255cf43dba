"""Futures of several awaitables."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from inspect import CORO_CREATED, getcoroutinestate, isawaitable
from types import CoroutineType
from typing import Any, overload

from ._common.typing import A, B, C, D, E, F, T
from ._default import get_default_executor
from ._futures.future import Future, as_awaited


@overload
def gather(a: Awaitable[A], /) -> Future[tuple[A]]: ...
@overload
def gather(a: Awaitable[A], b: Awaitable[B], /) -> Future[tuple[A, B]]: ...
@overload
def gather(a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], /) -> Future[tuple[A, B, C]]: ...
@overload
def gather(
    a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], d: Awaitable[D], /
) -> Future[tuple[A, B, C, D]]: ...
@overload
def gather(
    a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], d: Awaitable[D], e: Awaitable[E], /
) -> Future[tuple[A, B, C, D, E]]: ...
@overload
def gather(
    a: Awaitable[A],
    b: Awaitable[B],
    c: Awaitable[C],
    d: Awaitable[D],
    e: Awaitable[E],
    f: Awaitable[F],
    /,
) -> Future[tuple[A, B, C, D, E, F]]: ...
@overload
def gather(*awaitables: Awaitable[T]) -> Future[tuple[T, ...]]: ...
def gather(*awaitables: Awaitable[Any]) -> Future[Any]:
    """Return a future of all the results, as a tuple in the order of the arguments.

    It runs on the executor of the first future among the arguments, or else on the default one.
    It fails as soon as one of them fails; the others go on. Cancelling it cancels them all.

    Args:
        *awaitables: Futures, coroutines or other awaitables.

    Raises:
        TypeError: An argument is not awaitable.
        InvalidStateError: The executor was shut down.

    Example:
        >>> user, orders = gather(fetch_user(1), fetch_orders(1)).result()

    .. versionadded:: 0.2.0
    """
    return _submit(_gather, awaitables)


@overload
def first(a: Awaitable[A], /) -> Future[A]: ...
@overload
def first(a: Awaitable[A], b: Awaitable[B], /) -> Future[A | B]: ...
@overload
def first(a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], /) -> Future[A | B | C]: ...
@overload
def first(*awaitables: Awaitable[T]) -> Future[T]: ...
def first(*awaitables: Awaitable[Any]) -> Future[Any]:
    """Return a future of the first outcome, which may be a result or an exception.

    The others are then cancelled. Cancelling it cancels them all. It runs where `gather` does.

    Args:
        *awaitables: Futures, coroutines or other awaitables.

    Raises:
        ValueError: There is no argument.
        TypeError: An argument is not awaitable.
        InvalidStateError: The executor was shut down.

    Example:
        >>> fastest = first(fetch(mirror_1), fetch(mirror_2)).result()

    .. versionadded:: 0.2.0
    """
    if not awaitables:
        raise ValueError("first() needs at least one awaitable")
    return _submit(_first, awaitables)


class _Parts:
    """Awaitables to be awaited; coroutines are closed if the call is cancelled or refused."""

    def __init__(self, awaitables: tuple[Awaitable[Any], ...]) -> None:
        self.awaitables = awaitables

    def take(self) -> list[Awaitable[Any]]:
        """Return them, to be awaited at once."""
        awaitables, self.awaitables = self.awaitables, ()
        return [as_awaited(awaitable) for awaitable in awaitables]

    def __del__(self) -> None:
        for awaitable in self.awaitables:
            # By type: the `__class__` of a lazy proxy may raise.
            if type(awaitable) is CoroutineType and getcoroutinestate(awaitable) == CORO_CREATED:
                awaitable.close()


def _submit(
    fn: Callable[[_Parts], Awaitable[Any]], awaitables: tuple[Awaitable[Any], ...]
) -> Future[Any]:
    """Run `await fn(awaitables)` where the first future among them runs."""
    parts = _Parts(awaitables)
    for awaitable in awaitables:
        if not isawaitable(awaitable):
            raise TypeError(f"gather() and first() expect awaitables, got {awaitable!r}")
    futures = tuple(future for future in awaitables if isinstance(future, Future))
    if not futures:
        return get_default_executor().submit(fn, parts)
    only_waits = len(futures) == len(awaitables)
    return futures[0]._derive(fn, futures, parts, only_waits=only_waits)


# The traceback of an exception among them holds the frames of these two.


async def _gather(parts: _Parts) -> tuple[Any, ...]:
    all_of_them = asyncio.gather(*parts.take())
    try:
        return tuple(await all_of_them)
    finally:
        del all_of_them


async def _first(parts: _Parts) -> Any:
    tasks = [asyncio.ensure_future(awaitable) for awaitable in parts.take()]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        _drop(tasks)
        await asyncio.wait(tasks)
        raise
    winner = next(task for task in tasks if task.done())
    tasks.remove(winner)
    _drop(tasks)
    try:
        return await winner
    finally:
        del winner, tasks


# What messages call them.
_gather.__qualname__ = "gather"
_first.__qualname__ = "first"

# asyncio itself keeps only weak references.
_dropped: set[asyncio.Future[Any]] = set()


def _drop(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel tasks whose outcome nobody wants."""
    for task in tasks:
        task.cancel()
        _dropped.add(task)
        task.add_done_callback(_forget)


def _forget(task: asyncio.Future[Any]) -> None:
    _dropped.discard(task)
    # Otherwise asyncio would report an exception that was never retrieved.
    if not task.cancelled():
        task.exception()
