"""Synchronous views of what an async function returns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextvars import Context, copy_context
from functools import partial
from inspect import isawaitable
from types import CoroutineType, TracebackType
from typing import Any

from ._blocking import SubmitsCalls
from ._calls import name_of
from ._one_task import OneTask
from ._typing import override


class Unopened:
    """What is not awaited but iterated or entered: the caller gets a synchronous view of it."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def open(self, executor: SubmitsCalls, timeout: float | None, name: str) -> Any:
        """Return the view: a context manager or a generator."""
        if _is_context_manager(self._value):
            return _ContextManager(self._value, executor, timeout, name)
        iterator = self._value.__aiter__()
        return _generate(iterator, OneTask(executor, timeout, name, partial(_throw, iterator)))


class Call:
    """An async function as `to_sync` calls it. It keeps the context in which the call ends."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn
        self.context: Context | None = None
        self.__qualname__ = name_of(fn)  # of the task

    async def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function and await what it returns, or return it as `Unopened`."""
        try:
            result = self.fn(*args, **kwargs)
            if type(result) is CoroutineType or isawaitable(result):
                return await result
            if _is_context_manager(result) or hasattr(type(result), "__aiter__"):
                return Unopened(result)
            raise TypeError(
                f"{self.fn!r} returned {result!r}, which is neither awaitable nor an async context "
                "manager nor an async iterator. It is a sync function and has just blocked the "
                "event loop: call it as it is"
            )
        finally:
            self.context = copy_context()


def _is_context_manager(value: object) -> bool:
    return hasattr(type(value), "__aenter__") and hasattr(type(value), "__aexit__")


def _generate(iterator: AsyncIterator[Any], task: OneTask) -> Generator[Any, Any, None]:
    """Iterate `iterator` in `task`."""
    step: Callable[[], Awaitable[Any]] = iterator.__anext__
    while True:
        try:
            item = task.run(step)
        except StopAsyncIteration:
            return
        except BaseException:  # also of the wait: then it is not closed yet
            task.start_closing(partial(_close, iterator))
            raise
        try:
            sent = yield item
        except GeneratorExit:
            task.close(partial(_close, iterator))
            raise
        except BaseException as error:
            step = partial(_throw, iterator, error)
        else:
            step = iterator.__anext__ if sent is None else partial(_send, iterator, sent)
        del item


async def _send(iterator: Any, value: object) -> Any:
    if not hasattr(iterator, "asend"):
        raise TypeError(f"cannot send to {iterator!r}, which is not an async generator")
    return await iterator.asend(value)


async def _throw(iterator: Any, error: BaseException) -> Any:
    if not hasattr(iterator, "athrow"):
        await _close(iterator)
        raise error
    return await iterator.athrow(error)


async def _close(iterator: Any) -> None:
    if hasattr(iterator, "aclose"):
        await iterator.aclose()


class _ContextManager(AbstractContextManager[Any, Any]):
    """Enters and leaves an async context manager in one task."""

    def __init__(
        self,
        manager: AbstractAsyncContextManager[Any, Any],
        executor: SubmitsCalls,
        timeout: float | None,
        name: str,
    ) -> None:
        self._manager = manager
        self._new_task = partial(OneTask, executor, timeout, name, self._exit_cancelled)
        self._tasks: list[OneTask] = []  # one for each time that it is entered and not yet left

    @override
    def __enter__(self) -> Any:
        task = self._new_task()
        value = task.run(self._manager.__aenter__)
        self._tasks.append(task)
        return value

    @override
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> Any:
        leave = partial(self._manager.__aexit__, exc_type, exc_value, traceback)
        return self._tasks.pop().run(leave, is_last=True)

    async def _exit_cancelled(self, error: BaseException) -> None:
        """Leave it because its task was cancelled; the body in its thread cannot be."""
        if not await self._manager.__aexit__(type(error), error, error.__traceback__):
            raise error
