"""`to_sync` keeps the parameters of a function and returns what awaiting it gives."""

import functools
from typing import Never, assert_type, overload

from aiofutures import to_sync

from . import subjects
from .subjects import Client, Doubling

fetch = to_sync(subjects.fetch)
keyword_only = to_sync(subjects.keyword_only)
positional_only = to_sync(subjects.positional_only)
variadic = to_sync(subjects.variadic)
keywords = to_sync(subjects.keywords)
unpacked = to_sync(subjects.unpacked)
nothing = to_sync(subjects.nothing)
generic = to_sync(subjects.generic)
give_up = to_sync(subjects.give_up)
overloaded = to_sync(subjects.overloaded)


@to_sync
async def decorated(number: int, text: str = "") -> bytes:
    return text.encode() * number


@overload
@to_sync
async def decorated_overloads(value: str) -> str: ...
@overload
@to_sync
async def decorated_overloads(value: bytes, size: int) -> int: ...
@to_sync
async def decorated_overloads(value: str | bytes, size: int = 0) -> str | int:
    return value if isinstance(value, str) else size


@functools.lru_cache
@to_sync
async def cached(number: int) -> str:
    return str(number)


def check_positional() -> None:
    assert_type(fetch(1, "a"), bytes)
    assert_type(decorated(1, "a"), bytes)
    assert_type([decorated(number) for number in (1, 2)], list[bytes])
    assert_type(list(map(decorated, [1, 2])), list[bytes])


def check_keyword() -> None:
    assert_type(fetch(number=1, text="a"), bytes)
    assert_type(decorated(1, text="a"), bytes)


def check_default() -> None:
    assert_type(fetch(1), bytes)
    assert_type(decorated(1), bytes)
    assert_type(nothing(), None)


def check_keyword_only() -> None:
    assert_type(keyword_only(1, text="a"), bytes)
    assert_type(keyword_only(flag=True, text="a", number=1), bytes)


def check_positional_only() -> None:
    assert_type(positional_only(1), bytes)
    assert_type(positional_only(1, "a"), bytes)


def check_args() -> None:
    assert_type(variadic("a"), float)
    assert_type(variadic("a", 1, 2), float)
    assert_type(variadic("a", *[1, 2]), float)


def check_kwargs() -> None:
    assert_type(keywords(), float)
    assert_type(keywords(a=1, b=2), float)


def check_unpacked_kwargs() -> None:
    assert_type(unpacked("a", delay=1.5), float)
    assert_type(unpacked("a", delay=1.5, retries=1), float)


def check_generic(names: list[str]) -> None:
    assert_type(generic([1, 2], 0), int)
    assert_type(generic(names, ""), str)


def check_overloaded() -> None:
    # ty: cannot, it makes a union of the overloads
    assert_type(overloaded("a"), str)
    # ty: cannot, it makes a union of the overloads
    # zuban: cannot, it takes the first overload alone
    assert_type(overloaded(b"a", 1), int)


def check_decorated_overloads() -> None:
    # ty: cannot, it swaps the overloads
    assert_type(decorated_overloads("a"), str)
    # ty: cannot, it swaps the overloads
    assert_type(decorated_overloads(b"a", 1), int)


def check_no_return() -> None:
    assert_type(give_up("a"), Never)


def check_awaitables() -> None:
    assert_type(to_sync(subjects.coroutine)(1), str)
    assert_type(to_sync(subjects.awaitable)(1), str)
    assert_type(to_sync(subjects.future)(1), str)
    assert_type(to_sync(subjects.task)(1), str)


def check_partial() -> None:
    assert_type(to_sync(functools.partial(subjects.fetch, 1))("a"), bytes)
    assert_type(functools.partial(fetch, 1)("a"), bytes)


def check_callable_object() -> None:
    assert_type(to_sync(Doubling())(1), str)


def check_bound_method(client: Client) -> None:
    assert_type(to_sync(client.get)("/", retries=1), bytes)
    assert_type(to_sync(Client.connect)("a"), Client)
    assert_type(to_sync(Client.parse)("1"), int)


def check_lambda() -> None:
    assert_type(to_sync(lambda: subjects.fetch(1))(), bytes)


def check_stacked() -> None:
    assert_type(cached(1), str)
    assert_type(cached.cache_info().hits, int)
