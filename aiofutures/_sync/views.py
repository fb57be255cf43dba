"""The synchronous views of async generators, iterators and context managers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from types import TracebackType
from typing import Any, NoReturn

from .._contract import Host
from .._typing import override
from .call import Openable
from .steps import EndedError, StepTask


def open_view(openable: Openable, host: Host | None, timeout: float | None, name: str) -> Any:
    """Return a generator or a context manager whose steps `host` runs."""
    new_task = partial(StepTask, host, timeout, name)
    if not openable.is_iterator:
        return _ContextManager(openable.value, new_task)
    generator: Any = _generate(openable.value, new_task(partial(_cancel, openable.value)))
    generator.__name__ = generator.__qualname__ = name
    return generator


def _generate(iterator: AsyncIterator[Any], task: StepTask) -> Generator[Any, Any, None]:
    """Iterate `iterator` in `task`."""
    step = following = partial(task.run, iterator.__anext__)
    try:
        while True:
            try:
                item = step()
            except (StopAsyncIteration, EndedError):
                return
            finally:
                # It may hold an exception, whose traceback holds this frame.
                del step
            try:
                sent = yield item
            except GeneratorExit:
                raise
            except BaseException as error:
                step = partial(task.run, partial(_throw, iterator, error), must_run=True)
            else:
                step = (
                    following if sent is None else partial(task.run, partial(_send, iterator, sent))
                )
            del item
    except GeneratorExit:
        task.close(partial(_close, iterator))
        raise
    except BaseException:
        # A signal handler may raise anywhere here; then it is not closed yet.
        task.start_closing(partial(_close, iterator))
        raise


def _send(iterator: Any, value: object) -> Awaitable[Any]:
    if not hasattr(iterator, "asend"):
        error = TypeError(f"cannot send to {iterator!r}, which is not an async generator")
        return _close_and_raise(iterator, error)
    sent: Awaitable[Any] = iterator.asend(value)
    return sent


def _throw(iterator: Any, error: BaseException) -> Awaitable[Any]:
    if not hasattr(iterator, "athrow"):
        return _close_and_raise(iterator, error)
    thrown: Awaitable[Any] = iterator.athrow(error)
    return thrown


async def _close_and_raise(iterator: Any, error: BaseException) -> None:
    try:
        await _close(iterator)
        raise error
    finally:
        del error


async def _close(iterator: Any) -> None:
    if hasattr(iterator, "aclose"):
        await iterator.aclose()


async def _cancel(iterator: Any, error: BaseException) -> Any:
    """Have the iterator handle a cancellation of its task between two steps."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  it is that of the steps
    requests = task.cancelling()
    item = await _throw(iterator, error)
    # As when asyncio.timeout absorbs the cancellation.
    if task.cancelling() < requests:
        return item
    await _close(iterator)
    raise error


class _ContextManager(AbstractContextManager[Any, Any]):
    """Enters and leaves an async context manager in one task."""

    def __init__(
        self,
        manager: AbstractAsyncContextManager[Any, Any],
        new_task: Callable[[Callable[[BaseException], Awaitable[Any]]], StepTask],
    ) -> None:
        self._manager = manager
        self._new_task = new_task
        # One for each time that it was entered and not yet left.
        self._tasks: list[StepTask] = []

    @override
    def __enter__(self) -> Any:
        task = self._new_task(self._exit_cancelled)
        try:
            value = task.run(self._manager.__aenter__)
            self._tasks.append(task)
        except BaseException as error:
            # If only the wait failed, it is entered all the same.
            task.start_closing(partial(self._manager.__aexit__, type(error), error, None))
            raise
        return value

    @override
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        task = self._tasks.pop()
        leave = partial(self._manager.__aexit__, exc_type, exc_value, traceback)
        try:
            return task.run(leave, is_last=True)
        except EndedError:
            # It was left when its task was cancelled, or the parent process leaves it.
            return None
        except BaseException:
            # If only the wait failed, it is not left yet.
            task.start_closing(leave)
            raise

    async def _exit_cancelled(self, error: BaseException) -> NoReturn:
        """Leave it because its task was cancelled; the body, in another thread, goes on."""
        if await self._manager.__aexit__(type(error), error, error.__traceback__):
            raise EndedError
        raise error
