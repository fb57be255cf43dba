"""`in_caller_thread` refuses arguments that do not fit the function."""

import functools
from pathlib import Path

from aiofutures import in_caller_thread

from . import subjects
from .subjects import use


async def check_positional() -> None:
    use(await in_caller_thread(subjects.sync_fetch))  # refused
    use(await in_caller_thread(subjects.sync_fetch, "1"))  # refused
    use(await in_caller_thread(subjects.sync_fetch, 1, "a", 2))  # refused


async def check_keyword() -> None:
    use(await in_caller_thread(subjects.sync_fetch, number="1"))  # refused
    use(await in_caller_thread(subjects.sync_fetch, 1, other="a"))  # refused


async def check_default() -> None:
    use(await in_caller_thread(subjects.sync_fetch, 1, None))  # refused


async def check_keyword_only() -> None:
    use(await in_caller_thread(subjects.sync_keyword_only, 1, "a"))  # refused


async def check_variadic() -> None:
    use(await in_caller_thread(subjects.sync_variadic, "a", "b", delay=1.5))  # refused


async def check_generic() -> None:
    use(await in_caller_thread(subjects.sync_generic, 1))  # refused


async def check_methods(path: Path) -> None:
    use(await in_caller_thread(path.read_text, encoding=1))  # refused


async def check_partial() -> None:
    # mypy: cannot, partial takes anything once passed on
    # zuban: cannot, partial takes anything once passed on
    use(await in_caller_thread(functools.partial(subjects.sync_fetch, 1), 2))  # refused


async def check_no_return() -> None:
    await in_caller_thread(subjects.sync_give_up, 1)  # refused


def check_awaitable() -> None:
    use(in_caller_thread(subjects.sync_fetch, 1).decode())  # refused
