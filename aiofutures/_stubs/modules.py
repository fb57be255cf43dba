"""The source or stubs of modules, and what their names refer to."""

from __future__ import annotations

import ast
import builtins
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

# Modules whose names have a special meaning, wherever they are defined.
_TYPING: Final = frozenset(
    {"abc", "builtins", "collections.abc", "contextlib", "functools", "types", "typing"}
    | {"typing_extensions", "_typeshed", "warnings"}
)
_CONDITIONS: Final = (
    *(ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.Compare, ast.cmpop, ast.Name),
    *(ast.Attribute, ast.Constant, ast.Tuple, ast.Subscript, ast.Slice, ast.Load),
)
# What Python itself sets in modules, and `__all__`, which says what is public.
_OF_MODULES: Final = frozenset(
    {"__all__", "__doc__", "__file__", "__loader__", "__name__", "__package__", "__path__"}
    | {"__spec__"}
)

#: The beginning of a generated stub.
MARK: Final = "# Made by `python -m aiofutures.twin"


class Imported(NamedTuple):
    """A name bound by an import statement, to a module or something in it.

    Attributes:
        module: The name of the module.
        name: The name in it; None for the module itself.
        is_public: Whether it is for others, too, as `import x as x` and `import *` say.
        is_star: Whether `import *` has bound it.
    """

    module: str
    name: str | None
    is_public: bool
    is_star: bool = False


class Assigned(NamedTuple):
    """A name bound by an annotation, an assignment or a `type` statement."""

    value: ast.expr | None
    annotation: ast.expr | None
    node: ast.stmt


class Defined(NamedTuple):
    """A function: its overloads, its implementation, and the setter of a property."""

    nodes: list[Function]


Binding: TypeAlias = Imported | Assigned | Defined | ast.ClassDef


class Target(NamedTuple):
    """What a name refers to: a module, or something defined in one.

    Attributes:
        module: The name of the module.
        name: The qualified name in it; None for the module itself.
        binding: Its definition; None if that cannot be read.
    """

    module: str
    name: str | None
    binding: Binding | None = None


class StubError(Exception):
    """No stub can be generated; the message says why."""


def missing(name: str) -> StubError:
    """Return the error for a package that is not installed."""
    return StubError(f"{name} is not installed: python -m pip install 'aiofutures[twin]'")


@dataclass
class Module:
    """The parsed source of a module."""

    name: str
    path: Path
    tree: ast.Module
    is_package: bool
    scope: dict[str, Binding] = field(default_factory=dict)

    def absolute(self, level: int, name: str | None) -> str:
        """Return the absolute name of a module imported here."""
        if level == 0:
            return name or ""
        parts = self.name.split(".")
        kept = parts[: len(parts) - level + self.is_package]
        return ".".join([*kept, *([name] if name else [])])

    def exported(self) -> list[str]:
        """Return the names that `from module import *` binds."""
        return self.listed or [name for name in self.scope if not name.startswith("_")]

    @cached_property
    def listed(self) -> list[str]:
        """The names in its `__all__`, in the forms that type checkers understand."""
        added = map(_added, _executed(self.tree.body))
        names = (name for each in added if each for name in self._names_in(each))
        return [*dict.fromkeys(names)]

    def _names_in(self, node: ast.expr) -> Iterator[str]:
        """Iterate over the names in a part of `__all__`, which may be that of another module."""
        match node:
            case ast.Constant(value=str(name)):
                yield name
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                for each in parts:
                    yield from self._names_in(each)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                yield from [*self._names_in(left), *self._names_in(right)]
            case (
                ast.Starred(value=value) | ast.Call(func=ast.Name("list" | "sorted"), args=[value])
            ):
                yield from self._names_in(value)
            case ast.Name() | ast.Attribute():
                first, *rest = ast.unparse(node).split(".")
                binding = self.scope.get(first)
                path = [*binding[:2], *rest] if isinstance(binding, Imported) else []
                # Not resolved: the package that it is imported from may be the one being read.
                name, _, last = ".".join(filter(None, path)).rpartition(".")
                source = load(name) if last == "__all__" else None
                yield from [] if source is None else source.listed
            case _:
                pass

    def offers(self, name: str) -> bool:
        """Tell whether a name is for others, too, and not imported for the module itself."""
        if self.listed and not is_special(name):
            return name in self.listed
        if name.startswith("_") and not is_special(name):
            return False
        binding = self.scope.get(name)
        if not isinstance(binding, Imported) or binding.is_public:
            return True
        # What a package imports from its own modules, others import from the package.
        return self.is_package and self.is_near(binding) and not binding.is_star

    def is_near(self, binding: Imported) -> bool:
        """Tell whether a name is imported from the same package."""
        return binding.module.partition(".")[0] == self.name.partition(".")[0]


def is_special(name: str) -> bool:
    """Tell whether a name is one like `__version__`, and not one that every module has."""
    return name.startswith("__") and name.endswith("__") and name not in _OF_MODULES


def _added(statement: ast.stmt) -> ast.expr | None:
    """Return what a statement adds to `__all__`."""
    match statement:
        case (
            ast.Assign(targets=[ast.Name("__all__")], value=value)
            | ast.AnnAssign(target=ast.Name("__all__"), value=value)
            | ast.AugAssign(target=ast.Name("__all__"), value=value)
            | ast.Expr(
                ast.Call(ast.Attribute(ast.Name("__all__"), "append" | "extend"), args=[value])
            )
        ):
            return value
        case _:
            return None


def imported_names(name: str) -> set[str]:
    """Return the names that a module only imports."""
    source = load(name)
    scope = {} if source is None else source.scope
    return {each for each, binding in scope.items() if isinstance(binding, Imported)}


@cache
def load(name: str) -> Module | None:
    """Read a module; None if there is nothing to read."""
    path = _stub(name)
    # A generated stub shows what synchronous code sees, so it does not count.
    if path is None or is_nobodys_work(path):
        path = _source(name) or path
    if path is None:
        return None
    try:
        # As bytes: they say how they are encoded.
        tree = ast.parse(path.read_bytes(), path)
    except SyntaxError as error:
        raise StubError(f"{path} cannot be read: line {error.lineno}: {error.msg}") from error
    module = Module(name, path, tree, path.stem == "__init__")
    module.scope.update(scope_of(tree.body, module))
    return module


def is_nobodys_work(path: Path) -> bool:
    """Tell whether a file is a generated stub, or has nothing but comments in it."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    is_made = any(line.startswith(MARK) for line in lines)
    return is_made or not any(line and not line.startswith("#") for line in lines)


def _source(name: str) -> Path | None:
    path = _found(name)
    if path is None or path.suffix == ".py":
        return path
    # That of a compiled module may lie beside it, as with Cython and mypyc.
    beside = path.with_name(path.name.partition(".")[0] + ".py")
    return beside if beside.is_file() else None


def _found(name: str) -> Path | None:
    """Find the source of a module, importing only the packages that contain it."""
    known = sys.modules.get(name)
    spec = getattr(known, "__spec__", None)
    try:
        spec = spec or importlib.util.find_spec(name)
    except (ImportError, AttributeError, ValueError):
        return None
    origin = getattr(known, "__file__", None) if spec is None else spec.origin
    return Path(origin) if origin and Path(origin).is_file() else None


def _stub(name: str) -> Path | None:
    """Find the stub of a module: next to it, in a stub package, or in typeshed."""
    top, *rest = name.split(".")
    if top in sys.stdlib_module_names or top == "_typeshed":
        # The extra installs it.
        try:
            from typeshed_client import get_stub_file  # noqa: PLC0415
        except ImportError:
            raise missing("typeshed_client") from None
        found: Path | None = get_stub_file(name)
        return found
    path = _found(name)
    if path is not None and path.with_suffix(".pyi").is_file():
        return path.with_suffix(".pyi")
    if path is not None and path.name.partition(".")[0] != path.stem:
        # For a compiled module, such as `name.cpython-313.so`.
        beside = path.with_name(path.name.partition(".")[0] + ".pyi")
        if beside.is_file():
            return beside
    for directory in sys.path:
        base = Path(directory or ".", f"{top}-stubs", *rest)
        for candidate in (base.with_suffix(".pyi") if rest else base, base / "__init__.pyi"):
            if candidate.is_file():
                return candidate
    return None


# Scopes.


def scope_of(body: Sequence[ast.stmt], module: Module) -> dict[str, Binding]:
    """Return the names that the statements of a module or class bind."""
    scope: dict[str, Binding] = {}
    for statement in _executed(body):
        for name, binding in _bindings(statement, module):
            known = scope.get(name)
            scope[name] = binding if known is None else _after(known, binding)
        if isinstance(statement, ast.Delete):
            for target in statement.targets:
                scope.pop(ast.unparse(target), None)
    return scope


def _after(known: Binding, new: Binding) -> Binding:
    """Return the binding of a name that was bound before."""
    match known, new:
        case _, Imported() if _is_unreadable(new):
            return known
        case Defined(), Defined() if _belong_together(known.nodes, new.nodes[0]):
            return Defined([*known.nodes, *new.nodes])
        case Assigned(annotation=ast.expr() as annotation), Assigned(annotation=None):
            return new._replace(annotation=annotation)
        case _:
            return new


def _is_unreadable(binding: Imported) -> bool:
    """Tell whether a name is imported from a module without source and stub, or from none."""
    if _source(binding.module) is not None or _stub(binding.module) is not None:
        return False
    return _found(binding.module) is not None or binding.module not in sys.modules


def _executed(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Iterate over the statements that type checkers consider executed on this Python."""
    for statement in body:
        if isinstance(statement, ast.If):
            condition = _condition(statement.test)
            if condition is not True:
                yield from _executed(statement.orelse)
            if condition is not False:
                yield from _executed(statement.body)
        elif isinstance(statement, (ast.Try, ast.TryStar)):
            for handler in statement.handlers:
                yield from _executed(handler.body)
            yield from _executed([*statement.body, *statement.orelse, *statement.finalbody])
        elif isinstance(statement, ast.With):
            yield from _executed(statement.body)
        else:
            yield statement


def _condition(test: ast.expr) -> bool | None:
    """Return whether a condition is true for a type checker; None if unknown."""
    names = {"TYPE_CHECKING": True, "sys": sys, "typing": _Typing, "t": _Typing, "__name__": ""}
    for node in ast.walk(test):
        if not isinstance(node, _CONDITIONS) or (
            isinstance(node, ast.Name) and node.id not in names
        ):
            return None
    try:
        return bool(eval(compile(ast.Expression(test), "", "eval"), names))  # noqa: S307
    except (AttributeError, TypeError):
        return None


class _Typing:
    TYPE_CHECKING = True


def _bindings(statement: ast.stmt, module: Module) -> Iterator[tuple[str, Binding]]:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield statement.name, Defined([statement])
        case ast.ClassDef():
            yield statement.name, statement
        case ast.Import():
            yield from map(_imported_module, statement.names)
        case ast.ImportFrom():
            yield from _imported(statement, module)
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name, Assigned(statement.value, statement.annotation, statement)
        case ast.Assign():
            for target, value in assignments(statement):
                if isinstance(target, ast.Name):
                    yield target.id, Assigned(value, None, statement)
        case _ if type(statement).__name__ == "TypeAlias":
            # The statement `type Name = ...`, new in Python 3.12.
            fields = dict(ast.iter_fields(statement))
            yield fields["name"].id, Assigned(fields["value"], None, statement)
        case _:
            pass


def assignments(statement: ast.Assign) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """Iterate over the targets of an assignment and their values; None for what is unpacked."""
    several = (ast.Tuple, ast.List)
    for target in statement.targets:
        if not isinstance(target, several):
            yield target, statement.value
        elif (
            isinstance(statement.value, several)
            and len(statement.value.elts) == len(target.elts)
            and not any(isinstance(each, ast.Starred) for each in target.elts)
        ):
            yield from zip(target.elts, statement.value.elts, strict=True)
        else:
            for each in target.elts:
                yield (each.value if isinstance(each, ast.Starred) else each), None


def _imported_module(alias: ast.alias) -> tuple[str, Binding]:
    local = alias.asname or alias.name.partition(".")[0]
    is_public = alias.asname == alias.name
    return local, Imported(alias.name if alias.asname else local, None, is_public)


def _imported(statement: ast.ImportFrom, module: Module) -> Iterator[tuple[str, Binding]]:
    source = module.absolute(statement.level, statement.module)
    for alias in statement.names:
        if alias.name != "*":
            is_public = alias.asname == alias.name
            yield alias.asname or alias.name, Imported(source, alias.name, is_public)
        elif (imported := load(source)) is not None:
            for name in imported.exported():
                # Without a list, a star passes on nothing that the module itself only imports.
                yield name, Imported(source, name, imported.offers(name), is_star=True)


def decorator_names(node: Function | ast.ClassDef) -> list[str]:
    """Return the last part of each decorator's name."""
    calls = [each.func if isinstance(each, ast.Call) else each for each in node.decorator_list]
    return [ast.unparse(each).rpartition(".")[2] for each in calls]


def overloads_in(nodes: Iterable[Function]) -> list[Function]:
    """Return the overloads among the functions of one name."""
    return [each for each in nodes if "overload" in decorator_names(each)]


def _belong_together(known: Iterable[Function], new: Function) -> bool:
    """Tell whether a function continues the overloads or the property before it."""
    names = [decorator_names(each) for each in known]
    if {"setter", "deleter"} & {*decorator_names(new)}:
        return True
    return "overload" in names[-1]


# What names refer to.


def resolve(module: str, name: str, seen: frozenset[tuple[str, str]] = frozenset()) -> Target:
    """Return what a name in a module refers to, following imports."""
    return _resolve(module, name, seen) if seen else _resolved(module, name)


@cache
def _resolved(module: str, name: str) -> Target:
    return _resolve(module, name, frozenset())


def _resolve(module: str, name: str, seen: frozenset[tuple[str, str]]) -> Target:
    source = None if (module, name) in seen else load(module)
    binding = None if source is None else source.scope.get(name)
    is_borrowed = isinstance(binding, Imported) and not binding.is_public
    if source is None and module not in _TYPING and _is_module(f"{module}.{name}"):
        # In a package without `__init__`.
        return Target(f"{module}.{name}", None)
    if source is None or (module in _TYPING and not is_borrowed):
        return Target(module, name)
    if isinstance(binding, Imported):
        if binding.name is None:
            return Target(binding.module, None)
        return resolve(binding.module, binding.name, seen | {(module, name)})
    if binding is None and source.is_package and _is_module(f"{module}.{name}"):
        return Target(f"{module}.{name}", None)
    if isinstance(binding, Assigned) and isinstance(binding.value, (ast.Name, ast.Attribute)):
        same = resolve_expression(binding.value, module, seen | {(module, name)})
        if same is not None and isinstance(same.binding, ast.ClassDef):
            return same
    return Target(module, name, binding)


@cache
def _is_module(name: str) -> bool:
    return name in sys.modules or _found(name) is not None or _stub(name) is not None


def resolve_expression(
    node: ast.expr, module: str, seen: frozenset[tuple[str, str]] = frozenset()
) -> Target | None:
    """Return what a dotted name in a module refers to; None for other expressions."""
    if isinstance(node, ast.Name):
        found = resolve(module, node.id, seen)
        if found.binding is None and found == Target(module, node.id):
            is_built_in = hasattr(builtins, node.id)
            return Target("builtins", node.id) if is_built_in else found
        return found
    if not isinstance(node, ast.Attribute):
        return None
    base = resolve_expression(node.value, module, seen)
    if base is None:
        return None
    if base.name is None:
        return resolve(base.module, node.attr, seen)
    source = load(base.module)
    if isinstance(base.binding, ast.ClassDef) and source is not None:
        inner = scope_of(base.binding.body, source).get(node.attr)
        return Target(base.module, f"{base.name}.{node.attr}", inner)
    return Target(base.module, f"{base.name}.{node.attr}")


def public_place(target: Target) -> tuple[str, str]:
    """Return the best place to import a name from: the shortest public module that has it."""
    assert target.name is not None  # noqa: S101
    first, _, _ = target.name.partition(".")
    parts = target.module.split(".")
    # Such as `io` for `_io`.
    public = target.module.lstrip("_")
    if public in sys.stdlib_module_names and _exports(public, first, target.module):
        return public, target.name
    for count in range(1, len(parts)):
        package = ".".join(parts[:count])
        if package.startswith("_") or "._" in package:
            break
        if _exports(package, first, target.module):
            return package, target.name
    return target.module, target.name


@cache
def _exports(package: str, name: str, definer: str) -> bool:
    module = load(package)
    if module is None or name not in module.scope:
        return False
    binding = module.scope[name]
    if not isinstance(binding, Imported):
        return False
    if not (binding.is_public or name in module.listed):
        return False
    found = resolve(package, name)
    return found.module == definer and found.name == name
