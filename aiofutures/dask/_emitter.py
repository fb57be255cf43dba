"""The path of outcomes from a worker to the client."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from ._hub import TAG
from ._outcomes import Outcome
from ._pickling import dumps_plain

#: The kinds of messages: the batch has started at an address; some of its calls are done.
STARTED: Final = "started"
ENDED: Final = "ended"

# Maximum size of an outcome in an event, size of a full event in bytes, and maximum number of
# seconds that an outcome waits for others.
_LARGE: Final = 4096
_FULL: Final = 32768
_LINGER: Final = 0.01


class Emitter:
    """Sends the outcomes of a batch as events, several in each.

    Args:
        worker: The worker.
        topic: The topic of the events.
        token: The token of the executor that gets them.
        key: The key of the batch.
    """

    def __init__(self, worker: Any, topic: str, token: str, key: str) -> None:
        self.key = key
        self.address: str = worker.address
        #: The outcomes that are too large for an event.
        self.large: list[Outcome] = []
        self._worker: Any = worker
        self._topic = topic
        self._token = token
        self._outcomes: list[Outcome] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def let_go(self) -> None:
        """Send nothing more: Dask runs the batch again elsewhere."""
        self._worker = None

    def start(self) -> None:
        """Announce that the batch has started. Loop thread only."""
        self._send(STARTED, self.address)

    def add(self, outcome: Outcome) -> None:
        """Send the outcome of a call soon. Loop thread only."""
        size = len(outcome[-1])
        if size > _LARGE:
            self.large.append(outcome)
            return
        self._outcomes.append(outcome)
        self._size += size
        if self._size >= _FULL:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LINGER, self.flush)

    def flush(self) -> None:
        """Send the collected outcomes now. Loop thread only."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        outcomes, self._outcomes, self._size = self._outcomes, [], 0
        if outcomes:
            self._send(ENDED, dumps_plain(outcomes))

    def _send(self, kind: str, content: str | bytes) -> None:
        worker = self._worker
        if worker is not None:
            worker.log_event(self._topic, (TAG, self._token, kind, self.key, content))
