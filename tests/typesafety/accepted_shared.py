"""`shared` keeps the parameters of a function and gives what entering its result gives."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import assert_type

from aiofutures import AsyncExecutor, Shared, shared

from .accepted_clients import Connection, Stream, suppressing


@asynccontextmanager
async def connect(url: str, *, size: int = 1) -> AsyncGenerator[bytes, None]:
    yield url.encode() * size


@shared
@asynccontextmanager
async def settings() -> AsyncGenerator[dict[str, int], None]:
    yield {}


def several(*urls: str) -> AbstractAsyncContextManager[list[str]]:
    raise NotImplementedError(urls)


pool = shared(connect, "a", size=2)
connection = shared(Connection, "a")


def check_function(executor: AsyncExecutor) -> None:
    assert_type(pool, Shared[bytes])
    assert_type(pool(), bytes)
    assert_type(shared(several, "a", "b")(), list[str])
    assert_type(shared(suppressing, "a")(), int)
    assert_type(executor.shared(connect, "a"), Shared[bytes])
    assert_type(executor.shared(several)(), list[str])


def check_class(executor: AsyncExecutor) -> None:
    assert_type(connection(), Connection)
    # ty: cannot, it does not solve the type variable of the class
    assert_type(shared(Stream, b"a")(), Stream[bytes])
    assert_type(executor.shared(Connection, "a", retries=1)(), Connection)


def check_decorator() -> None:
    assert_type(settings, Shared[dict[str, int]])
    assert_type(settings(), dict[str, int])


async def check_await() -> None:
    assert_type(await pool, bytes)
    assert_type(await settings, dict[str, int])


def check_close() -> None:
    pool.close()
    assert_type(pool(), bytes)
