"""`sync_to_async`, function and method, keeps parameters and awaits to the result."""

import functools
from collections.abc import Awaitable
from pathlib import Path
from typing import Never, assert_type

from aiofutures import AsyncExecutor, sync_to_async

from . import subjects


async def check_positional(executor: AsyncExecutor) -> None:
    assert_type(await sync_to_async(subjects.sync_fetch, 1, "a"), bytes)
    assert_type(await executor.sync_to_async(subjects.sync_fetch, 1, "a"), bytes)


async def check_keyword(executor: AsyncExecutor) -> None:
    assert_type(await sync_to_async(subjects.sync_fetch, number=1, text="a"), bytes)
    assert_type(await executor.sync_to_async(subjects.sync_fetch, 1, text="a"), bytes)


async def check_default(executor: AsyncExecutor) -> None:
    assert_type(await sync_to_async(subjects.sync_fetch, 1), bytes)
    assert_type(await executor.sync_to_async(subjects.sync_fetch, 1), bytes)


async def check_keyword_only(executor: AsyncExecutor) -> None:
    assert_type(await sync_to_async(subjects.sync_keyword_only, 1, text="a"), bytes)
    assert_type(await executor.sync_to_async(subjects.sync_keyword_only, 1, text="a"), bytes)


async def check_variadic(executor: AsyncExecutor) -> None:
    assert_type(await sync_to_async(subjects.sync_variadic, "a", 1, 2, delay=1.5), float)
    assert_type(await executor.sync_to_async(subjects.sync_variadic, "a", delay=1.5), float)


async def check_generic(executor: AsyncExecutor) -> None:
    # ty: cannot, it leaves the type variable unsolved
    assert_type(await sync_to_async(subjects.sync_generic, [1]), int)
    # ty: cannot, it leaves the type variable unsolved
    assert_type(await executor.sync_to_async(subjects.sync_generic, ["a"]), str)


async def check_methods(executor: AsyncExecutor, path: Path) -> None:
    assert_type(await sync_to_async(path.read_text, encoding="utf-8"), str)
    assert_type(await executor.sync_to_async(path.write_bytes, b""), int)


async def check_partial(executor: AsyncExecutor) -> None:
    assert_type(await sync_to_async(functools.partial(subjects.sync_fetch, 1), "a"), bytes)
    assert_type(await executor.sync_to_async(functools.partial(subjects.sync_fetch, 1)), bytes)


async def check_no_return() -> None:
    assert_type(await sync_to_async(subjects.sync_give_up, "a"), Never)


async def check_no_return_of_executor(executor: AsyncExecutor) -> None:
    assert_type(await executor.sync_to_async(subjects.sync_give_up, "a"), Never)


def check_awaitable(executor: AsyncExecutor) -> None:
    assert_type(sync_to_async(subjects.sync_fetch, 1), Awaitable[bytes])
    assert_type(executor.sync_to_async(subjects.sync_fetch, 1), Awaitable[bytes])
