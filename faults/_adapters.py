"""The libraries behind one interface, each used as its documentation says."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, Final, Protocol

from benchmarks.peers.first_version import VERSION, first_version

#: The libraries of the table, and the names of their distributions.
LIBRARIES: Final[dict[str, str | None]] = {
    "aiofutures": "aiofutures",
    f"aiofutures {VERSION}": None,
    "anyio portal": "anyio",
    "asgiref": "asgiref",
    "unsync": "unsync",
}


class NotApplicable(Exception):  # noqa: N818  it is no error
    """The library has nothing that the fault could happen to."""


class Library(Protocol):
    """What the faults use of a library. What it does not have raises NotApplicable."""

    def submit(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Future[Any]:
        """Start a call."""
        ...

    def call(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Call an async function from synchronous code and wait."""
        ...

    async def in_thread(self, fn: Callable[..., Any], *args: Any) -> Any:
        """Run a function that blocks from an async one."""
        ...

    def shutdown(self, *, wait: bool = True) -> None:
        """Take no more work and free what there is."""
        ...


class Ours:
    """This package."""

    def __init__(self, **options: Any) -> None:
        module = importlib.import_module("aiofutures")
        self._to_sync = module.to_sync
        self.executor = module.AsyncExecutor(**options)

    def submit(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Future[Any]:
        future: Future[Any] = self.executor.submit(fn, *args)
        return future

    def call(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        return self._to_sync(executor=self.executor)(fn)(*args)

    async def in_thread(self, fn: Callable[..., Any], *args: Any) -> Any:
        return await self.executor.sync_to_async(fn, *args)

    def shutdown(self, *, wait: bool = True) -> None:
        self.executor.shutdown(wait)


class Old:
    """The version that this package replaces."""

    def __init__(self, **options: Any) -> None:
        if options:
            raise NotApplicable
        self.executor = first_version().AsyncExecutor()

    def submit(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Future[Any]:
        future: Future[Any] = self.executor.submit(fn, *args)
        return future

    def call(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        return self.submit(fn, *args).result()

    async def in_thread(self, fn: Callable[..., Any], *args: Any) -> Any:
        return await self.executor.sync_to_async(fn, *args)

    def shutdown(self, *, wait: bool = True) -> None:
        self.executor.shutdown(wait)


class Portal:
    """anyio's blocking portal, in a thread of its own."""

    def __init__(self, **options: Any) -> None:
        if options:
            raise NotApplicable
        self._anyio = importlib.import_module("anyio")
        self._stack = contextlib.ExitStack()
        start = importlib.import_module("anyio.from_thread").start_blocking_portal
        self.executor = self._stack.enter_context(start())

    def submit(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Future[Any]:
        future: Future[Any] = self.executor.start_task_soon(fn, *args)
        return future

    def call(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        return self.executor.call(fn, *args)

    async def in_thread(self, fn: Callable[..., Any], *args: Any) -> Any:
        return await self._anyio.to_thread.run_sync(fn, *args)

    def shutdown(self, *, wait: bool = True) -> None:
        if not wait:
            raise NotApplicable
        self._stack.close()


class Asgiref:
    """asgiref's functions. They have no futures and no executor: a call is a loop of its own."""

    def __init__(self, **options: Any) -> None:
        if options:
            raise NotApplicable
        self._sync = importlib.import_module("asgiref.sync")

    @property
    def executor(self) -> Any:
        raise NotApplicable

    def submit(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Future[Any]:
        raise NotApplicable

    def call(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        return self._sync.async_to_sync(fn)(*args)

    async def in_thread(self, fn: Callable[..., Any], *args: Any) -> Any:
        return await self._sync.sync_to_async(fn)(*args)

    def shutdown(self, *, wait: bool = True) -> None:
        raise NotApplicable


class Unsync:
    """unsync, which has one event loop for the process."""

    def __init__(self, **options: Any) -> None:
        if options:
            raise NotApplicable
        self._unsync = importlib.import_module("unsync").unsync

    @property
    def executor(self) -> Any:
        raise NotApplicable

    def submit(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Future[Any]:
        unfuture = self._unsync(fn)(*args)
        future: Future[Any] = unfuture.concurrent_future if _has_future(unfuture) else unfuture
        return future

    def call(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        return self._unsync(fn)(*args).result()

    async def in_thread(self, fn: Callable[..., Any], *args: Any) -> Any:
        return await self._unsync(fn)(*args)

    def shutdown(self, *, wait: bool = True) -> None:
        raise NotApplicable


def _has_future(unfuture: Any) -> bool:
    return isinstance(getattr(unfuture, "concurrent_future", None), Future)


_CLASSES: Final[dict[str, Callable[..., Library]]] = {
    "aiofutures": Ours,
    f"aiofutures {VERSION}": Old,
    "anyio portal": Portal,
    "asgiref": Asgiref,
    "unsync": Unsync,
}


def make(library: str, **options: Any) -> Any:
    """Return a library behind the interface."""
    return _CLASSES[library](**options)
