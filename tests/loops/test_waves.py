"""All calls are cancelled at once, and their waiters learn of it."""

from aiofutures import Future
from aiofutures._loops.waves import begin_wave, end_wave, numbers_of


def test_waves_that_overlap() -> None:
    """The end of one wave says nothing about the next, which has begun, or even ended."""
    future: Future[int] = Future()
    first = numbers_of([future])
    begin_wave(first)
    second = numbers_of([future])
    begin_wave(second)
    begin_wave(first)

    end_wave(first)
    assert (future._waves, future._waves_asked) == (2, 1)
    end_wave(second)
    end_wave(first)

    assert (future._waves, future._waves_asked) == (2, 2)
