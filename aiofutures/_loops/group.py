"""A group of loop threads that share the calls of one executor."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from .._common.contract import Runnable
from .._common.snapshot import snapshot
from .._common.typing import P, T, override
from .blocking import Event
from .lifecycle import Thread, Whole
from .places import Places, SharedLimit
from .run import Run
from .thread import LoopOptions, LoopThread
from .waves import cancel_all, nobody
from .workers import Workers

# After so many seconds the end looks whether a loop has failed that it waits for.
_LOOK: Final = 1.0
# Those of loop threads; one of them decides what that of the group is.
_STATES: Final = ("broken", "shut down", "running", "not started")


class LoopGroup:
    """A host over several loop threads. Each call goes to one of them, and stays there.

    A future that comes here gets the loop thread in its place for its host. So its steps, its
    cancellation and what is derived from it go there without another look at the group.

    The loops end together, as each may get calls from the others until none has work. While the
    group closes, no loop thread does: all refuse what comes from outside, and take what comes from
    inside. A thread waits until no loop has anything submitted to do, closes the clients, cancels
    what was left in the background, and begins again if there was any. Only then the loop threads
    are closed, each by itself.

    Args:
        count: How many there are.
        name: What the names of the threads begin with.
        options: How each does its work. `max_workers` holds over all of them.
    """

    def __init__(self, count: int, name: str, options: LoopOptions) -> None:
        self.max_workers = options.max_workers
        self.is_closing = False
        self._name = name
        self._process = os.getpid()
        self._workers = options.workers
        self._turn = -1
        self._begin()
        # The default executor is known by the first one.
        of_each = replace(options, advice=lambda _: options.advice(self.members[0]))
        self.members = [GroupMember(self, f"{name}-{number}", of_each) for number in range(count)]

    def _begin(self) -> None:
        self.places = None if self.max_workers is None else Places(self.max_workers)
        # What ends it: one of those that threads have started which close it at the same time.
        self._enders: list[Thread] = []
        self._unclaimed = True
        self._ended = Event()
        # Another one after each submit.
        self._latest = object()

    # For its executor, as a loop thread.

    def submit(self, future: Runnable, /) -> None:
        """Queue the call of `future` where the fewest are queued; in turn, where that is equal."""
        # Of threads that come at the same time, some may take the same turn.
        turn = self._turn = (self._turn + 1) % len(self.members)
        member = min(self.members[turn:] + self.members[:turn], key=_backlog)
        future._host = member
        member.submit(future)

    def is_current(self) -> bool:
        """Tell whether the caller runs on one of the event loops."""
        loop = asyncio._get_running_loop()
        return loop is not None and any(member._run.loop is loop for member in self.members)

    def is_inside(self) -> bool:
        """Tell whether the caller runs on one of the event loops or in a worker thread."""
        return any(member._run.is_inside() for member in self.members)

    @property
    def runs(self) -> list[Run]:
        """The event loops."""
        return [member._run for member in self.members]

    def cancel_all(self, but: Callable[[Runnable], bool] = nobody) -> None:
        """Cancel what is queued, at once, and what runs, but what is to be spared."""
        cancel_all([self.runs], but)

    def cancel_closing(self) -> bool:
        """Do not wait any longer for a client that is being closed at the end, if there is one."""
        return self.members[0].cancel_closing()

    def tasks(self) -> set[asyncio.Task[Any]]:
        """Return the tasks of the event loops that are not done."""
        return {task for member in self.members for task in member.tasks()}

    def count(self) -> tuple[int, int]:
        """Return how many calls are pending and how many are running."""
        pending, running = zip(*(member.count() for member in self.members), strict=True)
        return sum(pending), sum(running)

    def state(self) -> str:
        """Return its state in the words of the executors."""
        states = {member.state() for member in self.members}
        if self.is_closing:
            states.add("shut down")
        return next(state for state in _STATES if state in states)

    def run_in_worker(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run a function that blocks in a worker thread, for the event loop that is running."""
        here = (member for member in self.members if member._run.is_current())
        return next(here, self.members[0]).run_in_worker(fn, *args, **kwargs)

    # Its end.

    def close(self) -> None:
        """Take no more calls from outside, and end when there is none left."""
        self.is_closing = True
        for member in self.members:
            member.guard()
        # A thread that starts a loop now looks afterwards whether the group takes its call.
        if not self._enders and any(run.loop and not run.closing for run in self.runs):
            ender = Thread(self._end, f"{self._name}-end")
            # If no thread is left, each loop ends when it has no work itself.
            with suppress(RuntimeError):
                ender.start()
                self._enders.append(ender)
        if not self._enders:
            self._close_members()

    def join(self) -> None:
        """Wait until the threads have ended."""
        if self._enders:
            # As in `LoopThread.join`.
            self._ended.wait()
            for ender in snapshot(self._enders):
                ender.join()
        # Also those that have begun since: a function of a cancelled call runs on, and may submit.
        for member in self.members:
            member.join()

    # For its loop threads.

    def new_workers(self) -> Workers:
        """Return the worker threads for one of them: for all they are the same."""
        return self._workers.over_same_threads()

    def note_submit(self) -> None:
        """Note that a loop has been given something to do, or that this was refused."""
        if self.is_closing:
            self._latest = object()

    def _end(self) -> None:
        """End the loops, when none of them has anything submitted left to do. The thread's work."""
        try:
            del self._unclaimed
        except AttributeError:
            # Another thread closes it at the same time.
            return
        try:
            self._wait_until_over()
        finally:
            self._close_members()
            self._ended.set()

    def _close_members(self) -> None:
        """Have each loop end when it has no work itself."""
        for member in self.members:
            member.close()

    def _wait_until_over(self) -> None:
        """Wait until no loop has work or background tasks."""
        is_over = False
        while not is_over:
            latest = self._wait_until_idle()
            is_over = not self._end_background_tasks() and latest is self._latest

    def _wait_until_idle(self) -> object:
        """Wait until no loop has work; return what has noted the latest submit.

        Each has none at one moment, which it decides itself. If there was no submit meanwhile,
        none has any at the end: whoever submits is at work, and notes it before his loop can look.
        """
        latest = None
        while latest is not self._latest:
            latest = self._latest
            for member in self.members:
                while not member.wait_until_idle(_LOOK):
                    pass
        return latest

    def _end_background_tasks(self) -> bool:
        """Close the last client, or cancel what nobody has submitted, on all loops at once.

        Tell whether there was anything.
        """
        # All clients are on the first loop.
        is_open = self.members[0]._run.next_to_close() is not None
        members = self.members[:1] if is_open else self.members
        waits = [member._run.begin_ending() for member in members]
        return True in [wait() for wait in waits]

    def begin_anew(self) -> None:
        """Begin anew in a forked child, before the first of them does."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._workers = self._workers.renewed()
            self._begin()


class GroupMember(LoopThread):
    """One of the loop threads of a group.

    A call on one of the loops must not block to wait for a call on another one, which may come to
    wait for what is next on this one: for such a wait, all loops of the group are one.
    """

    loop_in_words = "of the executor that has to run it"

    def __init__(self, group: LoopGroup, name: str, options: LoopOptions) -> None:
        self._group = group
        super().__init__(name, replace(options, workers=group.new_workers()))

    @property
    @override
    def whole(self) -> Whole:
        """What has to be cancelled, and closed, along with it: the group."""
        return self._group

    @override
    def submit(self, future: Runnable, /) -> None:
        """Queue the call of `future`."""
        try:
            super().submit(future)
        finally:
            self._group.note_submit()

    @override
    def is_current(self) -> bool:
        """Tell whether the caller runs on one of the event loops of the group."""
        return self._group.is_current()

    @override
    def is_inside(self) -> bool:
        """Tell whether the caller runs on one of those or in a worker thread."""
        return self._group.is_inside()

    @override
    def end_background_tasks(self) -> bool:
        """Do so, unless the group does it."""
        if self._group.is_closing and not self._run.closing:
            self._group.join()
            return False
        return super().end_background_tasks()

    @override
    def abandon(self) -> None:
        self._group.begin_anew()
        super().abandon()

    @override
    def _refusal(self, run: Run) -> Exception:
        if self._group.is_closing:
            return run.refusal(self._advice(self))
        return super()._refusal(run)

    @override
    def _refuses(self, run: Run) -> bool:
        if self._group.is_closing and not run.is_over:
            return not self.is_inside()
        return super()._refuses(run)

    @override
    def _new_run(self, *, closing: bool) -> Run:
        places, closing = self._group.places, closing or self._group.is_closing
        if places is None:
            return super()._new_run(closing=closing)
        return _LimitedRun(places, self._workers, closing=closing)

    @override
    def _renewed_workers(self) -> Workers:
        return self._group.new_workers()


class _LimitedRun(Run):
    """An event loop that shares its places with others."""

    def __init__(self, places: Places, workers: Workers, *, closing: bool) -> None:
        super().__init__(None, workers, closing=closing)
        self.limit = self._limit = SharedLimit(places, self)

    @override
    def run(self) -> None:
        """Run the loop until it is closed and nothing is left to do. Loop thread only."""
        try:
            super().run()
        finally:
            self._limit.leave_places()

    @override
    def drain(self) -> None:
        """Start what is queued, for a limited time. Loop thread only."""
        try:
            super().drain()
        finally:
            self._limit.tidy()


def _backlog(member: LoopThread) -> int:
    """Return how many calls wait. Where a loop has failed, it is the first to ask: it refuses."""
    run = member._run
    return -1 if run.failure is not None else len(run.queue) + len(run.waiting)
