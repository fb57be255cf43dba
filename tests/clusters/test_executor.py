"""`DaskExecutor`, as an executor."""

import asyncio
import concurrent.futures
import gc
import math
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support import LIMIT, in_thread, until

pytest.importorskip("distributed", reason="needs the extra dask")

from distributed import Client, get_worker

from aiofutures import (
    AsyncExecutor,
    CancelledError,
    DeadlockError,
    ExecutorStatistics,
    Future,
    InvalidStateError,
    first,
    gather,
    in_executor,
    to_sync,
    to_sync_context,
    to_sync_iter,
)
from aiofutures.dask import DaskExecutor
from aiofutures.dask._hub import _hubs

from . import remote
from .local import StartCluster, address_in, address_of


class TestSubmit:
    """`submit`."""

    def test_result(self, executor: DaskExecutor) -> None:
        """The call runs on a worker, and its result arrives."""
        assert executor.submit(remote.add, 1, 2, more=3).result(LIMIT) == 6
        assert executor.submit(remote.double_later, 1).result(LIMIT) == 2

    def test_many(self, executor: DaskExecutor) -> None:
        """A burst of ten thousand arrives, each result at its own call."""
        futures = [executor.submit(remote.add, number, 1) for number in range(10_000)]

        assert [future.result(LIMIT) for future in futures] == [*range(1, 10_001)]

    def test_bursts_now_and_then(self, executor: DaskExecutor) -> None:
        """Bursts that come while others are under way arrive in no time."""
        begun = time.monotonic()
        futures = []
        for _ in range(20):
            futures += [executor.submit(remote.add, number) for number in range(500)]
            time.sleep(0.002)

        assert [future.result(LIMIT) for future in futures] == [*range(500)] * 20
        assert time.monotonic() - begun < LIMIT

    def test_error(self, executor: DaskExecutor) -> None:
        """What the call raises is raised here, with the traceback and address of the worker."""
        future = executor.submit(remote.fail, ValueError("refused"))

        with pytest.raises(ValueError, match="refused") as caught:
            future.result(LIMIT)

        assert "remote.py" in str(caught.value.__cause__)
        assert caught.value.__notes__[0].startswith("Raised on the worker tcp://127.0.0.1:")

    @pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
    def test_exit(self, executor: DaskExecutor, error: BaseException) -> None:
        """SystemExit and KeyboardInterrupt go into the future, and the worker goes on."""
        with pytest.raises(type(error)):
            executor.submit(remote.fail, error).result(LIMIT)

        assert executor.submit(remote.add, 1).result(LIMIT) == 1

    @pytest.mark.parametrize("size", [4000, 5000, 3_000_000])
    def test_size(self, executor: DaskExecutor, size: int) -> None:
        """Results and arguments may be small or large."""
        text = "x" * size
        futures = [executor.submit(remote.join, text, str(number)) for number in range(4)]

        results = [future.result(LIMIT) for future in futures]

        assert results == [text + str(number) for number in range(4)]

    def test_many_of_some_size(self, executor: DaskExecutor) -> None:
        """Many results of some size go in several events."""
        results = list(executor.map(remote.join, ["x" * 4000] * 300))

        assert results == ["x" * 4000] * 300

    def test_large_error(self, executor: DaskExecutor) -> None:
        """Errors may be large too."""
        future = executor.submit(remote.fail, ValueError("x" * 100_000))

        assert len(str(future.exception(LIMIT))) == 100_000

    def test_method(self, executor: DaskExecutor) -> None:
        """Methods of all kinds, callable objects and partials run there."""
        shop = remote.Shop(3)

        assert executor.submit(shop.times, 2).result(LIMIT) == 6
        assert executor.submit(shop, 2).result(LIMIT) == 6
        assert executor.submit(remote.Shop.named, "x").result(LIMIT) == "Shopx"
        assert executor.submit(remote.Shop.plain, 4).result(LIMIT) == 4
        assert executor.submit(partial(remote.add, 1), more=2).result(LIMIT) == 3

    def test_by_value(self, executor: DaskExecutor) -> None:
        """A function that no worker can import is sent as it is, lambdas too."""
        step = 2

        async def local(value: int) -> int:
            return value + step

        assert executor.submit(local, 1).result(LIMIT) == 3
        assert executor.submit(lambda: remote.add(1, step)).result(LIMIT) == 3
        step = 3
        assert executor.submit(local, 1).result(LIMIT) == 4

    def test_on_the_worker(self, executor: DaskExecutor) -> None:
        """Dask's own functions and `sync_to_async` work in a call."""

        async def address() -> str:
            worker: Any = get_worker()
            return str(worker.address)

        assert executor.submit(address).result(LIMIT).startswith("tcp://127.0.0.1:")
        assert executor.submit(remote.in_thread, 3).result(LIMIT) == 3

    def test_from_many_threads(self, executor: DaskExecutor) -> None:
        """Many threads may submit at once."""

        def submit(number: int) -> list[Any]:
            return [executor.submit(remote.add, number, each) for each in range(200)]

        submitting = [in_thread(submit, number) for number in range(10)]

        for number, submitted in enumerate(submitting):
            results = [future.result(LIMIT) for future in submitted.result(LIMIT)]
            assert results == [*range(number, number + 200)]


class TestMap:
    """`map`."""

    def test_order(self, executor: DaskExecutor) -> None:
        """Results come in the order of the input."""
        assert list(executor.map(remote.add, range(1000), range(1000))) == [*range(0, 2000, 2)]

    def test_buffersize(self, executor: DaskExecutor) -> None:
        """`buffersize` limits what is submitted ahead."""
        results = executor.map(remote.add, range(100), buffersize=3)

        assert len(results.futures) == 3
        assert list(results) == [*range(100)]

    def test_as_completed(self, executor: DaskExecutor) -> None:
        """Results can be taken as they come."""
        assert sorted(executor.map(remote.add, range(100)).as_completed()) == [*range(100)]

    def test_timeout(self, executor: DaskExecutor, tmp_path: Path) -> None:
        """A time-out cancels the rest."""
        results = executor.map(remote.wait_for_file, [str(tmp_path / "no")] * 3, timeout=0.1)
        futures = results.futures

        with pytest.raises(TimeoutError, match=r"wait_for_file\(\) did not finish in 0.1 seconds"):
            next(results)

        concurrent.futures.wait(futures, LIMIT)
        assert all(future.cancelled() for future in futures)


class TestCancel:
    """`cancel`."""

    def test_running(self, executor: DaskExecutor, tmp_path: Path) -> None:
        """A call that runs is asked, and its future is done when its cleanup is."""
        path = tmp_path / "cleaned"
        future = executor.submit(remote.clean_up, str(path), "x")
        until(Path(f"{path}.begun").exists)
        until(lambda: bool(address_in(executor, future)))

        assert future.running()
        assert future.cancel()
        with pytest.raises(CancelledError):
            future.result(LIMIT)

        assert path.read_text() == "x"

    def test_swallowed(self, executor: DaskExecutor, tmp_path: Path) -> None:
        """A call that swallows its cancellation delivers its value."""
        path = tmp_path / "swallowed"
        future = executor.submit(remote.swallow, str(path), "kept")
        until(lambda: bool(address_in(executor, future)))
        until(Path(f"{path}.begun").exists)

        assert future.cancel()

        assert future.result(LIMIT) == "kept"

    def test_at_once(self, executor: DaskExecutor, tmp_path: Path) -> None:
        """A call that nobody has announced is cancelled at once, and never runs or is ended."""
        path = tmp_path / "never"
        futures = [executor.submit(remote.clean_up, str(path), "x") for _ in range(1000)]

        assert all(future.cancel() for future in futures)

        concurrent.futures.wait(futures, LIMIT)
        executor.shutdown()
        until(lambda: _lines(f"{path}.begun") == len(path.read_text() if path.exists() else ""))

    def test_queued(self, client: Client, tmp_path: Path) -> None:
        """A call for which there is no room is pending, and cancelled at once."""
        gate = tmp_path / "gate"
        with DaskExecutor(client, max_concurrency=1, window=1) as executor:
            running = [executor.submit(remote.wait_for_file, str(gate)) for _ in range(2)]
            until(lambda: executor.statistics().running == 2)
            future = executor.submit(remote.add, 1)

            assert executor.statistics() == ExecutorStatistics(1, 2, 2)
            assert not future.running()
            assert future.cancel()
            assert future.cancelled()

            gate.write_text("open")
            assert [each.result(LIMIT) for each in running] == ["open"] * 2

    def test_behind_the_limit(self, client: Client, tmp_path: Path) -> None:
        """A call that waits on its worker for a place is cancelled there, and never runs."""
        gate, path = tmp_path / "gate", tmp_path / "never"
        worker = min(client.scheduler_info()["workers"])
        with DaskExecutor(client, max_concurrency=1, window=10, workers=worker) as executor:
            running = executor.submit(remote.wait_for_file, str(gate))
            until(Path(f"{gate}.begun").exists)
            behind = [executor.submit(remote.clean_up, str(path), "x") for _ in range(4)]
            until(lambda: all(bool(address_in(executor, each)) for each in behind))

            assert all(each.cancel() for each in behind)
            concurrent.futures.wait(behind, LIMIT)

            assert all(each.cancelled() for each in behind)
            gate.write_text("open")
            assert running.result(LIMIT) == "open"
        assert not Path(f"{path}.begun").exists()

    def test_done(self, executor: DaskExecutor) -> None:
        """A call that is done cannot be cancelled."""
        future = executor.submit(remote.add, 1)
        future.result(LIMIT)

        assert not future.cancel()

    def test_all(self, executor: DaskExecutor, tmp_path: Path) -> None:
        """`cancel_futures` cancels what is queued and what runs, and asks each once."""
        path = tmp_path / "cleaned"
        futures = [executor.submit(remote.clean_up, str(path), "x") for _ in range(20)]
        derived: Future[Any] = futures[0].map(len)
        until(lambda: all(bool(address_in(executor, each)) for each in futures))
        until(lambda: _lines(f"{path}.begun") == 20)

        executor.cancel_futures()

        everything: list[Future[Any]] = [*futures, derived]
        concurrent.futures.wait(everything, LIMIT)
        assert all(each.cancelled() for each in everything)
        assert path.read_text() == "x" * 20

    def test_rest(self, executor: DaskExecutor, tmp_path: Path) -> None:
        """When the event loop here is to end, a call that was asked is not asked again."""
        path = tmp_path / "cleaned"
        futures = [executor.submit(remote.clean_up, str(path), "x") for _ in range(2)]
        until(lambda: all(bool(address_in(executor, each)) for each in futures))
        until(lambda: _lines(f"{path}.begun") == 2)

        futures[0].cancel()
        executor._host.loop_thread.cancel_all()

        concurrent.futures.wait(futures, LIMIT)
        assert all(each.cancelled() for each in futures)
        assert path.read_text() == "xx"

    def test_when_a_block_is_left(self, client: Client, tmp_path: Path) -> None:
        """What is being cancelled is not asked once more by the end of a `with` block."""
        path = tmp_path / "cleaned"
        with pytest.raises(KeyboardInterrupt), DaskExecutor(client) as executor:
            futures = [executor.submit(remote.clean_up, str(path), "x") for _ in range(3)]
            until(lambda: all(bool(address_in(executor, each)) for each in futures))
            until(lambda: _lines(f"{path}.begun") == 3)
            futures[0].cancel()
            time.sleep(0.03)  # its cleanup takes longer
            raise KeyboardInterrupt

        assert all(each.cancelled() for each in futures)
        assert path.read_text() == "xxx"

    def test_calls_of_a_cleanup(self, client: Client) -> None:
        """Nor is a call that a cleanup has submitted to the cluster, queued or running."""
        submitted = threading.Event()
        values: list[int] = []

        with AsyncExecutor() as local:
            with pytest.raises(KeyboardInterrupt), DaskExecutor(client) as executor:

                async def work() -> None:
                    try:
                        await asyncio.sleep(LIMIT)
                    finally:
                        rolling_back = executor.submit(remote.pid_after, 0.2)
                        submitted.set()
                        values.append(await rolling_back)

                working = local.submit(work)
                until(working.running)
                working.cancel()
                assert submitted.wait(LIMIT)
                raise KeyboardInterrupt
            with pytest.raises(CancelledError):
                working.result(LIMIT)

        assert len(values) == 1

    @pytest.mark.parametrize("times", [1, 2])
    def test_told_again(self, executor: DaskExecutor, tmp_path: Path, times: int) -> None:
        """A worker that is told again does nothing; a second cancellation goes through."""
        path = tmp_path / "cleaned"
        future = executor.submit(remote.clean_up, str(path), "x")
        until(lambda: bool(address_in(executor, future)))
        until(Path(f"{path}.begun").exists)
        call = executor._host.dispatch.calls[future]
        assert call.batch is not None
        future.cancel()
        time.sleep(0.03)
        if times == 1:
            address = address_in(executor, future)
            executor._host._receive("started", call.batch.key, str(address))
        else:
            future.cancel()

        concurrent.futures.wait([future], LIMIT)

        assert future.cancelled()
        assert path.exists() == (times == 1)

    def test_later_calls(self, executor: DaskExecutor) -> None:
        """What is submitted after `cancel_futures` runs."""
        for _ in range(30):
            future = executor.submit(remote.pid_after, 100)
            executor.cancel_futures()
            later = executor.submit(remote.add, 1)

            assert later.result(LIMIT) == 1
            concurrent.futures.wait([future], LIMIT)
            assert future.cancelled()

    def test_storm(self, executor: DaskExecutor) -> None:
        """Calls that are cancelled from everywhere, at any moment, all end."""
        futures = [executor.submit(remote.double_later, 1) for _ in range(3000)]

        def cancel(start: int) -> None:
            for future in futures[start::3]:
                future.cancel()

        cancelling = [in_thread(cancel, start) for start in range(3)]
        concurrent.futures.wait([*cancelling, *futures], LIMIT)

        assert {future.cancelled() or future.result() for future in futures} <= {True, 2}
        assert executor.submit(remote.add, 1).result(LIMIT) == 1

    def test_timeout_of_to_sync(self, executor: DaskExecutor, tmp_path: Path) -> None:
        """A `to_sync` call that takes too long is cancelled on its worker."""
        path = tmp_path / "cleaned"
        clean_up = to_sync(executor=executor, timeout=1)(remote.clean_up)

        with pytest.raises(TimeoutError, match=r"clean_up\(\) was cancelled: .* in 1 seconds"):
            clean_up(str(path), "x")

        until(path.exists)


def _lines(path: str) -> int:
    return len(Path(path).read_text().splitlines()) if Path(path).exists() else 0


class TestFutures:
    """What is done with the futures."""

    def test_derived(self, executor: DaskExecutor) -> None:
        """What follows a future runs in this process; `then` may go back to the cluster."""
        source = executor.submit(remote.add, 1)
        names = source.map(lambda _: threading.current_thread().name)

        assert names.result(LIMIT).startswith("DaskExecutor-")
        assert (
            source.then(lambda value: executor.submit(remote.double_later, value)).result(LIMIT)
            == 2
        )
        assert source.zip(executor.submit(remote.add, 2)).result(LIMIT) == (1, 2)
        failed = executor.submit(remote.fail, OSError())
        assert failed.recover(OSError, lambda _: 3).result(LIMIT) == 3

    def test_several(self, executor: DaskExecutor, tmp_path: Path) -> None:
        """`gather` and `first` take them; `first` cancels the others."""
        slow = executor.submit(remote.wait_for_file, str(tmp_path / "no"))

        assert gather(*(executor.submit(remote.add, n) for n in (1, 2))).result(LIMIT) == (1, 2)
        assert first(slow, executor.submit(remote.add, 1)).result(LIMIT) == 1

        with pytest.raises(CancelledError):
            slow.result(LIMIT)

    @pytest.mark.parametrize("wait", [concurrent.futures.wait, concurrent.futures.as_completed])
    def test_waits(self, executor: DaskExecutor, wait: Callable[..., Any]) -> None:
        """`wait` and `as_completed` take them."""
        futures = [executor.submit(remote.add, number) for number in range(10)]

        waited = wait(futures, LIMIT)

        assert {*getattr(waited, "done", waited)} == {*futures}

    def test_await(self, executor: DaskExecutor) -> None:
        """They can be awaited, on any event loop."""

        async def both() -> int:
            one: int = await executor.submit(remote.add, 1)
            other: int = await executor.submit(remote.add, 2)
            return one + other

        assert asyncio.run(both()) == 3
        with AsyncExecutor() as local:
            assert local.submit(both).result(LIMIT) == 3

    def test_callback(self, executor: DaskExecutor) -> None:
        """Callbacks run on the event loop of the executor, and may block without harm to Dask."""
        names: list[str] = []
        future = executor.submit(remote.double_later, 1)
        future.add_done_callback(lambda _: names.append(threading.current_thread().name))

        assert future.result(LIMIT) == 2
        until(lambda: bool(names))

    def test_submit_in_a_callback(self, executor: DaskExecutor) -> None:
        """A callback may submit, also when the executor is being shut down."""
        futures: list[Future[int]] = []
        source = executor.submit(remote.double_later, 1)
        source.add_done_callback(lambda _: futures.append(executor.submit(remote.add, 5)))

        executor.shutdown()

        assert futures[0].result(LIMIT) == 5

    @pytest.mark.parametrize("error", [ValueError("lost")])
    def test_unfetched(
        self, executor: DaskExecutor, logged_errors: list[Any], error: Exception
    ) -> None:
        """An error that nobody fetches is reported."""
        future = executor.submit(remote.fail, error)
        concurrent.futures.wait([future], LIMIT)
        del future
        gc.collect()
        until(lambda: bool(logged_errors))

        assert "never retrieved" in logged_errors[0].getMessage()
        logged_errors.clear()


class TestDeadlocks:
    """Waits that would never end are refused."""

    def test_local_loop(self, executor: DaskExecutor) -> None:
        """On the event loop that outcomes come through, in words that fit."""

        def block(_: int) -> Any:
            return executor.submit(remote.add, 1).result(LIMIT)

        with pytest.raises(DeadlockError, match="the event loop that receives its outcome"):
            executor.submit(remote.add, 1).map(block).result(LIMIT)

    @pytest.mark.parametrize(
        "wait",
        [
            lambda executor: executor.submit(remote.double_later, 1).result(LIMIT),
            lambda executor: concurrent.futures.wait([executor.submit(remote.double_later, 1)]),
            lambda executor: to_sync(executor=executor)(remote.double_later)(1),
            lambda executor: executor.shutdown(),
        ],
        ids=["result", "wait", "to_sync", "shutdown"],
    )
    def test_loop_of_dask(self, executor: DaskExecutor, wait: Callable[..., Any]) -> None:
        """On Dask's own event loop."""

        async def block() -> None:
            wait(executor)

        client: Any = executor.client
        with pytest.raises(DeadlockError):
            client.sync(block)

    def test_shutdown_on_the_local_loop(self, executor: DaskExecutor) -> None:
        """Also `shutdown`, where it would wait for its caller."""
        future = executor.submit(remote.add, 1).map(lambda _: executor.shutdown())

        with pytest.raises(DeadlockError, match=r"use shutdown\(wait=False\)"):
            future.result(LIMIT)


class TestDecorators:
    """The decorators with `executor=`."""

    def test_to_sync(self, executor: DaskExecutor) -> None:
        """`to_sync` waits for a call there, `in_executor` returns its future."""
        assert to_sync(executor=executor)(remote.add)(1, more=1) == 2
        assert in_executor(executor=executor)(remote.add)(1).result(LIMIT) == 1
        with pytest.raises(ValueError, match="bad"):
            to_sync(executor=executor)(remote.fail)(ValueError("bad"))

    @pytest.mark.parametrize("fn", [remote.items, remote.opened])
    def test_steps(self, executor: DaskExecutor, fn: Callable[..., Any]) -> None:
        """What is iterated or entered cannot leave its process: the error names the function."""
        decorated: Any = to_sync(executor=executor)(fn)

        with pytest.raises(
            TypeError, match=rf"^{fn.__name__}\(\) returns something to loop over or"
        ):
            next(decorated(1)) if fn is remote.items else decorated()

    @pytest.mark.parametrize("decorator", [to_sync_context, to_sync_iter])
    def test_openers(self, executor: DaskExecutor, decorator: Callable[..., Any]) -> None:
        """So it is for `to_sync_context` and `to_sync_iter`."""
        made = decorator(executor=executor)(remote.opened)()

        with pytest.raises(TypeError, match=r"^opened\(\)"):
            next(made) if decorator is to_sync_iter else made.__enter__()

    def test_context_variables(self, executor: DaskExecutor) -> None:
        """Context variables stay in their process: values go as arguments."""
        from . import support_context

        support_context.variable.set("here")

        assert to_sync(executor=executor)(support_context.read_and_set)("there") == "default"
        assert support_context.variable.get() == "here"


class TestShutdown:
    """The end."""

    def test_waits(self, client: Client) -> None:
        """`shutdown` waits for the calls, and refuses new ones."""
        executor = DaskExecutor(client)
        futures = [executor.submit(remote.pid_after, 0.05) for _ in range(10)]

        executor.shutdown()

        assert all(future.done() for future in futures)
        with pytest.raises(InvalidStateError, match="cannot schedule new futures after shutdown"):
            _ = executor.submit(remote.add, 1)
        executor.shutdown()

    def test_without_a_wait(self, client: Client) -> None:
        """`shutdown(wait=False)` returns at once, and the calls finish."""
        executor = DaskExecutor(client)
        future = executor.submit(remote.pid_after, 0.2)

        executor.shutdown(wait=False)

        assert not future.done()
        assert future.result(LIMIT) > 0

    def test_cancels(self, client: Client, tmp_path: Path) -> None:
        """`shutdown(cancel_futures=True)` cancels all, and waits for their cleanup."""
        path = tmp_path / "cleaned"
        executor = DaskExecutor(client)
        futures = [executor.submit(remote.clean_up, str(path), "x") for _ in range(5)]
        until(lambda: _lines(f"{path}.begun") == 5)
        until(lambda: all(bool(address_in(executor, each)) for each in futures))

        executor.shutdown(cancel_futures=True)

        assert all(future.cancelled() for future in futures)
        assert path.read_text() == "x" * 5

    def test_waits_for_cancellations(self, client: Client, tmp_path: Path) -> None:
        """`shutdown` waits for cancellations that are on their way."""
        path = tmp_path / "cleaned"
        executor = DaskExecutor(client)
        future = executor.submit(remote.clean_up, str(path), "x")
        until(Path(f"{path}.begun").exists)
        future.cancel()

        executor.shutdown()

        assert future.cancelled()
        until(path.exists)

    def test_never_used(self, client: Client) -> None:
        """One that was never used ends too."""
        with DaskExecutor(client):
            pass

    def test_interrupted(self, client: Client, tmp_path: Path) -> None:
        """A `with` block that Ctrl-C ends cancels the calls."""
        with pytest.raises(KeyboardInterrupt), DaskExecutor(client) as executor:
            future = executor.submit(remote.wait_for_file, str(tmp_path / "no"))
            raise KeyboardInterrupt

        assert future.cancelled()

    def test_dropped(self, client: Client) -> None:
        """One that is dropped without a shutdown finishes its work, and its thread ends."""
        executor = DaskExecutor(client)
        dropped = weakref.ref(executor)
        future = executor.submit(remote.pid_after, 0.1)
        thread = executor._host.loop_thread

        del executor
        gc.collect()

        assert dropped() is None
        assert future.result(LIMIT) > 0
        thread.join()

    def test_client_stays_open(self, client: Client) -> None:
        """The client of the caller is not closed."""
        with DaskExecutor(client) as executor:
            executor.submit(remote.add, 1).result(LIMIT)

        assert client.status == "running"
        with DaskExecutor(client) as executor:
            assert executor.submit(remote.add, 1).result(LIMIT) == 1


class TestSeveral:
    """Several executors of one client."""

    def test_side_by_side(self, client: Client) -> None:
        """Each gets its own outcomes, and one that ends takes nothing from the others."""
        with DaskExecutor(client) as one, DaskExecutor(client, max_concurrency=2) as other:
            results = one.map(remote.add, range(500)), other.map(remote.add, range(500, 1000))
            assert [list(each) for each in results] == [[*range(500)], [*range(500, 1000)]]
            one.shutdown()
            assert other.submit(remote.add, 1).result(LIMIT) == 1

    def test_hub(self, client: Client) -> None:
        """A client has one hub, which forgets executors that have ended."""
        with DaskExecutor(client) as executor:
            executor.submit(remote.add, 1).result(LIMIT)
        del executor
        gc.collect()

        assert dict(_hubs[client].receivers) == {}

    def test_strange_events(self, client: Client, executor: DaskExecutor) -> None:
        """Events of others in the topic of the client do no harm."""
        executor.submit(remote.add, 1).result(LIMIT)
        anything: Any = client
        for message in ("text", ["aiofutures"], ["aiofutures", "token", "done", "key", b""]):
            anything.log_event(client.id, message)

        assert executor.submit(remote.add, 1).result(LIMIT) == 1


class TestConstruction:
    """How it is made."""

    @pytest.mark.parametrize("wrong", [None, 3, object()])
    def test_no_client(self, wrong: Any) -> None:
        """Something else than a client or an address is a TypeError."""
        with pytest.raises(TypeError, match=r"a distributed.Client or the address of a scheduler"):
            DaskExecutor(wrong)

    def test_asynchronous_client(self, client: Client) -> None:
        """So is an asynchronous client."""
        anything: Any = Client

        async def make() -> None:
            async with anything(
                address_of(client), asynchronous=True, set_as_default=False
            ) as wrong:
                DaskExecutor(wrong)

        with pytest.raises(TypeError, match="expected a synchronous client"):
            asyncio.run(make())

    @pytest.mark.parametrize("name", ["max_concurrency", "window", "max_batch"])
    @pytest.mark.parametrize("number", [0, -1, math.nan])
    def test_too_small(self, client: Client, name: str, number: int) -> None:
        """A number that is too small is a ValueError."""
        with pytest.raises(ValueError, match=f"{name} must be greater than 0"):
            DaskExecutor(client, **{name: number})  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("name", "wrong", "words"),
        [
            (
                "loop_factory",
                asyncio.new_event_loop,
                "'module:name', which the workers import, not",
            ),
            ("resources", ["GPU"], r"a dict such as {'GPU': 1}, not \['GPU'\]"),
            ("priority", "high", "a number, not 'high'"),
        ],
    )
    def test_another_type(self, client: Client, name: str, wrong: Any, words: str) -> None:
        """An option of another type is a TypeError at once, not an error of each call."""
        with pytest.raises(TypeError, match=f"{name} must be {words}"):
            DaskExecutor(client, **{name: wrong})

    def test_max_batch(self, client: Client) -> None:
        """`max_batch` is a number."""
        nothing: Any = None
        with pytest.raises(TypeError, match="max_batch must be a number, not None"):
            DaskExecutor(client, max_batch=nothing)

    def test_linger(self, client: Client) -> None:
        """`linger` may be 0, not less."""
        for linger in (-1, math.nan):
            with pytest.raises(ValueError, match="linger must be 0 or greater, not"):
                DaskExecutor(client, linger=linger)
        with DaskExecutor(client, linger=0) as executor:
            assert list(executor.map(remote.add, range(100))) == [*range(100)]

    def test_loop_factory(self, client: Client) -> None:
        """`loop_factory` is a module and a name, imported by the workers."""

        async def loop() -> str:
            return type(asyncio.get_running_loop()).__name__

        for wrong in ("uvloop", ":new_event_loop", "uvloop:"):
            with pytest.raises(ValueError, match=f"'module:name', not '{wrong}'"):
                DaskExecutor(client, loop_factory=wrong)
        with DaskExecutor(client, loop_factory="support:WithoutReaders") as executor:
            assert executor.submit(loop).result(LIMIT) == "WithoutReaders"

    @pytest.mark.parametrize(
        ("factory", "kind"),
        [("no_such_module:make", ModuleNotFoundError), ("builtins:int", TypeError)],
    )
    def test_failing_loop_factory(
        self, client: Client, factory: str, kind: type[Exception]
    ) -> None:
        """One that cannot be imported there, or makes no event loop, is an error of each call."""
        with DaskExecutor(client, loop_factory=factory) as executor:
            futures = [executor.submit(remote.add, 1) for _ in range(3)]
            for future in futures:
                assert isinstance(future.exception(LIMIT), kind)

    def test_no_window(self, client: Client) -> None:
        """Without `max_concurrency` there is no window and no limit."""
        with DaskExecutor(client, max_concurrency=None) as executor:
            assert list(executor.map(remote.add, range(5000))) == [*range(5000)]
            assert executor.statistics() == ExecutorStatistics(0, 0, None)

    def test_workers(self, client: Client) -> None:
        """`workers` says who runs the calls."""

        async def address() -> str:
            worker: Any = get_worker()
            return str(worker.address)

        chosen = min(client.scheduler_info()["workers"])
        with DaskExecutor(client, workers=[chosen], priority=3) as executor:
            addresses = {executor.submit(address).result(LIMIT) for _ in range(10)}
            assert executor.statistics().max_workers == 1000

        assert addresses == {chosen}
        with DaskExecutor(client, workers="127.0.0.1") as executor:
            executor.submit(address).result(LIMIT)
            assert executor.statistics().max_workers == 2000

    @pytest.mark.parametrize("make", [int, lambda name: [name], lambda name: iter([name])])
    def test_workers_by_name(self, client: Client, make: Callable[[int], Any]) -> None:
        """They may be named, by a number too, and come from an iterator."""

        async def name() -> Any:
            worker: Any = get_worker()
            return worker.name

        with DaskExecutor(client, workers=make(1)) as executor:
            assert {executor.submit(name).result(LIMIT) for _ in range(4)} == {1}

    def test_resources(self, start_cluster: StartCluster) -> None:
        """`resources` are what a batch uses: the calls run on a worker that has them."""

        async def address() -> str:
            worker: Any = get_worker()
            return str(worker.address)

        async def give(dask_worker: Any) -> None:
            await dask_worker.set_resources(GPU=1)

        with (
            start_cluster() as client,
            DaskExecutor(client, resources={"GPU": 1}) as executor,
        ):
            run: Any = client.run
            chosen = max(client.scheduler_info()["workers"])
            run(give, workers=[chosen])

            assert {executor.submit(address).result(LIMIT) for _ in range(10)} == {chosen}

    def test_repr(self, client: Client) -> None:
        """It shows the scheduler, the workload and the state in the words of the executors."""
        executor = DaskExecutor(client)
        start = f"<DaskExecutor client={address_of(client)} max_concurrency=1000 "

        assert repr(executor) == start + "pending=0 running=0 state=not started>"
        executor.submit(remote.add, 1).result(LIMIT)
        assert repr(executor).endswith("state=running>")
        executor.shutdown()
        assert repr(executor).endswith("state=shut down>")

    def test_pickle(self, executor: DaskExecutor) -> None:
        """An executor stays in its process."""
        with pytest.raises(TypeError, match="an executor cannot be pickled"):
            _ = executor.submit(remote.add, executor)
