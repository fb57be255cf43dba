"""Where does the time of a task go, and how much of it does Python take anyway?

Five stages:

- submit: the call of `submit`;
- queue: the loop thread lets go of the call before and takes this one out of its queue;
- start: the function is called, and a task of what it returns takes its first step;
- settle: the future gets the result;
- collect: the call of `result`.

Without eager tasks, on Python 3.11, making the task counts as "queue".
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from _thread import allocate_lock
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from itertools import pairwise
from statistics import median
from time import perf_counter_ns as now
from typing import TypedDict

from aiofutures import AsyncExecutor, Future

from ._child import in_child
from ._lines import Effort
from ._tasks import TRIVIAL, one_at_a_time

_COUNT = 10_000

STAGES = ("submit", "queue", "start", "settle", "collect")

#: Stages with the µs that each of them takes.
Stages = dict[str, float]


class Profile(TypedDict):
    """Where the time goes, in µs per task.

    Keys:
        ours: The stages of a task in a burst.
        python: The least Python that does the work of each stage.
        one_at_a_time: From submit to result of one task, while nothing else is to do.
        lock_round_trip: What two threads need to pass a lock back and forth.
    """

    ours: Stages
    python: Stages
    one_at_a_time: float
    lock_round_trip: float


def measure(effort: Effort) -> Profile:
    """Return the medians of several profiles, each of a new process."""
    count = effort.tasks(_COUNT)
    profiles = [in_child(profile, count) for _ in range(effort.processes)]
    return {
        "ours": _medians([each["ours"] for each in profiles]),
        "python": _medians([each["python"] for each in profiles]),
        "one_at_a_time": median(each["one_at_a_time"] for each in profiles),
        "lock_round_trip": median(each["lock_round_trip"] for each in profiles),
    }


def _medians(profiles: list[Stages]) -> Stages:
    return {name: median(stages[name] for stages in profiles) for name in STAGES}


def profile(count: int) -> Profile:
    """Profile this process."""
    gc.collect()
    gc.freeze()
    with AsyncExecutor() as executor:
        return {
            "ours": profile_burst(executor, count),
            "python": profile_python(count),
            "one_at_a_time": one_at_a_time(
                lambda: executor.submit(TRIVIAL.asynchronous).result(), count
            ),
            "lock_round_trip": lock_round_trip(count),
        }


def profile_burst(executor: AsyncExecutor, count: int) -> Stages:
    """Return the stages of trivial tasks.

    The loop thread is held up while they are submitted, so that the two threads do not take the
    interpreter from each other.
    """
    profile_run(executor, count // 10)
    measured = profile_run(executor, count)
    # By itself: there is no moment to be seen between it and the next call.
    measured["settle"] = profile_settle(count)
    measured["queue"] -= measured["settle"]
    return {name: measured[name] for name in STAGES}


def profile_settle(count: int) -> float:
    """Return the µs in which a future gets a result that nobody waits for yet."""
    futures: list[Future[None]] = [Future() for _ in range(count)]
    for future in futures:
        future.set_running_or_notify_cancel()
    begin = now()
    for future in futures:
        future.settle(None)
    return (now() - begin) / count / 1000


def profile_run(executor: AsyncExecutor, count: int) -> Stages:
    """Return the stages of trivial tasks; "queue" is also "settle"."""
    times: dict[str, list[int]] = {"queue": [], "start": []}
    stamp_queue, stamp_start = (stage.append for stage in times.values())

    async def body() -> None:
        stamp_start(now())

    def function() -> Awaitable[None]:
        stamp_queue(now())
        return body()

    with held_up(executor):
        begin = now()
        futures = [executor.submit(function) for _ in range(count)]
        submit = now() - begin
    executor.submit(TRIVIAL.asynchronous).result()
    executor.submit(TRIVIAL.asynchronous).result()  # a turn of the loop later
    begin = now()
    for future in futures:
        future.result()
    collect = now() - begin
    return {
        "submit": submit / count / 1000,
        **_gaps(times, count),
        "collect": collect / count / 1000,
    }


@contextmanager
def held_up(executor: AsyncExecutor) -> Iterator[None]:
    """Hold up the loop thread during a block."""
    started, lock = threading.Event(), allocate_lock()

    async def hold() -> None:
        started.set()
        lock.acquire()

    lock.acquire()
    future = executor.submit(hold)
    started.wait()
    try:
        yield
    finally:
        lock.release()
        future.result()


def _gaps(times: dict[str, list[int]], count: int) -> Stages:
    """Return the time before the moments of each stage, less what it takes to note a moment."""
    notes: list[int] = []
    note = notes.append
    begin = now()
    for _ in range(count):
        note(now())
    noting = (now() - begin) / count / 1000
    moments = sorted((moment, stage) for stage, moments in times.items() for moment in moments)
    spent = dict.fromkeys(times, 0.0)
    for (before, _), (moment, stage) in pairwise(moments):
        spent[stage] += moment - before
    return {stage: max(0, time / count / 1000 - noting) for stage, time in spent.items()}


class Bare:
    """A future that can do nothing but have a result."""

    def __init__(
        self,
        function: Callable[..., object],
        args: tuple[object, ...],
        kwargs: dict[str, object] | None,
        context: Context,
    ) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.context = context
        self.state = "pending"
        self.value: object = None

    def result(self) -> object:
        """Return the result."""
        return self.value


def profile_python(count: int) -> Stages:
    """Return what the least Python takes that does the work of each stage."""
    queue: deque[Bare] = deque()

    def submit(function: Callable[..., object], /, *args: object, **kwargs: object) -> None:
        queue.append(Bare(function, args, kwargs or None, copy_context()))

    function = TRIVIAL.asynchronous
    moments = [now()]
    for _ in range(count):
        submit(function)
    moments.append(now())
    futures = [queue.popleft() for _ in range(count)]
    moments.append(now())
    for future in futures:
        future.value = None
        future.state = "finished"
    moments.append(now())
    for future in futures:
        future.result()
    moments.append(now())
    submitted, queued, settled, collected = (
        (end - begin) / count / 1000 for begin, end in pairwise(moments)
    )
    return {
        "submit": submitted,
        "queue": queued,
        "start": asyncio.run(task(count)),
        "settle": settled,
        "collect": collected,
    }


async def task(count: int) -> float:
    """Return the µs that asyncio needs for a task that does nothing."""
    loop, context = asyncio.get_running_loop(), copy_context()
    function, run = TRIVIAL.asynchronous, context.run
    begin = now()
    if sys.version_info >= (3, 12):
        for _ in range(count):
            _ = asyncio.Task(run(function), loop=loop, context=context, eager_start=True)
    else:
        for _ in range(count):
            _ = asyncio.Task(run(function), loop=loop, context=context)
        await asyncio.sleep(0)  # all of them run here
    return (now() - begin) / count / 1000


def lock_round_trip(count: int) -> float:
    """Return the µs that two threads need to pass a lock back and forth."""
    there, back = allocate_lock(), allocate_lock()
    there.acquire()
    back.acquire()

    def answer() -> None:
        for _ in range(count):
            there.acquire()
            back.release()

    thread = threading.Thread(target=answer)
    thread.start()
    begin = now()
    for _ in range(count):
        there.release()
        back.acquire()
    elapsed = now() - begin
    thread.join()
    return elapsed / count / 1000


def report(measured: Profile) -> str:
    """Return the profile as a table."""
    rows = ["| stage | µs | Python's own | ours |", "|---|---:|---:|---:|"]
    for name in STAGES:
        mine, floor = measured["ours"][name], measured["python"][name]
        rows.append(f"| {name} | {mine:.2f} | {floor:.2f} | {mine - floor:.2f} |")
    total, floor = sum(measured["ours"].values()), sum(measured["python"].values())
    rows.append(f"| all | {total:.2f} | {floor:.2f} | {total - floor:.2f} |")
    alone = f"A call that is waited for takes {measured['one_at_a_time']:.2f} µs"
    lock = f"two threads pass a lock back and forth in {measured['lock_round_trip']:.2f} µs"
    in_loop = f"a task in its event loop takes {measured['python']['start']:.2f} µs"
    return "\n".join([*rows, "", f"{alone}; {lock}, and {in_loop}."])
