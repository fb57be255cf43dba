"""The event loop of a worker that runs the calls, and the cancellations that come there."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import reduce
from importlib import import_module
from typing import Any, Final, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from distributed import Reschedule, WorkerPlugin

from .. import AsyncExecutor, Future
from .._loops.thread import LoopThread
from .._typing import override

# Of cancellations that may have come before their calls, at each worker.
_MOST_TOMBSTONES: Final = 100_000

_tombstones: WeakKeyDictionary[Any, dict[tuple[str, int], None]] = WeakKeyDictionary()


class Options(NamedTuple):
    """How a worker runs calls.

    Attributes:
        max_concurrency: Maximum number of calls at once; None means no limit.
        loop_factory: The module and name of what makes event loops, with a colon between them.
    """

    max_concurrency: int | None
    loop_factory: str | None


class Begins(Protocol):
    """A batch of calls."""

    def begin(self) -> None:
        """Begin its calls. Loop thread only."""


class Runner(WorkerPlugin):
    """An event loop of a worker, for all calls that are run with the same options.

    A plugin, for the worker to end it. The worker is not told to make one for each of its
    successors: one that fails to be unpickled there would keep them from starting.
    """

    def __init__(self, worker: Any, options: Options) -> None:
        make: Any = None
        if options.loop_factory is not None:
            module, _, name = options.loop_factory.partition(":")
            make = reduce(getattr, name.split("."), import_module(module))
        self._executor = AsyncExecutor(
            max_workers=options.max_concurrency,
            loop_factory=make,
            thread_name_prefix=f"aiofutures-{worker.name}",
            # Where the worker is not alone in its process, it goes on when that ends.
            cancel_at_exit=threading.current_thread() is threading.main_thread(),
        )
        self.host: LoopThread = self._executor._loop_thread
        #: The calls that are not done, by the key of their batch and their number.
        self.calls: dict[tuple[str, int], Future[Any]] = {}
        self.tombstones = _tombstones_of(worker)
        #: The batches that are not done.
        self.batches: set[Any] = set()

    @staticmethod
    async def of(worker: Any, options: Options) -> Runner:
        """Return the one of a worker, and make it if it is not there."""
        name = f"aiofutures-{options}"
        runner = worker.plugins.get(name)
        if not isinstance(runner, Runner):
            runner = Runner(worker, options)
            # It is there before anything is awaited.
            await worker.plugin_add(runner, name=name)
        return runner

    def begin(self, batch: Begins) -> None:
        """Have a batch begin its calls, whether there are places or not.

        Raises:
            Reschedule: The worker is being closed. Dask runs the batch elsewhere.
        """
        self.host.wake()
        if not self.host.call_soon(batch.begin):
            # The worker is being closed.
            raise Reschedule

    def cancel(self, keys: Iterable[tuple[str, int]]) -> None:
        """Cancel calls, as far as they are there. Loop thread only."""
        for key in keys:
            future = self.calls.get(key)
            if future is not None:
                future.cancel()

    @override
    def teardown(self, worker: Any) -> None:
        """Cancel the calls, of which Dask runs the batches again elsewhere."""
        for batch in list(self.batches):
            batch.let_go()
        # Not `cancel_futures`: this thread would note the ends of calls, beside that of the loop.
        self._executor.shutdown(wait=False)


def cancel_calls(calls: dict[str, list[int]], dask_worker: Any) -> None:
    """Cancel calls on a worker: also those that are still to come."""
    keys = [(key, number) for key, numbers in calls.items() for number in numbers]
    # First this: a batch looks at it when it has registered its calls.
    tombstones = _tombstones_of(dask_worker)
    tombstones.update(dict.fromkeys(keys))
    while len(tombstones) > _MOST_TOMBSTONES:
        del tombstones[next(iter(tombstones))]
    for plugin in list(dask_worker.plugins.values()):
        if isinstance(plugin, Runner):
            plugin.host.call_soon(plugin.cancel, keys)


def _tombstones_of(worker: Any) -> dict[tuple[str, int], None]:
    return _tombstones.setdefault(worker, {})
