"""The events of a client, for all executors that share it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakValueDictionary

from .. import BrokenExecutor

#: The first item of each of our messages: anybody may log events.
TAG: Final = "aiofutures"
#: What a forked process is told. Not the client's repr: that asks the scheduler, and waits.
FORKED: Final = "the process that has the client was forked: make a client and an executor here"

# A client has one handler for each topic.
_hubs: WeakKeyDictionary[Any, Hub] = WeakKeyDictionary()


class Receiver:
    """What takes the messages that have a token.

    Args:
        receive: Takes the kind of a message, the key of its batch and its content. It is called on
            Dask's event loop.
    """

    def __init__(self, receive: Callable[[str, str, Any], object]) -> None:
        self.receive = receive


class Hub:
    """Hands each event on to its receiver.

    The topic is the id of the client. A receiver that is dropped gets nothing more.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self.receivers: WeakValueDictionary[str, Receiver] = WeakValueDictionary()

    @staticmethod
    def of(client: Any) -> Hub:
        """Return the one hub of a client.

        Raises:
            BrokenExecutor: It is one of the process from which this one was forked.
        """
        hub = _hubs.setdefault(client, Hub())
        if hub._pid != os.getpid():
            raise BrokenExecutor(FORKED)
        return hub

    def subscribe(self, client: Any) -> None:
        """Have the scheduler send the events of the client, from now on. It does not block."""
        client.subscribe_topic(client.id, self._handle)

    def leave(self, client: Any, token: str) -> None:
        """Hand nothing on to a receiver any more; end the subscription with the last.

        At its end a client would be sent an event more, and the scheduler log that it cannot.
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
