"""`to_sync_context` enters, and `to_sync_iter` iterates, what could be awaited as well."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, assert_type

from aiofutures import AsyncExecutor, to_sync, to_sync_context, to_sync_iter

T = TypeVar("T")


class Connection:
    """Can be awaited and entered, as what `aiosqlite.connect` returns."""

    def __init__(self, path: str, *, retries: int = 0) -> None: ...

    def __await__(self) -> Generator[Any, None, Self]:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    @to_sync_context
    @asynccontextmanager
    async def transaction(self, name: str) -> AsyncGenerator[int, None]:
        yield len(name)

    @to_sync_iter
    async def rows(self, query: str) -> AsyncGenerator[bytes, None]:
        yield query.encode()


class Stream(Generic[T]):
    """Can be entered and iterated, as the streams of `openai`."""

    def __init__(self, item: T) -> None:
        self.item = item

    def __aiter__(self) -> AsyncIterator[T]:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Pages:
    """Can be awaited and iterated, as the paginators of `openai`."""

    def __init__(self, first: int) -> None: ...

    def __await__(self) -> Generator[Any, None, list[int]]:
        raise NotImplementedError

    def __aiter__(self) -> AsyncIterator[str]:
        raise NotImplementedError


class Numbers:
    """Can be iterated alone, and is no iterator."""

    def __init__(self, count: int) -> None: ...

    def __aiter__(self) -> AsyncIterator[int]:
        raise NotImplementedError


def suppressing(text: str) -> AbstractAsyncContextManager[int, bool]:
    raise NotImplementedError(text)


async def create(text: str, *, size: int = 1) -> Stream[bytes]:
    return Stream(text.encode() * size)


@asynccontextmanager
async def subscribed(channel: str) -> AsyncGenerator[AsyncIterable[float], None]:
    yield Stream(float(channel))


connect = to_sync_context(Connection)
connect_slowly = to_sync_context(timeout=1, executor=None)(Connection)
connect_suppressing = to_sync_context(suppressing)
open_stream = to_sync_context(Stream[str])
created = to_sync_iter(create)
created_slowly = to_sync_iter(timeout=1, executor=AsyncExecutor())(create)
pages = to_sync_iter(Pages)
first_page = to_sync(Pages)
messages = to_sync_iter(subscribed)
numbers = to_sync(Numbers)
numbers_again = to_sync_iter(timeout=None)(Numbers)
streamed = to_sync(Stream[str])
streamed_slowly = to_sync(timeout=1)(Stream[str])


def check_context() -> None:
    with connect("a", retries=1) as connection:
        assert_type(connection, Connection)
    assert_type(connect("a"), AbstractContextManager[Connection, None])
    assert_type(connect_suppressing("a"), AbstractContextManager[int, bool])
    with open_stream("a") as stream:
        assert_type(stream, Stream[str])


def check_context_with_options() -> None:
    with connect_slowly("a", retries=1) as connection:
        assert_type(connection, Connection)


def check_iter() -> None:
    assert_type(created("a", size=2), Generator[bytes, None, None])
    assert_type(list(pages(1)), list[str])
    assert_type(list(messages(channel="1")), list[float])


def check_iter_with_options() -> None:
    assert_type(created_slowly("a", size=2), Generator[bytes, None, None])
    assert_type(numbers_again(1), Generator[int, None, None])


def check_method(connection: Connection) -> None:
    with connection.transaction("a") as size:
        assert_type(size, int)
    assert_type(connection.rows("a"), Generator[bytes, None, None])


def check_to_sync() -> None:
    assert_type(first_page(1), list[int])
    assert_type(numbers(2), Generator[int, None, None])
    with streamed("a") as stream:
        assert_type(stream, Stream[str])
    with streamed_slowly("a") as stream:
        assert_type(stream, Stream[str])
