"""`to_sync` makes generators of async generators, and context managers of async ones."""

from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from types import TracebackType
from typing import Self, assert_type

from aiofutures import to_sync

slow = to_sync(timeout=60)


async def numbers_of(count: int, start: int = 0) -> AsyncGenerator[int, str]:
    for number in range(start, count):
        yield number


async def lines_of(text: str) -> AsyncIterator[str]:
    for line in text.splitlines():
        yield line


class Session:
    def __init__(self, url: str, *, retries: int = 0) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    @to_sync
    async def pages(self, path: str) -> AsyncGenerator[bytes, None]:
        yield path.encode()


def suppressing(text: str) -> AbstractAsyncContextManager[int, bool]:
    raise NotImplementedError(text)


@to_sync
@asynccontextmanager
async def opened(path: str) -> AsyncGenerator[bytes, None]:
    yield path.encode()


numbers = to_sync(numbers_of)
lines = to_sync(lines_of)
slow_numbers = slow(numbers_of)
slow_lines = slow(lines_of)
open_session = to_sync(Session)
open_slowly = slow(Session)
open_suppressing = to_sync(suppressing)


def check_async_generator() -> None:
    assert_type(numbers(2, start=1), Generator[int, str, None])
    assert_type(list(numbers(2)), list[int])
    assert_type(numbers(2).send("a"), int)


def check_async_iterator() -> None:
    assert_type(lines("a"), Generator[str, None, None])
    assert_type(list(lines("a")), list[str])


def check_options() -> None:
    assert_type(slow_numbers(2), Generator[int, str, None])
    assert_type(slow_lines(text="a"), Generator[str, None, None])


def check_method(session: Session) -> None:
    assert_type(session.pages("/"), Generator[bytes, None, None])


def check_context_manager() -> None:
    assert_type(open_suppressing("a"), AbstractContextManager[int, bool])
    with opened("a") as body:
        assert_type(body, bytes)


def check_class() -> None:
    with open_session("a", retries=1) as session:
        assert_type(session, Session)
    with open_slowly("a") as session:
        assert_type(session, Session)
