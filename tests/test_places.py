"""The places of the jobs that run at once, and who waits for one."""

from collections.abc import Callable

from aiofutures._places import Places


class Job:
    """Has a place, or waits for one."""


def noting(events: list[str], event: str) -> Callable[[], None]:
    """Return what notes `event`."""
    return lambda: events.append(event)


def test_no_limit() -> None:
    """Without a limit there is always a place."""
    places: Places[Job] = Places(None)

    places.leave(Job())

    assert places.free()


def test_limit() -> None:
    """There are as many places as the limit says; who leaves makes room."""
    places: Places[Job] = Places(2)
    first, second = Job(), Job()

    places.take(first)
    assert places.free()
    places.take(second)
    assert not places.free()
    places.leave(first)
    assert places.free()


def test_lent_place_is_free() -> None:
    """A place that is lent is free, once, however often its job waits."""
    places: Places[Job] = Places(1)
    job, other = Job(), Job()
    places.take(job)

    places.lend(job)
    places.lend(job)

    assert places.free()
    places.take(other)
    assert not places.free()


def test_job_without_a_place_cannot_lend_one() -> None:
    """A job that is done, or never ran, has nothing to lend."""
    places: Places[Job] = Places(1)
    job = Job()
    places.take(job)

    places.lend(Job())

    assert not places.free()


def test_taken_back_at_once() -> None:
    """A job whose place nobody uses gets it back at once."""
    places: Places[Job] = Places(1)
    events: list[str] = []
    job = Job()
    places.take(job)
    places.lend(job)

    places.take_back(job, noting(events, "back"))

    assert events == ["back"]
    assert not places.free()


def test_taken_back_when_there_is_one() -> None:
    """A job whose place is in use waits until somebody leaves, the first come first."""
    places: Places[Job] = Places(1)
    events: list[str] = []
    first, second, third = Job(), Job(), Job()
    places.take(first)
    places.lend(first)
    places.take(second)
    places.lend(second)
    places.take(third)

    places.take_back(first, noting(events, "first"))
    places.take_back(second, noting(events, "second"))
    assert events == []
    places.leave(third)
    assert events == ["first"]
    places.leave(first)

    assert events == ["first", "second"]
    assert not places.free()
    places.leave(second)
    assert places.free()


def test_given_back_when_another_lends() -> None:
    """Who waits for a place gets one that another job lends, too."""
    places: Places[Job] = Places(1)
    events: list[str] = []
    first, second = Job(), Job()
    places.take(first)
    places.lend(first)
    places.take(second)
    places.take_back(first, noting(events, "first"))

    places.lend(second)

    assert events == ["first"]
    assert not places.free()


def test_others_of_the_job_still_wait() -> None:
    """A job has its place back when the last of its waits is over; the others go on at once."""
    places: Places[Job] = Places(1)
    events: list[str] = []
    job, other = Job(), Job()
    places.take(job)
    places.lend(job)
    places.lend(job)
    places.take(other)

    places.take_back(job, noting(events, "one"))
    assert events == ["one"]
    places.take_back(job, noting(events, "two"))
    assert events == ["one"]
    places.leave(other)

    assert events == ["one", "two"]


def test_job_that_is_done_lends_nothing() -> None:
    """What a job that is done had lent is not counted any more."""
    places: Places[Job] = Places(1)
    job = Job()
    places.take(job)
    places.lend(job)

    places.leave(job)

    places.take(Job())
    assert not places.free()


def test_job_that_is_done_goes_on_at_once() -> None:
    """What a job has left behind waits for no place: the job has none any more."""
    places: Places[Job] = Places(1)
    events: list[str] = []
    job = Job()
    places.take(job)
    places.lend(job)
    places.leave(job)

    places.take_back(job, noting(events, "on"))

    assert events == ["on"]
    assert places.free()
