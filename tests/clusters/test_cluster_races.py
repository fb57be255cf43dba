"""Races on clusters, many times over. Each one takes long."""

import os
import random
import signal
import threading
from contextlib import suppress
from typing import Any

import pytest
from support import in_thread

pytest.importorskip("distributed", reason="needs the extra dask")

from distributed import Client

from aiofutures import BrokenExecutor, CancelledError, Future, InvalidStateError
from aiofutures.dask import ClusterLostError, DaskExecutor, WorkerLostError

from . import remote
from .local import StartCluster, address_of, connected, pids
from .test_failures import LONG

ROUNDS = int(os.environ.get("STRESS_ROUNDS", "30"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(20 * LONG)]


def outcomes(futures: list[Future[Any]]) -> set[str]:
    """Wait for all; return what kinds of outcomes there are."""
    kinds = set()
    for future in futures:
        try:
            future.result(LONG)
            kinds.add("result")
        except CancelledError:
            kinds.add("cancelled")
        except BrokenExecutor as error:
            kinds.add(type(error).__name__)
    return kinds


# Each has a cluster of its own: a nanny gives up a worker that is killed, or restarted, while it
# starts.
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_kill(start_cluster: StartCluster, seed: int) -> None:
    """A worker that is killed at any moment loses no call."""
    chance = random.Random(seed)
    with (
        start_cluster(processes=True) as client,
        DaskExecutor(client, max_batch=64) as executor,
    ):
        victim = chance.choice([*pids(client).values()])
        seconds = [chance.uniform(0, 0.3) for _ in range(chance.randint(1, 400))]
        futures = [executor.submit(remote.pid_after, each) for each in seconds]
        threading.Event().wait(chance.uniform(0, 0.3))
        os.kill(victim, signal.SIGKILL)

        assert outcomes(futures) == {"result"}


def cancel(futures: list[Future[Any]]) -> None:
    """Cancel all of them."""
    for future in futures:
        future.cancel()


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_cancel_storm(client: Client, seed: int) -> None:
    """Calls that are cancelled at any moment, from several threads, all end."""
    chance = random.Random(seed)
    with DaskExecutor(client, max_concurrency=chance.choice([5, 1000])) as executor:
        futures = [executor.submit(remote.pid_after, chance.uniform(0, 0.1)) for _ in range(500)]
        storms = [
            in_thread(
                lambda picked: [each.cancel() for each in picked], chance.sample(futures, 200)
            )
            for _ in range(4)
        ]
        if chance.random() < 0.5:
            executor.cancel_futures()
        for storm in storms:
            storm.result(LONG)

        assert outcomes(futures) <= {"result", "cancelled"}
        assert executor.submit(remote.add, 1).result(LONG) == 1
    assert executor.statistics().running == 0


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_shutdown(client: Client, seed: int) -> None:
    """Calls that are submitted while the executor is shut down are refused, or completed."""
    chance = random.Random(seed)
    executor = DaskExecutor(client)

    def submit(count: int) -> list[Future[Any]]:
        futures: list[Future[Any]] = []
        with suppress(InvalidStateError):
            for number in range(count):
                futures.append(executor.submit(remote.add, number))
        return futures

    submitting = [in_thread(submit, 300) for _ in range(3)]
    threading.Event().wait(chance.uniform(0, 0.05))
    executor.shutdown(wait=chance.random() < 0.5, cancel_futures=chance.random() < 0.3)

    for each in submitting:
        assert outcomes(each.result(LONG)) <= {"result", "cancelled"}
    executor.shutdown()


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_close(client: Client, seed: int) -> None:
    """A client that is closed at any moment leaves no call without an outcome."""
    chance = random.Random(seed)
    own = connected(address_of(client))
    executor = DaskExecutor(own)
    futures = [executor.submit(remote.pid_after, chance.uniform(0, 0.2)) for _ in range(300)]
    threading.Event().wait(chance.uniform(0, 0.1))

    own.close()

    assert outcomes(futures) <= {"result", "ClusterLostError"}
    with pytest.raises(ClusterLostError):
        _ = executor.submit(remote.add, 1)
    executor.shutdown()


@pytest.mark.parametrize("seed", range(max(1, ROUNDS // 10)))
def test_poison(start_cluster: StartCluster, seed: int) -> None:
    """Among many calls the one that ends its workers is found, and no other is blamed."""
    with (
        start_cluster(processes=True, deaths=1, n_workers=3) as client,
        DaskExecutor(client) as executor,
    ):
        place = random.Random(seed).randrange(100)
        futures = [
            executor.submit(remote.die) if number == place else executor.submit(remote.add, number)
            for number in range(100)
        ]

        poison = futures.pop(place)
        assert isinstance(poison.exception(LONG), WorkerLostError)
        assert outcomes(futures) == {"result"}


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_restart(start_cluster: StartCluster, seed: int) -> None:
    """A restart at any moment leaves no call without an outcome, and the executor goes on."""
    chance = random.Random(seed)
    with (
        start_cluster(processes=True) as client,
        DaskExecutor(client, window=chance.choice([10, 2000])) as executor,
    ):
        futures = [executor.submit(remote.pid_after, chance.uniform(0, 0.2)) for _ in range(200)]
        threading.Event().wait(chance.uniform(0, 0.2))
        anything: Any = client

        anything.restart()

        assert outcomes(futures) <= {"result", "ClusterLostError"}
        assert executor.submit(remote.add, 1).result(LONG) == 1
