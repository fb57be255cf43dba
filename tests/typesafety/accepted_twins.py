"""Accepted: classes of twins, exact with a stub and `Any` without one."""

from typing import Any, Generic, Protocol, TypeVar, assert_type

from aiofutures import AsyncExecutor, sync_class, unwrap

T = TypeVar("T")


class Client(Generic[T]):
    """An async class."""

    def __init__(self, value: T) -> None:
        self.value = value

    async def get(self) -> T:
        """Return the value."""
        return self.value


class Twin(Generic[T]):
    """What a stub says of its twin."""

    @property
    def __wrapped__(self) -> Client[T]:
        raise NotImplementedError

    def __init__(self, value: T) -> None: ...


class HasGet(Protocol):
    """What a program may ask of a twin."""

    def get(self) -> int:
        """Return the value."""
        ...


Untyped = sync_class(Client)
Limited = sync_class(Client, executor=AsyncExecutor(), timeout=1.5, name="Limited")


def check_sync_class(executor: AsyncExecutor) -> None:
    assert_type(Untyped, type[Any])
    assert_type(Limited, type[Any])
    assert_type(sync_class(timeout=1)(Client), type[Any])

    untyped: HasGet = Untyped(1)
    number: int = Untyped(1).get()
    assert_type(executor.submit(unwrap(Twin(1)).get).result() + number, int)

    untyped.get()


def check_unwrap() -> None:
    assert_type(unwrap(Twin(1)), Client[int])
    assert_type(unwrap(Twin("x")).value, str)
    original: Client[int] = unwrap(Untyped(1))
    assert_type(original.value, int)
