"""What the annotations of several modules share."""

import sys
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, ParamSpec, TypeAlias, TypeVar

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

__all__ = ["Call", "P", "T", "override"]

P = ParamSpec("P")
T = TypeVar("T")

#: A call that was taken to be run: the function, its arguments and the context to run it in. None
#: stands for no keyword arguments.
#: The argument types were checked against `ParamSpec` at `submit` and are not known here.
Call: TypeAlias = tuple[
    Callable[..., Awaitable[Any]], tuple[Any, ...], dict[str, Any] | None, Context
]
