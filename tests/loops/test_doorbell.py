"""What wakes a loop thread."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator
from selectors import SelectSelector

import pytest
from support import LIMIT, Refusing, WithoutReaders, in_thread

from aiofutures._loops import doorbell as doorbell_module
from aiofutures._loops.doorbell import Doorbell, EventDoorbell, doorbell

by_itself = pytest.mark.off_loop_thread("the doorbell by itself, on an event loop of the test's")


@pytest.fixture(params=[asyncio.new_event_loop, WithoutReaders])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread of its own."""
    loop: asyncio.AbstractEventLoop = request.param()
    running = in_thread(loop.run_forever)
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    running.result(LIMIT)
    loop.close()


async def make(answer: Callable[[], object]) -> Doorbell:
    """Return a doorbell of the running loop."""
    return doorbell(asyncio.get_running_loop(), answer)


async def remove(bell: Doorbell) -> None:
    """Remove a doorbell."""
    bell.remove()


@by_itself
def test_kind(loop: asyncio.AbstractEventLoop) -> None:
    """A loop that watches files gets a file where the system has that kind, others do not."""
    bell = asyncio.run_coroutine_threadsafe(make(lambda: None), loop).result(LIMIT)

    is_event = isinstance(bell, EventDoorbell)

    assert is_event == (sys.platform == "linux" and not isinstance(loop, WithoutReaders))
    asyncio.run_coroutine_threadsafe(remove(bell), loop).result(LIMIT)


def test_kind_on_other_systems(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system has no such file the event loop's own wake-up does it."""
    monkeypatch.setattr(sys, "platform", "darwin")

    bell = asyncio.run_coroutine_threadsafe(make(lambda: None), loop).result(LIMIT)

    assert type(bell) is Doorbell


@by_itself
def test_answered_after_each_ring(loop: asyncio.AbstractEventLoop) -> None:
    """The callback is called on the loop, at least once after the last ring."""
    answers: list[asyncio.AbstractEventLoop] = []
    answered = threading.Event()

    def answer() -> None:
        answers.append(asyncio.get_running_loop())
        answered.set()

    bell = asyncio.run_coroutine_threadsafe(make(answer), loop).result(LIMIT)
    for _ in range(3):
        answered.clear()
        bell.ring()
        assert answered.wait(LIMIT)

    assert set(answers) == {loop}
    asyncio.run_coroutine_threadsafe(remove(bell), loop).result(LIMIT)


@by_itself
def test_removed(loop: asyncio.AbstractEventLoop) -> None:
    """Who rings after the doorbell was removed does no harm."""
    bell = asyncio.run_coroutine_threadsafe(make(lambda: None), loop).result(LIMIT)
    asyncio.run_coroutine_threadsafe(remove(bell), loop).result(LIMIT)

    bell.ring()


def test_closed_loop() -> None:
    """Who rings after the loop was closed does no harm either."""
    loop = WithoutReaders()
    bell = doorbell(loop, lambda: None)
    loop.close()

    bell.ring()


def test_error_of_the_loop() -> None:
    """An error of an open loop is not taken for a closed one."""
    loop = Refusing()
    loop.errors = [RuntimeError("refused")]

    with pytest.raises(RuntimeError, match="refused"):
        doorbell(loop, lambda: None).ring()
    loop.close()


class WatchesElsewhere(asyncio.SelectorEventLoop):
    """A loop whose readers are not in its selector."""

    def __init__(self) -> None:
        super().__init__()
        self.other = asyncio.SelectorEventLoop(SelectSelector())
        setattr(self, "add_reader", self.other.add_reader)


@pytest.mark.skipif(sys.platform != "linux", reason="a Linux feature")
class TestReading:
    """Where the loop reads the file after each ring, which takes a tenth of a call."""

    def reads(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Ring twice, and tell whether the loop has read."""
        answers: list[None] = []
        answered = threading.Event()

        def answer() -> None:
            answers.append(None)
            answered.set()

        bell = EventDoorbell(loop, answer)
        watching: asyncio.AbstractEventLoop = getattr(loop, "other", loop)
        running = in_thread(watching.run_forever)
        for _ in range(2):
            answered.clear()
            bell.ring()
            assert answered.wait(LIMIT)
        # It would go on and on.
        answered.clear()
        assert not answered.wait(0.05)
        watching.call_soon_threadsafe(watching.stop)
        running.result(LIMIT)
        watching.remove_reader(bell._fd)
        loop.close()
        watching.close()
        try:
            return os.eventfd_read(bell._fd) != len(answers)
        except BlockingIOError:
            return True

    def test_default(self) -> None:
        """The default loop does not: its selector is still where it was."""
        assert not self.reads(asyncio.new_event_loop())

    def test_other_selector(self) -> None:
        """One with another selector does."""
        assert self.reads(asyncio.SelectorEventLoop(SelectSelector()))

    def test_watched_elsewhere(self) -> None:
        """So does one that does not watch the file with its selector."""
        assert self.reads(WatchesElsewhere())

    def test_other_kernel(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """So does the default loop where a second write is no event."""
        monkeypatch.setattr(doorbell_module, "_each_write_is_an_event", lambda: False)

        assert self.reads(asyncio.new_event_loop())


@by_itself
@pytest.mark.skipif(sys.platform != "linux", reason="such files are of Linux")
def test_reported_twice() -> None:
    """A ring that the loop reports once more, as after a SystemExit, is answered once."""
    answers: list[object] = []
    loop = asyncio.new_event_loop()
    bell = EventDoorbell(loop, lambda: answers.append(1))
    bell.ring()

    bell._read()
    bell._read()

    assert answers == [1]
    bell.remove()
    loop.close()


@by_itself
@pytest.mark.skipif(sys.platform != "linux", reason="a Linux feature")
def test_dropped_at_the_end_of_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is closed, although its module may be empty by then."""
    loop = asyncio.new_event_loop()
    bell = EventDoorbell(loop, lambda: None)
    number = bell._fd
    bell.remove()
    loop.close()
    monkeypatch.delattr(doorbell_module, "os")

    del bell

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
