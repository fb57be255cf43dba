"""`shared` refuses what the function refuses."""

from aiofutures import AsyncExecutor, Shared, shared

from . import subjects
from .accepted_clients import Connection, suppressing
from .accepted_shared import connect, connection, pool, settings, several
from .subjects import use


def check_function(executor: AsyncExecutor) -> None:
    wrong: Shared[str] = pool  # refused
    use(wrong)
    use(pool("a"))  # refused
    use(shared(connect))  # refused
    use(shared(connect, 1))  # refused
    use(shared(connect, "a", size="2"))  # refused
    use(shared(connect, "a", timeout=1))  # refused
    use(shared(connect("a")))  # refused
    use(shared(several, 1))  # refused
    use(shared(suppressing))  # refused
    use(shared(subjects.fetch, 1))  # refused
    use(shared(subjects.sync_fetch, 1))  # refused
    use(executor.shared(connect))  # refused
    use(executor.shared(subjects.fetch, 1))  # refused


def check_class(executor: AsyncExecutor) -> None:
    use(connection().missing)  # refused
    use(shared(Connection))  # refused
    use(shared(Connection, "a", retries="1"))  # refused
    use(executor.shared(Connection, 1))  # refused


def check_decorator() -> None:
    use(settings("a"))  # refused
    use(settings()[1])  # refused


async def check_await() -> None:
    use((await pool).missing)  # refused
    use(await settings())  # refused


def check_close() -> None:
    pool.close(1)  # refused
