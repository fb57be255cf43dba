"""Celery with Redis: its pools of workers, its limits, and its end."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from programs import START, Program

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform == "win32", reason="Celery does not support Windows"),
]

POOLS: Final = {"prefork": "2", "threads": "4", "solo": "1"}


@pytest.fixture(scope="module")
def tasks(redis_url: str) -> Iterator[Any]:
    """The tasks of the application, to be sent from here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS", redis_url)
        module = importlib.import_module("frameworks.celery_application")
    yield module
    module.app.close()


class Worker(Program):
    """A worker with its pool; the tasks of the one before it are gone."""

    def __init__(self, pool: str, folder: Path, redis_url: str) -> None:
        command = [
            *(sys.executable, "-m", "celery", "-A", "frameworks.celery_application", "worker"),
            *("--pool", pool, "--concurrency", POOLS[pool], "--loglevel", "INFO"),
            *("--without-gossip", "--without-mingle"),
        ]
        super().__init__(
            command, folder, env={"REDIS": redis_url}, cwd=Path(__file__).parent.parent
        )
        self.until_says(" ready.")


@pytest.fixture(params=POOLS)
def worker(request: pytest.FixtureRequest, tmp_path: Path, redis_url: str) -> Iterator[Worker]:
    """A worker with each pool."""
    with Worker(request.param, tmp_path, redis_url) as worker:
        yield worker


@pytest.fixture
def prefork(tmp_path: Path, redis_url: str) -> Iterator[Worker]:
    """A worker with processes."""
    with Worker("prefork", tmp_path, redis_url) as worker:
        yield worker


def test_pools(worker: Worker, tasks: Any) -> None:
    """Tasks call async functions: each process has one event loop and one client, which is closed
    when the worker is told to end; a task that runs then ends first.
    """
    sent = [tasks.use_client.delay(number) for number in range(30)]
    results = [each.get(START) for each in sent]
    assert [number for number, *_ in results] == [*range(30)]
    assert all(client == f"client of {process}" for _, client, process in results)
    assert tasks.count_loops.delay().get(START) <= 1

    with pytest.raises(LookupError, match="book"):
        tasks.raise_error.delay("book").get(START)
    assert tasks.retry.delay().get(START)[0] == "attempt 2"
    assert tasks.retry_by_itself.delay().get(START) == "attempt 2"
    inside = tasks.retry_inside.delay()
    assert tuple(inside.get(START)) == (2, inside.id)

    last = tasks.sleep_long.delay(1)
    worker.until_says("sleeping in")
    worker.stop(errors=1)

    assert last.get(START) == "slept"
    for process in {process for *_, process in results}:
        assert worker.log.count(f"opened in {process}\n") == 1
        assert worker.log.count(f"closed in {process}\n") == 1


def test_soft_limit(prefork: Worker, tasks: Any) -> None:
    """A soft limit is raised in the thread that waits; the async function is cancelled first."""
    assert tasks.sleep_within_soft_limit.delay().get(START) == "over the limit"

    assert "cleaned up" in prefork.log
    assert tasks.use_client.delay(1).get(START)[0] == 1
    prefork.stop()


def test_soft_limit_in_caller(prefork: Worker, tasks: Any) -> None:
    """A soft limit ends what runs in the thread of the task, and so the async function."""
    with pytest.raises(SoftTimeLimitExceeded):
        tasks.block_within_soft_limit.delay().get(START)

    prefork.until_says("cleaned up")
    assert tasks.use_client.delay(1).get(START)[0] == 1
    prefork.stop(errors=1)


def test_hard_limit(prefork: Worker, tasks: Any) -> None:
    """A hard limit kills the process; the one in its place opens a client of its own."""
    result = tasks.sleep_within_hard_limit.delay()
    with pytest.raises(Exception, match="TimeLimitExceeded"):
        result.get(START)
    killed = prefork.until_says("sleeping in")

    results = [each.get(START) for each in [tasks.use_client.delay(n) for n in range(20)]]

    assert str(killed) not in {str(process) for *_, process in results}
    prefork.stop(errors=2)
