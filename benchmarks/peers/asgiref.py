"""asgiref, the bridge of Django."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from asgiref.sync import async_to_sync
from typing_extensions import override

from . import Peer, Task


class AsyncToSync(Peer):
    """`async_to_sync`, called where no event loop runs. It makes one for each call."""

    @override
    @contextmanager
    def calling(self, task: Task) -> Iterator[Callable[[], object]]:
        yield async_to_sync(task.asynchronous)
