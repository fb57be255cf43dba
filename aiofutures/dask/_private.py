"""The private names of distributed that are used, and fallbacks for missing ones."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import distributed.utils

try:
    from distributed.worker_state_machine import SecedeEvent
except ImportError:
    SecedeEvent = None  # type: ignore[assignment, misc]

# A task whose function cannot be imported breaks the worker's connection. `pickle.loads` always can
# be. It unpickles the bytes when the task runs, which calls the actual function. Tornado's mark
# tells Dask that it returns a coroutine.
_LOADS: Final[Any] = partial(pickle.loads)
_LOADS.__tornado_coroutine__ = True
_is_coroutine_function: Final[Any] = distributed.utils.iscoroutinefunction

#: Whether a coroutine can leave its place on a worker to others. The public API has it for threads.
CAN_SECEDE: Final[bool] = SecedeEvent is not None and bool(_is_coroutine_function(_LOADS))

#: The function of each task, which calls what its bytes describe.
LOADS: Final[Callable[[bytes], object]] = _LOADS if CAN_SECEDE else pickle.loads


def secede(worker: Any, key: str) -> None:
    """Leave the place of the task with this key to others, as `distributed.secede` does."""
    worker.handle_stimulus(SecedeEvent(key=key, compute_duration=0.0, stimulus_id=f"secede-{key}"))


def is_asynchronous(client: Any) -> bool:
    """Tell whether a client is asynchronous; the public property depends on the thread."""
    return bool(client._asynchronous)


def reason_of(task: Any) -> str:
    """Return why a task was cancelled."""
    return str(getattr(task._state.exception, "reason", "unknown"))
