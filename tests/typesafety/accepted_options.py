"""The decorators with options keep signatures, also when the options are stored and reused."""

from collections.abc import Awaitable, Callable
from typing import Never, ParamSpec, TypeVar, assert_type

from aiofutures import AsyncExecutor, Future, in_executor, to_sync

from . import subjects

P = ParamSpec("P")
T = TypeVar("T")


class OwnExecutor:
    """What the option `executor` asks for; no more than that."""

    def submit(
        self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        return Future()


slow = to_sync(timeout=60)
elsewhere = in_executor(executor=OwnExecutor())

slow_fetch = slow(subjects.fetch)
slow_keyword_only = slow(subjects.keyword_only)
slow_generic = slow(subjects.generic)
slow_give_up = slow(subjects.give_up)
slow_overloaded = slow(subjects.overloaded)
fetch_elsewhere = elsewhere(subjects.fetch)
keyword_only_elsewhere = elsewhere(subjects.keyword_only)
generic_elsewhere = elsewhere(subjects.generic)
overloaded_elsewhere = elsewhere(subjects.overloaded)


@to_sync(timeout=1.5, executor=OwnExecutor())
async def decorated(number: int, text: str = "") -> bytes:
    return text.encode() * number


@in_executor(executor=AsyncExecutor())
async def decorated_elsewhere(number: int, text: str = "") -> bytes:
    return text.encode() * number


def check_decorated() -> None:
    assert_type(decorated(1, text="a"), bytes)
    assert_type(decorated_elsewhere(1, text="a"), Future[bytes])


def check_stored() -> None:
    assert_type(slow_fetch(1), bytes)
    assert_type(slow_fetch(number=1, text="a"), bytes)
    assert_type(fetch_elsewhere(1), Future[bytes])
    assert_type(fetch_elsewhere(number=1, text="a"), Future[bytes])


def check_reused() -> None:
    assert_type(slow_keyword_only(1, text="a"), bytes)
    assert_type(keyword_only_elsewhere(1, text="a"), Future[bytes])


def check_generic() -> None:
    assert_type(slow_generic([1], 0), int)
    assert_type(slow_generic(["a"], ""), str)
    assert_type(generic_elsewhere([1], 0), Future[int])


def check_overloaded() -> None:
    # ty: cannot, it makes a union of the overloads
    assert_type(slow_overloaded("a"), str)
    # ty: cannot, it makes a union of the overloads
    # zuban: cannot, it takes the first overload alone
    assert_type(slow_overloaded(b"a", 1), int)
    # ty: cannot, it makes a union of the overloads
    assert_type(overloaded_elsewhere(b"a", 1), Future[int])


def check_no_return() -> None:
    assert_type(slow_give_up("a"), Never)


def check_timeout() -> None:
    assert_type(to_sync(timeout=None)(subjects.text_of)(1), str)
    assert_type(to_sync(timeout=1)(subjects.text_of)(1), str)
    assert_type(to_sync()(subjects.text_of)(1), str)
    assert_type(in_executor()(subjects.text_of)(1), Future[str])


def check_executor() -> None:
    assert_type(to_sync(executor=OwnExecutor())(subjects.text_of)(1), str)
    assert_type(to_sync(executor=AsyncExecutor())(subjects.text_of)(1), str)
    assert_type(to_sync(executor=None)(subjects.text_of)(1), str)
    assert_type(in_executor(executor=OwnExecutor())(subjects.text_of)(1), Future[str])
    assert_type(in_executor(executor=AsyncExecutor())(subjects.text_of)(1), Future[str])
    assert_type(in_executor(executor=None)(subjects.text_of)(1), Future[str])
