"""The watchdog of a blocked event loop."""

import asyncio
import logging
import os
import re
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from support import LIMIT, echo, run_python
from typing_extensions import override

from aiofutures import AsyncExecutor
from aiofutures._loops import watchdog

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

TIMEOUT = 0.2


class Log(logging.Handler):
    """The warnings of the package, for threads that wait for one."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        self._arrivals = threading.Semaphore(0)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
        self._arrivals.release()

    def arrived(self) -> str:
        """Block until the next warning is there, and return it."""
        assert self._arrivals.acquire(timeout=LIMIT), "nobody has warned"
        return self.messages[-1]


@pytest.fixture
def log() -> Iterator[Log]:
    """The warnings of the package."""
    handler = Log()
    logger = logging.getLogger("aiofutures")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.fixture
def executor(loop_factory: LoopFactory) -> Iterator[AsyncExecutor]:
    """An executor that is watched, over each kind of event loop."""
    with AsyncExecutor(
        loop_factory=loop_factory, blocked_loop_timeout=TIMEOUT, thread_name_prefix="web"
    ) as executor:
        executor.submit(asyncio.sleep, 0).result(LIMIT)
        yield executor


def test_python_code(executor: AsyncExecutor, log: Log) -> None:
    """Python code that computes is named while it does, once, with its stack and how long."""

    def spin() -> None:
        log.arrived()

    async def work() -> None:
        spin()

    executor.submit(work).result(LIMIT)

    (message,) = log.messages
    found = re.match(r"the event loop web has been blocked for (0\.\d\d) seconds by ", message)
    assert found is not None
    assert TIMEOUT <= float(found[1]) < 2 * TIMEOUT + 0.2
    assert message.index("in work") < message.index("in spin")
    assert "_loop_thread.py" not in message


@pytest.mark.parametrize("block", ["sleep", "recv"])
def test_calls_that_wait(executor: AsyncExecutor, log: Log, block: str) -> None:
    """`time.sleep` and a blocking socket are found; the warning names the function that calls."""
    left, right = socket.socketpair()
    left.settimeout(3 * TIMEOUT)

    async def work() -> None:
        end = time.monotonic() + LIMIT
        # A busy machine may let the watchdog wait.
        while not log.messages and time.monotonic() < end:
            if block == "sleep":
                time.sleep(3 * TIMEOUT)
            else:
                with pytest.raises(TimeoutError):
                    left.recv(1)

    with left, right:
        executor.submit(work).result(LIMIT)

    (message,) = log.messages
    assert f"by work() in {__file__}:" in message


def test_c_function_that_keeps_the_gil(executor: AsyncExecutor, log: Log) -> None:
    """A C function that lets no other thread run is named as soon as one can run again."""

    async def work() -> None:
        count, seconds = 1_000_000, 0.0
        while seconds < 3 * TIMEOUT:  # as fast as the machine may be, and as busy
            start = time.thread_time()
            sum(range(count))
            seconds = time.thread_time() - start
            count *= 2

    executor.submit(work).result(4 * LIMIT)
    executor.submit(asyncio.sleep, TIMEOUT).result(LIMIT)

    assert [f"by work() in {__file__}:" in message for message in log.messages] == [True]


def test_callback_that_is_not_in_python(executor: AsyncExecutor, log: Log) -> None:
    """A callback in C is found too, though it has no name to be told."""

    async def work() -> None:
        asyncio.get_running_loop().call_soon(time.sleep, 3 * TIMEOUT)
        await asyncio.sleep(0)

    executor.submit(work).result(LIMIT)

    assert "by a callback not written in Python" in log.arrived()


def test_finalizer_between_callbacks(log: Log) -> None:
    """What blocks the loop between two callbacks is found too, such as a finalizer."""

    class Connection:
        def use(self) -> None: ...

        def __del__(self) -> None:
            log.arrived()

    async def work() -> None:
        # The loop holds the last reference.
        asyncio.get_running_loop().call_soon(Connection().use)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    with AsyncExecutor(
        loop_factory=asyncio.SelectorEventLoop, blocked_loop_timeout=TIMEOUT
    ) as executor:
        executor.submit(work).result(LIMIT)

    (message,) = log.messages
    assert message.index("in __del__") < message.index("in arrived")


def test_every_block_once(executor: AsyncExecutor, log: Log) -> None:
    """Each block is told once, the next one again."""

    async def work() -> None:
        log.arrived()

    executor.submit(work).result(LIMIT)
    executor.submit(asyncio.sleep, 2 * TIMEOUT).result(LIMIT)
    executor.submit(work).result(LIMIT)

    assert len(log.messages) == 2


async def turn_for(seconds: float) -> float:
    """Keep the loop busy with turns, and return the longest time between two callbacks."""
    last = time.monotonic()
    end = last + seconds
    longest = 0.0

    # Compared at once: to look through millions of times would block the loop.
    async def spin() -> None:
        nonlocal last, longest
        while last < end:
            now = time.monotonic()
            longest, last = max(longest, now - last), now
            await asyncio.sleep(0)

    await asyncio.gather(*(spin() for _ in range(20)))
    return longest


def test_busy_loop_that_turns(executor: AsyncExecutor, log: Log) -> None:
    """A loop with much to do that goes on from callback to callback is not blocked."""
    longest = executor.submit(turn_for, 3 * TIMEOUT).result(LIMIT)

    # A busy machine may not let the loop run.
    assert log.messages == [] or longest >= TIMEOUT


def test_late_look(loop_factory: LoopFactory, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that turned while the machine let the watchdog wait is not blocked."""
    looks: list[float] = []

    class Late(threading.Event):
        @override
        def wait(self, timeout: float | None = None) -> bool:
            if threading.current_thread().name == "web-watchdog":
                time.sleep(2 * TIMEOUT)
                looks.append(time.monotonic())
            return super().wait(timeout)

    monkeypatch.setattr(threading, "Event", Late)
    with AsyncExecutor(
        loop_factory=loop_factory, blocked_loop_timeout=TIMEOUT, thread_name_prefix="web"
    ) as executor:
        longest = executor.submit(turn_for, 10 * TIMEOUT).result(LIMIT)

    assert len(looks) > 2
    # A busy machine may not let the loop run.
    assert log.messages == [] or longest >= TIMEOUT


def test_machine_that_lets_both_wait(
    loop_factory: LoopFactory, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the machine runs neither the loop nor the watchdog, nothing is blocked."""
    turned, looked = threading.Event(), threading.Event()

    class Late(threading.Event):
        @override
        def wait(self, timeout: float | None = None) -> bool:
            if threading.current_thread().name == "web-watchdog" and not looked.is_set():
                assert turned.wait(LIMIT)
                time.sleep(1.5 * TIMEOUT)
                looked.set()
                return False
            return super().wait(timeout)

    async def work() -> None:
        await turn_for(3 * TIMEOUT)
        turned.set()
        # As if the machine ran other threads.
        looked.wait(LIMIT)

    monkeypatch.setattr(threading, "Event", Late)
    with AsyncExecutor(
        loop_factory=loop_factory, blocked_loop_timeout=TIMEOUT, thread_name_prefix="web"
    ) as executor:
        executor.submit(work).result(LIMIT)

    assert log.messages == []


@pytest.mark.parametrize(("seconds", "warnings"), [(1.1, 0), (1.3, 1)])
def test_beginning_between_two_beats(
    log: Log, monkeypatch: pytest.MonkeyPatch, seconds: float, warnings: int
) -> None:
    """A callback may have begun a fifth of the time-out after the loop was last seen to turn."""
    start = watchdog._Moment(0.0, 0.0)
    moments = [start, watchdog._Moment(seconds, seconds)]
    pulse: Any = SimpleNamespace(clock=lambda: moments.pop(0), last=start)
    stopped: Any = SimpleNamespace(wait=lambda _: not moments)
    dog = watchdog.Watchdog(1.0, test_idle_loop.__code__, "web")
    monkeypatch.setattr(dog, "_stack", lambda _: [(sys._getframe(), 1)])

    dog._watch(pulse, threading.get_ident(), stopped)

    assert len(log.messages) == warnings
    assert all("blocked for 1.10 seconds" in message for message in log.messages)


def test_selector_that_is_late(log: Log) -> None:
    """A loop that has nothing to do is not blocked, however late its selector returns."""

    class Late(selectors.DefaultSelector):
        @override
        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if timeout != 0:
                time.sleep(3 * TIMEOUT)
            return super().select(timeout)

    with AsyncExecutor(
        loop_factory=lambda: asyncio.SelectorEventLoop(Late()), blocked_loop_timeout=TIMEOUT
    ) as executor:
        executor.submit(asyncio.sleep, TIMEOUT).result(LIMIT)

    assert log.messages == []


def test_idle_loop(executor: AsyncExecutor, log: Log) -> None:
    """A loop that has nothing to do is not blocked."""
    executor.submit(asyncio.sleep, 3 * TIMEOUT).result(LIMIT)

    assert log.messages == []


@pytest.mark.parametrize("timeout", [0, -1.5])
def test_timeout_that_is_none(timeout: float) -> None:
    """A time-out of 0 or less is refused."""
    with pytest.raises(ValueError, match="blocked_loop_timeout must be greater than 0"):
        AsyncExecutor(blocked_loop_timeout=timeout)


def test_no_watch() -> None:
    """Without a time-out there is no thread that watches."""
    with AsyncExecutor(thread_name_prefix="plain") as executor:
        executor.submit(asyncio.sleep, 0).result(LIMIT)

        names = [thread.name for thread in threading.enumerate()]

    assert "plain" in names
    assert "plain-watchdog" not in names


def test_clock_where_threads_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a thread has no clock of its own, real time takes its place."""
    monkeypatch.delattr(time, "pthread_getcpuclockid", raising=False)

    clock = watchdog._clock(threading.get_ident())

    before = time.monotonic()
    assert before <= clock().cpu <= time.monotonic()


def test_no_thread_to_be_had(
    loop_factory: LoopFactory, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no thread for the watchdog, it says so, and the work goes on."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.endswith("-watchdog"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)

    with AsyncExecutor(
        loop_factory=loop_factory, blocked_loop_timeout=TIMEOUT, thread_name_prefix="web"
    ) as executor:
        result = executor.submit(echo, 1).result(LIMIT)

    assert result == 1
    assert log.messages == ["cannot watch the event loop web: can't start new thread"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_forked() -> None:
    """A child has a watchdog of its own, and does not wait for that of its parent."""
    output = run_python(
        """
        import logging, os, sys, time, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        logging.basicConfig(format="%(message).40s", stream=sys.stdout)
        sys.path.insert(0, "tests")
        from support import in_child
        from aiofutures import AsyncExecutor

        async def block():
            time.sleep(0.5)
            return os.getpid()

        executor = AsyncExecutor(blocked_loop_timeout=0.1, thread_name_prefix="web")
        parent = executor.submit(block).result(10)

        def check():
            assert executor.submit(block).result(10) == os.getpid() != parent
            executor.shutdown()

        in_child(check)
        executor.shutdown()
        """
    )

    assert output == 2 * "the event loop web has been blocked for \n"
