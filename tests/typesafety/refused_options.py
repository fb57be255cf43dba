"""The decorators with options refuse wrong options, and wrong arguments of what they decorate."""

import concurrent.futures
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from aiofutures import AsyncExecutor, in_executor, to_sync

from . import subjects
from .accepted_options import (
    OwnExecutor,
    decorated,
    decorated_elsewhere,
    elsewhere,
    fetch_elsewhere,
    generic_elsewhere,
    keyword_only_elsewhere,
    overloaded_elsewhere,
    slow,
    slow_fetch,
    slow_generic,
    slow_give_up,
    slow_keyword_only,
    slow_overloaded,
)
from .subjects import use

P = ParamSpec("P")
T = TypeVar("T")


class SyncExecutor:
    """An executor of sync functions."""

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]:
        return concurrent.futures.Future()


class NoExecutor:
    """An executor whose `submit` has another name."""

    def run(self, fn: Callable[..., Any]) -> None: ...


def check_decorated() -> None:
    use(decorated())  # refused
    use(decorated("1"))  # refused
    use(decorated(1, other="a"))  # refused
    use(decorated_elsewhere())  # refused
    use(decorated_elsewhere("1"))  # refused
    use(decorated_elsewhere(1, other="a"))  # refused


def check_stored() -> None:
    use(slow_fetch())  # refused
    use(slow_fetch(1, 2))  # refused
    use(slow(subjects.sync_fetch))  # refused
    use(slow(1))  # refused
    use(slow(fn=subjects.fetch))  # refused
    use(fetch_elsewhere())  # refused
    use(fetch_elsewhere(1, 2))  # refused
    use(elsewhere(subjects.sync_fetch))  # refused
    use(elsewhere(1))  # refused


def check_reused() -> None:
    use(slow_keyword_only(1))  # refused
    use(slow_keyword_only(1, "a"))  # refused
    use(keyword_only_elsewhere(1))  # refused
    use(keyword_only_elsewhere(1, "a"))  # refused


def check_generic() -> None:
    use(slow_generic(1, 0))  # refused
    use(generic_elsewhere(1, 0))  # refused


def check_overloaded() -> None:
    use(slow_overloaded("a", 1))  # refused
    use(slow_overloaded(b"a"))  # refused
    use(overloaded_elsewhere(b"a"))  # refused


def check_no_return() -> None:
    slow_give_up(1)  # refused


def check_timeout() -> None:
    use(to_sync(timeout="1"))  # refused
    use(to_sync(1))  # refused
    use(to_sync(subjects.fetch, timeout=1))  # refused
    use(to_sync(other=1))  # refused
    use(in_executor(timeout=1))  # refused


def check_executor() -> None:
    use(to_sync(executor=SyncExecutor()))  # refused
    use(to_sync(executor=NoExecutor()))  # refused
    use(to_sync(executor=ThreadPoolExecutor()))  # refused
    use(to_sync(executor=OwnExecutor))  # refused
    use(to_sync(AsyncExecutor()))  # refused
    use(in_executor(executor=SyncExecutor()))  # refused
    use(in_executor(executor=NoExecutor()))  # refused
    use(in_executor(executor=ThreadPoolExecutor()))  # refused
    use(in_executor(executor=OwnExecutor))  # refused
    use(in_executor(AsyncExecutor()))  # refused
