"""All calls are cancelled at once, and their waiters learn of it."""

from aiofutures import Future
from aiofutures._loops.waves import begin_wave, end_wave


def test_waves_that_overlap() -> None:
    """The end of one wave says nothing about the next, which has begun, or even ended."""
    future: Future[int] = Future()
    first = begin_wave([future])
    second = begin_wave([future])

    end_wave(first)
    assert (future._waves, future._waves_asked) == (2, 1)
    end_wave(second)
    end_wave(first)

    assert (future._waves, future._waves_asked) == (2, 2)
