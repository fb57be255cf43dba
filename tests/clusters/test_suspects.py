"""Calls whose workers are lost, on a cluster that does what the test says."""

from collections.abc import Callable
from typing import Any

import pytest
from support import LIMIT, until

pytest.importorskip("distributed", reason="needs the extra dask")

from aiofutures import Future
from aiofutures.dask import DaskExecutor, WorkerLostError
from aiofutures.dask._engine import Engine
from aiofutures.dask._pickling import loads

from . import remote
from .local import address_in


class Sent:
    """A batch that was sent, whose end the test decides."""

    def __init__(
        self, key: str, blob: bytes, ended: Callable[[str, BaseException | None], object]
    ) -> None:
        self.size = len(loads(blob)[1])
        self.key = key
        self.is_lost = False
        self._ended = ended

    def lose_worker(self) -> None:
        """Have it lose its worker as often as Dask puts up with that."""
        self.is_lost = True
        self._ended("killed", RuntimeError("KilledWorker"))


@pytest.fixture
def sent(executor: DaskExecutor, monkeypatch: pytest.MonkeyPatch) -> list[Sent]:
    """The batches that were sent, none of which runs."""
    batches: list[Sent] = []

    def submit(_: Engine, key: str, blob: bytes, ended: Callable[..., object]) -> Any:
        batches.append(Sent(key, blob, ended))

    monkeypatch.setattr(Engine, "submit", submit)
    monkeypatch.setattr(Engine, "cancel", lambda *_: None)
    return batches


@pytest.fixture
def futures(executor: DaskExecutor, sent: list[Sent]) -> list[Future[Any]]:
    """Three calls, each of which was lost alone: suspects."""
    futures = [executor.submit(remote.add, number) for number in range(3)]
    _until_sent(sent, 3)
    for count in (6, 7):
        for batch in [each for each in sent if not each.is_lost]:
            batch.lose_worker()
        _until_sent(sent, count)
    return futures


def _until_sent(sent: list[Sent], calls: int) -> None:
    """Wait until so many calls were sent altogether."""
    until(lambda: sum(each.size for each in sent) == calls)


def test_one_after_another(sent: list[Sent], futures: list[Future[Any]]) -> None:
    """Suspects run one after another, and each that is lost once more is to blame."""
    for number, future in enumerate(futures):
        _until_sent(sent, 7 + number)
        sent[-1].lose_worker()

        assert isinstance(future.exception(LIMIT), WorkerLostError)
        assert not any(each.done() for each in futures[number + 1 :])
    _until_sent(sent, 9)


def test_cancelled_suspects(sent: list[Sent], futures: list[Future[Any]]) -> None:
    """One that waits for its turn is cancelled at once, and never sent."""
    assert futures[1].cancel()
    assert futures[1].cancelled()

    for number, future in enumerate((futures[0], futures[2])):
        _until_sent(sent, 7 + number)
        sent[-1].lose_worker()
        assert isinstance(future.exception(LIMIT), WorkerLostError)
    _until_sent(sent, 8)


def test_cancelled_in_its_turn(sent: list[Sent], futures: list[Future[Any]]) -> None:
    """The one whose turn it is makes way for the next when it is cancelled."""
    assert futures[0].cancel()

    for number, future in enumerate(futures[1:]):
        _until_sent(sent, 8 + number)
        sent[-1].lose_worker()
        assert isinstance(future.exception(LIMIT), WorkerLostError)


def test_cancelled_where_it_runs(
    executor: DaskExecutor, sent: list[Sent], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that was asked to end is not sent again when its worker is lost."""
    monkeypatch.setattr(Engine, "cancel_calls", lambda _, __, ___, arrived: arrived())
    future = executor.submit(remote.add, 1)
    _until_sent(sent, 1)
    executor._host._receive("started", sent[0].key, "tcp://gone")
    until(lambda: address_in(executor, future) is not None)

    assert future.cancel()
    assert not future.done()
    sent[0].lose_worker()

    until(future.done)
    assert future.cancelled()
    assert len(sent) == 1


def test_done_meanwhile(executor: DaskExecutor) -> None:
    """A cancellation that comes after the end says that it was too late."""
    future = executor.submit(remote.add, 1)
    future.result(LIMIT)
    asked: list[bool] = []

    async def cancel() -> None:
        executor._host.dispatch.cancel(future, asked.append)

    local = executor._host._executor
    local.submit(cancel).result(LIMIT)

    assert asked == [True]
