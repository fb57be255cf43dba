"""Functions of every shape, for the accepted uses and the refused ones."""

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any, NoReturn, Required, TypedDict, TypeVar, Unpack, overload

T = TypeVar("T")


class Limits(TypedDict, total=False):
    retries: int
    delay: Required[float]


async def fetch(number: int, text: str = "") -> bytes:
    return text.encode() * number


async def keyword_only(number: int, *, text: str, flag: bool = False) -> bytes:
    return text.encode() * (number + flag)


async def positional_only(number: int, text: str = "", /) -> bytes:
    return text.encode() * number


async def variadic(text: str, *numbers: int) -> float:
    return float(sum(numbers, start=len(text)))


async def keywords(**numbers: int) -> float:
    return float(sum(numbers.values()))


async def unpacked(text: str, **limits: Unpack[Limits]) -> float:
    return limits["delay"] + len(text)


async def nothing() -> None: ...


async def generic(items: Sequence[T], default: T) -> T:
    return items[0] if items else default


async def give_up(reason: str) -> NoReturn:
    raise RuntimeError(reason)


@overload
async def overloaded(value: str) -> str: ...
@overload
async def overloaded(value: bytes, size: int) -> int: ...
async def overloaded(value: str | bytes, size: int = 0) -> str | int:
    return value if isinstance(value, str) else len(value) + size


def coroutine(number: int) -> Coroutine[Any, Any, str]:
    return text_of(number)


def awaitable(number: int) -> Awaitable[str]:
    return text_of(number)


def future(number: int) -> asyncio.Future[str]:
    return asyncio.ensure_future(text_of(number))


def task(number: int) -> asyncio.Task[str]:
    return asyncio.create_task(text_of(number))


async def text_of(number: int) -> str:
    return str(number)


class Doubling:
    """A callable object."""

    async def __call__(self, number: int) -> str:
        return str(2 * number)


class Client:
    """A class with methods to pass on."""

    async def get(self, path: str, *, retries: int = 0) -> bytes:
        return path.encode() * retries

    @classmethod
    async def connect(cls, url: str) -> "Client":
        return cls()

    @staticmethod
    async def parse(text: str) -> int:
        return int(text)


async def of_two(a: int, b: str) -> bytes:
    return b.encode() * a


async def of_three(a: int, b: str, c: bytes) -> float:
    return a + len(b) + float(len(c))


async def of_four(a: int, b: str, c: bytes, d: float) -> complex:
    return a + len(b) + len(c) + d + 0j


async def of_five(a: int, b: str, c: bytes, d: float, e: None) -> list[int]:
    return [a, len(b), len(c), int(d), len(str(e))]


async def of_six(a: int, b: str, c: bytes, d: float, e: None, f: complex) -> list[str]:
    return [str(value) for value in (a, b, c, d, e, f)]


def sync_fetch(number: int, text: str = "") -> bytes:
    return text.encode() * number


def sync_keyword_only(number: int, *, text: str) -> bytes:
    return text.encode() * number


def sync_variadic(text: str, *numbers: int, **limits: Unpack[Limits]) -> float:
    return limits["delay"] + len(text) + sum(numbers)


def sync_generic(items: Sequence[T]) -> T:
    return items[0]


def sync_give_up(reason: str) -> NoReturn:
    raise RuntimeError(reason)


def use(_: object, /) -> None:
    """Take the value of a call, so that nothing but the call itself can be refused."""
