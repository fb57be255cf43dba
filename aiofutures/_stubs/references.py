"""Names in a stub, before it is decided how to write them."""

from __future__ import annotations

import ast
from collections.abc import Callable


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


class Unfinished(ast.ClassDef):
    """A class that can be finished when all twins of the stub are known."""

    def __init__(self, node: ast.ClassDef, finish: Callable[[ast.ClassDef], ast.ClassDef]) -> None:
        super().__init__(**dict(ast.iter_fields(node)))
        self._finish = finish

    def finished(self) -> ast.ClassDef:
        """Return the class as it is in the stub."""
        return self._finish(ast.ClassDef(**dict(ast.iter_fields(self))))
