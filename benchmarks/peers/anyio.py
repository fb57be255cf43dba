"""anyio, whose portal runs async functions from threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from anyio.from_thread import start_blocking_portal
from typing_extensions import override

from . import Peer, Submit


class Portal(Peer):
    """A blocking portal with an event loop in a thread of its own."""

    @override
    @contextmanager
    def submitting(self, in_flight: int = 1) -> Iterator[Submit]:
        with start_blocking_portal() as portal:
            yield portal.start_task_soon
