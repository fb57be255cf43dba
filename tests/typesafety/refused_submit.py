"""`submit` and `run_async` refuse arguments that do not fit the function, and sync functions."""

import functools

from aiofutures import AsyncExecutor, run_async

from . import subjects
from .subjects import Client, Doubling, use


def check_positional(executor: AsyncExecutor) -> None:
    use(executor.submit(subjects.fetch))  # refused
    use(executor.submit(subjects.fetch, "1"))  # refused
    use(executor.submit(subjects.fetch, 1, "a", 2))  # refused
    use(run_async(subjects.fetch))  # refused
    use(run_async(subjects.fetch, "1"))  # refused


def check_keyword(executor: AsyncExecutor) -> None:
    use(executor.submit(subjects.fetch, number="1"))  # refused
    use(executor.submit(subjects.fetch, 1, other="a"))  # refused
    use(run_async(subjects.fetch, number="1"))  # refused
    use(run_async(subjects.fetch, 1, other="a"))  # refused
    use(executor.submit(fn=subjects.nothing))  # refused
    use(run_async(fn=subjects.nothing))  # refused


def check_default(executor: AsyncExecutor) -> None:
    use(executor.submit(subjects.fetch, 1, None))  # refused
    use(run_async(subjects.fetch, 1, None))  # refused
    use(executor.submit(subjects.nothing, None))  # refused
    use(run_async(subjects.nothing, None))  # refused


def check_keyword_only(executor: AsyncExecutor) -> None:
    use(executor.submit(subjects.keyword_only, 1, "a"))  # refused
    use(run_async(subjects.keyword_only, 1))  # refused


def check_positional_only(executor: AsyncExecutor) -> None:
    use(executor.submit(subjects.positional_only, number=1))  # refused
    use(run_async(subjects.positional_only, 1, text="a"))  # refused


def check_args(executor: AsyncExecutor) -> None:
    use(executor.submit(subjects.variadic, "a", "b"))  # refused
    use(run_async(subjects.variadic, "a", *["b"]))  # refused


def check_kwargs(executor: AsyncExecutor) -> None:
    use(executor.submit(subjects.keywords, a="b"))  # refused
    use(run_async(subjects.keywords, a="b"))  # refused


def check_unpacked_kwargs(executor: AsyncExecutor) -> None:
    use(executor.submit(subjects.unpacked, "a"))  # refused
    use(executor.submit(subjects.unpacked, "a", delay="b"))  # refused
    # ty: cannot, it lets unknown keys through
    # zuban: cannot, it lets unknown keys through
    use(executor.submit(subjects.unpacked, "a", delay=1.5, other=1))  # refused
    use(run_async(subjects.unpacked, "a", delay="b"))  # refused


def check_generic(executor: AsyncExecutor, names: list[str]) -> None:
    use(executor.submit(subjects.generic, 1, 0))  # refused
    use(run_async(subjects.generic, names))  # refused


def check_overloaded(executor: AsyncExecutor) -> None:
    # pyrefly: cannot, an overload that does not fit is no error to it
    use(executor.submit(subjects.overloaded, "a", 1))  # refused
    # pyrefly: cannot, an overload that does not fit is no error to it
    use(executor.submit(subjects.overloaded, b"a"))  # refused
    # pyrefly: cannot, an overload that does not fit is no error to it
    use(run_async(subjects.overloaded, b"a"))  # refused


def check_no_return(executor: AsyncExecutor) -> None:
    use(executor.submit(subjects.give_up, 1))  # refused
    use(run_async(subjects.give_up, 1))  # refused


def check_awaitables(executor: AsyncExecutor) -> None:
    use(executor.submit(subjects.future, "1"))  # refused
    use(executor.submit(subjects.sync_fetch, 1))  # refused
    use(executor.submit(subjects.nothing()))  # refused
    use(executor.submit(1))  # refused
    use(executor.submit())  # refused
    use(run_async(subjects.future, "1"))  # refused
    use(run_async(subjects.sync_fetch, 1))  # refused
    use(run_async(subjects.nothing()))  # refused
    use(run_async())  # refused


def check_methods(executor: AsyncExecutor, client: Client) -> None:
    use(executor.submit(client.get))  # refused
    use(executor.submit(client.get, "/", 1))  # refused
    use(executor.submit(client.get, client, "/"))  # refused
    use(executor.submit(Client.connect, 1))  # refused
    use(executor.submit(Client.parse, 1))  # refused
    use(run_async(client.get, "/", 1))  # refused


def check_partial(executor: AsyncExecutor) -> None:
    # mypy: cannot, partial takes anything once passed on
    # zuban: cannot, partial takes anything once passed on
    use(executor.submit(functools.partial(subjects.fetch, 1), 2))  # refused
    # mypy: cannot, partial takes anything once passed on
    # zuban: cannot, partial takes anything once passed on
    use(run_async(functools.partial(subjects.fetch, 1), 2))  # refused


def check_callable_object(executor: AsyncExecutor) -> None:
    use(executor.submit(Doubling(), "1"))  # refused
    use(executor.submit(Doubling))  # refused
    use(run_async(Doubling(), "1"))  # refused


def check_lambda(executor: AsyncExecutor) -> None:
    # pyrefly: cannot, a lambda takes anything once passed on
    use(executor.submit(lambda: subjects.fetch(1), 1))  # refused
    # pyrefly: cannot, a lambda takes anything once passed on
    use(run_async(lambda: subjects.fetch(1), 1))  # refused
    use(executor.submit(lambda: subjects.overloaded(b"a")))  # refused
