"""A database file, its rows and its transactions."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiosqlite import Connection, OperationalError, Row, connect

from aiofutures import AsyncExecutor, to_sync

close = to_sync(Connection.close)


@to_sync
async def execute(database: Connection, statement: str, *values: object) -> list[Row]:
    """Execute a statement and return all its rows."""
    return [*await database.execute_fetchall(statement, values)]


async def rows(database: Connection, query: str) -> AsyncGenerator[Row, None]:
    """Yield the rows of a query."""
    async with database.execute(query) as cursor:
        async for row in cursor:
            yield row


@to_sync
@asynccontextmanager
async def transaction(database: Connection) -> AsyncGenerator[None, None]:
    """Commit, or roll back."""
    try:
        yield
    except BaseException:
        await database.rollback()
        raise
    await database.commit()


@pytest.fixture
def database(default_executor: AsyncExecutor, tmp_path: Path) -> Iterator[Connection]:
    """A database with an empty table."""
    opening: Callable[[Path], Connection] = to_sync(connect)
    connection = opening(tmp_path / "test.db")
    execute(connection, "CREATE TABLE numbers (number INTEGER)")
    yield connection
    close(connection)


def test_cursor(tmp_path: Path) -> None:
    """10,000 rows come through a cursor, in order."""

    @asynccontextmanager
    async def fill() -> AsyncGenerator[Connection, None]:
        async with connect(tmp_path / "test.db") as database:
            await database.execute("CREATE TABLE numbers (number INTEGER)")
            numbers = [(number,) for number in range(10_000)]
            await database.executemany("INSERT INTO numbers VALUES (?)", numbers)
            yield database

    with AsyncExecutor() as executor:
        sync = to_sync(executor=executor)
        with sync(fill)() as database:
            numbers = [number for (number,) in sync(rows)(database, "SELECT * FROM numbers")]

    assert numbers == [*range(10_000)]


def test_committed(database: Connection) -> None:
    """A transaction is committed at the end of the body."""
    with transaction(database):
        execute(database, "INSERT INTO numbers VALUES (?)", 1)

    assert not database.in_transaction
    assert execute(database, "SELECT * FROM numbers") == [(1,)]


def test_rolled_back(database: Connection) -> None:
    """An exception of the body rolls it back, and goes on."""
    with pytest.raises(ZeroDivisionError), transaction(database):
        execute(database, "INSERT INTO numbers VALUES (?)", 1)
        _ = 1 / 0

    assert not database.in_transaction
    assert execute(database, "SELECT * FROM numbers") == []


def test_error(database: Connection) -> None:
    """An error of the database is raised here, of its own type."""
    with pytest.raises(OperationalError, match="nothing"):
        next(to_sync(rows)(database, "SELECT * FROM nothing"))
