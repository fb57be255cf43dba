"""What the annotations of several modules share."""

import contextvars
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeAlias, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: A call that waits to be run: the function, its arguments and the context to run it in.
#: The argument types were checked against `ParamSpec` at `submit` and are not known here.
Call: TypeAlias = tuple[
    Callable[..., Awaitable[Any]], tuple[Any, ...], dict[str, Any], contextvars.Context
]
