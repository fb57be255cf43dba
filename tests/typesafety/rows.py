"""The base classes of `library`, in another module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from typing_extensions import override

T = TypeVar("T")
K = TypeVar("K")
Key = TypeVar("Key", bound=str)
P = ParamSpec("P")
R = TypeVar("R")


class Shape(Protocol):
    """A shape."""

    @property
    def area(self) -> float:
        """The area."""
        ...


class Record:
    """A record, in which nothing is async."""

    number: int = 0


class Cursor:
    """A cursor."""

    async def step(self, by: int = 1) -> Self:
        """Step."""
        return self

    def __aiter__(self) -> AsyncIterator[Record]:
        raise NotImplementedError


C = TypeVar("C", bound=Cursor)


class Pool(Generic[C]):
    """A pool of cursors, whose type variable has an async bound."""

    def __init__(self, make: type[C]) -> None:
        self.make: type[C] = make

    async def get(self) -> C:
        """Return one."""
        return self.make()

    async def put(self, cursor: C) -> None:
        """Take one back."""

    async def join(self, other: Pool[C]) -> Pool[C]:
        """Return another pool."""
        return other


class Response(Generic[T]):
    """A response with a value."""

    value: T

    async def read(self) -> T:
        """Read."""
        return self.value


class Rows(Generic[K, T]):
    """A generic base."""

    def __init__(self, items: dict[K, T]) -> None:
        self.items: dict[K, T] = items

    async def fetch(self, key: K) -> T:
        """Fetch a value."""
        return self.items[key]

    async def page(self) -> Response[list[T]]:
        """Return a page."""
        raise NotImplementedError

    @overload
    def only(self: Rows[str, T], key: str) -> Awaitable[T]: ...
    @overload
    def only(self: Rows[int, T], key: int, more: int) -> Awaitable[T]: ...
    def only(self, key: Any, more: int = 0) -> Any:
        """Return a value."""


class Request(Awaitable[T]):
    """What can be awaited or entered."""

    @override
    def __await__(self) -> Generator[Any, Any, T]:
        raise NotImplementedError

    async def __aenter__(self) -> T:
        return await self

    async def __aexit__(self, *_: object) -> None: ...


def wrapped(fn: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[Response[R]]]:
    """Return a function that wraps results."""
    raise NotImplementedError


def entered(
    fn: Callable[P, Awaitable[R]],
) -> Callable[P, AbstractAsyncContextManager[Response[R]]]:
    """Return a function whose results can be entered."""
    raise NotImplementedError


def logged(fn: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[tuple[R, str]]]:
    """Give a function another result."""

    async def log(*args: P.args, **kwargs: P.kwargs) -> tuple[R, str]:
        return await fn(*args, **kwargs), "logged"

    return log
