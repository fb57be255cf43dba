"""What happens when workers, the scheduler, the client or this process fail."""

import concurrent.futures
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import LIMIT, in_child, run_python, until

pytest.importorskip("distributed", reason="needs the extra dask")

from distributed import Client

from aiofutures import BrokenExecutor, Future
from aiofutures.dask import ClusterLostError, DaskExecutor, WorkerLostError
from aiofutures.dask._emitter import ENDED, STARTED, Emitter

from . import remote
from .local import LOOPBACK, StartCluster, address_in, address_of, connected, pids

#: Starting processes takes seconds, and a busy machine more of them.
LONG = 6 * LIMIT

pytestmark = pytest.mark.timeout(3 * LONG)


def kill(pid: int) -> None:
    """End a process at once."""
    os.kill(pid, signal.SIGKILL)


class TestWorkers:
    """Workers that are lost."""

    def test_killed(self, start_cluster: StartCluster) -> None:
        """Dask runs the batches of a worker that was killed again, and no call is lost."""
        with (
            start_cluster(processes=True) as client,
            DaskExecutor(client, max_batch=16) as executor,
        ):
            futures = [executor.submit(remote.pid_after, number / 100) for number in range(100)]
            until(lambda: bool(address_in(executor, futures[-1])), LONG)
            victim = pids(client)[str(address_in(executor, futures[-1]))]

            kill(victim)

            by = {future.result(LONG) for future in futures}
        assert by - {victim}

    def test_delivered_once(self, start_cluster: StartCluster, tmp_path: Path) -> None:
        """A call that was done when its worker was lost runs again, and has one outcome."""
        path = tmp_path / "gate"
        outcomes: list[str] = []
        with (
            start_cluster(processes=True, n_workers=1) as client,
            DaskExecutor(client) as executor,
        ):
            first = executor.submit(remote.note, str(path))
            second = executor.submit(remote.wait_for_file, str(path))
            first.add_done_callback(lambda future: outcomes.append(future.result()))
            until(Path(f"{path}.begun").exists, LONG)
            assert first.result(LONG) == "noted"

            kill(next(iter(pids(client).values())))

            until(lambda: len(Path(f"{path}.begun").read_text().splitlines()) == 2, LONG)
            path.write_text("open")
            assert second.result(LONG) == "open"
        assert outcomes == ["noted"]

    @pytest.mark.parametrize("last", [STARTED, ENDED])
    def test_lost_at_a_message(
        self, start_cluster: StartCluster, monkeypatch: pytest.MonkeyPatch, last: str
    ) -> None:
        """A worker that is lost where it would announce a batch, or its outcomes, loses no call."""
        futures: list[Future[int]] = []
        lost: list[str] = []
        sent: list[tuple[str, str]] = []
        send = Emitter._send

        def is_announced() -> bool:
            return any(address_in(executor, each) for each in futures)

        def lose(emitter: Emitter, kind: str, content: Any) -> None:
            if kind == last and not lost:
                if kind == ENDED:
                    until(is_announced)
                lost.append(emitter.address)
                worker = emitter._worker
                emitter.let_go()
                worker.loop.add_callback(worker.batched_stream.abort)
            elif emitter._worker is not None:
                sent.append((kind, emitter.address))
            send(emitter, kind, content)

        monkeypatch.setattr(Emitter, "_send", lose)
        with start_cluster() as client, DaskExecutor(client) as executor:
            futures.append(executor.submit(remote.add, 1))

            assert futures[0].result(LONG) == 1

        (address,) = lost
        (where,) = (where for kind, where in sent if kind == ENDED)
        assert where != address

    def test_cancelled_before_it_was_lost(
        self, start_cluster: StartCluster, tmp_path: Path
    ) -> None:
        """A call whose cancellation was asked for is asked again where Dask runs it again."""
        path = tmp_path / "kept"
        with (
            start_cluster(processes=True, n_workers=1) as client,
            DaskExecutor(client) as executor,
        ):
            future = executor.submit(remote.refuse_once, str(path))
            until(Path(f"{path}.begun").exists, LONG)
            until(lambda: bool(address_in(executor, future)), LONG)
            future.cancel()
            until(path.exists, LONG)

            kill(next(iter(pids(client).values())))

            with pytest.raises(concurrent.futures.CancelledError):
                future.result(LONG)

    def test_poison(self, start_cluster: StartCluster) -> None:
        """A call that ends its worker is found, and the others of its batch are not blamed."""
        with (
            start_cluster(processes=True, deaths=1) as client,
            DaskExecutor(client) as executor,
        ):
            innocent = [executor.submit(remote.pid_after, 0.01) for _ in range(20)]
            poison = executor.submit(remote.die)
            innocent += [executor.submit(remote.pid_after, 0.01) for _ in range(20)]

            with pytest.raises(WorkerLostError, match=r"die\(\) lost its worker in 3 attempts"):
                poison.result(LONG)

            assert all(future.result(LONG) > 0 for future in innocent)

    def test_worker_that_closes(self, start_cluster: StartCluster, tmp_path: Path) -> None:
        """Calls of a worker that is retired go on elsewhere, and are not cancelled."""
        gate = tmp_path / "gate"
        with start_cluster() as client, DaskExecutor(client) as executor:
            futures = [executor.submit(remote.wait_for_file, str(gate)) for _ in range(6)]
            until(lambda: all(address_in(executor, each) for each in futures))
            addresses = {address_in(executor, each) for each in futures}
            anything: Any = client

            anything.retire_workers([addresses.pop()], close_workers=True)
            gate.write_text("open")

            assert [future.result(LONG) for future in futures] == ["open"] * 6

    def test_no_workers(self, start_cluster: StartCluster) -> None:
        """Calls wait for a worker, for as long as their caller does."""
        with start_cluster(n_workers=0) as client, DaskExecutor(client) as executor:
            future = executor.submit(remote.add, 1)
            with pytest.raises(TimeoutError, match=r"add\(\) did not finish in 0.2 seconds"):
                future.result(0.2)
            waiting = executor.submit(remote.add, 2)
            assert waiting.cancel()
            cluster: Any = client.cluster
            cluster.scale(1)

            assert future.result(LONG) == 1
            assert waiting.cancelled()

    def test_cancelled_without_workers(self, start_cluster: StartCluster, tmp_path: Path) -> None:
        """A call that was cancelled before there was a worker is cancelled on the first one."""
        path = tmp_path / "cleaned"
        with start_cluster(n_workers=0) as client, DaskExecutor(client, linger=0.5) as executor:
            futures = [executor.submit(remote.add, 0)]
            until(lambda: executor.statistics().running == 1)
            futures += [
                executor.submit(remote.add, 1),
                executor.submit(remote.wait_for_file, str(path)),
            ]
            cancelled = executor.submit(remote.clean_up, str(path), "cleaned")
            until(lambda: executor.statistics().running == 4)
            assert cancelled.cancel()
            # A worker that hears of it before the call begins never begins it.
            cancels = executor._host.dispatch.cancels
            until(lambda: cancelled.done() and not cancels.are_on_the_way())
            cluster: Any = client.cluster

            cluster.scale(1)

            assert [future.result(LONG) for future in futures] == [0, 1, "cleaned"]

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_cancelled_without_another_worker(
        self, start_cluster: StartCluster, tmp_path: Path, when: str
    ) -> None:
        """A cancellation ends a call that lost its worker, also where no other one comes."""
        path = tmp_path / "gate"
        with start_cluster(n_workers=1) as client:
            executor = DaskExecutor(client)
            futures = [executor.submit(remote.refuse_once, str(path)) for _ in range(2)]
            until(lambda: all(address_in(executor, each) for each in futures))
            cluster: Any = client.cluster
            if when == "before":
                futures[0].cancel()
                until(path.exists)
            cluster.scale(0)
            until(lambda: not cluster.scheduler.workers, LONG)
            if when == "after":
                futures[0].cancel()

            with pytest.raises(concurrent.futures.CancelledError):
                futures[0].result(LONG)
            # At once, if it is known by now that nobody runs this one either.
            assert futures[1].running()
            assert futures[1].cancel()
            with pytest.raises(concurrent.futures.CancelledError):
                futures[1].result(LONG)
            start = time.monotonic()
            executor.shutdown()
            # Dask would try to reach the worker for half a minute.
            assert time.monotonic() - start < LIMIT / 2
        Path(f"{path}.end").touch()

    def test_adaptive(self, start_cluster: StartCluster) -> None:
        """An adaptive cluster takes no worker away that has calls."""
        with (
            start_cluster(n_workers=1) as client,
            DaskExecutor(client, max_batch=4, linger=0.001) as executor,
        ):
            cluster: Any = client.cluster
            cluster.adapt(minimum=1, maximum=2, interval="50ms", wait_count=1)
            futures = [executor.submit(remote.pid_after, 1) for _ in range(40)]

            assert len([future.result(LONG) for future in futures]) == 40
            cluster.adapt(minimum=1, maximum=1)


#: A scheduler and a worker in a process of their own; it prints the address.
SCHEDULER = """
    import asyncio, logging, sys
    from distributed import Scheduler, Worker
    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)

    async def main():
        here = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
        async with Scheduler(port=0, **here) as scheduler:
            async with Worker(scheduler.address, **here):
                print(scheduler.address, flush=True)
                await scheduler.finished()

    asyncio.run(main())
"""


@contextmanager
def scheduler() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a scheduler with one worker in another process."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCHEDULER)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


class TestCluster:
    """A cluster that is lost."""

    def test_scheduler_killed(self, tmp_path: Path) -> None:
        """Calls that were sent and calls that are queued fail at once, and `submit` refuses."""
        with scheduler() as (address, process), connected(address) as client:
            executor = DaskExecutor(client, max_concurrency=1, window=1)
            sent = executor.submit(remote.wait_for_file, str(tmp_path / "no"))
            queued = [executor.submit(remote.add, 1) for _ in range(3)]
            until(lambda: executor.statistics().running == 1, LONG)

            process.kill()

            for future in (sent, *queued):
                assert isinstance(future.exception(LIMIT), ClusterLostError)
            with pytest.raises(
                ClusterLostError, match="cannot schedule new futures: the client is"
            ):
                _ = executor.submit(remote.add, 1)
            assert "state=broken" in repr(executor)
            executor.shutdown()

    def test_client_closed(self, start_cluster: StartCluster, tmp_path: Path) -> None:
        """So it is where the client is closed."""
        with start_cluster() as outer:
            client = connected(address_of(outer))
            executor = DaskExecutor(client, max_concurrency=1, window=1)
            futures = [
                executor.submit(remote.wait_for_file, str(tmp_path / "gate")) for _ in range(6)
            ]
            until(lambda: executor.statistics().running == 2)
            client.close()

            for future in futures:
                with pytest.raises(ClusterLostError, match="the client is clos"):
                    future.result(LIMIT)
            with pytest.raises(ClusterLostError, match="the client is closed"):
                _ = executor.submit(remote.add, 1)
            assert repr(executor).startswith("<DaskExecutor client=closed ")
            executor.shutdown()
            (tmp_path / "gate").write_text("open")

    def test_cluster_closed(self, start_cluster: StartCluster, tmp_path: Path) -> None:
        """So it is where the cluster is closed."""
        with start_cluster() as client:
            executor = DaskExecutor(client)
            future = executor.submit(remote.wait_for_file, str(tmp_path / "no"))
            until(lambda: bool(address_in(executor, future)))
            cluster: Any = client.cluster

            cluster.close()

            assert isinstance(future.exception(LIMIT), ClusterLostError)
            executor.shutdown()

    def test_worker_that_blocks(self, start_cluster: StartCluster, tmp_path: Path) -> None:
        """So it is where a call blocks the others of its worker when the cluster is closed."""
        gate = tmp_path / "gate"
        with start_cluster(n_workers=1) as client:
            executor = DaskExecutor(client, max_concurrency=1, window=10)
            futures = [executor.submit(remote.block, str(gate)) for _ in range(3)]
            until((tmp_path / "gate.begun").exists)
            cluster: Any = client.cluster

            cluster.close()
            gate.touch()

            for future in futures:
                assert isinstance(future.exception(LIMIT), ClusterLostError)
            executor.shutdown()

    def test_restart(self, start_cluster: StartCluster, tmp_path: Path) -> None:
        """`client.restart` drops what was sent; what is queued runs, and the executor goes on."""
        with (
            start_cluster(processes=True, n_workers=1) as client,
            DaskExecutor(client, max_concurrency=1, window=1) as executor,
        ):
            sent = executor.submit(remote.wait_for_file, str(tmp_path / "no"))
            until(lambda: bool(address_in(executor, sent)), LONG)
            queued = [executor.submit(remote.add, number) for number in range(3)]
            anything: Any = client

            anything.restart()

            assert isinstance(sent.exception(LONG), ClusterLostError)
            assert [future.result(LONG) for future in queued] == [0, 1, 2]
            assert executor.submit(remote.add, 5).result(LONG) == 5

    def test_scheduler_that_comes_back(self, tmp_path: Path) -> None:
        """An executor whose client has found a new scheduler can be used again."""
        with scheduler() as (address, process), connected(address) as client:
            executor = DaskExecutor(client)
            assert executor.submit(remote.add, 1).result(LONG) == 1
            process.kill()
            process.wait()
            until(lambda: client.status != "running", LONG)
            port = address.rpartition(":")[2]
            again = SCHEDULER.replace("port=0", f"port={port}")
            second = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(again)],
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            try:
                until(lambda: client.status == "running", LONG)
                assert executor.submit(remote.add, 1).result(LONG) == 1
            finally:
                executor.shutdown(cancel_futures=True)
                second.kill()
                second.wait()
                assert second.stdout is not None
                second.stdout.close()


class TestVersions:
    """A worker that is not as the client."""

    def test_differ(
        self, client: Client, executor: DaskExecutor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Versions that differ are an error of each call, which names both."""
        from aiofutures.dask import _engine

        monkeypatch.setattr(_engine, "VERSIONS", ("2.7", "0.1.3"))

        futures = [executor.submit(remote.add, number) for number in range(10)]

        for future in futures:
            error = str(future.exception(LIMIT))
            assert "but the client Python 2.7 and aiofutures 0.1.3: install the same" in error

    def test_not_there(self, start_cluster: StartCluster) -> None:
        """A worker without aiofutures is an error of each call."""

        def hide() -> None:
            class Hidden:
                def find_spec(self, name: str, *_: object) -> None:
                    if name.partition(".")[0] == "aiofutures":
                        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

            found: Any = Hidden()
            sys.meta_path.insert(0, found)
            for name in [each for each in sys.modules if each.startswith("aiofutures")]:
                del sys.modules[name]

        with start_cluster(processes=True, n_workers=1) as client:
            anything: Any = client
            anything.run(hide)
            with DaskExecutor(client) as executor:
                futures = [executor.submit(remote.add, number) for number in range(10)]

                for future in futures:
                    assert "aiofutures" in str(future.exception(LONG))


# Python 3.12 and later warn of forks of processes with threads.
@pytest.mark.filterwarnings("ignore:.* is multi-threaded:DeprecationWarning")
class TestFork:
    """A process that forks."""

    def test_child(self, executor: DaskExecutor, tmp_path: Path) -> None:
        """In the child the futures fail and the client is refused; the parent is not affected."""
        gate = tmp_path / "gate"
        done = executor.submit(remote.add, 1)
        done.result(LIMIT)
        futures = [executor.submit(remote.wait_for_file, str(gate)) for _ in range(3)]

        def check() -> None:
            for future in futures:
                assert isinstance(future.exception(0), BrokenExecutor)
            assert done.result(0) == 1
            with pytest.raises(BrokenExecutor, match="was forked"):
                _ = executor.submit(remote.add, 1)
            with pytest.raises(BrokenExecutor, match="was forked from the client's"):
                DaskExecutor(executor.client)
            executor.shutdown(wait=False)
            executor.shutdown()

        in_child(check)

        gate.write_text("open")
        assert [future.result(LIMIT) for future in futures] == ["open"] * 3


#: A cluster in the process of a script.
START = f"""
    import asyncio, logging, sys
    from distributed import Client, LocalCluster
    from clusters import remote
    from aiofutures.dask import DaskExecutor
    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, processes=False, **{LOOPBACK!r})
    client = Client(cluster)
    executor = DaskExecutor(client)
"""


def run_script(script: str) -> str:
    """Run a script after `START`, with the modules of the tests."""
    return run(textwrap.dedent(START) + textwrap.dedent(script))


def run(script: str) -> str:
    """Run a script with the modules of the tests."""
    path = os.pathsep.join([str(Path(__file__).parent.parent), *filter(None, sys.path)])
    return run_python(script, "-W", "default", env={**os.environ, "PYTHONPATH": path})


class TestExit:
    """The end of the interpreter."""

    def test_waits(self) -> None:
        """It waits for the calls of the cluster."""
        output = run_script(
            """
            future = executor.submit(remote.pid_after, 0.5)
            future.add_done_callback(lambda future: print(future.result() > 0, flush=True))
            """
        )

        assert output == "True\n"

    def test_waits_for_calls_that_begin(self) -> None:
        """Those of a worker with an event loop already, and those that come after."""
        output = run_script(
            """
            print(executor.submit(remote.add, 1).result(), flush=True)
            future = executor.submit(remote.pid_after, 0.5)
            future.add_done_callback(lambda future: print(future.result() > 0, flush=True))
            """
        )

        assert output == "1\nTrue\n"

    def test_warning(self) -> None:
        """The warning of what it waits for names the calls of the cluster."""
        script = """
            import logging, sys
            from clusters import remote
            from aiofutures.dask import DaskExecutor
            from aiofutures._loops import lifecycle
            lifecycle._PATIENCE = 0.1
            logging.basicConfig(stream=sys.stdout, format="%(message)s")
            executor = DaskExecutor(ADDRESS)
            futures = [executor.submit(remote.pid_after, 1) for _ in range(2)]
        """
        with scheduler() as (address, _):
            output = run(script.replace("ADDRESS", repr(address)))

        assert output.startswith(
            "the interpreter cannot exit before these calls end: pid_after (2). Ctrl-C"
        )

    def test_interrupted(self, tmp_path: Path) -> None:
        """Ctrl-C there cancels them, and waits for their cleanup."""
        path = tmp_path / "cleaned"
        script = """
            import os, signal, threading
            from clusters import remote
            from aiofutures.dask import DaskExecutor
            from aiofutures._loops import lifecycle

            executor = DaskExecutor(ADDRESS)
            future = executor.submit(remote.clean_up, PATH, "cleaned")
            future.add_done_callback(lambda future: print(future.cancelled(), flush=True))

            def interrupt():
                calls = executor._host.dispatch.calls
                while not any(call.batch and call.batch.address for call in list(calls.values())):
                    pass
                lifecycle.exiting.wait()
                os.kill(os.getpid(), signal.SIGINT)

            threading.Thread(target=interrupt, daemon=True).start()
        """
        with scheduler() as (address, _):
            output = run(script.replace("ADDRESS", repr(address)).replace("PATH", repr(str(path))))

        assert output == "True\n"
        assert path.read_text() == "cleaned"

    def test_own_client(self) -> None:
        """An executor with a client of its own ends with the interpreter."""
        output = run_script(
            """
            own = DaskExecutor(cluster.scheduler_address)
            print(own.submit(remote.add, 1).result())
            """
        )

        assert output == "1\n"


class TestNames:
    """Names and words."""

    def test_import(self) -> None:
        """`import aiofutures` does not import distributed."""
        output = run_python(
            "import aiofutures, sys; print('distributed' in sys.modules, 'dask' in sys.modules)"
        )

        assert output == "False False\n"

    def test_without_distributed(self) -> None:
        """Without distributed the import names what to install."""
        output = run_python(
            """
            import sys
            sys.modules["distributed"] = None
            try:
                import aiofutures.dask
            except ImportError as error:
                print(error)
            """
        )

        assert output == (
            "aiofutures.dask needs Dask's distributed scheduler: pip install 'aiofutures[dask]'\n"
        )

    def test_own_client(self, client: Client) -> None:
        """A client that the executor makes of an address is not the default, and is closed."""
        from distributed import default_client

        anything: Any = default_client
        with DaskExecutor(address_of(client)) as executor:
            assert executor.submit(remote.add, 1).result(LIMIT) == 1
            own = executor.client
            with pytest.raises(ValueError, match="No clients found"):
                anything()
        assert own.status == "closed"

        executor = DaskExecutor(address_of(client))
        future = executor.submit(remote.pid_after, 0.1)
        executor.shutdown(wait=False)
        assert future.result(LIMIT) > 0
        until(lambda: executor.client.status == "closed")

    def test_no_scheduler(self) -> None:
        """An address without a scheduler is an OSError."""
        import dask

        with (
            dask.config.set({"distributed.comm.timeouts.connect": "0.2s"}),
            pytest.raises(OSError, match="Timed out"),
        ):
            DaskExecutor("tcp://127.0.0.1:9")
