"""The synchronous views of async generators, iterators and context managers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from types import TracebackType
from typing import Any, NoReturn, TypeAlias

from .._common.contract import Host
from .._common.typing import override
from .call import Openable
from .steps import EndedError, StepTask

#: An async iterator or context manager, and a function that creates the task of its steps.
Opened: TypeAlias = tuple[Any, Callable[[Callable[[BaseException], Awaitable[Any]]], StepTask]]


def view(
    openable: Openable,
    host: Host | None,
    timeout: float | None,
    name: str,
    make_task: Callable[..., StepTask] = StepTask,
) -> Any:
    """Return a generator or context manager whose steps run on `host`."""
    value, new_task = opening = opened(openable, host, timeout, name, make_task)
    if not openable.is_iterator:
        return ContextManager(lambda: opening)
    generator: Any = _generate(value, new_task(partial(_cancel, value)))
    generator.__name__ = generator.__qualname__ = name
    return generator


def opened(
    openable: Openable,
    host: Host | None,
    timeout: float | None,
    name: str,
    make_task: Callable[..., StepTask] = StepTask,
) -> Opened:
    """Return what a view needs to know about the opened object."""
    return openable.value, partial(make_task, host, timeout, name)


def _generate(iterator: AsyncIterator[Any], task: StepTask) -> Generator[Any, Any, None]:
    """Iterate over `iterator` in `task`."""
    step = following = partial(task.run, iterator.__anext__)
    # At the end of the interpreter, this module may be cleared before the generator is closed.
    closing = partial(close, iterator)
    try:
        while True:
            try:
                item = step()
            except (StopAsyncIteration, EndedError):
                return
            finally:
                # It may hold an exception whose traceback refers to this frame.
                del step
            try:
                sent = yield item
            except GeneratorExit:
                raise
            except BaseException as error:
                step = partial(task.run, partial(throw, iterator, error), must_run=True)
            else:
                step = (
                    following if sent is None else partial(task.run, partial(_send, iterator, sent))
                )
            del item
    except GeneratorExit:
        try:
            task.close(closing)
        except BaseException as error:
            # If only the wait failed, the iterator is not closed yet.
            task.start_closing(closing, error)
            raise
        raise
    except BaseException as error:
        # A signal handler may raise anywhere here, before the iterator is closed.
        task.start_closing(closing, error)
        raise


def _send(iterator: Any, value: object) -> Awaitable[Any]:
    if not hasattr(iterator, "asend"):
        error = TypeError(f"cannot send to {iterator!r}, which is not an async generator")
        return _close_and_raise(iterator, error)
    sent: Awaitable[Any] = iterator.asend(value)
    return sent


def throw(iterator: Any, error: BaseException) -> Awaitable[Any]:
    if not hasattr(iterator, "athrow"):
        return _close_and_raise(iterator, error)
    thrown: Awaitable[Any] = iterator.athrow(error)
    return thrown


async def _close_and_raise(iterator: Any, error: BaseException) -> None:
    try:
        await close(iterator)
        raise error
    finally:
        del error


async def close(iterator: Any) -> None:
    if hasattr(iterator, "aclose"):
        await iterator.aclose()


async def _cancel(iterator: Any, error: BaseException) -> Any:
    """Let the iterator handle a cancellation of its task between two steps."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  this runs in the task of the steps
    requests = task.cancelling()
    item = await throw(iterator, error)
    # The cancellation was absorbed, for instance by asyncio.timeout.
    if task.cancelling() < requests:
        return item
    await close(iterator)
    raise error


class ContextManager(AbstractContextManager[Any, Any]):
    """Enters and leaves an async context manager in one task.

    Args:
        open: Returns the async context manager, each time this one is entered.
    """

    def __init__(self, open: Callable[[], Opened]) -> None:  # noqa: A002
        self._open = open
        # One for each time it was entered and not yet left.
        self._entered: list[tuple[Any, StepTask]] = []

    @override
    def __enter__(self) -> Any:
        manager, new_task = self._open()
        task = new_task(partial(_exit_cancelled, manager))
        try:
            value = task.run(manager.__aenter__)
            self._entered.append((manager, task))
        except BaseException as error:
            # If only the wait failed, the manager is entered nevertheless.
            task.start_closing(partial(manager.__aexit__, type(error), error, None), error)
            raise
        return value

    @override
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        if not self._entered:
            raise not_entered()
        # Not with `pop`: a signal handler may run after the call, before the block that leaves it.
        manager, task = self._entered[-1]
        del self._entered[-1]
        try:
            leave = partial(manager.__aexit__, exc_type, exc_value, traceback)
            return task.run(leave, is_last=True)
        except EndedError:
            # It was left when its task was cancelled, or the parent process will leave it.
            return None
        except BaseException as error:
            # If only the wait failed, the manager is not left yet.
            task.start_closing(partial(manager.__aexit__, exc_type, exc_value, traceback), error)
            raise


def not_entered() -> RuntimeError:
    """Return the error for leaving too often."""
    return RuntimeError("cannot leave what was not entered, or was left already")


async def _exit_cancelled(
    manager: AbstractAsyncContextManager[Any, Any], error: BaseException
) -> NoReturn:
    """Leave it because its task was cancelled; the body, in another thread, continues."""
    if await manager.__aexit__(type(error), error, error.__traceback__):
        raise EndedError
    raise error
