"""Functions whose annotations are strings, as the whole of this module has."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from support import echo

if TYPE_CHECKING:
    from nowhere import Missing  # type: ignore[import-not-found]

T = TypeVar("T")
U = TypeVar("U", bound="OldClient")


async def generates(limit: Missing = None) -> AsyncGenerator[int, str]:
    yield 1


async def iterates() -> AsyncIterator[None]:
    yield


async def generates_what_is_missing() -> AsyncIterator[Missing]:
    yield


@asynccontextmanager
async def manages(name: str) -> AsyncIterator[int]:
    yield 1


@asynccontextmanager
async def manages_something(name: str) -> Any:
    yield name


def returns_manager() -> AbstractAsyncContextManager[int]:
    return manages("")


def returns_manager_that_suppresses_nothing() -> AbstractAsyncContextManager[int, None]:
    raise NotImplementedError


def returns_iterable() -> AsyncIterable[int]:
    return Counter[int]()


def collected(fn: Callable[[], AsyncIterator[T]]) -> Callable[[], Awaitable[list[T]]]:
    """A decorator that makes another kind of function, and shows the annotations all the same."""

    @wraps(fn)
    async def collect() -> list[T]:
        return [item async for item in fn()]

    return collect


@collected
async def collects() -> AsyncIterator[int]:
    yield 1


class Client:
    """An async context manager, as many clients are."""

    size: int

    def __init__(self, url: str) -> None:
        self.url = url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def items(self) -> AsyncIterator[str]:
        yield self.url

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[bytes, None]:
        yield b""


class OldClient:
    """The same as it was written before there was `Self`."""

    async def __aenter__(self: U) -> U:  # noqa: PYI019  that is the old way
        return self

    def __aexit__(self, *_: object) -> Awaitable[bool]:
        return echo(False)


class Untyped:
    """One without annotations."""

    async def __aenter__(self):  # type: ignore[no-untyped-def]
        return self

    async def __aexit__(self, *_):  # type: ignore[no-untyped-def]
        return None


class Counter(Generic[T]):
    """An async iterator."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        raise StopAsyncIteration


class Lines:
    """An async iterable that is no iterator, and callable."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b""

    async def __call__(self, start: int) -> AsyncIterator[bytes]:
        yield b""


class Reply(Client):
    """Can be awaited, and that comes first."""

    def __await__(self) -> Any:
        yield


def returns_client() -> Client:
    return Client("")


def returns_counter() -> Counter[int]:
    return Counter[int]()


def returns_any_counter() -> Counter:  # type: ignore[type-arg]
    return Counter[int]()


def returns_reply() -> Reply:
    return Reply("")


generates_from_one = partial(generates, 1)
