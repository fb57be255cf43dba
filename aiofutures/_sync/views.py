"""The synchronous views of async generators, iterators and context managers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from types import TracebackType
from typing import Any, NoReturn, Protocol

from .._contract import Host
from .._typing import override
from .call import Openable
from .steps import EndedError, StepTask


def open_view(openable: Openable, host: Host | None, timeout: float | None, name: str) -> Any:
    """Return a generator or a context manager, whose steps `host` runs."""
    view = _iterate if openable.is_iterator else _ContextManager
    return view(openable.value, partial(StepTask, host, timeout, name))


class _NewTask(Protocol):
    """Makes a `StepTask`; the options of `to_sync` are there already."""

    def __call__(self, *, on_cancel: Callable[[BaseException], Awaitable[Any]]) -> StepTask: ...


def _iterate(iterator: AsyncIterator[Any], new_task: _NewTask) -> Any:
    """Return the synchronous view of `iterator`."""
    task = new_task(on_cancel=partial(_cancel, iterator))
    generator: Any = _generate(iterator, task)
    generator.__name__ = generator.__qualname__ = task.__qualname__
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
                # It may hold an exception whose traceback holds this frame.
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
        # Also of a signal handler, anywhere here: then it is not closed yet.
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
        # Its traceback holds this frame.
        del error


async def _close(iterator: Any) -> None:
    if hasattr(iterator, "aclose"):
        await iterator.aclose()


async def _cancel(iterator: Any, error: BaseException) -> Any:
    """Have the iterator handle the cancellation of its task while it was not running."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  it is that of the steps
    requests = task.cancelling()
    item = await _throw(iterator, error)
    # As asyncio.timeout does when it takes the cancellation in.
    if task.cancelling() < requests:
        return item
    await _close(iterator)
    raise error


class _ContextManager(AbstractContextManager[Any, Any]):
    """Enters and leaves an async context manager in one task."""

    def __init__(self, manager: AbstractAsyncContextManager[Any, Any], new_task: _NewTask) -> None:
        self._manager = manager
        self._new_task = new_task
        # One for each time that it is entered and not yet left.
        self._tasks: list[StepTask] = []

    @override
    def __enter__(self) -> Any:
        task = self._new_task(on_cancel=self._exit_cancelled)
        try:
            value = task.run(self._manager.__aenter__)
            self._tasks.append(task)
        except BaseException as error:
            # Of the wait, perhaps: then it is entered all the same.
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
            # It was left before, when its task was cancelled, or is left by another process.
            return None
        except BaseException:
            # Of the wait, perhaps: then it is not left yet.
            task.start_closing(leave)
            raise

    async def _exit_cancelled(self, error: BaseException) -> NoReturn:
        """Leave it because its task was cancelled; the body in its thread cannot be."""
        if await self._manager.__aexit__(type(error), error, error.__traceback__):
            raise EndedError
        raise error
