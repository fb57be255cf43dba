"""The path of calls to the workers, and of their outcomes back."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Container, Iterable
from functools import partial
from math import ceil, inf
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import uuid4

from .._common.contract import Runnable, ignore
from .._loops.waves import nobody
from ._calls import Batch, Call
from ._cancels import Cancels
from ._emitter import STARTED
from ._engine import Engine
from ._errors import ClusterLostError, WorkerLostError
from ._outcomes import Outcome, settle
from ._packing import Packed, pack_batch
from ._pickling import loads

# The size of a batch in bytes, and how many times a call may be lost: its batch ends, but neither
# an event nor the result has its outcome.
_MOST_BYTES: Final = 1 << 20
_MOST_LOSSES: Final = 3
# How many times a call may lose its worker: in a batch, alone, and as the only suspect.
_MOST_DEATHS: Final = 3
# The workers are counted again after this many seconds.
_COUNT_SECONDS: Final = 1.0

#: Schedules a callback on the event loop, from any thread.
CallSoon: TypeAlias = Callable[..., object]


class Sizes(NamedTuple):
    """How calls are combined into batches.

    Attributes:
        window: Maximum number of unfinished calls sent per worker; None means no limit.
        max_batch: Maximum number of calls in a batch.
        linger: Minimum number of seconds between sends, unless there are enough calls.
    """

    window: int | None
    max_batch: int
    linger: float


class Dispatch:
    """Takes calls from a queue, sends them in batches and settles their futures.

    After appending to the queue, a thread checks `awake` and schedules `look` if it is not set;
    sending clears `awake` before it checks the queue, so one of the two sees the other. Everything
    else is for the loop thread, except that any thread may read `calls`.

    Args:
        queue: The waiting futures, each with its packed call as the only argument.
        sizes: How calls are combined into batches.
        engine: The cluster.
        call_soon: Schedules a callback on the event loop, from any thread.
        notify: Called when there may be nothing left to do.
    """

    def __init__(
        self,
        queue: deque[Runnable],
        sizes: Sizes,
        engine: Engine,
        call_soon: CallSoon,
        notify: Callable[[], object],
    ) -> None:
        self.awake = False
        #: The calls that were sent and are not done.
        self.calls: dict[Runnable, Call] = {}
        self.cancels = Cancels(engine, call_soon, notify)
        #: The number of workers at the last count, but at least one.
        self.workers = 1
        self._queue = queue
        self._sizes = sizes
        self._engine = engine
        self._call_soon = call_soon
        self._notify = notify
        self._batches: dict[str, Batch] = {}
        self._is_subscribed = False
        self._timer: asyncio.TimerHandle | None = None
        self._last_flush = self._last_count = -inf
        self._has_counted = self._is_counting = False
        # Calls that run one at a time, and the one that is running.
        self._suspects: deque[Call] = deque()
        self._suspect: Call | None = None

    @property
    def full(self) -> int:
        """The number of queued calls that is sent without waiting for more."""
        return self._sizes.max_batch * self.workers

    def is_idle(self) -> bool:
        """Tell whether everything that was sent is done."""
        return not (self.calls or self.cancels.are_on_the_way())

    # From the queue to the workers.

    def look(self) -> None:
        """Send the queue, now or shortly, along with any calls added until then.

        Loop thread only.
        """
        now = asyncio.get_running_loop().time()
        if now - self._last_count > _COUNT_SECONDS and not self._is_counting:
            self._is_counting = True
            announced = [(batch, batch.address) for batch in self._batches.values()]
            self._engine.count_workers(partial(self._call_soon, self._note_count, announced))
        delay = self._last_flush + self._sizes.linger - now
        if not self._has_counted and self._engine.is_usable():
            # `_note_count` looks again.
            return
        if delay <= 0 or len(self._queue) >= self.full:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(delay, self._flush)

    def tick(self) -> None:
        """Check for what nobody announces, a lost cluster. Loop thread only."""
        if self._engine.is_usable():
            self.look()
        else:
            self.lose()

    def _note_count(
        self, announced: list[tuple[Batch, str | None]], workers: int, addresses: Container[str]
    ) -> None:
        """Record the number of workers, and which batches lost theirs. Loop thread only."""
        self.workers = max(1, workers)
        self._last_count = asyncio.get_running_loop().time()
        self._is_counting = False
        self.cancels.note_workers(addresses)
        for batch, address in announced:
            # Not what was announced since: its worker may be too new to be among these.
            if address is not None and address == batch.address and address not in addresses:
                self._note_loss(batch)
        if not self._has_counted:
            self._has_counted = True
            self.look()

    def _flush(self) -> None:
        """Send as much of the queue as there is room for. Loop thread only."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._last_flush = asyncio.get_running_loop().time()
        self.awake = False
        if not self._engine.is_usable():
            self.lose()
            return
        queued = len(self._queue)
        size = min(self._sizes.max_batch, ceil(queued / self.workers))
        while queued > 0:
            room = self._room(queued)
            if room == 0:
                # Whatever makes room looks again.
                self.awake = True
                break
            before = len(self._queue)
            calls = self._take(min(size, room), queued)
            queued -= before - len(self._queue)
            if calls:
                self._send(calls)
        self._notify()

    def _room(self, queued: int) -> int:
        """Return how many calls to send now; 0 if a batch would be too small. Loop thread only."""
        window, max_batch, _ = self._sizes
        if window is None:
            return queued
        room = window * self.workers - len(self.calls)
        enough = min(queued, max_batch, max(1, window * self.workers // 4))
        return room if room >= enough else 0

    def _take(self, limit: int, queued: int) -> list[Call]:
        """Take up to `limit` of the first `queued` calls for a batch. Loop thread only."""
        calls: list[Call] = []
        size = 0
        while queued and len(calls) < limit and size < _MOST_BYTES:
            queued -= 1
            future = self._queue[0]
            taken = future.take()
            if taken is not None:
                # The one argument, put there by `DaskExecutor.submit`.
                packed: Packed = taken[1][0]
                calls.append(Call(future, packed))
                # Before it leaves the queue, so that `ClusterHost.futures` always finds it.
                self.calls[future] = calls[-1]
                size += packed.size
            self._queue.popleft()
        return calls

    def _send(self, calls: Iterable[Call]) -> None:
        """Send a batch. Loop thread only."""
        batch = Batch(f"aiofutures-{uuid4().hex}", calls)
        self._batches[batch.key] = batch
        ended = partial(self._call_soon, self._end, batch)
        try:
            if not self._is_subscribed:
                self._engine.subscribe()
                self._is_subscribed = True
            blob = pack_batch((number, call.packed) for number, call in batch.calls.items())
            batch.task = self._engine.submit(batch.key, blob, ended)
        except Exception as error:
            self._fail(batch, error if self._engine.is_usable() else self._lost())

    # From the workers to the futures.

    def receive(self, kind: str, key: str, content: Any) -> None:
        """Handle a message from a worker. Loop thread only."""
        batch = self._batches.get(key)
        if batch is None:
            return
        if kind == STARTED:
            self._note_start(batch, content)
        else:
            self._settle(batch, loads(content))

    def _note_start(self, batch: Batch, address: str) -> None:
        """Note where a batch runs, and repeat earlier cancellations there. Loop thread only.

        This worker may have joined since, or another one may have run the batch before.
        """
        batch.address = address
        for number, times in batch.cancelled.items():
            self.cancels.add(address, batch.key, number, times)

    def _note_loss(self, batch: Batch) -> None:
        """Cancel what the lost worker of a batch was to cancel. Loop thread only.

        Until another one announces the batch, nobody could answer, and there may be no other one.
        """
        batch.address = None
        for call in list(batch.calls.values()):
            if call.is_cancelled:
                self.cancel(call.future, ignore)

    def _settle(self, batch: Batch, outcomes: list[Outcome]) -> None:
        """Settle futures, each only once, as a batch may run twice. Loop thread only."""
        for number, status, data in outcomes:
            call = batch.calls.pop(number, None)
            if call is not None:
                del self.calls[call.future]
                settle(call.future, status, data)
                del call
        self._note_progress(batch)

    def _end(self, batch: Batch, status: str, error: BaseException | None) -> None:
        """Deal with calls still unsettled at the end of their batch. Loop thread only."""
        if batch.key not in self._batches:
            return
        if status == "finished":
            ended = partial(self._call_soon, self._end, batch)
            self._engine.gather(
                batch.task, partial(self._call_soon, self._note_result, batch), ended
            )
            return
        del self._batches[batch.key]
        if status == "killed":
            self._retry(batch)
        else:
            error = error or ClusterLostError(f"the task of the call is {status}")
            self._fail(batch, error if self._engine.is_usable() else self._lost())
        self._note_progress(batch)

    def _note_result(self, batch: Batch, outcomes: list[Outcome]) -> None:
        """Settle calls whose outcomes were too large for events. Loop thread only."""
        self._settle(batch, outcomes)
        if self._batches.pop(batch.key, None) is None:
            return
        # Events were lost.
        self._is_subscribed = False
        again: list[Call] = []
        for call in list(batch.calls.values()):
            call.losses += 1
            if call.is_cancelled:
                self._settle_cancelled(call)
            elif call.losses > _MOST_LOSSES:
                error = ClusterLostError("the outcome was lost on its way every time")
                self._give_up(call, error)
            else:
                again.append(call)
        if again:
            self._send(again)
        self._note_progress(batch)

    # Failures.

    def _retry(self, batch: Batch) -> None:
        """Run the calls of a killed batch again, each alone. Loop thread only.

        Any call of the batch, or another call on the worker, may have ended the process. A call
        that is killed again becomes a suspect. Suspects run one at a time, and a suspect that is
        killed is to blame.
        """
        for call in list(batch.calls.values()):
            call.deaths += 1
            if call is self._suspect:
                self._suspect = None
            if call.is_cancelled:
                self._settle_cancelled(call)
                continue
            call.batch = None
            if call.deaths >= _MOST_DEATHS:
                self._give_up(call, WorkerLostError(_blame(call)))
            elif call.deaths == 1:
                self._send([call])
            else:
                self._suspects.append(call)

    def _fail(self, batch: Batch, error: BaseException) -> None:
        """Fail the remaining calls of a batch. Loop thread only."""
        self._batches.pop(batch.key, None)
        for call in list(batch.calls.values()):
            self._give_up(call, error)

    def _give_up(self, call: Call, error: BaseException) -> None:
        """Fail a call. Loop thread only."""
        self._drop(call)
        call.future.fail(error)

    def _settle_cancelled(self, call: Call) -> None:
        """Settle a call as cancelled. Loop thread only."""
        self._drop(call)
        call.future.settle_cancelled()

    def _drop(self, call: Call) -> None:
        """Forget a call. Loop thread only."""
        self.calls.pop(call.future, None)
        if call.batch is not None:
            call.batch.calls.pop(call.number, None)
            call.batch = None

    def _note_progress(self, batch: Batch) -> None:
        """Do what follows when calls of a batch are done. Loop thread only."""
        if not batch.calls:
            self._batches.pop(batch.key, None)
        if self._suspect is not None and self._suspect.future.done():
            self._suspect = None
        while self._suspect is None and self._suspects:
            call = self._suspects.popleft()
            if not call.future.done():
                self._suspect = call
                self._send([call])
        if self._queue:
            self.look()
        self._notify()

    def lose(self) -> None:
        """Fail all calls, because the cluster was lost. Loop thread only."""
        error = self._lost()
        self.awake = False
        self._is_subscribed = self._has_counted = self._is_counting = False
        self._last_count = -inf
        self._batches.clear()
        self._suspects.clear()
        self._suspect = None
        self.cancels.drop()
        calls, self.calls = self.calls, {}
        queued = [self._queue.popleft() for _ in range(len(self._queue))]
        for future in (*calls, *queued):
            future.fail(error)
        self._notify()

    def _lost(self) -> ClusterLostError:
        return ClusterLostError(
            f"the client is {self._engine.status()}, so the cluster no longer runs its calls"
        )

    # Cancelling.

    def withdraw(self, future: Runnable) -> None:
        """Cancel a sent call at once, if no worker has announced it."""
        call = self.calls.get(future)
        # Read once: the loop thread may clear it in the meantime.
        batch = None if call is None else call.batch
        if call is not None and (batch is None or batch.address is None):
            future.settle_cancelled()

    def cancel(
        self,
        future: Runnable,
        asked: Callable[[bool], object],
        but: Callable[[Runnable], bool] = nobody,
    ) -> None:
        """Cancel a sent call where it runs, unless it is to be spared. Loop thread only."""
        call = self.calls.get(future)
        asked(call is None)
        if call is None or but(future):
            return
        future.note_cancel()
        batch, address = call.batch, None if call.batch is None else call.batch.address
        if batch is not None:
            times = batch.cancelled[call.number] = batch.cancelled.get(call.number, 0) + 1
            self.cancels.add(address, batch.key, call.number, times)
        if address is not None:
            return
        self._settle_cancelled(call)
        if batch is not None and not batch.calls:
            self._engine.cancel(batch.task)
        if batch is not None:
            self._note_progress(batch)
        else:
            self._notify()


def _blame(call: Call) -> str:
    return (
        f"{call.future._call_name()}() lost its worker in {call.deaths} attempts, the last time "
        "running alone: it probably crashes the process"
    )
