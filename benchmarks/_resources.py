"""What a process has taken from the system."""

from __future__ import annotations

import contextlib
import math
import sys
import threading
from pathlib import Path

if sys.platform != "win32":
    import resource

_STATUS = Path("/proc/self/status")
_TASKS = Path("/proc/self/task")


def peak_memory() -> float:
    """Return the most kB that this process has had in memory; NaN where that is unknown."""
    if sys.platform == "win32":
        return math.nan
    if _STATUS.exists():  # Linux, where getrusage would start with the peak of the parent
        return _status("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def start_of_peak() -> float:
    """Forget the peak so far, where the system can; return what the new one starts with, in kB."""
    if _STATUS.exists():
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak_memory()


def count_threads() -> int:
    """Count the threads of this process; without /proc, those that Python knows."""
    return len(list(_TASKS.iterdir())) if _TASKS.exists() else threading.active_count()


def allow_files(count: int) -> None:
    """Allow this process so many open files, where it may."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        most = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _status(field: str) -> float:
    return float(_STATUS.read_text(encoding="ascii").partition(f"{field}:")[2].split()[0])
