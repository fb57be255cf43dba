"""The executor of a cluster refuses what does not fit."""

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor

from distributed import Client

from aiofutures import AsyncExecutor, gather, in_executor, to_sync
from aiofutures.dask import ClusterLostError, DaskExecutor, WorkerLostError

from . import subjects
from .subjects import use


def name_of(executor: AsyncExecutor) -> str:
    return repr(executor)


def check_construction(client: Client) -> None:
    use(DaskExecutor())  # refused
    use(DaskExecutor(ThreadPoolExecutor()))  # refused
    use(DaskExecutor(client, 10))  # refused
    use(DaskExecutor(client, max_workers=10))  # refused
    use(DaskExecutor(client, window="a"))  # refused
    use(DaskExecutor(client, loop_factory=len))  # refused
    use(DaskExecutor(client, workers=1.5))  # refused
    use(DaskExecutor(client, resources=["GPU"]))  # refused


def check_client(executor: DaskExecutor, client: Client) -> None:
    executor.client = client  # refused


def check_stdlib(executor: DaskExecutor) -> None:
    use(name_of(executor))  # refused


def check_submit(executor: DaskExecutor) -> None:
    use(executor.submit(subjects.fetch))  # refused
    use(executor.submit(subjects.fetch, "1"))  # refused
    use(executor.submit(subjects.fetch, 1, other="a"))  # refused
    use(executor.submit(subjects.fetch(1)))  # refused
    use(executor.submit(len, "a"))  # refused


def check_map(executor: DaskExecutor) -> None:
    use(executor.map(subjects.fetch, ["1"]))  # refused
    use(executor.map(subjects.of_two, [1]))  # refused
    use(executor.map(len, ["1"]))  # refused


def check_derived(executor: DaskExecutor) -> None:
    future = executor.submit(subjects.fetch, 1)
    use(future.map(chr))  # refused
    use(gather(executor))  # refused


def check_then(executor: DaskExecutor) -> None:
    future = executor.submit(subjects.fetch, 1)
    # zuban: cannot, it does not look into a lambda function that is generic through another one
    use(future.then(lambda body: executor.submit(subjects.text_of, body)))  # refused


def check_to_sync(executor: DaskExecutor) -> None:
    fetch = to_sync(executor=executor)(subjects.fetch)
    use(fetch("1"))  # refused
    use(fetch(1, other="a"))  # refused


def check_in_executor(executor: DaskExecutor) -> None:
    fetch = in_executor(executor=executor)(subjects.fetch)
    use(fetch("1"))  # refused
    use(fetch())  # refused


def check_rest(executor: DaskExecutor) -> None:
    use(executor.statistics().workers)  # refused
    executor.cancel_futures(True)  # refused
    executor.shutdown(False, True)  # refused


def check_errors(raise_: Callable[[BrokenExecutor], None], cluster: DaskExecutor) -> None:
    raise_(ClusterLostError)  # refused
    raise_(WorkerLostError(cluster).client)  # refused
