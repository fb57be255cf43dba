"""`map` refuses iterables that do not fit the parameters of the function, and sync functions."""

import concurrent.futures

from aiofutures import AsyncExecutor, Results, to_sync

from . import subjects
from .accepted_map import A, B, C, D, E, F
from .subjects import Client, Doubling, use


def check_one_iterable(executor: AsyncExecutor) -> None:
    use(executor.map(subjects.text_of))  # refused
    use(executor.map(subjects.text_of, B))  # refused
    use(executor.map(subjects.text_of, 1))  # refused
    use(executor.map(subjects.text_of, A, B))  # refused
    use(executor.map(subjects.nothing, A))  # refused
    use(executor.map(subjects.text_of, (text for text in B)))  # refused


def check_two_iterables(executor: AsyncExecutor) -> None:
    use(executor.map(subjects.of_two, A))  # refused
    use(executor.map(subjects.of_two, B, B))  # refused
    use(executor.map(subjects.of_two, A, A))  # refused
    use(executor.map(subjects.of_two, A, B, C))  # refused


def check_three_iterables(executor: AsyncExecutor) -> None:
    use(executor.map(subjects.of_three, A, B))  # refused
    use(executor.map(subjects.of_three, A, B, A))  # refused


def check_four_iterables(executor: AsyncExecutor) -> None:
    use(executor.map(subjects.of_four, A, B, C))  # refused
    use(executor.map(subjects.of_four, A, B, C, B))  # refused


def check_five_iterables(executor: AsyncExecutor) -> None:
    use(executor.map(subjects.of_five, A, B, C, D))  # refused
    use(executor.map(subjects.of_five, A, B, C, D, A))  # refused


def check_six_iterables(executor: AsyncExecutor) -> None:
    use(executor.map(subjects.of_six, A, B, C, D, E))  # refused
    use(executor.map(subjects.of_six, A, B, C, D, E, B))  # refused
    use(executor.map(subjects.of_six, A, B, C, D, E, F, A))  # refused


def check_options(executor: AsyncExecutor) -> None:
    use(executor.map(subjects.text_of, A, timeout="1"))  # refused
    use(executor.map(subjects.text_of, A, chunksize=None))  # refused
    use(executor.map(subjects.text_of, A, buffersize=1.5))  # refused
    use(executor.map(subjects.text_of, A, other=1))  # refused
    use(executor.map(fn=subjects.text_of, iterable1=A))  # refused


def check_callables(executor: AsyncExecutor, client: Client) -> None:
    use(executor.map(subjects.sync_fetch, A))  # refused
    use(executor.map(subjects.keyword_only, A))  # refused
    use(executor.map(subjects.future, B))  # refused
    use(executor.map(client.get, A))  # refused
    use(executor.map(Client.connect, A))  # refused
    use(executor.map(Doubling(), B))  # refused
    use(executor.map(Doubling, A))  # refused


def check_results(results: Results[str]) -> None:
    use(results[0])  # refused
    use(len(results))  # refused
    use(next(results).missing)  # refused
    use(sum(results))  # refused


def check_futures(results: Results[str]) -> None:
    use(results.futures())  # refused
    use(results.futures.append)  # refused
    results.futures = ()  # refused


def check_as_completed(results: Results[str]) -> None:
    use(results.as_completed(1))  # refused
    use(sum(results.as_completed()))  # refused


def check_close(results: Results[str]) -> None:
    use(results.close(1))  # refused


@to_sync
async def check_in_async_function(executor: AsyncExecutor) -> None:
    use(await executor.map(subjects.text_of, A))  # refused
    use(concurrent.futures.wait(executor.map(subjects.text_of, B).futures))  # refused
