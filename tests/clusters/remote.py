"""Functions for the workers, which import them from here."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from typing_extensions import override

from aiofutures import sync_to_async


async def add(one: Any, other: Any = 0, /, *, more: Any = 0) -> Any:
    """Return the sum."""
    return one + other + more


async def join(*parts: str) -> str:
    """Return one text."""
    return "".join(parts)


async def double_later(value: Any) -> Any:
    """Return twice the value, after a turn of the event loop."""
    await asyncio.sleep(0)
    return 2 * value


async def fail(error: BaseException) -> None:
    """Raise an error."""
    raise error


async def wait_for_file(path: str) -> str:
    """Say that it has begun, wait until there is a file, and return its text."""
    begun(path)
    # It may be there for a moment without its text.
    while not (Path(path).exists() and Path(path).read_text()):
        await asyncio.sleep(0.01)
    return Path(path).read_text()


async def block(path: str) -> None:
    """Say that it has begun, and block the event loop until there is a file."""
    begun(path)
    while not Path(path).exists():
        time.sleep(0.01)


def begun(path: str) -> None:
    """Note that a call has begun."""
    with Path(f"{path}.begun").open("a") as file:
        file.write(f"{os.getpid()}\n")


async def clean_up(path: str, value: str) -> str:
    """Say that it has begun, wait to be cancelled, and clean up."""
    begun(path)
    try:
        await asyncio.sleep(1000)
    finally:
        for _ in range(20):
            await asyncio.sleep(0.005)
        with Path(path).open("a") as file:
            file.write(value)
    return value


async def swallow(path: str, value: str) -> str:
    """Say that it has begun, and return where it is cancelled."""
    begun(path)
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        return value
    return ""


async def die() -> None:
    """End the process at once."""
    os.kill(os.getpid(), signal.SIGKILL)


async def pid_after(seconds: float) -> int:
    """Return the process that runs the call, after so many seconds."""
    await asyncio.sleep(seconds)
    return os.getpid()


async def in_thread(value: Any) -> Any:
    """Return the value by way of a worker thread."""
    return await sync_to_async(lambda: value)


def sync(value: Any) -> Any:
    """Return the value, without being async."""
    return value


async def items(count: int) -> AsyncIterator[int]:
    """Yield numbers."""
    for number in range(count):
        yield number


@asynccontextmanager
async def opened() -> AsyncIterator[int]:
    """Give one."""
    yield 1


def generate() -> Iterator[int]:
    """Yield one."""
    yield 1


class Stubborn(Exception):
    """An error that does not survive being pickled."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


class OnlyThere:
    """What cannot be unpickled where `here` is the process."""

    def __init__(self, here: int) -> None:
        self.here = here

    def __setstate__(self, state: dict[str, int]) -> None:
        if state["here"] == os.getpid():
            raise RuntimeError("not here")
        vars(self).update(state)


class Leaving:
    """What raises SystemExit when it is pickled, or unpickled."""

    def __init__(self, when: str) -> None:
        self.when = when

    @override
    def __reduce__(self) -> Any:
        if self.when == "pickled":
            sys.exit(3)
        return sys.exit, (3,)


class Shop:
    """A class with methods of each kind."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    async def times(self, value: int) -> int:
        """Return the product."""
        return self.factor * value

    @classmethod
    async def named(cls, value: str) -> str:
        """Return the name of the class with the value."""
        return cls.__name__ + value

    @staticmethod
    async def plain(value: int) -> int:
        """Return the value."""
        return value

    def __call__(self, value: int) -> Any:
        return self.times(value)


async def note(path: str) -> str:
    """Note that it has run."""
    with Path(f"{path}.noted").open("a") as file:
        file.write("noted\n")
    return "noted"


async def refuse_once(path: str) -> None:
    """Say that it has begun, and swallow a cancellation if it is the first; end with a file."""
    begun(path)
    try:
        await asyncio.sleep(1000)
    except asyncio.CancelledError:
        if Path(path).exists():
            raise
        Path(path).write_text("refused")
        while not Path(f"{path}.end").exists():
            await asyncio.sleep(0.05)
