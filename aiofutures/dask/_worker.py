"""The batches of calls, as tasks on a worker of the cluster."""

from __future__ import annotations

import asyncio
import sys
from contextvars import copy_context
from importlib.metadata import version
from typing import Any, Final, NamedTuple

import distributed

from .._typing import override
from ._emitter import Emitter
from ._outcomes import Outcome
from ._pickling import dumps_plain
from ._private import CAN_SECEDE, secede
from ._remote_batch import RemoteBatch
from ._runner import Options, Runner

#: What must be the same on both sides.
VERSIONS: Final = (f"{sys.version_info[0]}.{sys.version_info[1]}", version("aiofutures"))


class Origin(NamedTuple):
    """Where a batch comes from.

    Attributes:
        versions: The client's `VERSIONS`.
        topic: The topic of its events.
        token: The executor's.
        key: The name of the batch.
    """

    versions: tuple[str, str]
    topic: str
    token: str
    key: str


def pack_task(origin: Origin, options: Options, blob: bytes) -> bytes:
    """Return the bytes which, unpickled by a task on a worker, run a batch there."""
    return dumps_plain(_Task(origin, options, blob))


class _Task:
    """A call that unpickling makes."""

    def __init__(self, *args: object) -> None:
        self._args = args

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return run_batch if CAN_SECEDE else run_batch_in_thread, self._args


async def run_batch(origin: Origin, options: Options, blob: bytes) -> list[Outcome]:
    """Run the calls of a batch and return the outcomes that are too large for an event."""
    worker: Any = distributed.get_worker()
    secede(worker, origin.key)
    batch = await _begin(worker, origin, options, blob)
    try:
        return await asyncio.wrap_future(batch.ended)
    except asyncio.CancelledError:
        batch.let_go()
        raise


def run_batch_in_thread(origin: Origin, options: Options, blob: bytes) -> list[Outcome]:
    """Do as `run_batch`, in a thread: where a coroutine cannot leave its place to others."""
    worker: Any = distributed.get_worker()
    leave: Any = distributed.secede
    leave()
    begin = _begin(worker, origin, options, blob)
    begun = asyncio.run_coroutine_threadsafe(begin, worker.loop.asyncio_loop)
    return begun.result().ended.result()


async def _begin(worker: Any, origin: Origin, options: Options, blob: bytes) -> RemoteBatch:
    versions, topic, token, key = origin
    if versions != VERSIONS:
        raise RuntimeError(
            f"the worker {worker.address} has Python {VERSIONS[0]} and aiofutures {VERSIONS[1]}, "
            f"the client Python {versions[0]} and aiofutures {versions[1]}: both need the same"
        )
    runner = await Runner.of(worker, options)
    batch = RemoteBatch(runner, Emitter(worker, topic, token, key), blob, copy_context())
    runner.begin(batch)
    return batch
