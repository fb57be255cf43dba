"""The event loop of a worker that runs the calls, and the cancellations it receives."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import reduce
from importlib import import_module
from typing import Any, Final, NamedTuple, Protocol, TypeAlias
from weakref import WeakKeyDictionary

from distributed import Reschedule, WorkerPlugin

from .. import AsyncExecutor, Future
from .._common.typing import override
from .._loops.lifecycle import Thread
from .._loops.thread import LoopThread

# Cancellations that a worker remembers, as they may arrive before their calls.
_MOST_TOMBSTONES: Final = 100_000

#: How often each call was to be cancelled, by the key of its batch and its number there.
Cancelled: TypeAlias = dict[str, dict[int, int]]

_tombstones: WeakKeyDictionary[Any, dict[tuple[str, int], int]] = WeakKeyDictionary()


class Options(NamedTuple):
    """How a worker runs calls.

    Attributes:
        max_concurrency: Maximum number of calls at once; None means no limit.
        loop_factory: The module and name of a function that creates event loops, separated by a
            colon.
    """

    max_concurrency: int | None
    loop_factory: str | None


class Begins(Protocol):
    """A batch of calls."""

    def begin(self) -> None:
        """Start its calls. Loop thread only."""


class Runner(WorkerPlugin):
    """An event loop of a worker, for all calls with the same options.

    It is a plugin so that the worker ends it. It is not registered with the scheduler, for workers
    that start later: if unpickling it failed there, they could not start.
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
            # In a worker that shares its process, calls finish when the process ends.
            cancel_at_exit=threading.current_thread() is threading.main_thread(),
        )
        self.host: LoopThread = self._executor._loop_thread
        #: The unfinished calls, by the key of their batch and their number.
        self.calls: dict[tuple[str, int], Future[Any]] = {}
        self.tombstones = _tombstones_of(worker)
        #: The unfinished batches.
        self.batches: set[Any] = set()

    @staticmethod
    async def of(worker: Any, options: Options) -> Runner:
        """Return the runner of a worker; create it if there is none."""
        name = f"aiofutures-{options}"
        runner = worker.plugins.get(name)
        if not isinstance(runner, Runner):
            runner = Runner(worker, options)
            # This registers it before awaiting anything.
            await worker.plugin_add(runner, name=name)
        return runner

    def begin(self, batch: Begins) -> None:
        """Make a batch start its calls, whether there are places or not.

        Raises:
            Reschedule: The worker is closing; Dask runs the batch elsewhere.
        """
        if self.host.state() == "not started":
            self._start()
        if not self.host.call_soon(batch.begin):
            # The worker is closing.
            raise Reschedule

    def _start(self) -> None:
        """Start the event loop, from a thread that the end of the interpreter waits for.

        It refuses other daemon threads, such as that of a worker that shares its process.
        """
        started: Future[None] = Future()

        def start() -> None:
            try:
                self.host.wake()
            except BaseException as error:
                started.set_exception(error)
            else:
                started.set_result(None)

        Thread(start, "aiofutures-start").start()
        started.result()

    def cancel(self, keys: Iterable[tuple[str, int]]) -> None:
        """Cancel those of the calls that have started here. Loop thread only."""
        for key in keys:
            future = self.calls.get(key)
            if future is not None:
                future.cancel()

    @override
    def teardown(self, worker: Any) -> None:
        """Cancel the calls, whose batches Dask runs again elsewhere."""
        for batch in list(self.batches):
            batch.let_go()
        # Without `cancel_futures`, which would settle calls in this thread as well as the loop's.
        self._executor.shutdown(wait=False)


def cancel_calls(calls: Cancelled, dask_worker: Any) -> None:
    """Cancel calls on a worker, including those that have not arrived yet.

    Args:
        calls: How often each was to be cancelled. What this worker has heard before does nothing.
        dask_worker: The worker.
    """
    tombstones = _tombstones_of(dask_worker)
    asked = {(key, number): calls[key][number] for key in calls for number in calls[key]}
    keys = [key for key, times in asked.items() if times > tombstones.get(key, 0)]
    # First this: a batch checks it after registering its calls.
    tombstones.update((key, asked[key]) for key in keys)
    while len(tombstones) > _MOST_TOMBSTONES:
        del tombstones[next(iter(tombstones))]
    for plugin in list(dask_worker.plugins.values()):
        if isinstance(plugin, Runner):
            plugin.host.call_soon(plugin.cancel, keys)


def _tombstones_of(worker: Any) -> dict[tuple[str, int], int]:
    return _tombstones.setdefault(worker, {})
