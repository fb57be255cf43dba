"""The pickler for objects that are sent to another process."""

from __future__ import annotations

import asyncio
import concurrent.futures
import io
import pickle
import sys
from functools import reduce
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any, Final

import cloudpickle
import distributed

from .._common.typing import override

_PROTOCOL: Final = 5
_FUTURES: Final = (concurrent.futures.Future, asyncio.Future, distributed.Future)

loads = pickle.loads


def dumps(value: object) -> bytes:
    """Pickle `value` for another process."""
    buffer = io.BytesIO()
    _Pickler(buffer, _PROTOCOL).dump(value)
    return buffer.getvalue()


def dumps_plain(value: object) -> bytes:
    """Pickle `value`, which needs nothing beyond the standard pickler."""
    return pickle.dumps(value, _PROTOCOL)


class _Pickler(cloudpickle.Pickler):
    """A cloudpickle pickler that refuses futures and finds functions below decorators."""

    @override
    def reducer_override(self, obj: Any) -> Any:
        # Not isinstance: the `__class__` of an object may raise.
        if issubclass(type(obj), _FUTURES):
            raise TypeError(f"a future cannot leave its process; pass its result instead: {obj!r}")
        if type(obj) is FunctionType:
            place = _below_decorators(obj)
            if place is not None:
                return load_function, place
        return super().reducer_override(obj)


def load_function(module: str, name: str, depth: int) -> Any:
    """Return the function `depth` decorators below a name in a module."""
    found: Any = reduce(getattr, name.split("."), import_module(module))
    for _ in range(depth):
        found = found.__wrapped__
    return found


def is_by_reference(value: Any) -> bool:
    """Tell whether a function or class is sent by name, for the worker to import."""
    name = value.__module__
    if type(value) is FunctionType and _below_decorators(value) is not None:
        return True
    found: Any = None if _is_by_value(name) else sys.modules.get(name)
    for part in value.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is value


def is_importable(module: ModuleType) -> bool:
    """Tell whether a module is sent by name."""
    name = module.__name__
    return sys.modules.get(name) is module and not _is_by_value(name)


def _below_decorators(fn: FunctionType) -> tuple[str, str, int] | None:
    """Return the arguments for `load_function` if the function's name leads to its decorator.

    Sent by value, it would take its globals along: locks, clients, executors.
    """
    name = fn.__module__
    found: Any = None if _is_by_value(name) else sys.modules.get(name)
    for part in fn.__qualname__.split("."):
        found = getattr(found, part, None)
    depth = 0
    while found is not None and found is not fn:
        found = getattr(found, "__wrapped__", None)
        depth += 1
    return None if found is None or depth == 0 else (name, fn.__qualname__, depth)


def _is_by_value(module: str | None) -> bool:
    """Tell whether cloudpickle sends what a module defines by value, not by name."""
    if module is None:
        # Code run by `exec`.
        return True
    by_value = cloudpickle.list_registry_pickle_by_value()
    parents = module.split(".")
    return module == "__main__" or any(
        ".".join(parents[: end + 1]) in by_value for end in range(len(parents))
    )
