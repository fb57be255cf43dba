"""The cancellation of all calls of some event loops at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

from .._contract import Runnable


class CancelsCalls(Protocol):
    """An event loop, as this module sees it."""

    def futures(self) -> list[Runnable]:
        """Return the queued and unfinished futures, the oldest first."""
        ...

    def call_soon(self, callback: Callable[..., object], /, *args: Any) -> bool:
        """Schedule a callback, from any thread; False if the event loop is gone."""
        ...

    def cancel_each(self, running: list[Runnable], /) -> None:
        """Cancel the tasks of running calls, even if one raises. Loop thread only."""


def nobody(_: Runnable) -> bool:
    """Spare no call."""
    return False


def is_being_cancelled(future: Runnable) -> bool:
    """Spare a call whose cancellation was requested before: its cleanup is not interrupted."""
    return future.is_being_cancelled()


def cancel_all(runs: Sequence[CancelsCalls], but: Callable[[Runnable], bool] = nobody) -> None:
    """Cancel waiting calls at once, and running ones. Each once, even if one raises.

    Args:
        runs: The event loops.
        but: Which calls to spare. Those that wait for them pass no cancellation on to them either.
    """
    futures = [(run, run.futures()) for run in runs]
    all_of_them = [future for _, of_run in futures for future in of_run]
    spared = {future for future in all_of_them if but(future)}
    numbers = begin_wave(all_of_them)
    with ExitStack() as stack:
        # A task group passes a cancellation on to a task one turn of the loop later.
        stack.callback(_end_wave, [*runs, *runs, *runs], numbers)
        for future in all_of_them:
            stack.callback(future.tell_withdrawn)
        running = [
            (run, [one for one in of_run if one not in spared and not one.withdraw()])
            for run, of_run in futures
        ]
        # Request all cancellations before any call learns of another's and begins to clean up.
        for run, of_run in running:
            stack.callback(run.call_soon, run.cancel_each, of_run)


def begin_wave(futures: Iterable[Runnable]) -> dict[Runnable, int]:
    """Note that these calls are cancelled along with each other; return the number of each wave."""
    numbers = {future: future._waves + 1 for future in futures}
    for future, number in numbers.items():
        future._waves = number
    return numbers


def _end_wave(turns: list[CancelsCalls], numbers: dict[Runnable, int]) -> None:
    """Note, after these turns, that waiters know that all of these were cancelled."""
    while turns:
        if turns.pop().call_soon(_end_wave, turns, numbers):
            return
    end_wave(numbers)


def end_wave(numbers: Mapping[Runnable, int]) -> None:
    """Note that waiters know that these calls were cancelled, each in the wave of that number."""
    for future, number in numbers.items():
        # The next wave may have begun, or even have ended.
        future._waves_asked = max(future._waves_asked, number)
