"""The waiting thread and the `Local`s, as asgiref and Django find them in a call.

Nothing here imports asgiref. Where a program has loaded it:

- `AsyncToSync.executors.current` of a call is an executor for the thread that waits. asgiref's
  thread-sensitive calls look there first.
- A `Local` keeps a dict in a context variable, from asgiref 3.12 on in an object that says to which
  thread it belongs: other threads do not see it. Before that, all contexts share the dict. So a
  context that goes to another thread gets a copy that belongs to that one.

This module has every private name of asgiref that the package uses, and
`tests/common/test_asgiref.py` fails if one of them disappears. Without them, asgiref works as if
this package knew nothing about it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import nullcontext
from contextvars import Context, ContextVar, copy_context
from functools import partial
from threading import get_ident, local
from typing import Any, Final, Protocol

#: The name of the module, and of all its context variables.
LOCAL: Final = "asgiref.local"

_UNSET: Final = object()
_executors: ContextVar[Any] | None = None


class RunsInCaller(Protocol):
    """A loop thread, as this module sees it."""

    @property
    def run_in_caller(self) -> Callable[..., Any]:
        """What runs a function in the thread that waits, and returns a future."""
        ...


class _Ready(nullcontext[None]):
    """What stands for a lock and a bell, which this package needs neither of."""

    def notify(self) -> None:
        """Do nothing."""


class CallerExecutor:
    """What asgiref takes for the executor of its own `async_to_sync`.

    Args:
        running: Returns the loop thread that runs the caller, or the one to use if there is none.
    """

    # What a nested `async_to_sync` uses when it is over and its tasks live on.
    _broken = False
    _work_ready: Final = _Ready()

    def __init__(self, running: Callable[[], RunsInCaller]) -> None:
        self._running = running

    @property
    def _work_items(self) -> CallerExecutor:
        return self

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run `fn(*args, **kwargs)` in the thread that waits."""
        return self._running().run_in_caller(_leaving_no_trace, fn, *args, **kwargs)

    def append(self, item: Any) -> None:
        """Do the same for a call of asgiref's, which has its own future."""
        self.submit(item.run).add_done_callback(partial(_pass_on_refusal, item.future))


def _pass_on_refusal(outcome: Any, future: Any) -> None:
    """Fail a call of asgiref's that was refused."""
    if not outcome.done():
        outcome.set_exception(future.exception())


def _leaving_no_trace(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function of asgiref, which leaves its event loop to the thread for good."""
    loops = vars(sys.modules["asgiref.sync"].SyncToAsync.threadlocal)
    before = loops.copy()
    try:
        return fn(*args, **kwargs)
    finally:
        loops.clear()
        loops.update(before)


def use(executor: object) -> bool:
    """Have thread-sensitive calls of this context run there; None for asgiref's own thread.

    Returns:
        Whether this has set a context variable.
    """
    # Their `Local` has a lock, which a fork may leave taken.
    storage = _storage()
    if not hasattr(storage, "_data"):
        return False
    leave_alone()
    storage.current = executor
    return True


class _Here(local):
    """What `use_caller` stores in this thread, and for which event loop."""

    loop: asyncio.AbstractEventLoop | None = None
    value: Any = None


_here: Final = _Here()


def use_caller(running: Callable[[], RunsInCaller | None]) -> bool:
    """Have thread-sensitive calls of this context run in the thread that waits.

    asgiref takes long to store an executor, so this does it once for each event loop.

    Args:
        running: Returns the loop thread that runs this; its `run_in_caller` is that of
            `CallerExecutor`.

    Returns:
        Whether this has set a context variable.
    """
    loop = asyncio._get_running_loop()
    if _here.loop is not loop:
        host, variable = running(), executors_variable()
        if host is None or variable is None:
            return False
        _here.value, _here.loop = Context().run(_stored, variable, running, host), loop
    value = _here.value
    assert _executors is not None  # noqa: S101
    _executors.set(value.copy() if type(value) is dict else value)
    return True


def _stored(
    variable: ContextVar[Any], running: Callable[[], RunsInCaller | None], host: RunsInCaller
) -> Any:
    """Return what asgiref stores in `variable` for an executor."""
    # A call may take the executor along to another event loop.
    use(CallerExecutor(lambda: running() or host))
    return variable.get()


def executor_of_asgiref() -> Executor | None:
    """Return that of the nearest `async_to_sync`, if it is nearer than a call of ours."""
    variable = executors_variable()
    value = None if variable is None else variable.get(None)
    # What belongs to another thread is not there.
    if getattr(value, "thread_id", get_ident()) != get_ident():
        return None
    current: Any = (_data(value) or {}).get("current")
    # As it looks itself for one whose call is not over.
    while getattr(current, "_broken", False):
        current = getattr(current, "_old_executor", None)
    if isinstance(current, CallerExecutor):
        return None
    executor: Executor | None = current
    return executor


def without_sensitive_context(context: Context) -> Context:
    """Return a context without its `ThreadSensitiveContext`, whose thread may be waiting.

    Also where a coroutine submits the call: the thread waits for it in a nested `async_to_sync`.
    """
    sync_to_async = getattr(sys.modules.get("asgiref.sync"), "SyncToAsync", None)
    sensitive: Any = getattr(sync_to_async, "thread_sensitive_context", None)
    if sensitive is None or sensitive not in context:
        return context
    rest = Context()
    for variable, value in context.items():
        if variable is not sensitive:
            rest.run(variable.set, value)
    return rest


def _storage() -> Any:
    """Return where the executors are; None if asgiref is not loaded."""
    asynchronous = getattr(sys.modules.get("asgiref.sync"), "AsyncToSync", None)
    return getattr(getattr(asynchronous, "executors", None), "_storage", None)


def executors_variable() -> ContextVar[Any] | None:
    """Return where asgiref keeps the executors; None if it is not loaded or they have moved."""
    global _executors  # noqa: PLW0603
    if _executors is None:
        _executors = getattr(_storage(), "_data", None)
    return _executors


def arrive(context: Context) -> None:
    """Move asgiref's data in the context of a call to the loop thread. Loop thread only."""
    # Entering it once is faster than for each variable.
    context.run(_arrive, context)


def _arrive(context: Context) -> None:
    executors = executors_variable()
    for variable, value in context.items():
        if variable is executors:
            _arrive_at_executor(variable, value)
        elif is_local(variable, value):
            variable.set(rehomed(value))


def _arrive_at_executor(variable: ContextVar[Any], value: Any) -> None:
    """Let a call find the executor in `value` only if that is one of ours. Loop thread only."""
    is_ours = isinstance((_data(value) or {}).get("current"), CallerExecutor)
    # asgiref overlooks what belongs to another thread.
    if is_ours or getattr(value, "thread_id", get_ident()) == get_ident():
        variable.set(rehomed(value))
        if executor_of_asgiref() is not None:
            # The caller's thread may be waiting for something else by now.
            use(None)


def rehome(context: Context) -> None:
    """Give the `Local`s of a context to the calling thread."""
    for variable, value in context.items():
        if is_local(variable, value):
            context.run(variable.set, rehomed(value))


def leave_alone() -> None:
    """Leave the data in copies of the current context as it is: old `Local`s change it in place."""
    for variable, value in copy_context().items():
        # Most are not, and this is asked at each submit.
        if type(value) is dict and is_local(variable, value):
            variable.set(value.copy())


def is_local(variable: ContextVar[Any], value: object) -> bool:
    """Tell whether a context variable is that of a `Local`."""
    return variable.name == LOCAL and _data(value) is not None


def has_changed(value: Any, before: object) -> bool:
    """Tell whether the data of a `Local` is not the same as before."""
    data, known = _data(value), _data(before) or {}
    assert data is not None  # noqa: S101
    if data is known:
        return False
    return len(data) != len(known) or any(
        known.get(name, _UNSET) is not item for name, item in data.items()
    )


def rehomed(value: Any) -> Any:
    """Return a copy of the data of a `Local` for the calling thread."""
    return value.copy() if _is_old(value) else type(value)(get_ident(), value.data)


def _data(value: Any) -> Mapping[str, Any] | None:
    """Return the data of a `Local`, if this is some."""
    if type(value) is dict:
        return value
    data: Mapping[str, Any] | None = getattr(value, "data", None)
    return data if hasattr(value, "thread_id") else None


def _is_old(value: object) -> bool:
    """Tell whether this may be the data of a `Local` before asgiref 3.12."""
    return type(value) is dict
