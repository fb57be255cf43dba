"""The private names of Dask's that are used: where one goes, a test here says so."""

import asyncio
import inspect
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import LIMIT, until

pytest.importorskip("distributed", reason="needs the extra dask")

import distributed.utils
from distributed import Client, Reschedule, Worker
from distributed.worker_state_machine import SecedeEvent

from aiofutures.dask import DaskExecutor, _engine, _private, _worker
from aiofutures.dask._runner import Options, Runner

from . import remote
from .local import StartCluster, address_in
from .test_failures import LONG, run


def test_secede_event() -> None:
    """A worker takes an event by which a coroutine leaves its place."""
    parameters = inspect.signature(SecedeEvent).parameters

    assert {"key", "compute_duration", "stimulus_id"} <= {*parameters}
    assert callable(Worker.handle_stimulus)
    assert _private.CAN_SECEDE


def test_mark_of_coroutine_functions() -> None:
    """Tornado's mark makes a coroutine function of a partial one, also when it was pickled."""
    is_coroutine_function: Any = distributed.utils.iscoroutinefunction

    assert is_coroutine_function(_private.LOADS)
    assert is_coroutine_function(pickle.loads(pickle.dumps(_private.LOADS)))
    assert not is_coroutine_function(pickle.loads)


def test_asynchronous(client: Client) -> None:
    """A client tells for whom it is, on whatever thread one asks."""
    assert not _private.is_asynchronous(client)
    anything: Any = client

    async def ask() -> bool:
        return _private.is_asynchronous(client)

    assert anything.sync(ask) is False


def test_reason(client: Client) -> None:
    """A task that was cancelled tells why."""
    anything: Any = client
    task = anything.submit(asyncio.sleep, 0.5, pure=False)
    anything.cancel([task], reason="because")

    assert _private.reason_of(task) == "because"


def test_places(client: Client, executor: DaskExecutor) -> None:
    """Calls take no place of the workers: Dask's own tasks go on beside more of them."""
    futures = [executor.submit(remote.pid_after, 1) for _ in range(8)]
    anything: Any = client

    assert anything.submit(abs, -1, pure=False).result(LIMIT) == 1
    assert not any(future.done() for future in futures)
    assert all(future.result(LIMIT) for future in futures)


class TestInThread:
    """Where a coroutine cannot leave its place, a thread does."""

    @pytest.fixture(autouse=True)
    def _cannot_secede(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Do as if the private names were missing."""
        monkeypatch.setattr(_engine, "LOADS", pickle.loads)
        monkeypatch.setattr(_worker, "CAN_SECEDE", False)

    def test_calls(self, executor: DaskExecutor) -> None:
        """All works the same."""
        assert list(executor.map(remote.add, range(500))) == [*range(500)]
        with pytest.raises(ValueError, match="bad"):
            executor.submit(remote.fail, ValueError("bad")).result(LIMIT)

    def test_places(self, executor: DaskExecutor) -> None:
        """The calls take no place either."""
        futures = [executor.submit(remote.pid_after, 0.5) for _ in range(3)]
        futures += [executor.submit(remote.pid_after, 0.5) for _ in range(300)]

        assert all(future.result(LIMIT) for future in futures)

    def test_cancel(self, executor: DaskExecutor) -> None:
        """They are cancelled."""
        futures = [executor.submit(remote.pid_after, 100) for _ in range(3)]

        executor.shutdown(cancel_futures=True)

        assert all(future.cancelled() for future in futures)

    def test_worker_that_closes(self, start_cluster: StartCluster, tmp_path: Path) -> None:
        """A worker that is closed lets its calls go, and they run elsewhere."""
        gate = tmp_path / "gate"
        with start_cluster() as client, DaskExecutor(client, max_batch=1) as executor:
            futures = [executor.submit(remote.wait_for_file, str(gate)) for _ in range(4)]
            until(lambda: all(address_in(executor, each) for each in futures))
            anything: Any = client

            anything.retire_workers([address_in(executor, futures[0])], close_workers=True)
            gate.write_text("open")

            assert [future.result(LONG) for future in futures] == ["open"] * 4


def test_where_they_are_missing() -> None:
    """Where the event is missing, that is noticed, and the function of tasks is a plain one."""
    output = run(
        """
        import pickle
        from distributed import worker_state_machine
        from aiofutures._common.coroutines import name_of
        kept = worker_state_machine.SecedeEvent
        import distributed
        del worker_state_machine.SecedeEvent
        from aiofutures.dask import _private
        print(_private.CAN_SECEDE, _private.LOADS is pickle.loads)
        """
    )

    assert output == "False True\n"


def test_runner_that_was_closed(client: Client) -> None:
    """A worker that is being closed lets its batches go, and begins no other one."""
    anything: Any = client
    options = Options(7, None)

    async def begin(dask_worker: Any) -> str:
        runner = await Runner.of(dask_worker, options)
        runner.host.wake()
        let_go: list[int] = []

        class Batch:
            def let_go(self) -> None:
                let_go.append(1)

        runner.batches.add(Batch())
        await dask_worker.plugin_remove(f"aiofutures-{options}")
        runner.host.join()
        assert let_go == [1]
        wrong: Any = SimpleNamespace(begin=None)
        with pytest.raises(Reschedule):
            runner.begin(wrong)
        return "refused"

    assert set(anything.run(begin).values()) == {"refused"}
