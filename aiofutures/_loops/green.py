"""The refusal of what gevent and eventlet put in the place of threads."""

from __future__ import annotations

import _thread
from asyncio import AbstractEventLoop
from typing import Any, Final

_GREEN: Final = frozenset({"gevent", "eventlet"})


def refuse_green_threads() -> None:
    """Raise RuntimeError where threads are green: a wait for the event loop would never end.

    They may be at any time, so nothing is kept.
    """
    # A debugger's would do.
    if not are_threads_real():
        _refuse(_thread.start_new_thread.__module__, "threads")


def are_threads_real() -> bool:
    """Tell whether threads are those of the standard library."""
    return _thread.start_new_thread.__module__ == "_thread"


def refuse_green_selector(loop: AbstractEventLoop) -> None:
    """Raise RuntimeError for an event loop that cannot run in a real thread."""
    selector: Any = getattr(loop, "_selector", None)
    _refuse(type(selector).__module__, "select")


def _refuse(module: str, replaced: str) -> None:
    name, _, _ = module.partition(".")
    if name in _GREEN:
        raise RuntimeError(
            f"{name} has replaced the standard library's {replaced}, but the event loop of "
            "aiofutures needs real threads: use workers that have them, such as 'gthread' of "
            "gunicorn and 'threads' or 'prefork' of Celery, or leave threads and select unpatched"
        )
