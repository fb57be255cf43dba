"""PostgreSQL: a pool, transactions and cursors."""

from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from threading import Barrier

import pytest
from support import LIMIT

from aiofutures import AsyncExecutor, to_sync

pytest.importorskip("asyncpg", reason="needs asyncpg")

import asyncpg

execute = to_sync(asyncpg.Pool.execute)
execute_in = to_sync(asyncpg.Connection.execute)
fetch_value = to_sync(asyncpg.Pool.fetchval)

CONNECTIONS = 5
THREADS = 50


@to_sync
@asynccontextmanager
async def open_pool(url: str) -> AsyncGenerator[asyncpg.Pool, None]:
    """Open a pool."""
    async with asyncpg.create_pool(url, min_size=1, max_size=CONNECTIONS) as pool:
        yield pool


@to_sync
@asynccontextmanager
async def transaction(pool: asyncpg.Pool) -> AsyncGenerator[asyncpg.Connection, None]:
    """Take a connection and commit, or roll back."""
    async with pool.acquire() as connection, connection.transaction():
        yield connection


@to_sync
async def numbers(pool: asyncpg.Pool, count: int) -> AsyncGenerator[int, None]:
    """Yield numbers that the server makes while they are read."""
    async with pool.acquire() as connection, connection.transaction():
        async for row in connection.cursor("SELECT generate_series(1, $1::integer)", count):
            yield row[0]


@pytest.fixture
def pool(postgresql_url: str, default_executor: AsyncExecutor) -> Iterator[asyncpg.Pool]:
    """A pool, and a table with one account of 0."""
    with open_pool(postgresql_url) as pool:
        execute(pool, "CREATE TABLE account AS SELECT 0 AS balance")
        yield pool
        execute(pool, "DROP TABLE account")


def test_pool_of_many_threads(pool: asyncpg.Pool) -> None:
    """50 threads share 5 connections: all get theirs in turn, and none disturbs another."""
    together = Barrier(THREADS, timeout=LIMIT)

    def serve(number: int) -> int:
        together.wait()
        value: int = fetch_value(pool, "SELECT $1::integer FROM pg_sleep(0.01)", number)
        with transaction(pool) as connection:
            execute_in(connection, "UPDATE account SET balance = balance + 1")
        return value

    with ThreadPoolExecutor(THREADS) as threads:
        values = [*threads.map(serve, range(THREADS))]

    assert values == [*range(THREADS)]
    assert fetch_value(pool, "SELECT balance FROM account") == THREADS
    assert pool.get_size() <= CONNECTIONS


def test_rolled_back(pool: asyncpg.Pool) -> None:
    """An exception of the body rolls the transaction back, and goes on."""
    with pytest.raises(ZeroDivisionError), transaction(pool) as connection:
        execute_in(connection, "UPDATE account SET balance = 5")
        _ = 1 / 0

    assert fetch_value(pool, "SELECT balance FROM account") == 0


def test_cursor(pool: asyncpg.Pool) -> None:
    """A cursor of the server is read row by row; leaving the loop gives the connection back."""
    assert sum(numbers(pool, 1000)) == 500_500

    for _ in range(2 * CONNECTIONS):
        for number in numbers(pool, 1_000_000):
            assert number == 1
            break
