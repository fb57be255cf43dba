"""The libraries that are measured, each behind the same few methods."""

from __future__ import annotations

import pkgutil
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

AIOFUTURES = "aiofutures"
AIOFUTURES_UVLOOP = "aiofutures, uvloop"
TO_SYNC = "to_sync"
FIRST_VERSION = "aiofutures 0.1.3"
THREADS = "ThreadPoolExecutor"
THREADSAFE = "run_coroutine_threadsafe"
ANYIO = "anyio portal"
ASGIREF = "asgiref"
ASYNCER = "asyncer"
SYNCHRONICITY = "synchronicity"

_CLASSES = {
    AIOFUTURES: "aiofutures:Executor",
    AIOFUTURES_UVLOOP: "aiofutures:ExecutorOnUvloop",
    TO_SYNC: "aiofutures:ToSync",
    FIRST_VERSION: "first_version:FirstVersion",
    THREADS: "stdlib:Threads",
    THREADSAFE: "stdlib:Threadsafe",
    ANYIO: "anyio:Portal",
    ASGIREF: "asgiref:AsyncToSync",
    ASYNCER: "asyncer:Syncify",
    SYNCHRONICITY: "synchronicity:Wrap",
}


class MissingPeerError(Exception):
    """A library is not there and could not be installed; the message says why."""


class Waits(Protocol):
    """What is there at once, and has the result later."""

    def result(self) -> object:
        """Wait for the result and return it."""
        ...


Submit = Callable[[Callable[[], Any]], Waits]


@dataclass(frozen=True)
class Task:
    """A task that both async and threaded libraries can run, each in its own way."""

    asynchronous: Callable[[], Coroutine[Any, Any, object]]
    synchronous: Callable[[], object]


class Peer:
    """A library that runs async functions for synchronous code, or takes the place of one."""

    #: Runs sync functions in threads.
    threaded = False

    def function(self, task: Task) -> Callable[[], Any]:
        """Return what this library runs."""
        return task.synchronous if self.threaded else task.asynchronous

    def submitting(self, in_flight: int = 1) -> AbstractContextManager[Submit]:
        """Return a block with what starts a task, for so many at once."""
        raise NotImplementedError

    @contextmanager
    def calling(self, task: Task) -> Iterator[Callable[[], object]]:
        """Return a block with a function that runs the task and waits for its result."""
        function = self.function(task)
        with self.submitting() as submit:
            yield lambda: submit(function).result()

    def call_there(self, measure: Callable[[], float]) -> float:
        """Call `measure` in a thread that this library wants to be called in."""
        return measure()

    def iterating(
        self, function: Callable[[int], AsyncIterator[int]]
    ) -> AbstractContextManager[Callable[[int], Iterator[int]]]:
        """Return a block with the synchronous face of an async generator function."""
        raise NotImplementedError


def load(name: str) -> Peer:
    """Return the library of that name.

    Raises:
        MissingPeerError: It is not installed.
    """
    try:
        peer: Peer = pkgutil.resolve_name(f"{__name__}.{_CLASSES[name]}")()
    except ImportError as error:
        raise MissingPeerError(f"{name} is not there: {error}") from error
    return peer
