"""This package."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from typing_extensions import override

from aiofutures import AsyncExecutor, to_sync

from . import Peer, Submit, Task


class Executor(Peer):
    """`AsyncExecutor` on asyncio's own event loop."""

    loop_module = "asyncio"

    @override
    @contextmanager
    def submitting(self, in_flight: int = 1) -> Iterator[Submit]:
        new_loop: Callable[[], asyncio.AbstractEventLoop]
        new_loop = importlib.import_module(self.loop_module).new_event_loop
        with AsyncExecutor(loop_factory=new_loop) as executor:
            yield executor.submit


class ExecutorOnUvloop(Executor):
    """`AsyncExecutor` on uvloop."""

    loop_module = "uvloop"


class ToSync(Peer):
    """Functions decorated with `to_sync`."""

    @override
    @contextmanager
    def calling(self, task: Task) -> Iterator[Callable[[], object]]:
        with AsyncExecutor() as executor:
            yield to_sync(executor=executor)(task.asynchronous)

    @override
    @contextmanager
    def iterating(
        self, function: Callable[[int], AsyncIterator[int]]
    ) -> Iterator[Callable[[int], Iterator[int]]]:
        with AsyncExecutor() as executor:
            yield to_sync(executor=executor)(function)
