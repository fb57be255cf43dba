"""The cancellations that are on their way to the workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol


class SendsCancels(Protocol):
    """What takes cancellations to their workers."""

    def cancel_calls(
        self, address: str | None, calls: dict[str, list[int]], arrived: Callable[[], object]
    ) -> None: ...


class Cancels:
    """Sends all cancellations of a turn of the event loop at once, to each worker its own.

    Args:
        engine: Takes them there.
        call_soon: Schedules a callback on the event loop, from any thread.
        notify: Called when one has arrived.
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
        self._waiting: dict[str | None, dict[str, list[int]]] = {}
        self._on_the_way: set[object] = set()

    def are_on_the_way(self) -> bool:
        """Tell whether some have not arrived."""
        return bool(self._waiting or self._on_the_way)

    def add(self, address: str | None, key: str, number: int) -> None:
        """Cancel a call on its worker; on all workers if it is not known. Loop thread only."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._send)
        numbers = self._waiting.setdefault(address, {}).setdefault(key, [])
        # A call that is asked twice in a turn is asked once.
        if not numbers or numbers[-1] != number:
            numbers.append(number)

    def drop(self) -> None:
        """Wait for none any longer: the cluster was lost. Loop thread only."""
        self._waiting.clear()
        self._on_the_way.clear()

    def _send(self) -> None:
        """Send what has come in this turn. Loop thread only."""
        waiting, self._waiting = self._waiting, {}
        for address, calls in waiting.items():
            one = object()
            self._on_the_way.add(one)
            self._engine.cancel_calls(address, calls, partial(self._call_soon, self._arrive, one))

    def _arrive(self, one: object) -> None:
        """Note that some have arrived. Loop thread only."""
        self._on_the_way.discard(one)
        self._notify()
