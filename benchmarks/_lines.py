"""Lines of the table: what was measured, and whether it is good enough."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

#: Tasks can take their first step at once, without a turn of the event loop.
HAS_EAGER_TASKS = sys.version_info >= (3, 12)


@dataclass(frozen=True)
class Effort:
    """How much work to put into the figures.

    Attributes:
        rounds: How often both sides take turns in one process.
        processes: How often each side gets a new process, where it needs one.
        scale: What part of the tasks to run.
    """

    rounds: int
    processes: int
    scale: float

    def tasks(self, count: int) -> int:
        """Return how many tasks to run where `count` are the measure."""
        return max(2, int(count * self.scale))


FULL = Effort(rounds=15, processes=5, scale=1)
QUICK = Effort(rounds=2, processes=1, scale=0.05)


@dataclass(frozen=True)
class Samples:
    """What both sides took in each round. The other side is empty where there is none."""

    ours: Sequence[float]
    theirs: Sequence[float] = ()


@dataclass(frozen=True)
class Scale:
    """How samples become one figure, and which figures are good.

    Attributes:
        figure: Makes one figure of the samples.
        form: How to write the figure.
        more_is_better: Whether a figure above the target is good.
    """

    figure: Callable[[Samples], float]
    form: str
    more_is_better: bool

    def meets(self, figure: float, target: float) -> bool:
        """Tell whether the figure is as good as the target, as precisely as it is written."""
        difference = round(figure, 2) - target
        return difference >= 0 if self.more_is_better else difference <= 0


def median_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Return the median of the ratios of each round."""
    return median(a / b for a, b in zip(numerators, denominators, strict=True))


TIMES = Scale(
    lambda samples: median_ratio(samples.theirs, samples.ours), "{:.2f}x", more_is_better=True
)
RATE = Scale(
    lambda samples: median_ratio(samples.ours, samples.theirs), "{:.2f}x", more_is_better=True
)
GROWTH = Scale(
    lambda samples: median_ratio(samples.ours, samples.theirs), "{:.2f}x", more_is_better=False
)
SHARE = Scale(
    lambda samples: 100 * median_ratio(samples.ours, samples.theirs),
    "{:.0f} %",
    more_is_better=False,
)
WORST = Scale(lambda samples: max(samples.ours), "{:.1f} ms", more_is_better=False)


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Attributes:
        work: What is done.
        against: What it is compared with.
        unit: The unit of the samples.
        target: The least, or the most, that is good enough; None where nothing is aimed at.
        measure: Takes the samples.
        scale: Makes one figure of them.
        target_without_eager_tasks: The target on Python 3.11.
    """

    work: str
    against: str
    unit: str
    target: float | None
    measure: Callable[[Effort], Samples] = field(repr=False)
    scale: Scale = TIMES
    target_without_eager_tasks: float | None = None

    @property
    def target_here(self) -> float | None:
        """The target on this version of Python; None where it has none."""
        return self.target if HAS_EAGER_TASKS else self.target_without_eager_tasks


@dataclass(frozen=True)
class Outcome:
    """A line and its samples.

    Attributes:
        line: The line.
        samples: None when the line could not be measured.
        reason: Why not.
    """

    line: Line
    samples: Samples | None
    reason: str = ""

    @property
    def figure(self) -> float | None:
        """The figure that is compared with the target."""
        return None if self.samples is None else self.line.scale.figure(self.samples)

    @property
    def verdict(self) -> str:
        """Whether the target is met, in a word."""
        figure, target = self.figure, self.line.target_here
        if figure is None:
            return "not measured"
        if target is None:
            return "no target"
        return "met" if self.line.scale.meets(figure, target) else "MISSED"
