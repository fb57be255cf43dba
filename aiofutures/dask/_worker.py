"""Batches of calls as tasks on a worker of the cluster."""

from __future__ import annotations

import asyncio
import sys
from contextvars import copy_context
from importlib.metadata import version
from typing import Any, Final, NamedTuple

import distributed

from .._common.typing import override
from ._emitter import Emitter
from ._outcomes import Outcome
from ._pickling import dumps_plain
from ._private import CAN_SECEDE, secede
from ._remote_batch import RemoteBatch
from ._runner import Options, Runner

#: Versions that must be the same on both sides.
VERSIONS: Final = (f"{sys.version_info[0]}.{sys.version_info[1]}", version("aiofutures"))


class Origin(NamedTuple):
    """Where a batch comes from.

    Attributes:
        versions: The client's `VERSIONS`.
        topic: The topic of its events.
        token: The token of its executor.
        key: The key of the batch.
    """

    versions: tuple[str, str]
    topic: str
    token: str
    key: str


def pack_task(origin: Origin, options: Options, blob: bytes) -> bytes:
    """Return bytes that run a batch when a task on a worker unpickles them."""
    return dumps_plain(_Task(origin, options, blob))


class _Task:
    """An object that calls a function when it is unpickled."""

    def __init__(self, *args: object) -> None:
        self._args = args

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return run_batch if CAN_SECEDE else run_batch_in_thread, self._args


async def run_batch(origin: Origin, options: Options, blob: bytes) -> list[Outcome]:
    """Run a batch and return the outcomes that are too large for an event."""
    worker: Any = distributed.get_worker()
    secede(worker, origin.key)
    batch = await _begin(worker, origin, options, blob)
    try:
        return await asyncio.wrap_future(batch.ended)
    except asyncio.CancelledError:
        batch.let_go()
        raise


def run_batch_in_thread(origin: Origin, options: Options, blob: bytes) -> list[Outcome]:
    """Do the same as `run_batch` in a thread, if a coroutine cannot leave its place."""
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
            f"but the client Python {versions[0]} and aiofutures {versions[1]}: install the same "
            "versions on both"
        )
    runner = await Runner.of(worker, options)
    batch = RemoteBatch(runner, Emitter(worker, topic, token, key), blob, copy_context())
    runner.begin(batch)
    return batch
