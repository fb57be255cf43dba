"""Random programs under a limit: all of them end, and the places add up."""

import asyncio
import concurrent.futures
import gc
import random
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from functools import partial
from importlib.util import find_spec
from typing import Any, Final

import pytest
from support import LIMIT, Gate, in_thread, limit_of, until

from aiofutures import (
    AsyncExecutor,
    CancelledError,
    Future,
    first,
    gather,
    in_caller_thread,
    to_sync,
)

PROGRAMS: Final = 60
SLOW_PROGRAMS: Final = 1_000
ENDS: Final = (CancelledError, asyncio.CancelledError, TimeoutError, OSError)


def _uvloop() -> asyncio.AbstractEventLoop:
    if find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


def _eager() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    if hasattr(asyncio, "eager_task_factory"):
        loop.set_task_factory(vars(asyncio)["eager_task_factory"])
    return loop


class Counted:
    """An executor of a program, and how many of its calls run."""

    def __init__(self, random: random.Random, pool: ThreadPoolExecutor | None) -> None:
        self.max_workers = random.randint(1, 3)
        self.pool = pool
        self.executor = AsyncExecutor(
            pool,
            max_workers=self.max_workers,
            loop_factory=random.choice([asyncio.new_event_loop, _eager, _uvloop]),
        )
        self.now = self.most = 0

    @contextmanager
    def running(self) -> Any:
        """Count a call that runs and waits for no other one. On the loop thread."""
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            yield
        finally:
            self.now -= 1

    def check(self) -> None:
        """See that exactly as many run at once as before, and end."""
        with Gate() as gate:
            futures = [self.executor.submit(gate.wait) for _ in range(self.max_workers + 1)]
            gate.arrived(self.max_workers)
            until(lambda: self.executor.statistics().pending == 1)
        gather(*futures).result(LIMIT)
        limit = limit_of(self.executor)
        until(lambda: not any((limit._taken, limit._lent, limit._paused, limit._visitors)))
        self.executor.shutdown()
        assert self.most <= self.max_workers


class Program:
    """A random program over one executor or two, and the oracle that watches it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        # Of the caller's threads, one executor uses one or two.
        self.pool = ThreadPoolExecutor(self.random.randint(1, 2))
        choices: list[list[ThreadPoolExecutor | None]]
        choices = [[None], [None, None], [self.pool], [None, self.pool]]
        pools = self.random.choice(choices)
        # In some everything is cancelled at once, and nothing else is: no cleanup is cut off. With
        # two executors, those who wait on one would pass its cancellation on to the other.
        self.cancels_all = len(pools) == 1 and self.random.random() < 0.5
        self.executors = [Counted(self.random, pool) for pool in pools]
        self.futures: list[Future[Any]] = []
        self.ends: list[Future[Any]] = []
        self.blocking: list[concurrent.futures.Future[None]] = []
        self.begun = self.finished = 0

    def submit(self, depth: int) -> Future[Any]:
        """Submit a call and note how often its future ends."""
        where = self.pick()
        return self.note(where.executor.submit(self.call, where, depth))

    def pick(self) -> Counted:
        """Return one of the executors."""
        return self.random.choice(self.executors)

    def note(self, future: Future[Any]) -> Future[Any]:
        """Note how often it ends; its error then needs no report."""
        self.futures.append(future)
        future.add_done_callback(self.ends.append)
        return future

    async def call(self, where: Counted, depth: int) -> int:
        """Do something random, perhaps with calls of its own, and clean up."""
        with where.running():
            await asyncio.sleep(self.random.choice([0, 0, 0.001]))
        counts = True
        try:
            if depth:
                operation = self.random.choice(CALM if self.cancels_all else OPERATIONS)
                counts = operation not in IMPATIENT
                with suppress(*ENDS[2:]):
                    await operation(self, depth - 1)
            if self.random.random() < 0.1:
                raise OSError
            return depth
        finally:
            was_cancelled = issubclass(sys.exc_info()[0] or OSError, asyncio.CancelledError)
            self.begun += was_cancelled
            # A call that is cancelled while it waits to have its place back goes on without it, and
            # so does a thread when its time is up.
            task = asyncio.current_task()
            counts = counts and task is not None and not task.cancelling()
            with where.running() if counts else nullcontext():
                await asyncio.sleep(0)
            self.finished += was_cancelled

    async def chain(self, where: Counted, depth: int) -> int:
        """Make calls that need no thread."""
        with where.running():
            await asyncio.sleep(0)
        if depth:
            await self.submit_chain(depth - 1)
        with where.running():
            await asyncio.sleep(0)
        return depth

    def submit_chain(self, depth: int) -> Future[Any]:
        """Submit a call that needs no thread."""
        where = self.pick()
        return self.note(where.executor.submit(self.chain, where, depth))

    def children(self, depth: int) -> list[Future[Any]]:
        """Submit some calls."""
        return [self.submit(depth) for _ in range(self.random.randint(1, 3))]

    async def block(self, run: Callable[..., Awaitable[None]], work: Callable[[], object]) -> None:
        """Have `run` call a blocking function, which runs on where the caller is cancelled."""
        running: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.blocking.append(running)

        def begin() -> None:
            if running.set_running_or_notify_cancel():
                try:
                    with suppress(*ENDS):
                        work()
                finally:
                    running.set_result(None)

        try:
            await run(begin)
        finally:
            running.cancel()  # unless it has begun

    def is_over(self) -> bool:
        """Tell whether no call runs and no blocking function, even one that nobody waits for."""
        count = len(self.futures), len(self.blocking)
        return (
            all(future.done() for future in [*self.futures, *self.blocking])
            and all(each.executor._loop_thread.is_idle() for each in self.executors)
            and count == (len(self.futures), len(self.blocking))
        )

    def run(self) -> None:
        """Run it to its end, and see that the places are all there afterwards."""
        roots = [self.submit(3) for _ in range(self.random.randint(1, 4))]
        if self.cancels_all:
            self.executors[0].executor.cancel_futures()
        elif self.random.random() < 0.3:
            roots[0].cancel()
        for root in roots:
            with suppress(*ENDS):
                root.result(LIMIT)
        until(self.is_over)
        for each in self.executors:
            each.check()
        self.pool.shutdown()

        assert len(self.ends) == len(self.futures)
        assert self.begun == self.finished or not self.cancels_all


async def _await_each(program: Program, depth: int) -> None:
    for child in program.children(depth):
        with suppress(*ENDS[2:]):
            await child


async def _cancel_one(program: Program, depth: int) -> None:
    child, *others = program.children(depth)
    child.cancel()
    for future in (child, *others):
        with suppress(*ENDS):
            await future


async def _gather(program: Program, depth: int) -> None:
    await program.note(gather(*program.children(depth)))


async def _first(program: Program, depth: int) -> None:
    with suppress(asyncio.CancelledError):
        await program.note(first(*program.children(depth)))


async def _derive(program: Program, depth: int) -> None:
    where = program.pick()
    child = program.note(where.executor.submit(program.call, where, depth))
    follow = program.note(child.then(partial(program.call, where)))
    await program.note(follow.map(str).recover(OSError, repr))


async def _wait(program: Program, depth: int) -> None:
    children: list[Any] = program.children(depth)
    await asyncio.wait(children)


async def _in_caller(program: Program, _: int) -> None:
    await program.block(in_caller_thread, partial(_work_without_threads, program))


async def _in_pool(program: Program, _: int) -> None:
    run = program.pick().executor.sync_to_async
    await program.block(run, partial(_work_without_threads, program))


def _work_without_threads(program: Program) -> None:
    program.submit_chain(program.random.randint(0, 2)).result(LIMIT)


def _in_thread(work: Callable[[Program, int], object]) -> Callable[[Program, int], Awaitable[None]]:
    async def run(program: Program, depth: int) -> None:
        where = program.pick()
        # The caller's threads are too few to wait for one another.
        run = asyncio.to_thread if where.pool else where.executor.sync_to_async
        await program.block(run, partial(work, program, depth))

    return run


def _map(program: Program, depth: int) -> object:
    where = program.pick()
    results = where.executor.map(partial(program.call, where), [depth] * 3)
    return list(results if program.random.random() < 0.5 else results.as_completed())


def _time_out(program: Program, depth: int) -> object:
    child, *_ = program.children(depth)
    return child.result(0.002)


def _call_sync(program: Program, depth: int) -> object:
    where = program.pick()
    timeout = program.random.choice([None, 0.002])
    call: Any = to_sync(program.call, timeout=timeout, executor=where.executor)  # type: ignore[call-overload]
    return call(where, depth)


def _generate(program: Program, depth: int) -> object:
    @to_sync(executor=program.pick().executor)
    async def generate() -> AsyncGenerator[Any, None]:
        for _ in range(3):
            yield await program.submit(depth)

    items = generate()
    if program.random.random() < 0.5:
        return list(items)
    first_item = next(items)
    items.close()
    return first_item


def _enter(program: Program, depth: int) -> object:
    @to_sync(executor=program.pick().executor)
    @asynccontextmanager
    async def manage() -> AsyncGenerator[int, None]:
        await program.submit(depth)
        yield depth
        await program.submit(depth)

    with manage() as value:
        return program.submit(value).result(LIMIT)


CALM: Final[list[Callable[[Program, int], Awaitable[None]]]] = [
    _await_each,
    _gather,
    _derive,
    _wait,
    _in_caller,
    _in_pool,
    _in_thread(_enter),
]
IMPATIENT: Final = [_in_thread(_time_out), _in_thread(_call_sync)]
OPERATIONS: Final[list[Callable[[Program, int], Awaitable[None]]]] = [
    *CALM,
    _cancel_one,
    _first,
    *IMPATIENT,
    *map(_in_thread, (_map, _generate)),
]


@pytest.fixture(autouse=True)
def _nobody_asks(logged_errors: list[Any]) -> Iterator[None]:
    """What fails when nobody waits any more is reported, and that is right."""
    yield
    # The reports come when the futures die.
    gc.collect()
    logged_errors.clear()


def _run(seed: int) -> None:
    program = Program(seed)
    running = in_thread(program.run)
    try:
        running.result(2 * LIMIT)
    except TimeoutError:
        raise AssertionError(f"program {seed} hangs: {program.executors!r}") from None
    except AssertionError as error:
        raise AssertionError(f"program {seed}: {error}") from error


@pytest.mark.parametrize("part", range(4))
def test_programs(part: int) -> None:
    """Every program ends, no more calls run than there are places, and none is lost."""
    for seed in range(part * PROGRAMS, (part + 1) * PROGRAMS):
        _run(seed)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(4))
def test_many_programs(part: int) -> None:
    """So it is with many more, where threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for seed in range(SLOW_PROGRAMS * (part + 1), SLOW_PROGRAMS * (part + 2)):
            _run(seed)
    finally:
        sys.setswitchinterval(interval)
