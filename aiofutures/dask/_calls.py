"""The calls sent to a cluster, and their batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._common.contract import Runnable
from ._packing import Packed


class Call:
    """A call that was sent, or will be sent again.

    Attributes:
        future: Its future.
        packed: The call as it is sent.
        batch: The batch it belongs to; None between two batches.
        number: Its number in the batch.
        deaths: How many times Dask gave up on its batch after losing too many workers.
        losses: How many times its batch ended without an outcome for it.
    """

    __slots__ = ("batch", "deaths", "future", "losses", "number", "packed")

    def __init__(self, future: Runnable, packed: Packed) -> None:
        self.future = future
        self.packed = packed
        self.batch: Batch | None = None
        self.number = 0
        self.deaths = 0
        self.losses = 0

    @property
    def is_cancelled(self) -> bool:
        """Whether its cancellation was requested."""
        return self.batch is not None and self.number in self.batch.cancelled


class Batch:
    """Calls that form a single Dask task.

    Attributes:
        key: The key of the task.
        calls: The unfinished calls, by number.
        cancelled: How often the cancellation of calls was requested, by number; some may be done.
        address: The worker that runs it; None until that worker announces it, and once it is lost.
        task: Dask's future, which keeps the task alive.
    """

    __slots__ = ("address", "calls", "cancelled", "key", "task")

    def __init__(self, key: str, calls: Iterable[Call]) -> None:
        self.key = key
        self.calls = dict(enumerate(calls))
        self.cancelled: dict[int, int] = {}
        self.address: str | None = None
        self.task: Any = None
        for number, call in self.calls.items():
            call.batch, call.number = self, number
