"""The executor takes the place of the standard ones."""

import asyncio
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, assert_type

from aiofutures import (
    AsyncExecutor,
    ExecutorStatistics,
    get_default_executor,
    set_default_executor,
)


class SubExecutor(AsyncExecutor): ...


def name_of(executor: Executor) -> str:
    return repr(executor)


def check_construction() -> None:
    assert_type(AsyncExecutor(), AsyncExecutor)
    assert_type(AsyncExecutor(ThreadPoolExecutor()), AsyncExecutor)
    assert_type(AsyncExecutor(executor=None, max_workers=4), AsyncExecutor)
    assert_type(AsyncExecutor(max_workers=None, thread_name_prefix="a"), AsyncExecutor)
    assert_type(AsyncExecutor(max_workers=4, loops=2), AsyncExecutor)
    assert_type(AsyncExecutor(loop_factory=asyncio.new_event_loop), AsyncExecutor)
    assert_type(AsyncExecutor(loop_factory=None, cancel_at_exit=True), AsyncExecutor)


def check_stdlib(executor: AsyncExecutor) -> None:
    assert_type(name_of(executor), str)


def check_context_manager() -> None:
    with AsyncExecutor() as executor:
        assert_type(executor, AsyncExecutor)
    with SubExecutor() as sub_executor:
        assert_type(sub_executor, SubExecutor)


def check_shutdown(executor: AsyncExecutor) -> None:
    assert_type(executor.shutdown(), None)
    assert_type(executor.shutdown(False), None)
    assert_type(executor.shutdown(wait=True, cancel_futures=True), None)


def check_cancel_futures(executor: AsyncExecutor) -> None:
    assert_type(executor.cancel_futures(), None)


def check_tasks(executor: AsyncExecutor) -> None:
    assert_type(executor.tasks, set[asyncio.Task[Any]])


def check_statistics(executor: AsyncExecutor) -> None:
    assert_type(executor.statistics(), ExecutorStatistics)
    assert_type(executor.statistics().pending, int)
    assert_type(executor.statistics().running, int)
    assert_type(executor.statistics().max_workers, int | None)


def check_default_executor(executor: AsyncExecutor) -> None:
    assert_type(get_default_executor(), AsyncExecutor)
    assert_type(set_default_executor(executor), None)
    assert_type(set_default_executor(SubExecutor()), None)
