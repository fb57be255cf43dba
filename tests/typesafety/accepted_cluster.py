"""The executor of a cluster takes the same calls."""

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor
from typing import assert_type

from distributed import Client

from aiofutures import ExecutorStatistics, Future, Results, gather, in_executor, to_sync
from aiofutures.dask import ClusterLostError, DaskExecutor, WorkerLostError

from . import subjects


def name_of(executor: Executor) -> str:
    return repr(executor)


def check_construction(client: Client) -> None:
    assert_type(DaskExecutor(client), DaskExecutor)
    assert_type(DaskExecutor("tcp://scheduler:8786", max_concurrency=None), DaskExecutor)
    assert_type(DaskExecutor(client, window=10, max_batch=5, linger=0.1), DaskExecutor)
    assert_type(DaskExecutor(client, loop_factory="uvloop:new_event_loop"), DaskExecutor)
    assert_type(DaskExecutor(client, workers=["a"], resources={"GPU": 1}), DaskExecutor)
    assert_type(DaskExecutor(client, workers="a", priority=-1), DaskExecutor)
    assert_type(DaskExecutor(client, workers=0), DaskExecutor)
    assert_type(DaskExecutor(client, workers=[0, "a"]), DaskExecutor)


def check_client(executor: DaskExecutor) -> None:
    assert_type(executor.client, Client)


def check_stdlib(executor: DaskExecutor) -> None:
    assert_type(name_of(executor), str)


def check_submit(executor: DaskExecutor) -> None:
    assert_type(executor.submit(subjects.fetch, 1, text="a"), Future[bytes])
    assert_type(executor.submit(subjects.nothing), Future[None])
    assert_type(executor.submit(subjects.Doubling(), 1), Future[str])
    assert_type(executor.submit(lambda: subjects.fetch(1)), Future[bytes])


def check_map(executor: DaskExecutor) -> None:
    assert_type(executor.map(subjects.fetch, [1]), Results[bytes])
    assert_type(executor.map(subjects.of_two, [1], ["a"], timeout=1, buffersize=2), Results[bytes])


def check_derived(executor: DaskExecutor) -> None:
    future = executor.submit(subjects.fetch, 1)
    assert_type(future.map(len), Future[int])
    assert_type(gather(future, executor.submit(subjects.text_of, 1)), Future[tuple[bytes, str]])


def check_then(executor: DaskExecutor) -> None:
    future = executor.submit(subjects.fetch, 1)
    size = future.map(len)
    assert_type(size.then(lambda size: executor.submit(subjects.text_of, size)), Future[str])


def check_to_sync(executor: DaskExecutor) -> None:
    fetch = to_sync(executor=executor, timeout=1)(subjects.fetch)
    assert_type(fetch(1, text="a"), bytes)


def check_in_executor(executor: DaskExecutor) -> None:
    fetch = in_executor(executor=executor)(subjects.fetch)
    assert_type(fetch(1, text="a"), Future[bytes])


def check_rest(executor: DaskExecutor) -> None:
    assert_type(executor.statistics(), ExecutorStatistics)
    assert_type(executor.cancel_futures(), None)
    assert_type(executor.shutdown(wait=False, cancel_futures=True), None)
    with executor as entered:
        assert_type(entered, DaskExecutor)


def check_errors(raise_: Callable[[BrokenExecutor], None]) -> None:
    assert_type(raise_(WorkerLostError()), None)
    assert_type(raise_(ClusterLostError("gone")), None)
