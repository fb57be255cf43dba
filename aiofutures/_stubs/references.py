"""A name in a stub, before it is known how the stub calls it."""

from __future__ import annotations

import ast


class Reference(ast.Name):
    """A name that a module defines, before it is known how the stub calls it."""

    def __init__(self, module: str, name: str) -> None:
        super().__init__(f"{module}:{name}")
        self.module = module
        self.name = name
