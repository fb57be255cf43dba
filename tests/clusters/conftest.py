"""Clusters on this machine, and executors over them."""

import logging
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from support import LIMIT

from aiofutures._loops import lifecycle

from .local import StartCluster, started

if TYPE_CHECKING:
    from distributed import Client

    from aiofutures.dask import DaskExecutor

#: How the threads are called that a cluster in this process starts when it needs them.
_OF_DASK = (
    "AsyncProcess",
    "Dask-",
    "Dask Worker",
    "IO loop",
    "Profile",
    "QueueFeederThread",
    "TCP-Executor",
    "ThreadPoolExecutor",
    "asyncio_",
)


@pytest.fixture
def start_cluster() -> StartCluster:
    """Starts a cluster, of two workers in this process if the options do not say otherwise."""
    return started


@pytest.fixture(scope="package")
def client() -> Iterator["Client"]:
    """The client of a cluster of two workers in this process, which all tests share."""
    pytest.importorskip("distributed", reason="needs the extra dask")
    with started() as client:
        yield client


@pytest.fixture
def executor(client: "Client") -> Iterator["DaskExecutor"]:
    """An executor over the cluster that all tests share."""
    from aiofutures.dask import DaskExecutor

    executor = DaskExecutor(client)
    yield executor
    executor.shutdown(cancel_futures=True)


@pytest.fixture(autouse=True)
def _no_leaks(
    logged_errors: list[logging.LogRecord],
    _on_loop_threads: None,  # looks when the threads have ended
) -> Iterator[None]:
    """No thread of the package but those of workers, and no unexpected error, survives a test."""
    before = set(threading.enumerate())

    yield

    deadline = time.monotonic() + LIMIT
    for thread in _left(before):
        thread.join(max(0.0, deadline - time.monotonic()))
    assert _left(before) == []
    # Those of the workers that are left.
    assert all("aiofutures-" in str(loop) for loop in _loop_names())
    assert [each.getMessage() for each in logged_errors if not _is_of_ended_cluster(each)] == []


# A `BatchedSend` of Dask's waits for its next send with a time limit of Tornado's. Where Dask's
# loop stops in the turn in which that limit passes, nobody is left to take the error, and asyncio
# reports it when the future dies: in a later test.
def _is_of_ended_cluster(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return isinstance(error, TimeoutError) and error.args == ("Timeout",)


def _left(before: set[threading.Thread]) -> list[threading.Thread]:
    return [
        thread
        for thread in set(threading.enumerate()) - before
        if not any(name in thread.name for name in (*_OF_DASK, "aiofutures-"))
    ]


def _loop_names() -> list[str]:
    return [str(vars(each).get("_name")) for each in lifecycle.running_loop_threads.values()]
