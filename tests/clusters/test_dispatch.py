"""Batches: how calls are put together, and what becomes of those that get lost."""

import time
from collections.abc import Callable
from contextvars import Context
from pathlib import Path
from pickle import UnpicklingError
from types import SimpleNamespace
from typing import Any

import pytest
from support import LIMIT, until

pytest.importorskip("distributed", reason="needs the extra dask")

from distributed import Client

from aiofutures import ExecutorStatistics, Future, InvalidStateError
from aiofutures.dask import ClusterLostError, DaskExecutor
from aiofutures.dask._calls import Batch
from aiofutures.dask._cancels import Cancels
from aiofutures.dask._emitter import ENDED, Emitter
from aiofutures.dask._engine import Engine
from aiofutures.dask._outcomes import Outcome, pack_result
from aiofutures.dask._packing import Packer, pack_batch
from aiofutures.dask._pickling import loads
from aiofutures.dask._remote_batch import RemoteBatch
from aiofutures.dask._runner import Cancelled, _tombstones_of, cancel_calls

from . import remote
from .local import address_in, address_of, connected


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many calls are in each batch that is sent."""
    counts: list[int] = []
    submit = Engine.submit

    def counting(self: Engine, key: str, blob: bytes, ended: Callable[..., object]) -> Any:
        counts.append(len(loads(blob)[1]))
        return submit(self, key, blob, ended)

    monkeypatch.setattr(Engine, "submit", counting)
    return counts


class TestSizes:
    """How many calls are in a batch."""

    def test_lone(self, executor: DaskExecutor, batches: list[int]) -> None:
        """A lone call leaves at once, each by itself."""
        for number in range(3):
            assert executor.submit(remote.add, number).result(LIMIT) == number

        assert batches == [1, 1, 1]

    def test_burst(self, executor: DaskExecutor, batches: list[int]) -> None:
        """A burst is shared among the workers, in batches of `max_batch` at most."""
        assert len(list(executor.map(remote.add, range(2000)))) == 2000

        assert sum(batches) == 2000
        assert max(batches) <= 256
        assert len(batches) < 40

    def test_linger(self, client: Client, batches: list[int]) -> None:
        """What comes soon after something was sent waits for more."""
        with DaskExecutor(client, linger=0.5) as executor:
            executor.submit(remote.add, 1).result(LIMIT)
            begun = time.monotonic()
            futures = [executor.submit(remote.add, number) for number in range(10)]
            results = [future.result(LIMIT) for future in futures]

        assert results == [*range(10)]
        assert batches == [1, 5, 5]
        assert time.monotonic() - begun > 0.2

    def test_full(self, client: Client, batches: list[int]) -> None:
        """It does not wait for more than the workers take at once."""
        with DaskExecutor(client, linger=1000, max_batch=4) as executor:
            executor.submit(remote.add, 1).result(LIMIT)
            futures = [executor.submit(remote.add, number) for number in range(8)]

            assert [future.result(LIMIT) for future in futures] == [*range(8)]
        assert batches == [1, 4, 4]

    def test_bytes(self, client: Client, batches: list[int]) -> None:
        """A batch has not many more bytes than a mebibyte."""
        with DaskExecutor(client, linger=0.2) as executor:
            executor.submit(remote.add, 1).result(LIMIT)
            futures = [executor.submit(remote.join, "x" * 600_000) for _ in range(8)]

            assert all(len(future.result(LIMIT)) == 600_000 for future in futures)
        assert max(batches) <= 2

    def test_window(self, client: Client, batches: list[int], tmp_path: Path) -> None:
        """No more is sent than the window has room for, and it is refilled by a quarter."""
        gate = tmp_path / "gate"
        with DaskExecutor(client, max_concurrency=10, window=20) as executor:
            futures = [executor.submit(remote.wait_for_file, str(gate)) for _ in range(200)]
            until(lambda: sum(batches) == 40)

            until(lambda: executor.statistics() == ExecutorStatistics(160, 40, 20))

            gate.write_text("open")
            assert all(future.result(LIMIT) == "open" for future in futures)
        assert sum(batches) == 200

    def test_cancelled_in_the_queue(self, client: Client, tmp_path: Path) -> None:
        """A queue whose calls were all cancelled is emptied, and what comes later runs."""
        gate = tmp_path / "gate"
        with DaskExecutor(client, max_concurrency=1, window=1) as executor:
            running = [executor.submit(remote.wait_for_file, str(gate)) for _ in range(2)]
            queued = [executor.submit(remote.add, number) for number in range(100)]
            until(lambda: executor.statistics().running == 2)
            for future in queued:
                future.cancel()
            gate.write_text("open")

            assert executor.submit(remote.add, 1).result(LIMIT) == 1
            assert [future.result(LIMIT) for future in running] == ["open"] * 2


class TestLost:
    """Events that get lost."""

    def test_once(self, executor: DaskExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
        """Calls whose outcomes got lost are sent again."""
        lost: list[object] = []
        send = Emitter._send

        def lose_one(self: Emitter, kind: str, content: Any) -> None:
            if kind == ENDED and not lost:
                lost.append(content)
            else:
                send(self, kind, content)

        monkeypatch.setattr(Emitter, "_send", lose_one)

        assert list(executor.map(remote.add, range(10))) == [*range(10)]
        assert lost

    def test_always(self, executor: DaskExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where that happens again and again, it is an error."""
        monkeypatch.setattr(Emitter, "_send", lambda *_: None)

        error = executor.submit(remote.add, 1).exception(LIMIT)

        assert isinstance(error, ClusterLostError)
        assert "the outcome was lost on its way" in str(error)

    def test_cancelled(self, executor: DaskExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
        """A call that was cancelled and whose outcome got lost is not sent again."""
        send = Emitter._send

        def lose(self: Emitter, kind: str, content: Any) -> None:
            if kind != ENDED:
                send(self, kind, content)

        monkeypatch.setattr(Emitter, "_send", lose)
        future = executor.submit(remote.pid_after, 100)
        until(lambda: bool(address_in(executor, future)))

        future.cancel()

        until(future.done)
        assert future.cancelled()

    def test_large_outcomes_are_not(
        self, executor: DaskExecutor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is too large for an event comes with the result of the batch."""
        monkeypatch.setattr(Emitter, "_send", lambda *_: None)

        assert len(executor.submit(remote.join, "x" * 10_000).result(LIMIT)) == 10_000

    def test_subscribed_again(self, client: Client, executor: DaskExecutor) -> None:
        """An executor whose subscription has got lost subscribes again."""
        assert executor.submit(remote.add, 1).result(LIMIT) == 1
        anything: Any = client
        anything.unsubscribe_topic(client.id)

        assert executor.submit(remote.add, 2).result(LIMIT) == 2


class TestSubmitting:
    """What goes wrong while a batch is sent."""

    def test_error(self, executor: DaskExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
        """An error of Dask's own `submit` is one of the calls."""

        def fail(*_: object) -> None:
            raise OSError("no room")

        monkeypatch.setattr(Engine, "submit", fail)

        error = executor.submit(remote.add, 1).exception(LIMIT)

        assert isinstance(error, OSError)

    def test_closed_meanwhile(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the client is closed just then, that is what the calls are told."""
        own = connected(address_of(client))
        executor = DaskExecutor(own)
        subscribe = Engine.subscribe

        def close_first(self: Engine) -> None:
            own.close()
            subscribe(self)

        monkeypatch.setattr(Engine, "subscribe", close_first)

        error = executor.submit(remote.add, 1).exception(LIMIT)

        assert isinstance(error, ClusterLostError)
        executor.shutdown()

    @pytest.mark.parametrize("error", [KeyboardInterrupt, RecursionError])
    def test_interrupted(
        self,
        executor: DaskExecutor,
        monkeypatch: pytest.MonkeyPatch,
        error: type[BaseException],
    ) -> None:
        """A signal handler that raises in `submit`, or a full stack, leaves nobody waiting."""
        ring = executor._host._ring
        others: list[Future[int]] = []

        def interrupt() -> None:
            others.append(executor.submit(remote.add, 3))
            monkeypatch.setattr(executor._host, "_ring", ring)
            raise error

        monkeypatch.setattr(executor._host, "_ring", interrupt)

        with pytest.raises(error):
            _ = executor.submit(remote.add, 1)

        assert others[0].result(LIMIT) == 3
        assert executor.submit(remote.add, 2).result(LIMIT) == 2

    def test_broken(self, executor: DaskExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
        """A batch that a worker cannot read is an error of each call."""
        monkeypatch.setattr("aiofutures.dask._dispatch.pack_batch", lambda _: b"broken")

        futures = [executor.submit(remote.add, number) for number in range(5)]

        for future in futures:
            assert isinstance(future.exception(LIMIT), UnpicklingError)

    def test_no_thread(self, executor: DaskExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the event loop cannot be started, `submit` says so; a later one may succeed."""
        start = executor._host.loop_thread._ensure_started

        def fail(_: object) -> None:
            monkeypatch.setattr(executor._host.loop_thread, "_ensure_started", start)
            raise OSError("no thread")

        monkeypatch.setattr(executor._host.loop_thread, "_ensure_started", fail)

        with pytest.raises(OSError, match="no thread"):
            _ = executor.submit(remote.add, 1)

        assert executor.submit(remote.add, 2).result(LIMIT) == 2


class TestEngine:
    """What goes wrong on Dask's side."""

    def test_gather(self, executor: DaskExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
        """Outcomes that cannot be fetched are an error of their calls."""

        async def fail(*_: object) -> None:
            raise OSError("gone")

        monkeypatch.setattr(executor.client, "gather", fail)

        error = executor.submit(remote.join, "x" * 10_000).exception(LIMIT)

        assert isinstance(error, (OSError, ClusterLostError))

    def test_cancel(self, executor: DaskExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
        """Cancellations that arrive nowhere hold up nothing."""

        async def fail(*_: object, **__: object) -> None:
            raise OSError("gone")

        monkeypatch.setattr(executor.client, "run", fail)
        future = executor.submit(remote.pid_after, 0.5)
        until(lambda: bool(address_in(executor, future)))

        future.cancel()

        assert future.result(LIMIT) > 0
        executor.shutdown()

    def test_silence(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """A cluster that is gone is noticed where nobody tells of it."""
        executor = DaskExecutor(client)
        future = executor.submit(remote.pid_after, 3)
        until(lambda: bool(address_in(executor, future)))
        monkeypatch.setattr(executor._host.engine, "is_usable", lambda: False)

        assert isinstance(future.exception(LIMIT), ClusterLostError)
        executor.shutdown()

    def test_closed_loop(self, client: Client) -> None:
        """Nothing is asked of a client whose event loop was closed."""
        own = connected(address_of(client))
        executor = DaskExecutor(own)
        own.close()
        until(executor._host.engine._loop.is_closed)

        executor._host.engine.count_workers(print)

        executor.shutdown()


class TestTombstones:
    """Cancellations that come before their calls."""

    def test_before_the_call(
        self, client: Client, executor: DaskExecutor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A call that was cancelled before it came to its worker does not run."""
        anything: Any = client
        submit = Engine.submit

        def cancel_first(self: Engine, key: str, *args: Any) -> Any:
            anything.run(cancel_calls, {key: {1: 1}})
            return submit(self, key, *args)

        with DaskExecutor(client, linger=0.2, workers=_one(client)) as executor:
            executor.submit(remote.add, 1).result(LIMIT)
            monkeypatch.setattr(Engine, "submit", cancel_first)
            futures = [executor.submit(remote.add, number) for number in range(8)]
            for future in futures:
                future.exception(LIMIT) if not _cancelled(future) else None

        assert {future.cancelled() for future in futures} == {True, False}

    def test_not_too_many(self, client: Client) -> None:
        """A worker does not keep all of them for ever."""
        anything: Any = client
        numbers = dict.fromkeys(range(60_000), 1)
        for key in ("one", "two", "three"):
            anything.run(cancel_calls, {key: numbers})

        counts: dict[str, int] = anything.run(_count_tombstones)

        assert max(counts.values()) == 100_000


class _Leaving:
    """A call that leaves its batch as soon as somebody has looked at that."""

    def __init__(self) -> None:
        self.batches = [Batch("key", ())]

    @property
    def batch(self) -> Batch | None:
        return self.batches.pop() if self.batches else None


def test_cancelled_between_two_batches(executor: DaskExecutor) -> None:
    """A call that leaves its batch while it is being cancelled is cancelled all the same."""
    future: Future[int] = Future(executor._host, remote.add, (1,), None, Context())
    leaving: Any = _Leaving()
    executor._host.dispatch.calls[future] = leaving

    executor._host.dispatch.withdraw(future)

    assert future.cancelled()
    del executor._host.dispatch.calls[future]


@pytest.mark.off_loop_thread("there is none")
def test_settled_twice() -> None:
    """A call on its worker tells of its first outcome alone."""
    told: list[Outcome] = []
    ignore: Any = lambda *_: None  # noqa: E731
    host = SimpleNamespace(submit=ignore)
    runner: Any = SimpleNamespace(host=host, calls={}, batches=set(), tombstones={})
    emitter: Any = SimpleNamespace(
        key="key", address="here", add=told.append, start=ignore, flush=ignore, large=[]
    )
    blob = pack_batch([(0, Packer().pack(remote.add, (1,), {}))])
    batch = RemoteBatch(runner, emitter, blob, Context())
    batch.begin()
    (call,) = runner.calls.values()

    call.settle(1)
    call.settle(2)

    assert told == [pack_result(0, "add", 1, "here")]
    assert batch.ended.result(0) == []


@pytest.mark.off_loop_thread("there is none")
def test_let_go_before_it_begins() -> None:
    """A batch whose worker closes before it has begun starts no call on a loop that ends."""

    def refuse(_: object) -> None:
        raise InvalidStateError

    ignore: Any = lambda *_: None  # noqa: E731
    host = SimpleNamespace(submit=refuse, call_soon=ignore)
    runner: Any = SimpleNamespace(host=host, calls={}, batches=set(), tombstones={})
    emitter: Any = SimpleNamespace(key="key", let_go=ignore, start=ignore, flush=ignore, large=[])
    blob = pack_batch([(0, Packer().pack(remote.add, (1,), {}))])
    batch = RemoteBatch(runner, emitter, blob, Context())
    batch.let_go()

    batch.begin()

    assert not runner.calls
    assert not runner.batches
    assert batch.ended.result(0) == []


def _one(client: Client) -> list[str]:
    anything: Any = client
    return [min(anything.scheduler_info()["workers"])]


def _cancelled(future: Future[Any]) -> bool:
    until(future.done)
    return future.cancelled()


def _count_tombstones(dask_worker: Any) -> int:
    return len(_tombstones_of(dask_worker))


class _Noting:
    """Takes cancellations and never delivers them."""

    def __init__(self) -> None:
        self.sent: list[tuple[str | None, Cancelled]] = []

    def cancel_calls(
        self, address: str | None, calls: Cancelled, arrived: Callable[[], object]
    ) -> None:
        """Note them."""
        self.sent.append((address, calls))


@pytest.mark.off_loop_thread("a loop of its own")
def test_cancels_of_a_turn() -> None:
    """Cancellations of one turn go together, to each worker its own, each once."""
    import asyncio

    engine = _Noting()
    cancels = Cancels(engine, lambda *_: None, lambda: None)

    async def cancel() -> None:
        for address, number, times in (
            ("a", 1, 1),
            ("a", 1, 2),
            ("a", 2, 1),
            ("b", 3, 1),
            (None, 4, 1),
        ):
            cancels.add(address, "key", number, times)
        assert cancels.are_on_the_way()
        await asyncio.sleep(0)

    asyncio.run(cancel())

    assert engine.sent == [
        ("a", {"key": {1: 2, 2: 1}}),
        ("b", {"key": {3: 1}}),
        (None, {"key": {4: 1}}),
    ]
    assert cancels.are_on_the_way()
    cancels.drop()
    assert not cancels.are_on_the_way()
