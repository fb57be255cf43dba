"""The copy of a container that changes meanwhile."""

import gc
from collections import deque
from collections.abc import Iterator

from support import echo
from typing_extensions import override

from aiofutures import AsyncExecutor, ExecutorStatistics, Future
from aiofutures._common.snapshot import snapshot


def test_garbage_collection_changes_the_container() -> None:
    """A collection of garbage, where other threads may run, does not come halfway."""
    executor = AsyncExecutor()
    unfinished = executor._loop_thread._run.unfinished
    futures = [Future[int](executor._loop_thread, echo, (n,)) for n in range(1000)]
    unfinished.update((object(), future) for future in futures)
    threshold = gc.get_threshold()
    looks: set[ExecutorStatistics] = set()

    def change(*_: object) -> None:
        unfinished[object()] = futures[0]

    gc.callbacks.append(change)
    try:
        # So that it comes at each of the allocations.
        for allocations in range(1, 50):
            gc.set_threshold(allocations)
            looks.add(executor.statistics())
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(change)

    assert looks == {ExecutorStatistics(1000, 0, max_workers=None)}
    unfinished.clear()


def test_container_in_python_changes() -> None:
    """A container that is iterated in Python, as a WeakSet is, may change: it is copied again."""
    owners = dict.fromkeys(range(3))

    class Looks:
        def __iter__(self) -> Iterator[int]:
            for owner in owners:
                if len(owners) < 5:
                    owners[len(owners)] = None
                yield owner

    assert snapshot(Looks()) == [0, 1, 2, 3, 4]


def test_deque_changes_all_the_time() -> None:
    """A deque that others never leave alone, as threads without the GIL can, is copied too."""

    class Busy(deque[int]):
        @override
        def __iter__(self) -> Iterator[int]:
            raise RuntimeError("deque mutated during iteration")

    assert snapshot(Busy(range(1000))) == [*range(1000)]
