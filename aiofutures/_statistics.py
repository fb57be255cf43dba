"""What an executor tells of itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExecutorStatistics:
    """What an executor has to do at one moment.

    Attributes:
        pending: Calls that were submitted and have not started.
        running: Calls that have started and have not finished.
        max_workers: The most that may run at once; None for no limit.

    .. versionadded:: 0.2.0
    """

    pending: int
    running: int
    max_workers: int | None
