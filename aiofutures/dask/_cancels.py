"""The cancellations on their way to the workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container
from functools import partial
from typing import Protocol

from ._runner import Cancelled


class SendsCancels(Protocol):
    """Something that delivers cancellations to workers."""

    def cancel_calls(
        self, address: str | None, calls: Cancelled, arrived: Callable[[], object]
    ) -> None: ...


class Cancels:
    """Sends the cancellations of one turn of the event loop together, one message per worker.

    Args:
        engine: Delivers them.
        call_soon: Schedules a callback on the event loop, from any thread.
        notify: Called when some have arrived.
    """

    def __init__(
        self,
        engine: SendsCancels,
        call_soon: Callable[..., object],
        notify: Callable[[], object],
    ) -> None:
        self._engine = engine
        self._call_soon = call_soon
        self._notify = notify
        self._waiting: dict[str | None, Cancelled] = {}
        # With the worker that each goes to.
        self._on_the_way: dict[object, str | None] = {}

    def are_on_the_way(self) -> bool:
        """Tell whether some have not arrived yet."""
        return bool(self._waiting or self._on_the_way)

    def add(self, address: str | None, key: str, number: int, times: int) -> None:
        """Cancel a call on its worker, or on all workers if unknown. Loop thread only.

        Args:
            address: The address of the worker, or None.
            key: The key of the batch.
            number: The number of the call.
            times: How often it was to be cancelled. A worker that has heard of this many does
                nothing, so that a repetition does not interrupt the cleanup.
        """
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._send)
        # Cancelling a call twice in a turn sends one cancellation.
        self._waiting.setdefault(address, {}).setdefault(key, {})[number] = times

    def note_workers(self, addresses: Container[str]) -> None:
        """Stop waiting for those to other workers, which are lost. Loop thread only."""
        self._on_the_way = {
            one: address
            for one, address in self._on_the_way.items()
            if address is None or address in addresses
        }

    def drop(self) -> None:
        """Stop waiting for them: the cluster was lost. Loop thread only."""
        self._waiting.clear()
        self._on_the_way.clear()

    def _send(self) -> None:
        """Send the cancellations of this turn. Loop thread only."""
        waiting, self._waiting = self._waiting, {}
        for address, calls in waiting.items():
            one = object()
            self._on_the_way[one] = address
            self._engine.cancel_calls(address, calls, partial(self._call_soon, self._arrive, one))

    def _arrive(self, one: object) -> None:
        """Note that some have arrived. Loop thread only."""
        self._on_the_way.pop(one, None)
        self._notify()
