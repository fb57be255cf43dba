"""What the standard library has: a pool of threads, and a door into an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from typing_extensions import override

from . import Peer, Submit


class Threads(Peer):
    """`ThreadPoolExecutor` with as many threads as tasks are in flight."""

    threaded = True

    @override
    @contextmanager
    def submitting(self, in_flight: int = 1) -> Iterator[Submit]:
        with ThreadPoolExecutor(in_flight) as executor:
            yield executor.submit


class Threadsafe(Peer):
    """`asyncio.run_coroutine_threadsafe` and an event loop in a thread of its own."""

    @override
    @contextmanager
    def submitting(self, in_flight: int = 1) -> Iterator[Submit]:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            yield lambda fn: asyncio.run_coroutine_threadsafe(fn(), loop)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
