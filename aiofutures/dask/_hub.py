"""The events of a client, for all executors that share the client."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakValueDictionary

from .. import BrokenExecutor

#: The first item of each of our messages; others may log events too.
TAG: Final = "aiofutures"
#: What a forked process is told, without the client's repr, which asks the scheduler and waits.
FORKED: Final = "this process was forked from the client's: create a client and an executor here"

# One for each client, as a client has one handler per topic.
_hubs: WeakKeyDictionary[Any, Hub] = WeakKeyDictionary()


class Receiver:
    """Receives the messages with one token.

    Args:
        receive: Called on Dask's event loop with the kind of a message, the key of its batch and
            its content.
    """

    def __init__(self, receive: Callable[[str, str, Any], object]) -> None:
        self.receive = receive


class Hub:
    """Passes each event to its receiver.

    The topic is the id of the client. A receiver that is discarded gets nothing more.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self.receivers: WeakValueDictionary[str, Receiver] = WeakValueDictionary()

    @staticmethod
    def of(client: Any) -> Hub:
        """Return the hub of a client.

        Raises:
            BrokenExecutor: This process was forked from the client's.
        """
        hub = _hubs.setdefault(client, Hub())
        if hub._pid != os.getpid():
            raise BrokenExecutor(FORKED)
        return hub

    def subscribe(self, client: Any) -> None:
        """Make the scheduler send the client's events from now on, without blocking."""
        client.subscribe_topic(client.id, self._handle)

    def leave(self, client: Any, token: str) -> None:
        """Stop passing events to a receiver, and unsubscribe after the last.

        Otherwise the scheduler would send one more event as the client closes, and log the failure.
        """
        self.receivers.pop(token, None)
        if not self.receivers and client.status == "running":
            with suppress(ValueError):
                client.unsubscribe_topic(client.id)

    def _handle(self, event: tuple[float, Any]) -> None:
        message = event[1]
        if not isinstance(message, (list, tuple)) or len(message) != 5 or message[0] != TAG:
            return
        _, token, kind, key, content = message
        receiver = self.receivers.get(token)
        if receiver is not None:
            receiver.receive(kind, key, content)
