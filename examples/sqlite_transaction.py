"""Fill a database in one transaction and read it row by row, with `aiosqlite`.

By hand: a thread that runs an event loop, a task there that waits for the end of the `with`
block, and `run_coroutine_threadsafe(...).result()` around each call and each row.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiosqlite import Connection, Row, connect

from aiofutures import to_sync


@to_sync
@asynccontextmanager
async def open_database(file: str) -> AsyncGenerator[Connection, None]:
    """Commit what the `with` block does, or nothing of it if it raises."""
    async with connect(file) as database:
        await database.execute("CREATE TABLE squares (number INTEGER, square INTEGER)")
        yield database
        await database.commit()


@to_sync
async def store(database: Connection, squares: list[tuple[int, int]]) -> None:
    """Add rows."""
    await database.executemany("INSERT INTO squares VALUES (?, ?)", squares)


@to_sync
async def rows(database: Connection) -> AsyncGenerator[Row, None]:
    """Yield the rows; only a few are in memory at a time."""
    async for row in await database.execute("SELECT number, square FROM squares"):
        yield row


with open_database(":memory:") as database:
    store(database, [(number, number**2) for number in range(1, 101)])
    print(sum(square for _, square in rows(database)))
