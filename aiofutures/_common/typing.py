"""Type variables and the like that several modules share."""

import sys
from typing import ParamSpec, TypeVar

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

__all__ = ["A", "B", "C", "D", "E", "F", "P", "T", "override"]

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")
P = ParamSpec("P")
T = TypeVar("T")
