"""`submit` and `run_async` take a function and its arguments, and return a future of its result."""

import functools
from typing import Never, assert_type

from aiofutures import AsyncExecutor, Future, run_async

from . import subjects
from .subjects import Client, Doubling


def check_positional(executor: AsyncExecutor) -> None:
    assert_type(executor.submit(subjects.fetch, 1, "a"), Future[bytes])
    assert_type(run_async(subjects.fetch, 1, "a"), Future[bytes])


def check_keyword(executor: AsyncExecutor) -> None:
    assert_type(executor.submit(subjects.fetch, number=1, text="a"), Future[bytes])
    assert_type(run_async(subjects.fetch, 1, text="a"), Future[bytes])


def check_default(executor: AsyncExecutor) -> None:
    assert_type(executor.submit(subjects.fetch, 1), Future[bytes])
    assert_type(run_async(subjects.fetch, 1), Future[bytes])
    assert_type(executor.submit(subjects.nothing), Future[None])
    assert_type(run_async(subjects.nothing), Future[None])


def check_keyword_only(executor: AsyncExecutor) -> None:
    assert_type(executor.submit(subjects.keyword_only, 1, text="a"), Future[bytes])
    assert_type(run_async(subjects.keyword_only, 1, text="a", flag=True), Future[bytes])


def check_positional_only(executor: AsyncExecutor) -> None:
    assert_type(executor.submit(subjects.positional_only, 1), Future[bytes])
    assert_type(run_async(subjects.positional_only, 1, "a"), Future[bytes])


def check_args(executor: AsyncExecutor) -> None:
    assert_type(executor.submit(subjects.variadic, "a", 1, 2), Future[float])
    assert_type(run_async(subjects.variadic, "a", *[1, 2]), Future[float])


def check_kwargs(executor: AsyncExecutor) -> None:
    assert_type(executor.submit(subjects.keywords, a=1, fn=2, self=3), Future[float])
    assert_type(run_async(subjects.keywords, a=1, fn=2), Future[float])


def check_unpacked_kwargs(executor: AsyncExecutor) -> None:
    assert_type(executor.submit(subjects.unpacked, "a", delay=1.5), Future[float])
    assert_type(run_async(subjects.unpacked, "a", delay=1.5, retries=1), Future[float])


def check_generic(executor: AsyncExecutor, names: list[str]) -> None:
    # ty: cannot, it leaves the type variable unsolved
    assert_type(executor.submit(subjects.generic, names, ""), Future[str])
    # ty: cannot, it leaves the type variable unsolved
    assert_type(run_async(subjects.generic, names, ""), Future[str])


def check_overloaded(executor: AsyncExecutor) -> None:
    # ty: cannot, it makes a union of the overloads
    assert_type(executor.submit(subjects.overloaded, "a"), Future[str])
    # ty: cannot, it makes a union of the overloads
    assert_type(executor.submit(subjects.overloaded, b"a", 1), Future[int])
    # ty: cannot, it makes a union of the overloads
    assert_type(run_async(subjects.overloaded, b"a", 1), Future[int])


def check_no_return(executor: AsyncExecutor) -> None:
    assert_type(executor.submit(subjects.give_up, "a"), Future[Never])
    assert_type(run_async(subjects.give_up, "a"), Future[Never])


def check_awaitables(executor: AsyncExecutor) -> None:
    assert_type(executor.submit(subjects.coroutine, 1), Future[str])
    assert_type(executor.submit(subjects.awaitable, 1), Future[str])
    assert_type(executor.submit(subjects.future, 1), Future[str])
    assert_type(executor.submit(subjects.task, 1), Future[str])
    assert_type(run_async(subjects.future, 1), Future[str])


def check_methods(executor: AsyncExecutor, client: Client) -> None:
    assert_type(executor.submit(client.get, "/", retries=1), Future[bytes])
    assert_type(executor.submit(Client.connect, "a"), Future[Client])
    assert_type(executor.submit(Client.parse, "1"), Future[int])
    assert_type(run_async(client.get, "/", retries=1), Future[bytes])


def check_partial(executor: AsyncExecutor) -> None:
    assert_type(executor.submit(functools.partial(subjects.fetch, 1), "a"), Future[bytes])
    assert_type(run_async(functools.partial(subjects.fetch, 1), "a"), Future[bytes])


def check_callable_object(executor: AsyncExecutor) -> None:
    assert_type(executor.submit(Doubling(), 1), Future[str])
    assert_type(run_async(Doubling(), 1), Future[str])


def check_lambda(executor: AsyncExecutor) -> None:
    assert_type(executor.submit(lambda: subjects.fetch(1)), Future[bytes])
    assert_type(run_async(lambda: subjects.fetch(1)), Future[bytes])
    assert_type(executor.submit(lambda: subjects.overloaded("a")), Future[str])
    assert_type(executor.submit(lambda: subjects.overloaded(b"a", 1)), Future[int])
