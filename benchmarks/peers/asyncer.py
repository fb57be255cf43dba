"""asyncer, a typed face of anyio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio
import anyio.to_thread
import asyncer
from typing_extensions import override

from . import Peer, Task


class Syncify(Peer):
    """`syncify`, called in a worker thread of an event loop, the place that it is made for."""

    @override
    @contextmanager
    def calling(self, task: Task) -> Iterator[Callable[[], object]]:
        yield asyncer.syncify(task.asynchronous)

    @override
    def call_there(self, measure: Callable[[], float]) -> float:
        return anyio.run(anyio.to_thread.run_sync, measure)
