"""The calls that a cluster has been sent, and their batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._contract import Runnable
from ._packing import Packed


class Call:
    """A call that was sent, or is to be sent again.

    Attributes:
        future: Its future.
        packed: What is sent.
        batch: The batch that has it; None between two.
        number: Its number there.
        deaths: How many times its worker was lost, as often as Dask puts up with that.
        losses: How many times its batch has ended without it.
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
        """Whether its cancellation was asked for."""
        return self.batch is not None and self.number in self.batch.cancelled


class Batch:
    """Calls that are one task of Dask's.

    Attributes:
        key: Its name.
        calls: Those that are not done, by number.
        cancelled: The numbers of those whose cancellation was asked for, which may be done.
        address: The worker that runs it; None before it has said so.
        task: Dask's future, which keeps the task alive.
    """

    __slots__ = ("address", "calls", "cancelled", "key", "task")

    def __init__(self, key: str, calls: Iterable[Call]) -> None:
        self.key = key
        self.calls = dict(enumerate(calls))
        self.cancelled: set[int] = set()
        self.address: str | None = None
        self.task: Any = None
        for number, call in self.calls.items():
            call.batch, call.number = self, number
