"""What `to_sync` has decorated refuses what the function itself refuses."""

import functools

from aiofutures import to_sync

from . import subjects
from .accepted_to_sync import (
    cached,
    decorated,
    decorated_overloads,
    fetch,
    generic,
    give_up,
    keyword_only,
    keywords,
    nothing,
    overloaded,
    positional_only,
    unpacked,
    variadic,
)
from .subjects import Client, Doubling, use


def check_positional() -> None:
    use(fetch())  # refused
    use(fetch("1"))  # refused
    use(fetch(1, 2))  # refused
    use(fetch(1, "a", 2))  # refused
    use(decorated("1"))  # refused
    use([decorated(text) for text in ("a", "b")])  # refused
    use(list(map(decorated, ["a", "b"])))  # refused


def check_keyword() -> None:
    use(fetch(number="1"))  # refused
    use(fetch(1, text=2))  # refused
    use(fetch(1, other="a"))  # refused
    use(decorated(1, number=2))  # refused


def check_default() -> None:
    use(fetch(1, None))  # refused
    use(decorated(1, text=None))  # refused
    use(nothing(None))  # refused


def check_keyword_only() -> None:
    use(keyword_only(1))  # refused
    use(keyword_only(1, "a"))  # refused
    use(keyword_only(1, text="a", flag="b"))  # refused


def check_positional_only() -> None:
    use(positional_only(number=1))  # refused
    use(positional_only(1, text="a"))  # refused


def check_args() -> None:
    use(variadic())  # refused
    use(variadic("a", "b"))  # refused
    use(variadic("a", *["b"]))  # refused


def check_kwargs() -> None:
    use(keywords(1))  # refused
    use(keywords(a="b"))  # refused


def check_unpacked_kwargs() -> None:
    use(unpacked("a"))  # refused
    use(unpacked("a", delay="b"))  # refused
    # ty: cannot, it lets unknown keys through
    # zuban: cannot, it lets unknown keys through
    use(unpacked("a", delay=1.5, other=1))  # refused


def check_generic(names: list[str]) -> None:
    use(generic(1, 0))  # refused
    use(generic(names))  # refused
    use(len(generic([1, 2], 0)))  # refused


def check_overloaded() -> None:
    use(overloaded("a", 1))  # refused
    use(overloaded(b"a"))  # refused
    use(overloaded(1))  # refused


def check_decorated_overloads() -> None:
    use(decorated_overloads("a", 1))  # refused
    use(decorated_overloads(b"a"))  # refused
    use(decorated_overloads(1))  # refused


def check_no_return() -> None:
    give_up(1)  # refused


def check_awaitables() -> None:
    use(to_sync(subjects.coroutine)("1"))  # refused
    use(to_sync(subjects.awaitable)("1"))  # refused
    use(to_sync(subjects.future)("1"))  # refused
    use(to_sync(subjects.task)("1"))  # refused
    use(to_sync(subjects.sync_fetch))  # refused
    use(to_sync(subjects.nothing()))  # refused
    use(to_sync(1))  # refused
    use(to_sync(None))  # refused


def check_partial() -> None:
    # mypy: cannot, partial takes anything once passed on
    # zuban: cannot, partial takes anything once passed on
    use(to_sync(functools.partial(subjects.fetch, 1))(2))  # refused
    # zuban: cannot, partial takes anything
    use(functools.partial(fetch, 1)(2))  # refused


def check_callable_object() -> None:
    use(to_sync(Doubling())("1"))  # refused
    use(to_sync(Doubling))  # refused


def check_bound_method(client: Client) -> None:
    use(to_sync(client.get)())  # refused
    use(to_sync(client.get)("/", 1))  # refused
    use(to_sync(Client.connect)(1))  # refused
    use(to_sync(Client.parse)(1))  # refused


def check_lambda() -> None:
    use(to_sync(lambda: subjects.fetch(1))(1))  # refused


def check_stacked() -> None:
    use(cached([]))  # refused
    use(cached(1).missing)  # refused
