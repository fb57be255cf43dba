"""The places of the calls that run at once, and who waits for one."""

from collections.abc import Callable
from typing import Any

import pytest

from aiofutures import Future
from aiofutures._loops.limit import Limit

pytestmark = pytest.mark.off_loop_thread("the test itself is the event loop")


class Here:
    """An event loop on which the test itself runs."""

    is_here = True
    is_away = is_visited = False

    def is_current(self) -> bool:
        """Tell whether the caller is to be on it."""
        return self.is_here

    def is_elsewhere(self) -> bool:
        """Tell whether the caller is to run elsewhere."""
        return self.is_away

    def is_visitor(self) -> bool:
        """Tell whether the caller is to be a visitor."""
        return self.is_visited

    def call_soon(self, callback: Callable[..., object], /, *args: Any) -> bool:
        """Call at once."""
        callback(*args)
        return True

    def look_soon(self) -> None:
        """Do nothing: nothing is queued."""


class Call(Future[None]):
    """Has a place, or waits for one."""


def noting(events: list[str], event: str) -> Callable[[], None]:
    """Return what notes `event`."""
    return lambda: events.append(event)


def test_limit() -> None:
    """There are as many places as the limit says; who leaves makes room."""
    limit = Limit(2, Here())
    first, second = Call(), Call()

    limit.take(first)
    assert limit.has_place()
    limit.take(second)
    assert not limit.has_place()
    limit.leave(first)
    assert limit.has_place()


def test_lent_place_is_free() -> None:
    """A place that is lent is free, once, however often its call waits."""
    limit = Limit(1, Here())
    call, other = Call(), Call()
    limit.take(call)

    limit._lend(call)
    limit._lend(call)

    assert limit.has_place()
    limit.take(other)
    assert not limit.has_place()


def test_call_without_a_place_cannot_lend_one() -> None:
    """A call that is done, or never ran, has nothing to lend."""
    limit = Limit(1, Here())
    call = Call()
    limit.take(call)

    limit._lend(Call())

    assert not limit.has_place()


def test_taken_back_at_once() -> None:
    """A call whose place nobody uses gets it back at once."""
    limit = Limit(1, Here())
    events: list[str] = []
    call = Call()
    limit.take(call)
    limit._lend(call)

    limit._return(call, None, noting(events, "back"))

    assert events == ["back"]
    assert not limit.has_place()


def test_taken_back_when_there_is_one() -> None:
    """A call whose place is in use waits until somebody leaves, the first come first."""
    limit = Limit(1, Here())
    events: list[str] = []
    first, second, third = Call(), Call(), Call()
    limit.take(first)
    limit._lend(first)
    limit.take(second)
    limit._lend(second)
    limit.take(third)

    limit._return(first, None, noting(events, "first"))
    limit._return(second, None, noting(events, "second"))
    assert events == []
    limit.leave(third)
    assert events == ["first"]
    limit.leave(first)

    assert events == ["first", "second"]
    assert not limit.has_place()
    limit.leave(second)
    assert limit.has_place()


def test_given_back_when_another_lends() -> None:
    """Who waits for a place gets one that another call lends, too."""
    limit = Limit(1, Here())
    events: list[str] = []
    first, second = Call(), Call()
    limit.take(first)
    limit._lend(first)
    limit.take(second)
    limit._return(first, None, noting(events, "first"))

    limit._lend(second)

    assert events == ["first"]
    assert not limit.has_place()


def test_others_of_the_call_still_wait() -> None:
    """A call has its place back when the last of its waits is over; the others go on at once."""
    limit = Limit(1, Here())
    events: list[str] = []
    call, other = Call(), Call()
    limit.take(call)
    limit._lend(call)
    limit._lend(call)
    limit.take(other)

    limit._return(call, None, noting(events, "one"))
    assert events == ["one"]
    limit._return(call, None, noting(events, "two"))
    assert events == ["one"]
    limit.leave(other)

    assert events == ["one", "two"]


def test_call_that_is_done_lends_nothing() -> None:
    """What a call that is done had lent is not counted any more."""
    limit = Limit(1, Here())
    call = Call()
    limit.take(call)
    limit._lend(call)

    limit.leave(call)

    limit.take(Call())
    assert not limit.has_place()


def test_call_that_is_done_goes_on_at_once() -> None:
    """What a call has left behind waits for no place: the call has none any more."""
    limit = Limit(1, Here())
    events: list[str] = []
    call = Call()
    limit.take(call)
    limit._lend(call)
    limit.leave(call)

    limit._return(call, None, noting(events, "on"))

    assert events == ["on"]
    assert limit.has_place()


def test_pause() -> None:
    """A call that pauses keeps its place until a visitor waits for one."""
    loop = Here()
    limit, call = Limit(1, loop), Call()
    limit.take(call)
    events: list[str] = []

    go_on = limit.lend(call, None)
    assert go_on is not None
    assert not limit.has_place()
    go_on(noting(events, "on"))
    assert events == ["on"]

    go_on = limit.lend(call, None)
    assert go_on is not None
    assert limit.visit() is None
    loop.is_visited = True
    end_visit = limit.visit()
    assert end_visit is not None
    assert limit.has_place()

    end_visit(noting(events, "visitor"))
    go_on(noting(events, "again"))
    assert events == ["on", "visitor", "again"]
    assert not limit.has_place()


def test_place_that_is_not_the_callers() -> None:
    """Code of a call that runs elsewhere leaves the place to the call."""
    loop = Here()
    limit, call = Limit(1, loop), Call()
    limit.take(call)
    loop.is_away = True

    assert limit.lend(call, limit) is None
    assert limit.lend(call, None) is None


def test_pauses_where_others_run() -> None:
    """Visitors get a place of one that pauses when nobody runs who would give one back."""
    loop = Here()
    loop.is_visited = True
    limit = Limit(2, loop)
    first, second, third = Call(), Call(), Call()
    limit.take(first)
    limit.take(second)
    limit._pause(first)
    limit._pause(first)
    limit.visit()
    assert not limit.has_place()

    limit._pause(second)
    assert limit.has_place()
    limit.take(third)
    assert not limit.has_place()
    limit._pause(third)

    assert limit.has_place()
    assert [*limit._lent] == [first, second]


def test_return_of_a_call_that_pauses() -> None:
    """A call whose place comes back while it still pauses lends it to visitors again."""
    loop = Here()
    loop.is_visited = True
    limit, events = Limit(1, loop), list[str]()
    call, other = Call(), Call()
    limit.take(call)
    limit._lend(call)
    limit._pause(call)
    limit.take(other)
    limit.visit()
    limit._return(call, None, noting(events, "back"))
    assert not limit.has_place()

    limit.leave(other)

    assert events == ["back"]
    assert limit.has_place()


@pytest.mark.parametrize("pauses", [False, True])
def test_return_from_elsewhere(*, pauses: bool) -> None:
    """A thread that wants its place back is a visitor: calls that pause may wait for the thread."""
    loop = Here()
    loop.is_visited = True
    limit, events = Limit(1, loop), list[str]()
    call, other = Call(), Call()
    limit.take(call)
    loop.is_here = False
    take_back = limit.lend(call, None if pauses else limit)
    end_visit = limit.visit()
    assert take_back is not None
    assert end_visit is not None
    end_visit(noting(events, "visitor"))
    limit.take(other)
    limit._pause(other)
    assert not limit.has_place()

    take_back(noting(events, "back"))

    assert events == ["visitor", "back"]
    assert not limit._visitors


def test_visit_where_there_is_a_place() -> None:
    """Nobody lends a place to visitors where one is free."""
    loop = Here()
    loop.is_visited = True
    limit, call = Limit(2, loop), Call()
    limit.take(call)
    limit._pause(call)

    limit.visit()

    assert not limit._lent


def test_pause_of_a_call_that_is_done() -> None:
    """A call that is done does not pause."""
    limit = Limit(1, Here())

    limit._pause(Call())

    assert not limit._paused
