"""synchronicity, the bridge of Modal's client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from synchronicity import Synchronizer
from typing_extensions import override

from . import Peer, Task


class Wrap(Peer):
    """Functions wrapped by a `Synchronizer`, which has an event loop in a thread of its own."""

    @override
    @contextmanager
    def calling(self, task: Task) -> Iterator[Callable[[], object]]:
        yield Synchronizer().wrap(task.asynchronous)

    @override
    @contextmanager
    def iterating(
        self, function: Callable[[int], AsyncIterator[int]]
    ) -> Iterator[Callable[[int], Iterator[int]]]:
        yield Synchronizer().wrap(function)
