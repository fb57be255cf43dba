"""`sync_to_async`, function and method, refuses arguments that do not fit the function."""

import functools
from pathlib import Path

from aiofutures import AsyncExecutor, sync_to_async

from . import subjects
from .subjects import use


async def check_positional(executor: AsyncExecutor) -> None:
    use(await sync_to_async(subjects.sync_fetch))  # refused
    use(await sync_to_async(subjects.sync_fetch, "1"))  # refused
    use(await sync_to_async(subjects.sync_fetch, 1, "a", 2))  # refused
    use(await executor.sync_to_async(subjects.sync_fetch))  # refused
    use(await executor.sync_to_async(subjects.sync_fetch, "1"))  # refused


async def check_keyword(executor: AsyncExecutor) -> None:
    use(await sync_to_async(subjects.sync_fetch, number="1"))  # refused
    use(await sync_to_async(subjects.sync_fetch, 1, other="a"))  # refused
    use(await executor.sync_to_async(subjects.sync_fetch, 1, other="a"))  # refused


async def check_default(executor: AsyncExecutor) -> None:
    use(await sync_to_async(subjects.sync_fetch, 1, None))  # refused
    use(await executor.sync_to_async(subjects.sync_fetch, 1, None))  # refused


async def check_keyword_only(executor: AsyncExecutor) -> None:
    use(await sync_to_async(subjects.sync_keyword_only, 1, "a"))  # refused
    use(await executor.sync_to_async(subjects.sync_keyword_only, 1))  # refused


async def check_variadic(executor: AsyncExecutor) -> None:
    use(await sync_to_async(subjects.sync_variadic, "a", "b", delay=1.5))  # refused
    use(await executor.sync_to_async(subjects.sync_variadic, "a", 1))  # refused


async def check_generic(executor: AsyncExecutor) -> None:
    use(await sync_to_async(subjects.sync_generic, 1))  # refused
    use(await executor.sync_to_async(subjects.sync_generic))  # refused


async def check_methods(executor: AsyncExecutor, path: Path) -> None:
    use(await sync_to_async(path.read_text, encoding=1))  # refused
    use(await executor.sync_to_async(path.write_bytes, "a"))  # refused
    use(await executor.sync_to_async(path.read_text()))  # refused


async def check_partial(executor: AsyncExecutor) -> None:
    # mypy: cannot, partial takes anything once passed on
    # zuban: cannot, partial takes anything once passed on
    use(await sync_to_async(functools.partial(subjects.sync_fetch, 1), 2))  # refused
    # mypy: cannot, partial takes anything once passed on
    # zuban: cannot, partial takes anything once passed on
    use(await executor.sync_to_async(functools.partial(subjects.sync_fetch, 1), 2))  # refused


async def check_no_return() -> None:
    await sync_to_async(subjects.sync_give_up, 1)  # refused


async def check_no_return_of_executor(executor: AsyncExecutor) -> None:
    await executor.sync_to_async(subjects.sync_give_up, 1)  # refused


def check_awaitable(executor: AsyncExecutor) -> None:
    use(sync_to_async(subjects.sync_fetch, 1).decode())  # refused
    use(executor.sync_to_async(subjects.sync_fetch, 1).result())  # refused
