"""Clusters on this machine."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client

    from aiofutures import Future
    from aiofutures.dask import DaskExecutor

#: Without these the workers would listen on all addresses.
LOOPBACK = {
    "host": "127.0.0.1",
    "protocol": "tcp",
    "dashboard_address": "127.0.0.1:0",
    "worker_dashboard_address": "127.0.0.1:0",
}

StartCluster = Callable[..., AbstractContextManager["Client"]]


@contextmanager
def started(**options: Any) -> Iterator["Client"]:
    import dask
    from distributed import Client, LocalCluster

    # Any: nothing of them is typed.
    make_cluster: Any = LocalCluster
    make_client: Any = Client
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, **LOOPBACK, **options}
    allowed = {"distributed.scheduler.allowed-failures": options.pop("deaths", 4) - 1}
    silent = {"silence_logs": logging.CRITICAL}
    with (
        dask.config.set(allowed),
        make_cluster(**{**silent, **options}) as cluster,
        make_client(cluster, set_as_default=False) as client,
    ):
        yield client


def pids(client: "Client") -> dict[str, int]:
    """Return the processes of the workers, by address."""
    run: Any = client.run
    found: dict[str, int] = run(os.getpid)
    return found


def address_of(client: "Client") -> str:
    """Return the address of the scheduler."""
    anything: Any = client
    return str(anything.scheduler.address)


def connected(address: str) -> Any:
    """Return a new client."""
    from distributed import Client

    make: Any = Client
    return make(address, set_as_default=False)


def address_in(executor: "DaskExecutor", future: "Future[Any]") -> str | None:
    """Return the worker of a call, if it has told that it has it."""
    call = executor._host.dispatch.calls.get(future)
    return None if call is None or call.batch is None else call.batch.address
