"""`in_caller_thread` keeps parameters and awaits to the result."""

import functools
from collections.abc import Awaitable
from pathlib import Path
from typing import Never, assert_type

from aiofutures import in_caller_thread

from . import subjects


async def check_positional() -> None:
    assert_type(await in_caller_thread(subjects.sync_fetch, 1, "a"), bytes)


async def check_keyword() -> None:
    assert_type(await in_caller_thread(subjects.sync_fetch, number=1, text="a"), bytes)


async def check_default() -> None:
    assert_type(await in_caller_thread(subjects.sync_fetch, 1), bytes)


async def check_keyword_only() -> None:
    assert_type(await in_caller_thread(subjects.sync_keyword_only, 1, text="a"), bytes)


async def check_variadic() -> None:
    assert_type(await in_caller_thread(subjects.sync_variadic, "a", 1, 2, delay=1.5), float)


async def check_generic() -> None:
    # ty: cannot, it leaves the type variable unsolved
    assert_type(await in_caller_thread(subjects.sync_generic, [1]), int)


async def check_methods(path: Path) -> None:
    assert_type(await in_caller_thread(path.read_text, encoding="utf-8"), str)


async def check_partial() -> None:
    assert_type(await in_caller_thread(functools.partial(subjects.sync_fetch, 1), "a"), bytes)


async def check_no_return() -> None:
    assert_type(await in_caller_thread(subjects.sync_give_up, "a"), Never)


def check_awaitable() -> None:
    assert_type(in_caller_thread(subjects.sync_fetch, 1), Awaitable[bytes])
