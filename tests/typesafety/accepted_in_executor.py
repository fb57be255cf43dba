"""`in_executor` keeps the parameters of a function and returns a future of its result."""

import functools
from typing import Any, Never, assert_type, overload

from aiofutures import Future, in_executor

from . import subjects
from .subjects import Client, Doubling

fetch = in_executor(subjects.fetch)
keyword_only = in_executor(subjects.keyword_only)
positional_only = in_executor(subjects.positional_only)
variadic = in_executor(subjects.variadic)
keywords = in_executor(subjects.keywords)
unpacked = in_executor(subjects.unpacked)
nothing = in_executor(subjects.nothing)
generic = in_executor(subjects.generic)
give_up = in_executor(subjects.give_up)
overloaded = in_executor(subjects.overloaded)


@in_executor
async def decorated(number: int, text: str = "") -> bytes:
    return text.encode() * number


@overload
@in_executor
async def decorated_overloads(value: str) -> str: ...
@overload
@in_executor
async def decorated_overloads(value: bytes, size: int) -> int: ...
@in_executor
async def decorated_overloads(value: str | bytes, size: int = 0) -> Any:
    return value if isinstance(value, str) else size


@functools.lru_cache
@in_executor
async def cached(number: int) -> str:
    return str(number)


def check_positional() -> None:
    assert_type(fetch(1, "a"), Future[bytes])
    assert_type(decorated(1, "a"), Future[bytes])
    assert_type([decorated(number) for number in (1, 2)], list[Future[bytes]])
    assert_type(list(map(decorated, [1, 2])), list[Future[bytes]])


def check_keyword() -> None:
    assert_type(fetch(number=1, text="a"), Future[bytes])
    assert_type(decorated(1, text="a"), Future[bytes])


def check_default() -> None:
    assert_type(fetch(1), Future[bytes])
    assert_type(decorated(1), Future[bytes])
    assert_type(nothing(), Future[None])


def check_keyword_only() -> None:
    assert_type(keyword_only(1, text="a"), Future[bytes])
    assert_type(keyword_only(flag=True, text="a", number=1), Future[bytes])


def check_positional_only() -> None:
    assert_type(positional_only(1), Future[bytes])
    assert_type(positional_only(1, "a"), Future[bytes])


def check_args() -> None:
    assert_type(variadic("a"), Future[float])
    assert_type(variadic("a", 1, 2), Future[float])
    assert_type(variadic("a", *[1, 2]), Future[float])


def check_kwargs() -> None:
    assert_type(keywords(), Future[float])
    assert_type(keywords(a=1, b=2), Future[float])


def check_unpacked_kwargs() -> None:
    assert_type(unpacked("a", delay=1.5), Future[float])
    assert_type(unpacked("a", delay=1.5, retries=1), Future[float])


def check_generic(names: list[str]) -> None:
    assert_type(generic([1, 2], 0), Future[int])
    assert_type(generic(names, ""), Future[str])


def check_overloaded() -> None:
    # ty: cannot, it makes a union of the overloads
    assert_type(overloaded("a"), Future[str])
    # ty: cannot, it makes a union of the overloads
    # zuban: cannot, it takes the first overload alone
    assert_type(overloaded(b"a", 1), Future[int])


def check_decorated_overloads() -> None:
    # ty: cannot, it swaps the overloads
    assert_type(decorated_overloads("a"), Future[str])
    # ty: cannot, it swaps the overloads
    assert_type(decorated_overloads(b"a", 1), Future[int])


def check_no_return() -> None:
    assert_type(give_up("a"), Future[Never])


def check_awaitables() -> None:
    assert_type(in_executor(subjects.coroutine)(1), Future[str])
    assert_type(in_executor(subjects.awaitable)(1), Future[str])
    assert_type(in_executor(subjects.future)(1), Future[str])
    assert_type(in_executor(subjects.task)(1), Future[str])


def check_partial() -> None:
    assert_type(in_executor(functools.partial(subjects.fetch, 1))("a"), Future[bytes])
    assert_type(functools.partial(fetch, 1)("a"), Future[bytes])


def check_callable_object() -> None:
    assert_type(in_executor(Doubling())(1), Future[str])


def check_bound_method(client: Client) -> None:
    assert_type(in_executor(client.get)("/", retries=1), Future[bytes])
    assert_type(in_executor(Client.connect)("a"), Future[Client])
    assert_type(in_executor(Client.parse)("1"), Future[int])


def check_lambda() -> None:
    assert_type(in_executor(lambda: subjects.fetch(1))(), Future[bytes])


def check_stacked() -> None:
    assert_type(cached(1), Future[str])
    assert_type(cached.cache_info().hits, int)
