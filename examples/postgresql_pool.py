"""Share one pool of 5 PostgreSQL connections between 50 threads, with `asyncpg`.

By hand: a thread that runs an event loop for as long as the process, the pool made and closed by
tasks of that loop, and each query handed over with `run_coroutine_threadsafe(...).result()`.
"""

from concurrent.futures import ThreadPoolExecutor

import asyncpg

from aiofutures import to_sync, to_sync_context


def main(url: str) -> None:
    """Let each thread ask the database, as the threads of a web server do."""
    open_pool = to_sync_context(asyncpg.create_pool)
    with (
        open_pool(url, min_size=1, max_size=5) as pool,
        ThreadPoolExecutor(50) as threads,
    ):
        fetch_value = to_sync(pool.fetchval)
        query = "SELECT $1::integer * 2 FROM pg_sleep(0.01)"
        print(sum(threads.map(lambda number: fetch_value(query, number), range(500))))


if __name__ == "__main__":
    from servers import postgresql_server, run

    run(main, postgresql_server)
