"""A name in a stub, before it is decided how to write it."""

from __future__ import annotations

import ast


class Reference(ast.Name):
    """A name defined in a module, before it is decided how the stub writes it."""

    def __init__(self, module: str, name: str) -> None:
        super().__init__(f"{module}:{name}")
        self.module = module
        self.name = name
