"""A future has the type of its result, awaited or not, and is one of the standard library's."""

import asyncio
import concurrent.futures
from collections.abc import Callable
from concurrent.futures import ALL_COMPLETED
from typing import assert_type

from aiofutures import Future


def length(future: concurrent.futures.Future[str]) -> int:
    return len(future.result())


def print_result(future: Future[str]) -> None:
    print(future.result())


def length_of_any(future: concurrent.futures.Future[str]) -> int:
    return len(str(future))


async def check_await(future: Future[str]) -> None:
    assert_type(await future, str)
    assert_type(await asyncio.gather(future, future), tuple[str, str])


async def check_await_with_timeout(future: Future[str]) -> None:
    async with asyncio.timeout(1):
        assert_type(await future, str)


def check_result(future: Future[str]) -> None:
    assert_type(future.result(), str)
    assert_type(future.result(1.5), str)
    assert_type(future.result(timeout=None), str)


def check_exception(future: Future[str]) -> None:
    assert_type(future.exception(), BaseException | None)
    assert_type(future.exception(timeout=1), BaseException | None)


def check_cancel(future: Future[str]) -> None:
    assert_type(future.cancel(), bool)


def check_state(future: Future[str]) -> None:
    assert_type(future.cancelled(), bool)
    assert_type(future.running(), bool)
    assert_type(future.done(), bool)


def check_add_done_callback(future: Future[str], callback: Callable[[Future[str]], int]) -> None:
    assert_type(future.add_done_callback(print_result), None)
    assert_type(future.add_done_callback(length_of_any), None)
    assert_type(future.add_done_callback(callback), None)
    assert_type(future.add_done_callback(lambda future: future.result().upper()), None)


def check_outcome(future: Future[str]) -> None:
    assert_type(future.set_running_or_notify_cancel(), bool)
    assert_type(future.set_result("a"), None)
    assert_type(future.set_exception(ValueError()), None)


def check_stdlib(future: Future[str]) -> None:
    assert_type(length(future), int)
    assert_type(
        concurrent.futures.wait([future], 1, ALL_COMPLETED),
        concurrent.futures._base.DoneAndNotDoneFutures[str],
    )
    assert_type([done.result() for done in concurrent.futures.as_completed([future])], list[str])
    assert_type(asyncio.wrap_future(future), asyncio.Future[str])


def check_own_future() -> None:
    future: Future[str] = Future()
    assert_type(future.result(), str)
