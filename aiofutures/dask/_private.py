"""The private names of distributed that are used, and what is done where one is missing."""

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

# A task whose function a worker cannot import breaks the worker's connection. This one it can: the
# bytes are unpickled when the task runs, and that calls what is to run. Of a partial function
# Tornado's mark says that it returns a coroutine.
_LOADS: Final[Any] = partial(pickle.loads)
_LOADS.__tornado_coroutine__ = True
_is_coroutine_function: Final[Any] = distributed.utils.iscoroutinefunction

#: Whether a coroutine can leave its place on a worker to others. Publicly only threads can.
CAN_SECEDE: Final[bool] = SecedeEvent is not None and bool(_is_coroutine_function(_LOADS))

#: Calls what its bytes say, and is the function of each task.
LOADS: Final[Callable[[bytes], object]] = _LOADS if CAN_SECEDE else pickle.loads


def secede(worker: Any, key: str) -> None:
    """Leave the place of the task with this key to another one, as `distributed.secede` does."""
    worker.handle_stimulus(SecedeEvent(key=key, compute_duration=0.0, stimulus_id=f"secede-{key}"))


def is_asynchronous(client: Any) -> bool:
    """Tell whether a client is for coroutines; its public property depends on the thread."""
    return bool(client._asynchronous)


def reason_of(task: Any) -> str:
    """Return why a task was cancelled."""
    return str(getattr(task._state.exception, "reason", "unknown"))
