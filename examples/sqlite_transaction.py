"""Fill a database in one transaction and read it row by row, with `aiosqlite`.

By hand: a thread that runs an event loop, a task there that waits for the end of the `with`
block, and `run_coroutine_threadsafe(...).result()` around each call and each row.
"""

from aiosqlite import Connection, connect

from aiofutures import to_sync, to_sync_context, to_sync_iter


@to_sync
async def fill(database: Connection) -> None:
    """Store 100 squares."""
    squares = [(number, number**2) for number in range(1, 101)]
    await database.execute("CREATE TABLE squares (number INTEGER, square INTEGER)")
    await database.executemany("INSERT INTO squares VALUES (?, ?)", squares)
    await database.commit()


with to_sync_context(connect)(":memory:") as database:
    fill(database)
    rows = to_sync_iter(database.execute)("SELECT number, square FROM squares")
    print(sum(square for _, square in rows))
