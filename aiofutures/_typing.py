"""Type variables and the like that several modules share."""

import sys
from typing import ParamSpec, TypeVar

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

__all__ = ["P", "T", "override"]

P = ParamSpec("P")
T = TypeVar("T")
