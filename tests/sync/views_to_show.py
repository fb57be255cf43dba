"""Functions whose annotations are strings, as the whole of this module has."""

from __future__ import annotations

# Some are only named in annotations that the tests give.
import asyncio  # noqa: F401
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,  # noqa: F401
    Generator,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial, wraps
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, TypeVarTuple

from support import echo
from typing_extensions import override

if TYPE_CHECKING:
    from nowhere import Missing  # type: ignore[import-not-found]

T = TypeVar("T")
U = TypeVar("U", bound="OldClient")
K = TypeVar("K")
Ts = TypeVarTuple("Ts")


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


def collected(fn: Callable[[], Any]) -> Callable[[], Awaitable[list[Any]]]:
    """A decorator that makes another kind of function, and shows the annotations all the same."""

    @wraps(fn)
    async def collect() -> list[Any]:
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


class Stream(Client, Generic[T]):
    """What an SDK gives: it is entered, gives itself, and is iterated."""

    def __aiter__(self) -> AsyncIterator[T]:
        raise NotImplementedError


class Integers(Stream[int]):
    """Has its type argument from its base."""


class Batches(Stream[list[T]], Generic[T]):
    """Gives another meaning to the type variable of its base."""


class Swapped(Stream[K], Generic[T, K]):
    """Gives its base the second of its two."""


class Numbers(AsyncIterator[T]):
    """A generic of `collections.abc`, without `Generic`."""

    @override
    async def __anext__(self) -> T:
        raise StopAsyncIteration


class Unannotated(AsyncIterator[T]):
    """Nothing tells what its items are."""

    @override
    async def __anext__(self):  # type: ignore[no-untyped-def]
        raise StopAsyncIteration


class Rows(Generic[*Ts]):
    """Has as many type parameters as anyone likes."""

    def __aiter__(self) -> AsyncIterator[tuple[*Ts]]:
        raise NotImplementedError


class Subscripted:
    """Can be subscripted, but does not say with what."""

    __class_getitem__: Any = classmethod(GenericAlias)

    async def __aenter__(self) -> T:
        raise NotImplementedError

    async def __aexit__(self, *_: object) -> None:
        pass


class Connection(AbstractAsyncContextManager["Connection"]):
    """Names itself before it is there."""

    @override
    async def __aexit__(self, *_: object) -> None:
        pass


class Box(Generic[T]):
    """Gives another one, without end."""

    async def __aenter__(self) -> Box[Box[T]]:
        raise NotImplementedError

    async def __aexit__(self, *_: object) -> None:
        pass


class Query(Generic[T]):
    """Awaiting it gives something else than its type argument."""

    def __await__(self) -> Generator[Any, None, list[T]]:
        raise NotImplementedError


class SilentQuery(Generic[T]):
    """Nothing tells what awaiting it gives."""

    def __await__(self):  # type: ignore[no-untyped-def]
        raise NotImplementedError


class BareQuery(Generic[T]):
    """Awaiting it gives a generic class without arguments."""

    def __await__(self) -> Generator[Any, None, Stream]:  # type: ignore[type-arg]
        raise NotImplementedError


class Factory:
    """Stands among the bases of a class, as `NamedTuple` does, and is no class."""

    def __mro_entries__(self, _: object) -> tuple[type, ...]:
        return (OldClient,)


factory: Any = Factory()


class Manufactured(factory, Swapped[str, int]):  # type: ignore[misc]
    """Has a base that is no class."""


class Circular:
    """Says that iterating it gives it, which is not an iterator."""

    def __aiter__(self) -> Circular:
        raise NotImplementedError


@AsyncIterable.register
class Registered:
    """Is said to be what it is not."""


def returns(annotation: str) -> Any:
    """Return a function that is annotated with what it returns."""

    def fn() -> None:
        raise NotImplementedError

    fn.__annotations__["return"] = annotation
    return fn


async def answers() -> Stream[int]:
    return Stream[int]("")


async def opens() -> AbstractAsyncContextManager[Awaitable[AsyncIterator[str]]]:
    raise NotImplementedError


async def returns_nothing() -> None:
    pass


@asynccontextmanager
async def manages_items() -> AsyncIterator[AsyncIterator[int]]:
    yield Numbers[int]()


def passed_on(fn: Callable[[], Any]) -> Callable[[], Any]:
    """A decorator that returns what the function returns."""

    @wraps(fn)
    def call() -> Any:
        return fn()

    return call


@passed_on
async def answers_behind() -> Stream[int]:
    return Stream[int]("")


@passed_on
async def generates_behind() -> AsyncIterator[int]:
    yield 1


@collected
@asynccontextmanager
async def manages_behind() -> AsyncIterator[int]:
    yield 1


def paged(fn: Callable[[], Awaitable[T]]) -> Callable[[], AsyncIterator[T]]:
    """A decorator that makes an async generator function of a coroutine function."""

    @wraps(fn)
    async def iterate() -> AsyncIterator[T]:
        yield await fn()

    return iterate


@paged
async def pages() -> Stream[int]:
    return Stream[int]("")


class Shop:
    """Has methods of all kinds."""

    async def orders(self, customer: str) -> AsyncGenerator[int, str]:
        yield 1

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Shop]:
        yield cls()

    @staticmethod
    async def events() -> Stream[str]:
        return Stream[str]("")


generates_from_one = partial(generates, 1)
