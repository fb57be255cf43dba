"""The names of a stub: its imports, and types that depend on the twins it has."""

from __future__ import annotations

import ast
import builtins
from collections import abc
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from keyword import iskeyword
from typing import Any, Final

from .classes import Key
from .modules import load, public_place, resolve
from .references import Declared, Reference, Unfinished

# Names that are the same in `typing` and `collections.abc`, unlike Set.
_COLLECTIONS: Final = frozenset(abc.__all__) - {"Set"}
# Names of `typing_extensions` that `typing` has in the oldest supported Python.
_IN_TYPING: Final = frozenset(
    {
        *("Annotated", "Any", "ClassVar", "Concatenate", "Final", "Generic", "Literal"),
        *("LiteralString", "Never", "NotRequired", "ParamSpec", "Protocol", "Required", "Self"),
        *("TypeAlias", "TypeGuard", "TypeVarTuple", "TypedDict", "Unpack", "final", "overload"),
    }
)


class Taken(ast.Name):
    """A class or container as a parameter type: twins are accepted too, if there are any.

    Args:
        original: The type, with type arguments.
        named: Where the class is defined; or the container, without type arguments.
        args: The type arguments of the twin or of the container of twins, as parameter types.
    """

    def __init__(self, original: ast.expr, named: Key | ast.expr, args: list[ast.expr]) -> None:
        super().__init__(f"taken:{ast.dump(original)}")
        self.original = original
        self.named = named
        self.args = args


class Alias(ast.Name):
    """An alias, and its meaning for the case that twins must be accepted, too."""

    def __init__(self, kept: ast.expr, meaning: ast.expr) -> None:
        super().__init__(f"alias:{ast.dump(kept)}")
        self.kept = kept
        self.meaning = meaning


class OptionsName(ast.Name):
    """A typed dictionary that describes keyword arguments; another one if those may be twins.

    Args:
        original: The typed dictionary.
        fields: Its keys and their types, as parameter types.
    """

    def __init__(self, original: Reference, fields: dict[str, ast.expr]) -> None:
        super().__init__(f"options:{original.id}")
        self.original = original
        self.fields = fields


class Names:
    """Chooses the names of a stub.

    Args:
        module: The module that the stub is for, whose own names need no import.
        taken: Names already used in it.
        twins: The names of the classes of twins of each class.
        lent: What others have made, by the names under which the module offers it, too.

    Attributes:
        used: The names of the module itself that the stub uses.
    """

    def __init__(
        self,
        module: str,
        taken: Iterable[str],
        twins: dict[Key, list[ast.Name]],
        lent: dict[str, Reference],
    ) -> None:
        self.used: set[str] = set()
        self._module = module
        self._lent = lent
        self._local = {_key_of(each): name for name, each in reversed(lent.items())}
        self._taken = {*taken, *lent}
        self._twins = twins
        # As type expressions have them, unlike other names that are the same.
        self._own = {id(node) for nodes in twins.values() for node in nodes}
        # Further names of twins, whose own ones are hidden.
        self._aliases: dict[str, str] = {}
        self._declarations: dict[tuple[str, str, bool, str], ast.Assign] = {}
        # Typed dictionaries for options, by the originals.
        self._options: dict[str, tuple[str, ast.stmt]] = {}
        self._has_builtins = False
        # What is imported under another name: an import in a stub does not pass that on.
        self._renamed: dict[str, str] = {}
        # The members of the surrounding class, whose names hide others.
        self._members: frozenset[str] = frozenset()

    def settled_statement(self, node: ast.stmt) -> ast.stmt:
        """Return a statement as written in the stub."""
        if isinstance(node, Unfinished):
            node = node.finished()
        if isinstance(node, ast.ClassDef):
            self._members = frozenset(filter(None, map(member_name, node.body)))
        new: ast.stmt = self.settled(node)
        self._members = frozenset()
        return new

    def settled(self, node: Any) -> Any:
        """Return a copy with all names chosen."""
        match node:
            case Reference():
                return self._named(node.module, node.name)
            case Declared():
                return ast.Name(self._declared(node))
            case ast.Name(id=name) if id(node) in self._own and name in self._members:
                return ast.Name(self._alias_of(name))
            case Taken():
                return self._given(node)
            case OptionsName():
                has_twins = self._takes_twins(node)
                return self._options_with_twins(node) if has_twins else self.settled(node.original)
            case Alias():
                return self.settled(node.meaning if self._takes_twins(node) else node.kept)
            case ast.BinOp(op=ast.BitOr()):
                return joined(self.settled(part) for part in parts(node))
            case ast.AST():
                copy = type(node)(
                    **{name: self.settled(value) for name, value in ast.iter_fields(node)}
                )
                return ast.copy_location(copy, node)
            case list():
                return [self.settled(each) for each in node]
            case _:
                return node

    def _given(self, node: Taken) -> ast.expr:
        original: ast.expr = self.settled(node.original)
        return joined([original, self._twin(node)]) if self._takes_twins(node) else original

    def _twin(self, node: ast.expr) -> ast.expr:
        """Return a parameter type as it is for twins: with twins as type arguments, too."""
        if isinstance(node, Alias) and self._takes_twins(node):
            return self._twin(node.meaning)
        if isinstance(node, ast.BinOp):
            return joined(map(self._twin, parts(node)))
        if isinstance(node, Taken) and self._takes_twins(node):
            named = node.named
            names = [named] if isinstance(named, ast.expr) else self._twins[named]
            args = [*map(self._twin, node.args)]
            return joined(subscript(self.settled(each), args) for each in names)
        kind: ast.expr = self.settled(node)
        return kind

    def _takes_twins(self, node: ast.AST) -> bool:
        """Tell whether a type accepts a twin of the stub."""
        if isinstance(node, Taken) and isinstance(node.named, ast.expr):
            return any(map(self._takes_twins, node.args))
        if isinstance(node, Taken):
            return node.named in self._twins
        if isinstance(node, Alias):
            return self._takes_twins(node.meaning)
        if isinstance(node, OptionsName):
            return any(map(self._takes_twins, node.fields.values()))
        return any(map(self._takes_twins, ast.iter_child_nodes(node)))

    def _named(self, module: str, name: str) -> ast.expr:
        """Return an expression for a name defined in a module."""
        first, *rest = name.split(".")
        if module == self._module:
            self.used.add(first)
            node: ast.expr = ast.Name(first)
        elif module == "builtins" and hasattr(builtins, first):
            is_hidden = first in self._members
            self._has_builtins |= is_hidden
            node = ast.Attribute(ast.Name("builtins"), first) if is_hidden else ast.Name(first)
        else:
            node = ast.Name(self._imported(module, first))
        for attribute in rest:
            node = ast.Attribute(node, attribute)
        return node

    def _imported(self, module: str, name: str) -> str:
        key = *_best_place(module, name), name in self._members
        if key not in self._local:
            self._local[key] = self._free(key[0], name)
            self._taken.add(self._local[key])
        return self._local[key]

    def _declared(self, node: Declared) -> str:
        """Return the name of a type variable that the stub declares."""
        key = node.module, node.name, node.name in self._members, ast.dump(node.call)
        if key not in self._declarations:
            local = self._free(node.module, node.name)
            self._taken.add(local)
            call: ast.Call = self.settled(node.call)
            call.args = [ast.Constant(local)]
            self._declarations[key] = ast.Assign([ast.Name(local)], call, lineno=0)
        target = self._declarations[key].targets[0]
        assert isinstance(target, ast.Name)  # noqa: S101
        return target.id

    def _options_with_twins(self, node: OptionsName) -> ast.expr:
        """Return the name of a typed dictionary that the stub declares for this."""
        if node.id not in self._options:
            local = self._free("", f"_Sync{node.original.name.rpartition('.')[2].lstrip('_')}")
            self._taken.add(local)
            body: list[ast.stmt] = [
                ast.AnnAssign(ast.Name(name), self.settled(kind), None, simple=1)
                for name, kind in node.fields.items()
            ]
            bases = [self._named("typing", "TypedDict")]
            made = as_record(ast.ClassDef(local, bases, [], body, []))
            self._options[node.id] = local, made
        return ast.Name(self._options[node.id][0])

    def _alias_of(self, name: str) -> str:
        """Return another name of a twin, as a member of the class around has its own."""
        if name not in self._aliases:
            self._aliases[name] = self._free("", f"_{name}")
            self._taken.add(self._aliases[name])
        return self._aliases[name]

    def declarations(self) -> list[ast.stmt]:
        """Return the declarations of type variables, options, and further names of twins."""
        aliases = (
            ast.Assign([ast.Name(local)], ast.Name(name), lineno=0)
            for name, local in self._aliases.items()
        )
        renamed = (
            ast.Assign([ast.Name(name)], ast.Name(local), lineno=0)
            for name, local in self._renamed.items()
        )
        options = (made for _, made in self._options.values())
        return [*renamed, *self._declarations.values(), *options, *aliases]

    def _free(self, module: str, name: str) -> str:
        long = f"{module.rpartition('.')[2].strip('_')}_{name}"
        candidates = [name, long, *(f"{long}_{number}" for number in range(2, 1000))]
        taken = self._taken | self._members
        return next(
            each for each in candidates if each not in taken and not hasattr(builtins, each)
        )

    def imports(self) -> Iterator[ast.stmt]:
        """Yield the import statements."""
        if self._has_builtins:
            yield ast.Import([ast.alias("builtins")])
        here = load(self._module)
        listed = [] if here is None else here.listed
        for name, each in self._lent.items():
            local: str | None = name
            if name in listed:
                local = None if name == each.name else name
            elif name != each.name and here is not None and here.is_package:
                local = self._renamed[name] = self._free("", f"_{name}")
                self._taken.add(local)
            yield self._import(each.module, ast.alias(each.name, local))
        for (module, name, _), local in sorted(self._local.items()):
            if local not in self._lent:
                yield self._import(module, ast.alias(name, local if local != name else None))

    def _import(self, module: str, alias: ast.alias) -> ast.stmt:
        """Return the import of a name; from what is near as the package does it."""
        here = load(self._module)
        is_package = here is not None and here.is_package
        package = self._module if is_package else self._module.rpartition(".")[0]
        is_near = bool(package) and f"{module}.".startswith(f"{package}.")
        source = module[len(package) + 1 :] if is_near else module
        return ast.ImportFrom(source or None, [alias], int(is_near))


def _key_of(node: Reference) -> tuple[str, str, bool]:
    """Return where something is defined, as other names in a stub refer to it."""
    target = resolve(node.module, node.name)
    place = public_place(target) if target.name else (node.module, node.name)
    return *_best_place(*place), False


def _best_place(module: str, name: str) -> tuple[str, str]:
    """Return where to import a name from that several modules of the language have."""
    if module in {"typing", "typing_extensions"} and name in _COLLECTIONS:
        return "collections.abc", name
    if module == "typing_extensions" and name in _IN_TYPING:
        return "typing", name
    return module, name


def member_name(statement: ast.stmt) -> str | None:
    """Return the name of the member that a statement in a class defines."""
    match statement:
        case ast.FunctionDef(name=name):
            return name
        case ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case _:
            return None


def subscript(node: ast.expr, args: list[ast.expr]) -> ast.expr:
    """Return a generic type with its arguments, if it has any."""
    if not args:
        return node
    return ast.Subscript(node, args[0] if len(args) == 1 else ast.Tuple(args))


def generator_type(item: ast.expr, sent: ast.expr | None = None) -> ast.expr:
    """Return the type of a generator; without `sent`, it accepts only None."""
    none = ast.Constant(None)
    name = Reference("collections.abc", "Generator")
    return subscript(name, [item, none if sent is None else sent, none])


def changed_arguments(
    args: ast.arguments,
    change: Callable[[ast.arg], ast.arg],
    default: Callable[[ast.expr], ast.expr],
) -> ast.arguments:
    """Return the parameters of a function, with parameters and default values changed."""
    return ast.arguments(
        posonlyargs=[change(each) for each in args.posonlyargs],
        args=[change(each) for each in args.args],
        vararg=args.vararg and change(args.vararg),
        kwonlyargs=[change(each) for each in args.kwonlyargs],
        kw_defaults=[each and default(each) for each in args.kw_defaults],
        kwarg=args.kwarg and change(args.kwarg),
        defaults=[default(each) for each in args.defaults],
    )


def value_of(name: str, member: Enum) -> ast.expr:
    """Return the value of a member of an enumeration, if it is a plain one."""
    if member.name != name:
        # An alias.
        return ast.Name(str(member.name))
    if type(member.value) in {bool, bytes, int, str}:
        return ast.Constant(member.value)
    dots = ast.Constant(...)
    return ast.Call(Reference("typing", "cast"), [Reference("typing", "Any"), dots], [])


def last_part(node: ast.expr) -> str:
    """Return the last part of a dotted name."""
    return ast.unparse(node).rpartition(".")[2]


def docstring(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    """Return the docstring of a class or function as a statement, if it has one."""
    text = ast.get_docstring(node)
    return [ast.Expr(ast.Constant(text))] if text else []


def as_record(node: ast.ClassDef) -> ast.stmt:
    """Return a typed dictionary whose keys are not all names as a call, and others unchanged."""
    fields = {
        each.target.id: each.annotation
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }
    if all(name.isidentifier() and not iskeyword(name) for name in fields):
        return node
    keys = ast.Dict([ast.Constant(name) for name in fields], [*fields.values()])
    call = ast.Call(node.bases[0], [ast.Constant(node.name), keys], node.keywords)
    return ast.Assign([ast.Name(node.name)], call, lineno=0)


def joined(nodes: Iterable[ast.expr]) -> ast.expr:
    """Return a union, with each type once."""
    each_once = {ast.dump(part): part for node in nodes for part in parts(node)}
    first, *rest = each_once.values()
    for part in rest:
        first = ast.BinOp(first, ast.BitOr(), part)
    return first


def parts(node: ast.expr) -> Iterator[ast.expr]:
    """Iterate over the types of a union."""
    if isinstance(node, ast.BinOp):
        yield from parts(node.left)
        yield from parts(node.right)
    else:
        yield node
