"""Names in a stub, before it is decided how to write them."""

from __future__ import annotations

import ast


class Reference(ast.Name):
    """A name defined in a module, before it is decided how the stub writes it."""

    def __init__(self, module: str, name: str) -> None:
        super().__init__(f"{module}:{name}")
        self.module = module
        self.name = name


class Declared(ast.Name):
    """A type variable that the stub declares itself, with this call instead of the original's."""

    def __init__(self, module: str, name: str, call: ast.Call) -> None:
        super().__init__(f"{module}:{name}")
        self.module = module
        self.name = name
        self.call = call
