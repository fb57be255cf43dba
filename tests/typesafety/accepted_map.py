"""`map` takes as many iterables as the function has parameters, of the types of those."""

import itertools
from collections.abc import Iterator, Sequence
from typing import assert_type

from aiofutures import AsyncExecutor, Future, Results, to_sync

from . import subjects
from .subjects import Client, Doubling

A = [1]
B = ["a"]
C = [b"c"]
D = [1.5]
E = [None]
F = [1j]


def check_one_iterable(executor: AsyncExecutor) -> None:
    assert_type(executor.map(subjects.text_of, A), Results[str])
    assert_type(executor.map(subjects.text_of, {1}), Results[str])
    assert_type(executor.map(subjects.text_of, range(3)), Results[str])
    assert_type(executor.map(subjects.text_of, (number for number in A)), Results[str])


def check_two_iterables(executor: AsyncExecutor) -> None:
    assert_type(executor.map(subjects.of_two, A, B), Results[bytes])
    assert_type(executor.map(subjects.of_two, itertools.repeat(1), B), Results[bytes])


def check_three_iterables(executor: AsyncExecutor) -> None:
    assert_type(executor.map(subjects.of_three, A, B, C), Results[float])


def check_four_iterables(executor: AsyncExecutor) -> None:
    assert_type(executor.map(subjects.of_four, A, B, C, D), Results[complex])


def check_five_iterables(executor: AsyncExecutor) -> None:
    assert_type(executor.map(subjects.of_five, A, B, C, D, E), Results[list[int]])


def check_six_iterables(executor: AsyncExecutor) -> None:
    assert_type(executor.map(subjects.of_six, A, B, C, D, E, F), Results[list[str]])


def check_options(executor: AsyncExecutor) -> None:
    assert_type(executor.map(subjects.text_of, A, timeout=1.5), Results[str])
    assert_type(executor.map(subjects.text_of, A, timeout=None, chunksize=2), Results[str])
    assert_type(executor.map(subjects.text_of, A, buffersize=10), Results[str])
    assert_type(executor.map(subjects.text_of, A, buffersize=None), Results[str])
    assert_type(executor.map(subjects.of_six, A, B, C, D, E, F, timeout=1), Results[list[str]])


def check_callables(executor: AsyncExecutor, client: Client) -> None:
    assert_type(executor.map(subjects.future, A), Results[str])
    assert_type(executor.map(client.get, B), Results[bytes])
    assert_type(executor.map(Client.connect, B), Results[Client])
    assert_type(executor.map(Doubling(), A), Results[str])
    assert_type(executor.map(subjects.fetch, A), Results[bytes])
    assert_type(executor.map(subjects.fetch, A, B), Results[bytes])
    assert_type(executor.map(lambda number: subjects.text_of(number), A), Results[str])


def check_results(results: Results[str]) -> None:
    assert_type(next(results), str)
    assert_type(iter(results), Iterator[str])
    assert_type([text.upper() for text in results], list[str])
    assert_type(list(results), list[str])


def check_futures(results: Results[str]) -> None:
    assert_type(results.futures, Sequence[Future[str]])
    assert_type(results.futures[0], Future[str])


def check_as_completed(results: Results[str]) -> None:
    assert_type(results.as_completed(), Iterator[str])
    assert_type(set(results.as_completed()), set[str])


def check_close(results: Results[str]) -> None:
    assert_type(results.close(), None)


@to_sync
async def check_in_async_function(executor: AsyncExecutor) -> None:
    assert_type([await future for future in executor.map(subjects.text_of, A).futures], list[str])
