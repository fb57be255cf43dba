"""The cancellation of all calls of some event loops at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final, Protocol

from .._common.contract import Runnable


class CancelsCalls(Protocol):
    """An event loop, as this module sees it."""

    #: Whether the cancellation of all its calls is on its way.
    is_in_wave: bool

    def futures(self) -> list[Runnable]:
        """Return the queued and unfinished futures, the oldest first."""
        ...

    def call_soon(self, callback: Callable[..., object], /, *args: Any) -> bool:
        """Schedule a callback, from any thread; False if the event loop is gone."""
        ...

    def cancel_each(self, running: list[Runnable], but: Callable[[Runnable], bool], /) -> None:
        """Cancel the tasks of running calls but some, even if one raises. Loop thread only."""


class Cleanups:
    """What is known of the cleanups of this process."""

    #: Whether there may have been one. Before that, nobody has to look for them.
    have_begun = False


def nobody(_: Runnable) -> bool:
    """Spare no call."""
    return False


def is_cleaning_up(future: Runnable) -> bool:
    """Spare a call that was asked to cancel before: its cleanup is not interrupted.

    And one that handles the cancellation of another call, which it awaited; and calls they make.
    """
    return cleanup_of(future) is not None


def cleanup_of(future: Runnable) -> Runnable | None:
    """Return the call whose cleanup a call is part of, if any: itself, or one that made it."""
    if _has_learned(future):
        return future
    maker = None if future._cleanup is None else future._cleanup()
    return maker if maker is not None and _has_learned(maker) and not maker.done() else None


def _has_learned(future: Runnable) -> bool:
    """Tell whether a call was asked to cancel, or handles the cancellation of what it awaited."""
    news = future._news
    return future._is_cleaning_up or (news is not None and news() is not None)


def cancel_all(
    groups: Iterable[Sequence[CancelsCalls]], but: Callable[[Runnable], bool] = nobody
) -> None:
    """Cancel waiting calls at once, and running ones. Each once, even if one raises.

    Args:
        groups: The event loops, those of each executor together.
        but: Which calls to spare. Asked once more on the loop thread for those that run, after all
            earlier cancellations.
    """
    futures = [(runs, [(run, run.futures()) for run in runs]) for runs in groups]
    with ExitStack() as stack:
        # First this for all: calls of one executor may wait for those of another.
        for run in [run for runs, _ in futures for run in runs]:
            run.is_in_wave = True
        for runs, of_runs in futures:
            numbers = numbers_of(future for _, of_run in of_runs for future in of_run)
            # A task group passes a cancellation on to a task one turn of the loop later. Another
            # executor's loop may be blocked meanwhile, or stopped.
            stack.callback(_end_wave, [*runs, *runs, *runs], numbers)
            begin_wave(numbers)
        of_all = [of_run for _, of_runs in futures for of_run in of_runs]
        for _, of_run in of_all:
            for future in of_run:
                stack.callback(future.tell_withdrawn)
        running = [
            (run, [future for future in of_run if not (but(future) or future.withdraw())])
            for run, of_run in of_all
        ]
        # Request all cancellations before any call learns of another's and begins to clean up.
        for run, of_run in running:
            stack.callback(_cancel_each, run, of_run, but)


def _cancel_each(
    run: CancelsCalls, running: list[Runnable], but: Callable[[Runnable], bool]
) -> None:
    if not run.call_soon(run.cancel_each, running, but):
        run.is_in_wave = False  # without an event loop, there is nothing on its way


def cancel(task: Any, but: Callable[[Runnable], bool]) -> None:
    """Cancel a task, which passes it on to what it awaits, `but` to calls to spare."""
    _here.but = but
    try:
        task.cancel()
    finally:
        _here.but = nobody


def is_spared(future: Runnable) -> bool:
    """Tell whether a cancellation that is being passed on spares a call."""
    return _here.but(future)


class _Here(threading.local):
    """What a thread is doing."""

    #: Which calls the cancellation that it passes on spares.
    but: Callable[[Runnable], bool] = staticmethod(nobody)


_here: Final = _Here()


def numbers_of(futures: Iterable[Runnable]) -> dict[Runnable, int]:
    """Return the number that the next wave has for each of these calls."""
    return {future: future._waves + 1 for future in futures}


def begin_wave(numbers: Mapping[Runnable, int]) -> None:
    """Note that these calls are cancelled along with each other, in the wave of that number."""
    for future, number in numbers.items():
        # Another thread may have begun more waves meanwhile.
        future._waves = max(future._waves, number)


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
