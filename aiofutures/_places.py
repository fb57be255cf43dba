"""How many jobs of an executor run at once, and who waits for a place."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

J = TypeVar("J")

#: Whose place the running code takes up: a weak reference to the job that runs it, or that called
#: what runs it. Contexts live as long as tracebacks and tasks do, and would keep the job.
holder: ContextVar[Any] = ContextVar("aiofutures_holder", default=None)


class Places(Generic[J]):
    """The places of the jobs that run. All methods are for the loop thread only.

    A job that waits for another one of the same executor lends its place meanwhile, so that no
    limit makes them wait for each other. It is lent as long as any task or thread of the job
    waits.

    Args:
        limit: How many places there are; None for no limit.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._taken: set[J] = set()
        self._lent: dict[J, int] = {}  # how many of the job's tasks and threads wait
        self._returning: deque[tuple[J, Callable[[], object]]] = deque()

    def free(self) -> bool:
        """Tell whether one more job may run."""
        return self.limit is None or len(self._taken) - len(self._lent) < self.limit

    def take(self, job: J) -> None:
        """Give `job` a place until `leave`."""
        self._taken.add(job)

    def leave(self, job: J) -> None:
        """Take the place from `job`, which is done."""
        if self.limit is None:
            return
        self._taken.discard(job)
        self._lent.pop(job, None)
        self._give_back()

    def lend(self, job: J) -> None:
        """Let another job run in the place of `job`."""
        if job in self._taken:
            self._lent[job] = self._lent.get(job, 0) + 1
            self._give_back()

    def take_back(self, job: J, resume: Callable[[], object]) -> None:
        """Call `resume` as soon as there is a place for `job` again."""
        if self._lent.get(job) == 1:
            self._returning.append((job, resume))
            self._give_back()
            return
        self._end_loan(job)  # others of the job still wait, or it has none: it is done
        resume()

    def _give_back(self) -> None:
        """Let those who wait for a place go on, the first come first."""
        while self._returning and self.free():
            job, resume = self._returning.popleft()
            self._end_loan(job)
            resume()

    def _end_loan(self, job: J) -> None:
        waiting = self._lent.pop(job, 0) - 1
        if waiting > 0:
            self._lent[job] = waiting
