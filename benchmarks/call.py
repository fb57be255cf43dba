"""What does the call of an async function cost that looks like a sync one?"""

from __future__ import annotations

from functools import partial

from . import peers, wait
from ._lines import Line


def _line(against: str, target: float) -> Line:
    measure = partial(wait.measure, peers.TO_SYNC, against)
    return Line("`to_sync` call", against, "µs", target, measure)


LINES = [
    _line(peers.ASGIREF, 12),
    _line(peers.SYNCHRONICITY, 4),
    _line(peers.ASYNCER, 3),
]
