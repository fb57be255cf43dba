"""The refusal of gevent's and eventlet's replacements for threads."""

from __future__ import annotations

import _thread
from asyncio import AbstractEventLoop
from typing import Any, Final

_GREEN: Final = frozenset({"gevent", "eventlet"})


def refuse_green_threads() -> None:
    """Raise RuntimeError if threads are green: a wait for the event loop would never end.

    Threads may be replaced at any time, so nothing is cached.
    """
    # A debugger's replacement is fine.
    if not are_threads_real():
        _refuse(_thread.start_new_thread.__module__, "threads")


def are_threads_real() -> bool:
    """Tell whether threads are the standard library's own."""
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
