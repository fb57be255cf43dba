"""What does a call through a twin cost, beside `to_sync` of the method?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from aiofutures import AsyncExecutor, sync_class, to_sync

from ._lines import GROWTH, Effort, Line, Samples
from ._pairs import alternate
from ._tasks import one_at_a_time

_COUNT = 2_000
_ROUNDS = 4  # times those of the other questions


class _Page:
    async def read(self) -> bytes:
        return b""


class _Client:
    def __init__(self) -> None:
        self.page = _Page()

    async def ping(self) -> None:
        pass

    async def number(self, number: int, *, key: str) -> int:
        return number

    async def rows(self) -> list[dict[str, int]]:
        return [{"id": number} for number in range(10)]

    async def same(self) -> _Page:
        return self.page

    async def new(self) -> _Page:
        return _Page()

    async def pages(self) -> list[_Page]:
        return [self.page]

    async def read(self, page: _Page) -> _Page:
        return page


_CALLS: Mapping[str, Callable[[Any], Callable[[], object]]] = {
    "returns None": lambda client: client.ping,
    "takes and returns plain values": lambda client: partial(client.number, 1, key="a"),
    "returns ten rows": lambda client: client.rows,
    "returns a twin that is known": lambda client: client.same,
    "returns a new twin": lambda client: client.new,
    "returns a list with a twin": lambda client: client.pages,
    "takes and returns a twin": lambda client: partial(client.read, client.page),
}


class _Decorated:
    """The methods of an original, each as `to_sync` makes it."""

    def __init__(self, executor: AsyncExecutor) -> None:
        original = _Client()
        self.page = original.page
        for name in ("ping", "number", "rows", "same", "new", "pages", "read"):
            setattr(self, name, to_sync(executor=executor)(getattr(original, name)))


def measure(bound: Callable[[Any], Callable[[], object]], effort: Effort) -> Samples:
    """Take turns with `to_sync` of the bound method."""
    count = effort.tasks(_COUNT)
    with AsyncExecutor() as executor:
        twin = sync_class(_Client, executor=executor)()
        # Held, so that it is known.
        page = twin.page
        ours, theirs = bound(twin), bound(_Decorated(executor))
        samples = alternate(
            lambda: one_at_a_time(ours, count),
            lambda: one_at_a_time(theirs, count),
            _ROUNDS * effort.rounds,
        )
        del page
        return samples


LINES = [
    Line(
        f"call of a twin that {what}",
        "`to_sync` of the method",
        "µs",
        1.15,
        partial(measure, bound),
        GROWTH,
        target_without_eager_tasks=1.15,
    )
    for what, bound in _CALLS.items()
]
