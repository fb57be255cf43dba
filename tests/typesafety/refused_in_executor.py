"""What `in_executor` has decorated refuses what the function itself refuses."""

import functools

from aiofutures import in_executor

from . import subjects
from .accepted_in_executor import (
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
    use(len(generic([1, 2], 0).result()))  # refused


def check_overloaded() -> None:
    use(overloaded("a", 1))  # refused
    use(overloaded(b"a"))  # refused
    use(overloaded(1))  # refused


def check_decorated_overloads() -> None:
    use(decorated_overloads("a", 1))  # refused
    use(decorated_overloads(b"a"))  # refused
    use(decorated_overloads(1))  # refused


def check_no_return() -> None:
    use(give_up(1))  # refused


def check_awaitables() -> None:
    use(in_executor(subjects.coroutine)("1"))  # refused
    use(in_executor(subjects.awaitable)("1"))  # refused
    use(in_executor(subjects.future)("1"))  # refused
    use(in_executor(subjects.task)("1"))  # refused
    use(in_executor(subjects.sync_fetch))  # refused
    use(in_executor(subjects.nothing()))  # refused
    use(in_executor(1))  # refused
    use(in_executor(None))  # refused


def check_partial() -> None:
    # mypy: cannot, partial takes anything once passed on
    # zuban: cannot, partial takes anything once passed on
    use(in_executor(functools.partial(subjects.fetch, 1))(2))  # refused
    # zuban: cannot, partial takes anything
    use(functools.partial(fetch, 1)(2))  # refused


def check_callable_object() -> None:
    use(in_executor(Doubling())("1"))  # refused
    use(in_executor(Doubling))  # refused


def check_bound_method(client: Client) -> None:
    use(in_executor(client.get)())  # refused
    use(in_executor(client.get)("/", 1))  # refused
    use(in_executor(Client.connect)(1))  # refused
    use(in_executor(Client.parse)(1))  # refused


def check_lambda() -> None:
    use(in_executor(lambda: subjects.fetch(1))(1))  # refused


def check_stacked() -> None:
    use(cached([]))  # refused
    use(cached(1).missing)  # refused
