"""A future refuses what does not fit the type of its result."""

import asyncio

from aiofutures import Future

from .accepted_future import length, print_result
from .subjects import use


def print_number(future: Future[int]) -> None:
    print(future.result())


async def check_await(future: Future[str]) -> None:
    use((await future).missing)  # refused
    use(await future + 1)  # refused
    use(await future.result())  # refused


async def check_await_with_timeout(future: Future[str]) -> None:
    use(await future(timeout=1))  # refused


def check_result(future: Future[str]) -> None:
    use(future.result().missing)  # refused
    use(future.result("1"))  # refused
    use(future.result(seconds=1))  # refused
    use(future.result + "a")  # refused


def check_exception(future: Future[str]) -> None:
    use(future.exception("1"))  # refused
    use(future.exception().args)  # refused


def check_cancel(future: Future[str]) -> None:
    use(future.cancel("message"))  # refused
    use(future.cancel(msg="message"))  # refused


def check_state(future: Future[str]) -> None:
    use(future.done(1))  # refused
    use(future.cancelled(1))  # refused
    use(future.running(1))  # refused


def check_add_done_callback(future: Future[str]) -> None:
    use(future.add_done_callback(print_number))  # refused
    use(future.add_done_callback(print_result(future)))  # refused
    use(future.add_done_callback(len))  # refused
    use(future.add_done_callback(lambda: None))  # refused
    use(future.add_done_callback(lambda future: future.result().missing))  # refused
    use(future.add_done_callback(print_result, context=None))  # refused


def check_outcome(future: Future[str]) -> None:
    use(future.set_result(1))  # refused
    use(future.set_exception("a"))  # refused


def check_stdlib(future: Future[str], numbers: Future[int], task: asyncio.Task[str]) -> None:
    use(length(numbers))  # refused
    use(length(task))  # refused
    use(length(asyncio.wrap_future(future)))  # refused


def check_own_future() -> None:
    future: Future[str] = Future[int]()  # refused
    use(future)
    use(Future("a"))  # refused
