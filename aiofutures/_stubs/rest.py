"""The other names of a module, as written in a stub."""

from __future__ import annotations

import ast
import inspect
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Collection, Iterator
from enum import Enum
from itertools import zip_longest
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any

from typing_extensions import get_original_bases

from .classes import Class, Context, Member, class_of
from .modules import (
    Assigned,
    Binding,
    Defined,
    Function,
    Imported,
    Module,
    Target,
    is_special,
    load,
    overloads_in,
    public_place,
    resolve,
)
from .names import as_record, changed_arguments, docstring, joined, last_part, subscript, value_of
from .references import Reference
from .types import Position, Types, is_record

_ELLIPSIS = ast.Constant(...)
_PLAIN = (bool, int, float, str, bytes)
_CONTAINERS = (dict, frozenset, list, set, tuple, deque, defaultdict, OrderedDict)
# Where the types of types are.
_TYPING = frozenset({"collections.abc", "types", "typing", "typing_extensions"})
# What makes a type of other types.
_MAKERS = frozenset({"NewType", "TypeVar"})
# What makes the fields of records, in dataclasses and attrs.
_FIELDS = frozenset({"Factory", "attrib", "field", "ib"})


class Rest:
    """Writes the public names of a module that are not twins."""

    def __init__(self, module: Module, live: ModuleType, types: Types) -> None:
        self._module = module
        self._live = live
        self._types = types
        # However the module makes it.
        listed: Any = vars(live).get("__all__", ())
        self._listed = [name for name in listed if name in module.scope]

    def lent(self) -> dict[str, Reference]:
        """Return what the module imports for others, too, by the names that it has here."""
        return {
            name: Reference(binding.module, binding.name)
            for name, binding in self._module.scope.items()
            if isinstance(binding, Imported) and binding.name and self._is_public(name)
        }

    def listed(self) -> Iterator[ast.stmt]:
        """Yield `__all__`, if the module has one."""
        if self._listed:
            exported = ast.List([ast.Constant(name) for name in self._listed])
            yield ast.Assign([ast.Name("__all__")], exported, lineno=0)

    def names(self) -> list[str]:
        """Return the names of the module, private ones too, in their order."""
        return [*self._module.scope]

    def is_wanted(self, name: str) -> bool:
        """Tell whether the stub has a name, even if nothing else in the stub uses it."""
        return self._is_public(name) or self._is_used(name, self._module.scope[name])

    def _is_public(self, name: str) -> bool:
        """Tell whether the stub must have a name because others may use it."""
        binding = self._module.scope[name]
        if self._listed and not is_special(name):
            # Others may import by its name what a star does not pass on.
            is_own = not isinstance(binding, Imported) and not name.startswith("_")
            is_lent = isinstance(binding, Imported) and binding.is_public and not binding.is_star
            return name in self._listed or is_own or is_lent
        if isinstance(binding, Imported) and binding.is_star and not self._module.is_package:
            # Nobody looks for all that is in a library in a module that uses it.
            return self._module.is_near(binding) and binding.is_public
        return self._module.offers(name)

    def _is_used(self, name: str, binding: Binding) -> bool:
        """Tell whether a private name may occur in types: a class, alias or type variable."""
        is_type = _is_type(getattr(self._live, name, None))
        return isinstance(binding, ast.ClassDef) or (isinstance(binding, Assigned) and is_type)

    def written(self, name: str) -> Iterator[ast.stmt]:
        """Yield the statements for a name."""
        binding = self._module.scope[name]
        context = Context(self._module.name)
        cls = class_of(Target(self._module.name, name, binding))
        if isinstance(binding, ast.ClassDef):
            assert cls is not None  # noqa: S101
            yield self._class(cls)
        elif cls is not None and is_record(cls):
            yield as_record(self._class(cls))
        elif isinstance(binding, Defined):
            yield from (
                self._function(node, context)
                for node in overloads_in(binding.nodes) or binding.nodes
            )
        elif isinstance(binding, Assigned):
            yield self._assigned(name, binding, context, getattr(self._live, name, None))
        elif binding.name is not None:
            local = None if name == binding.name else name
            yield ast.ImportFrom(binding.module, [ast.alias(binding.name, local)], 0)
        else:
            # Where `__all__` does not say that it is for others, the alias does.
            is_same = name == binding.module and name in self._listed
            yield ast.Import([ast.alias(binding.module, None if is_same else name)])

    def _class(self, cls: Class) -> ast.ClassDef:
        live = cls.live()
        body = docstring(cls.node)
        for name, binding in cls.scope.items():
            if isinstance(binding, Defined):
                body += [
                    self._function(node, cls.context, name)
                    for node in overloads_in(binding.nodes) or binding.nodes
                ]
            elif isinstance(binding, Assigned) and name != "__slots__":
                value = inspect.getattr_static(live, name, None)
                body.append(self._assigned(name, binding, cls.context, value))
            elif isinstance(binding, ast.ClassDef):
                body.append(self._class(Class(cls.module, f"{cls.name}.{name}", binding, cls)))
        for name, assigned in cls.assigned.items():
            if name not in cls.scope and (assigned.annotation is not None or name[0] != "_"):
                body.append(self._of_instances(name, assigned, cls))
        # A type checker alone may see the class.
        made_bases = get_original_bases(live) if isinstance(live, type) else ()
        bases = [
            self._base(each, made, cls.context)
            for each, made in zip_longest(cls.node.bases, made_bases)
            if each is not None
        ]
        keywords = [
            ast.keyword(each.arg, self._value(each.value, cls.context))
            for each in cls.node.keywords
        ]
        decorators = [self._value(each, cls.context) for each in cls.node.decorator_list]
        new = ast.ClassDef(
            cls.node.name, bases, keywords, body or [ast.Expr(_ELLIPSIS)], decorators
        )
        self._types.add_brackets(new, cls.node, cls.context, Position.KEPT)
        return new

    def _base(self, node: ast.expr, made: Any, context: Context) -> ast.expr:
        """Return a base class; a call may have made a class of twins, which has a name here."""
        if not isinstance(node, ast.Call):
            return self._translated(node, context)
        known = self._types.known_twin(made) if isinstance(made, type) else None
        return known or self._value(node, context)

    def _of_instances(self, name: str, binding: Assigned, cls: Class) -> ast.stmt:
        """Return an attribute that a method assigns."""
        if binding.annotation is not None:
            # The class itself has no value.
            is_constant = isinstance(binding.value, ast.Constant)
            shown = binding if is_constant else binding._replace(value=None)
            return self._assigned(name, shown, cls.context, None)
        member = Member(name, binding, cls.context, cls, is_of_instances=True)
        kind = self._types.inferred(binding, member, Position.KEPT)
        return ast.AnnAssign(ast.Name(name), kind, None, 1)

    def _function(self, node: Function, context: Context, name: str | None = None) -> ast.stmt:
        """Return a function without its body, as a `yield` would change the function's kind.

        In the body of a class it may have another name, too.
        """
        is_generator = any(isinstance(each, (ast.Yield, ast.YieldFrom)) for each in ast.walk(node))
        is_async = isinstance(node, ast.AsyncFunctionDef) and not is_generator
        make: Any = ast.AsyncFunctionDef if is_async else ast.FunctionDef
        returns = node.returns and self._translated(node.returns, context)
        decorators = [self._value(each, context) for each in node.decorator_list]
        body = docstring(node) or [ast.Expr(_ELLIPSIS)]
        arguments = self._arguments(node.args, context)
        new: ast.stmt = make(name or node.name, arguments, body, decorators, returns, lineno=0)
        self._types.add_brackets(new, node, context, Position.KEPT)
        return new

    def _arguments(self, args: ast.arguments, context: Context) -> ast.arguments:
        def changed(arg: ast.arg) -> ast.arg:
            return ast.arg(arg.arg, arg.annotation and self._translated(arg.annotation, context))

        return changed_arguments(args, changed, _default)

    def _translated(self, node: ast.expr, context: Context) -> ast.expr:
        return self._types.translate(node, context, Position.KEPT)

    def _value(self, node: Any, context: Context, own: frozenset[str] = frozenset()) -> Any:
        """Return an expression, or a part of one, with the names of the stub, but for its `own`."""
        used = {each.id for each in _walked(node) if isinstance(each, ast.Name)}
        match node:
            case ast.Call(func=func, args=[named, *args]) if last_part(func) in _MAKERS:
                kinds = [self._translated(each, context) for each in args]
                given = [
                    (each.arg, self._translated(each.value, context)) for each in node.keywords
                ]
                keywords = [ast.keyword(*each) for each in given]
                return ast.Call(self._value(func, context), [named, *kinds], keywords)
            case ast.Subscript() | ast.BinOp(op=ast.BitOr()) if not used & own:
                return self._translated(node, context)
            case ast.Attribute(value=value) if not used & own and self._is_object(value, context):
                return ast.Attribute(self._value(value, context), node.attr)
            case ast.Name() | ast.Attribute() if not used & own and context.target(node):
                return self._translated(node, context)
            case ast.Name():
                return node
            case ast.AST():
                own |= _own_names(node)
                fields = {
                    name: self._value(value, context, own) for name, value in ast.iter_fields(node)
                }
                return type(node)(**fields)
            case list():
                return [self._value(each, context, own) for each in node]
            case _:
                return node

    def _is_object(self, node: ast.expr, context: Context) -> bool:
        """Tell whether an expression names something that a module has assigned."""
        target = context.target(node)
        if target is None or not isinstance(target.binding, Assigned):
            return False
        return class_of(target) is None

    def _assigned(self, name: str, binding: Assigned, context: Context, value: object) -> ast.stmt:
        target = ast.Name(name)
        if binding.annotation is not None and isinstance(binding.value, ast.Constant):
            # A constant annotated only with `Final` has the type of its value.
            return ast.AnnAssign(
                target, self._translated(binding.annotation, context), binding.value, 1
            )
        if binding.annotation is not None:
            kind = self._translated(binding.annotation, context)
            if last_part(binding.annotation) == "Final":
                kind = subscript(kind, [self._type_of(value)])
            return ast.AnnAssign(target, kind, self._kept(binding, context), 1)
        if not isinstance(binding.node, ast.Assign):
            return self._alias(binding.node, context)
        is_member = context.classes and context.classes[-1].live() is type(value)
        if isinstance(value, Enum) and is_member:
            return ast.Assign([target], value_of(name, value), lineno=0)
        said = _said(binding.value)
        if said is not None:
            return ast.AnnAssign(target, self._translated(said, context), None, 1)
        is_exact = isinstance(binding.value, ast.Tuple)
        kind = self._type_of(value, is_exact=is_exact)
        if self._says_more(binding.value, context, value, kind):
            return ast.Assign([target], self._value(binding.value, context), lineno=0)
        return ast.AnnAssign(target, kind, None, 1)

    def _says_more(
        self, node: ast.expr | None, context: Context, value: object, kind: ast.expr
    ) -> bool:
        """Tell whether the value itself says more to a type checker than its type does."""
        match node:
            case ast.Subscript() | ast.BinOp():
                return _is_type(value)
            case ast.Name() | ast.Attribute():
                target = None if context.classes else context.target(node)
                is_function = target is not None and isinstance(target.binding, Defined)
                # Of an object that the module has.
                is_method = (
                    target is not None and isinstance(node, ast.Attribute) and callable(value)
                )
                is_unknown = isinstance(kind, Reference) and kind.name == "Any"
                return _is_type(value) or is_function or (is_method and is_unknown)
            case ast.Call():
                is_unknown = isinstance(kind, Reference) and kind.name == "Any"
                is_simple = not context.classes and _is_simple(node, context)
                return _is_type(value) or (is_unknown and is_simple)
            case _:
                return False

    def _kept(self, binding: Assigned, context: Context) -> ast.expr | None:
        """Return what an annotated name has as its value in the stub, if anything."""
        value = binding.value
        if value is not None and ast.unparse(binding.annotation).endswith("TypeAlias"):  # type: ignore[arg-type]
            # The value of an alias is its meaning.
            return self._translated(value, context)
        if value is None or not context.classes:
            return None
        # In a record it makes the field optional; what makes a field has more to say.
        is_field = isinstance(value, ast.Call) and last_part(value.func) in _FIELDS
        return self._value(value, context) if is_field else _ELLIPSIS

    def _alias(self, node: Any, context: Context) -> ast.stmt:
        """Return a `type` statement."""
        parameters = self._types.in_brackets(node, context, Position.KEPT)
        new: ast.stmt = type(node)(node.name, parameters, self._translated(node.value, context))
        return new

    def _type_of(self, value: object, *, is_exact: bool = True) -> ast.expr:
        """Return the type of an object, `Any` if that is not known; `is_exact` is for tuples."""
        cls = type(value)
        if cls in _PLAIN:
            return Reference("builtins", cls.__name__)
        if value and isinstance(value, _CONTAINERS) and cls in _CONTAINERS:
            parts: list[Collection[object]] = [value]
            if isinstance(value, dict):
                parts = [value.keys(), value.values()]
            kinds = [self._type_of_each(part) for part in parts]
            if isinstance(value, tuple):
                kinds = (
                    [*map(self._type_of_each, zip(value, strict=True))]
                    if is_exact
                    else [*kinds, _ELLIPSIS]
                )
            return subscript(Reference(cls.__module__, cls.__name__), kinds)
        known = self._types.known_twin(cls)
        if known is not None:
            return known
        # What another system has instead is a class of its own.
        target = _place_of(
            next((each for each in (Path, PurePath) if isinstance(value, each)), cls)
        )
        shown = class_of(target)
        if shown is None or shown.parameters or cls.__module__ == "builtins":
            return Reference("typing", "Any")
        return Reference(*public_place(target))

    def _type_of_each(self, values: Collection[object]) -> ast.expr:
        """Return the type of what is in a container."""
        # An empty one may be of the same type as others.
        values = [each for each in values if each or type(each) not in _CONTAINERS] or values
        kinds = [self._type_of(each) for each in values if each is not None]
        none = [ast.Constant(None)] if len(kinds) < len(values) else []
        return joined([*sorted(kinds, key=ast.dump), *none])


def _place_of(cls: type) -> Target:
    """Return where a class is: in the package that shows it as its own, if there is one."""
    parts = cls.__module__.split(".")
    for count in range(1, len(parts)):
        package = ".".join(parts[:count])
        if inspect.getattr_static(sys.modules.get(package), cls.__qualname__, None) is cls:
            return resolve(package, cls.__qualname__)
    return Target(cls.__module__, cls.__qualname__)


def _said(node: ast.expr | None) -> ast.expr | None:
    """Return the type that an expression has by its own words."""
    match node:
        case ast.Call(func=ast.Subscript() as said):
            return said
        case ast.Call(func=func, args=[said, _]) if last_part(func) == "cast":
            return said
        case _:
            return None


def _is_simple(node: ast.Call, context: Context) -> bool:
    """Tell whether this calls what type checkers know, with names and constants."""
    given = [*node.args, *(each.value for each in node.keywords)]
    if not all(isinstance(each, (ast.Attribute, ast.Constant, ast.Name)) for each in given):
        return False
    if isinstance(node.func, ast.Call):
        return _is_simple(node.func, context)
    target = context.target(node.func)
    if target is None or target.name is None:
        return False
    source = load(target.module)
    return target.binding is not None or (source is not None and target.name in source.scope)


def _walked(node: Any) -> Iterator[ast.AST]:
    return ast.walk(node) if isinstance(node, ast.AST) else iter(())


def _own_names(node: ast.AST) -> set[str]:
    """Return the parameters of a lambda expression, or the variables of a comprehension."""
    if not isinstance(
        node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    ):
        return set()
    found = {each.arg for each in ast.walk(node) if isinstance(each, ast.arg)}
    names = (each for each in ast.walk(node) if isinstance(each, ast.Name))
    return found | {each.id for each in names if isinstance(each.ctx, ast.Store)}


def _default(node: ast.expr) -> ast.expr:
    match node:
        case ast.Constant() | ast.UnaryOp(operand=ast.Constant()):
            return node
        case _:
            return _ELLIPSIS


def _is_type(value: object) -> bool:
    return isinstance(value, type) or type(value).__module__ in _TYPING
