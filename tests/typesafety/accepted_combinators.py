"""Futures combine to futures of exact types."""

from typing import assert_type

from aiofutures import Future, first, gather

from . import subjects
from .subjects import nothing


def length(text: str) -> int:
    return len(text)


def of_error(error: ValueError) -> bytes:
    return str(error).encode()


async def fetched(text: str) -> bytes:
    return text.encode()


def check_map(future: Future[str]) -> None:
    assert_type(future.map(length), Future[int])
    # zuban: cannot, it does not know the parameter of the lambda
    assert_type(future.map(lambda text: text.encode()), Future[bytes])


def check_then(future: Future[str]) -> None:
    assert_type(future.then(fetched), Future[bytes])


def check_recover(future: Future[str]) -> None:
    assert_type(future.recover(ValueError, of_error), Future[str | bytes])
    assert_type(future.recover((ValueError, UnicodeError), of_error), Future[str | bytes])


def check_zip(future: Future[str], other: Future[int]) -> None:
    assert_type(future.zip(other), Future[tuple[str, int]])


def check_gather(a: Future[str], b: Future[int], more: list[Future[str]]) -> None:
    assert_type(gather(a), Future[tuple[str]])
    assert_type(gather(a, b), Future[tuple[str, int]])
    assert_type(gather(a, b, a), Future[tuple[str, int, str]])
    assert_type(gather(a, b, a, b), Future[tuple[str, int, str, int]])
    assert_type(gather(a, b, a, b, a), Future[tuple[str, int, str, int, str]])
    assert_type(gather(a, b, a, b, a, b), Future[tuple[str, int, str, int, str, int]])
    assert_type(gather(*more), Future[tuple[str, ...]])
    assert_type(gather(a, nothing(), subjects.text_of(1)), Future[tuple[str, None, str]])


def check_first(a: Future[str], b: Future[int], c: Future[bytes]) -> None:
    assert_type(first(a), Future[str])
    assert_type(first(a, b), Future[str | int])
    assert_type(first(a, b, c), Future[str | int | bytes])
    assert_type(first(*[a, a]), Future[str])
