"""Classes as defined in their source: bases, type parameters and members."""

from __future__ import annotations

import ast
import sys
from collections import abc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import repeat
from typing import Any, Final, TypeAlias, overload

from .._common.typing import override
from .modules import (
    Assigned,
    Binding,
    Defined,
    Function,
    Module,
    Target,
    assignments,
    decorator_names,
    load,
    resolve,
    resolve_expression,
    scope_of,
)
from .references import Reference

#: The module and name that identify a class or type variable.
Key: TypeAlias = tuple[str, str]

_PARAMETRIC: Final = frozenset({"Generic", "Protocol"})
_VARIABLES: Final = frozenset({"TypeVar", "ParamSpec", "TypeVarTuple"})


@dataclass(frozen=True)
class Bound:
    """A type expression, and the meaning of its names."""

    node: ast.expr
    context: Context


@dataclass(frozen=True)
class Context:
    """The meaning of names in a module and its classes, with known type parameters.

    Attributes:
        module: The name of the module.
        classes: The classes, the outermost first.
        known: The types of known type variables.
        own: The names of type parameters that the stub keeps.
        is_self: Names of type variables that mean the class itself.
        names: The types of an alias's type parameters.
    """

    module: str
    classes: tuple[Class, ...] = ()
    known: dict[Key, Bound] = field(default_factory=dict)
    own: frozenset[str] = frozenset()
    is_self: frozenset[str] = frozenset()
    names: dict[str, Bound] = field(default_factory=dict)

    def target(self, node: ast.expr) -> Target | None:
        """Return what a dotted name refers to."""
        first = node
        while isinstance(first, ast.Attribute):
            first = first.value
        if isinstance(first, Reference):
            return resolve(first.module, first.name)
        if not isinstance(first, ast.Name):
            return None
        for cls in reversed(self.classes):
            if first.id in cls.parameters_of_syntax:
                return Target(cls.module.name, f"{cls.name}.{first.id}")
            binding = cls.scope.get(first.id)
            if isinstance(binding, ast.ClassDef):
                name = f"{cls.name}.{ast.unparse(node)}"
                found = _class_named(cls.module.name, name)
                return Target(cls.module.name, name, None if found is None else found.node)
        return resolve_expression(node, self.module)

    def inside(self, function: Function) -> Context:
        """Return the meaning of names in the annotations of a function or method."""
        is_self = itself(function, self)
        own = frozenset(each.name for each in type_parameters(function)) - is_self
        return replace(self, own=own, is_self=is_self)


Known: TypeAlias = dict[Key, Bound]

#: An unknown type.
UNKNOWN: Final = Bound(ast.Name("Any"), Context("typing"))
#: The class itself.
SELF: Final = Bound(ast.Name("Self"), Context("typing"))


class Elsewhere(ast.Name):
    """A type whose names have another meaning than those around it."""

    def __init__(self, bound: Bound) -> None:
        super().__init__(f"elsewhere:{ast.dump(bound.node)}")
        self.bound = bound


@dataclass(frozen=True)
class Class:
    """A class as defined in a module."""

    module: Module
    name: str
    node: ast.ClassDef
    outer: Class | None = None

    @override
    def __hash__(self) -> int:
        return hash((self.module.name, self.name))

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Class) and self.key == other.key

    @property
    def key(self) -> Key:
        """Where it is defined."""
        return self.module.name, self.name

    def live(self) -> type | None:
        """Return the actual class, if its module is imported and has it.

        If a twin has taken its name, that is the twin's original.
        """
        live: Any = sys.modules.get(self.module.name)
        for part in self.name.split("."):
            live = getattr(live, part, None)
        return vars(live).get("_aiofutures_class", live) if isinstance(live, type) else None

    @cached_property
    def scope(self) -> dict[str, Binding]:
        """The names bound in its body; an alias of a function is bound to that function."""
        scope = scope_of(self.node.body, self.module)
        for name, binding in scope.items():
            if isinstance(binding, Assigned) and isinstance(binding.value, ast.Name):
                same = scope.get(binding.value.id)
                if isinstance(same, Defined) and binding.annotation is None:
                    scope[name] = same
        return scope

    @cached_property
    def assigned(self) -> dict[str, Assigned]:
        """The attributes that its methods assign to `self`."""
        found: dict[str, Assigned] = {}
        for binding in self.scope.values():
            if not isinstance(binding, Defined):
                continue
            method = binding.nodes[-1]
            is_bound = not {"staticmethod", "classmethod"} & {*decorator_names(method)}
            for name, assigned in _assigned_in(method) if is_bound else ():
                known = found.get(name)
                if known is None or known.annotation is None:
                    found[name] = known or assigned
                    if assigned.annotation is not None:
                        found[name] = assigned
        return found

    @cached_property
    def context(self) -> Context:
        """The meaning of names in it."""
        outer = self.outer.context.classes if self.outer else ()
        return Context(self.module.name, (*outer, self))

    @cached_property
    def parameters_of_syntax(self) -> dict[str, Any]:
        """The type parameters in brackets after its name."""
        return {each.name: each for each in type_parameters(self.node)}

    @cached_property
    def parameters(self) -> list[Key]:
        """The type variables that it is generic in."""
        if self.parameters_of_syntax:
            return [(self.module.name, f"{self.name}.{each}") for each in self.parameters_of_syntax]
        named: list[Key] = []
        others: list[Key] = []
        for base in self.node.bases:
            if isinstance(base, ast.Subscript):
                target = self.context.target(base.value)
                is_list = target is not None and target.name in _PARAMETRIC
                variables = list(variables_in(base.slice, self.context))
                (named if is_list else others).extend(variables)
        return list(dict.fromkeys(named or others))

    def bases(self) -> Iterator[tuple[Class | Target, list[ast.expr]]]:
        """Iterate over its bases and their type arguments."""
        context = Context(self.module.name, self.context.classes[:-1]) if self.outer else None
        for base in self.node.bases:
            made = _record_made(base, self.module.name)
            if made is not None:
                yield Class(self.module, f"{self.name}.({made.name})", made, self.outer), []
                continue
            named = base.value if isinstance(base, ast.Subscript) else base
            target = (context or self.context).target(named)
            arguments = arguments_of(base) if isinstance(base, ast.Subscript) else []
            if target is None or (target.module, target.name) == ("builtins", "object"):
                continue
            target, more = through_alias(target)
            found = class_of(target)
            yield (found or target), (more or arguments)

    def ancestry(self, known: Known | None = None) -> list[tuple[Class | Target, Context]]:
        """Return the class and its ancestors, in method resolution order.

        Each comes with a context in which its type variables are known. `known` has those of this
        class.
        """
        contexts = {self.key: replace(self.context, known=known or {})}
        for each in self.order:
            if not isinstance(each, Class):
                continue
            for base, arguments in each.bases():
                if isinstance(base, Class) and base.key not in contexts:
                    contexts[base.key] = _context_of(base, arguments, contexts[each.key])
        return [
            (each, contexts[each.key] if isinstance(each, Class) else Context(each.module))
            for each in self.order
        ]

    def descends(self, other: Class) -> bool:
        """Tell whether `other` is this class or derives from it."""
        return any(each == self for each, _ in other.ancestry())

    @cached_property
    def order(self) -> list[Class | Target]:
        """The class and its ancestors, in method resolution order."""
        return _linearized(self, ())


def variable_of(key: Key) -> tuple[ast.expr, bool]:
    """Return the name of a type variable, and whether it represents several types."""
    module, name = key
    owner, _, last = name.rpartition(".")
    cls = _class_named(module, owner) if owner else None
    if cls is not None:
        kind = type(cls.parameters_of_syntax[last]).__name__
        return ast.Name(last), kind == "TypeVarTuple"
    binding = resolve(module, name).binding
    return Reference(module, name), _made_by(binding, module) == "TypeVarTuple"


def limits_of(key: Key) -> tuple[list[Bound], list[Bound]]:
    """Return the bound or the constraints of a type variable, and its default, if it has any."""
    module, name = key
    owner, _, last = name.rpartition(".")
    cls = _class_named(module, owner) if owner else None
    if cls is not None:
        parameter = cls.parameters_of_syntax[last]
        limits, context = [getattr(parameter, "bound", None)], cls.context
        default = getattr(parameter, "default_value", None)
    else:
        call, context = call_of(key), Context(module)
        named = {each.arg: each.value for each in call.keywords}
        limits, default = [*call.args[1:], named.get("bound")], named.get("default")
    return (
        [Bound(node, context) for node in limits if node is not None],
        [] if default is None else [Bound(default, context)],
    )


def call_of(key: Key) -> ast.Call:
    """Return the call that makes a type variable; an empty one if its source does not show it."""
    binding = resolve(*key).binding
    value = binding.value if isinstance(binding, Assigned) else None
    return value if isinstance(value, ast.Call) else ast.Call(ast.Name("TypeVar"), [], [])


def type_parameters(node: ast.AST | None) -> list[Any]:
    """Return the type parameters in brackets after a name (Python 3.12)."""
    found: list[Any] = getattr(node, "type_params", [])
    return found


def meant_by(target: Target) -> ast.expr | None:
    """Return what an alias stands for; None for everything else that a module has."""
    binding = target.binding
    value = unquoted(binding.value) if isinstance(binding, Assigned) else None
    if not isinstance(value, ast.Call):
        return value
    is_alias = _made_by(binding, target.module) == "TypeAliasType" and len(value.args) > 1
    return unquoted(value.args[1]) if is_alias else None


def variables_in(node: ast.AST, context: Context) -> Iterator[Key]:
    """Iterate over the type variables in a type, from left to right."""
    if isinstance(node, ast.Name):
        target = context.target(node)
        if target is not None and target.name and is_type_variable(target):
            yield target.module, target.name
    for each in ast.iter_child_nodes(node):
        yield from variables_in(each, context)


def through_alias(target: Target) -> tuple[Target, list[ast.expr]]:
    """Return the class behind an alias, and its type arguments."""
    binding = target.binding
    if isinstance(binding, Assigned) and isinstance(binding.value, ast.Subscript):
        found = resolve_expression(binding.value.value, target.module)
        if found is not None and isinstance(found.binding, ast.ClassDef):
            return found, arguments_of(binding.value)
    return target, []


def itself(function: Function, context: Context) -> frozenset[str]:
    """Return the type variable, if any, that annotates the first parameter."""
    parameters = function.args.posonlyargs + function.args.args
    if not parameters or "staticmethod" in decorator_names(function):
        return frozenset()
    annotation = unquoted(parameters[0].annotation)
    if isinstance(annotation, ast.Subscript):
        target = context.target(annotation.value)
        is_class = target is not None and target.name in {"type", "Type"}
        annotation = unquoted(annotation.slice) if is_class else None
    if not isinstance(annotation, ast.Name):
        return frozenset()
    target = context.target(annotation)
    is_variable = target is not None and is_type_variable(target)
    is_own = annotation.id in {each.name for each in type_parameters(function)}
    return frozenset({annotation.id} if is_variable or is_own else ())


@overload
def unquoted(node: ast.expr) -> ast.expr: ...
@overload
def unquoted(node: ast.expr | None) -> ast.expr | None: ...
def unquoted(node: ast.expr | None) -> ast.expr | None:
    """Return a type without the quotes around it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return parsed(node.value)
    return node


def parsed(text: str) -> ast.expr:
    """Return the type in a string."""
    try:
        return ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        # An annotation may be prose.
        return Reference("typing", "Any")


def arguments_of(node: ast.Subscript) -> list[ast.expr]:
    """Return the expressions in the brackets; an empty tuple for `[()]`."""
    elements = node.slice.elts if isinstance(node.slice, ast.Tuple) else []
    return [*elements] or [node.slice]


def class_of(target: Target) -> Class | None:
    """Return the class that a name refers to."""
    # Names with a special meaning, which their source does not show.
    if target.name is None or target.module in {"collections.abc", "typing", "typing_extensions"}:
        return None
    return _class_named(target.module, target.name)


@cache
def _class_named(module_name: str, name: str) -> Class | None:
    module = load(module_name)
    if module is None:
        return None
    outer: Class | None = None
    scope, path = module.scope, ""
    for part in name.split("."):
        binding = scope.get(part)
        if isinstance(binding, Assigned):
            binding = _record_made(binding.value, module_name)
        if not isinstance(binding, ast.ClassDef):
            return None
        path = f"{path}.{part}" if path else part
        outer = Class(module, path, binding, outer)
        scope = outer.scope
    return outer


def _record_made(node: ast.expr | None, module: str) -> ast.ClassDef | None:
    """Return the class that a call of `NamedTuple`, `TypedDict` or `namedtuple` makes."""
    if not isinstance(node, ast.Call):
        return None
    maker = resolve_expression(node.func, module)
    fields: Iterable[Any]
    match maker and maker.name, node.args:
        case "NamedTuple", [ast.Constant(name), ast.List(pairs) | ast.Tuple(pairs)]:
            fields = [getattr(pair, "elts", (None, None)) for pair in pairs]
        case "TypedDict", [ast.Constant(name), ast.Dict(keys, kinds)]:
            fields = [*zip(keys, kinds, strict=True)]
        case "namedtuple", [ast.Constant(name), ast.Constant(str(text))]:
            fields = [(ast.Constant(word), None) for word in text.replace(",", " ").split()]
        case "namedtuple", [ast.Constant(name), ast.List(words) | ast.Tuple(words)]:
            fields = [(word, None) for word in words]
        case _:
            return None
    if not all(isinstance(key, ast.Constant) for key, _ in fields):
        return None
    body = [_field(key.value, kind) for key, kind in fields]
    return ast.ClassDef(str(name), [node.func], node.keywords, body, [])


def _field(name: str, kind: ast.expr | None) -> ast.stmt:
    if kind is None:
        return ast.Assign([ast.Name(name)], ast.Constant(...))
    return ast.AnnAssign(ast.Name(name), kind, None, 1)


def is_type_variable(target: Target) -> bool:
    """Tell whether a name refers to a type variable."""
    if target.name is not None and "." in target.name and target.binding is None:
        owner = class_of(resolve(target.module, target.name.rpartition(".")[0]))
        return owner is not None and target.name.rpartition(".")[2] in owner.parameters_of_syntax
    binding = target.binding
    if binding is None and target.name is not None and (source := load(target.module)):
        # In a module whose names have a special meaning.
        binding = source.scope.get(target.name)
    return _made_by(binding, target.module) in _VARIABLES


def _made_by(binding: Binding | None, module: str) -> str | None:
    """Return the name, as it is defined, of what a module calls for a value."""
    value = binding.value if isinstance(binding, Assigned) else None
    found = resolve_expression(value.func, module) if isinstance(value, ast.Call) else None
    return found and found.name


def _context_of(base: Class, arguments: list[ast.expr], context: Context) -> Context:
    """Return the meaning of names in a base class that has these type arguments."""
    known = matched(base.parameters, [Bound(each, context) for each in arguments])
    return Context(base.module.name, base.context.classes, known)


def matched(parameters: list[Key], given: list[Bound]) -> Known:
    """Return what type variables stand for, given type arguments; without any, they are unknown.

    A variable for several types stands for a tuple of them.
    """
    several = next((n for n, key in enumerate(parameters) if variable_of(key)[1]), None)
    if several is None:
        return dict(zip(parameters, given or repeat(UNKNOWN), strict=False))
    inner: list[ast.expr] = [ast.Name("Any"), ast.Constant(...)]
    after = len(parameters) - several - 1
    end = len(given) - after
    if given:
        one_each = [each for each in given[several:end] if not isinstance(each.node, ast.Tuple)]
        inner = [*map(Elsewhere, one_each)]
    else:
        given, end = [UNKNOWN] * (several + after), several
    made = ast.Subscript(Reference("builtins", "tuple"), ast.Tuple(inner))
    rest = [*given[:several], Bound(made, Context("typing")), *given[end:]]
    return dict(zip(parameters, rest, strict=False))


def _linearized(cls: Class, seen: tuple[Key, ...]) -> list[Class | Target]:
    """Return the method resolution order."""
    lists: list[list[Class | Target]] = []
    parents: list[Class | Target] = []
    for base, _ in cls.bases():
        if isinstance(base, Class):
            if base.key in (*seen, cls.key):
                continue
            lists.append(_linearized(base, (*seen, cls.key)))
        else:
            lists.append([base._replace(binding=None)])
        parents.append(lists[-1][0])
    return [cls, *_merged([*lists, parents])]


def _merged(lists: list[list[Class | Target]]) -> Iterator[Class | Target]:
    """Merge orders as Python does; if they contradict each other, the first one wins."""
    lists = [[*each] for each in lists if each]
    while lists:
        heads = [each[0] for each in lists]
        head = next(
            (each for each in heads if not any(each in other[1:] for other in lists)), heads[0]
        )
        yield head
        lists = [[each for each in other if each != head] for other in lists]
        lists = [each for each in lists if each]


@dataclass(frozen=True)
class Member:
    """A member of a class, and the meaning of its names."""

    name: str
    binding: Binding
    context: Context
    owner: Class
    is_of_instances: bool = False


def members_of(cls: Class, known: Known | None = None) -> dict[str, Member]:
    """Return the members of a class, including inherited ones and those its methods assign."""
    return _members_of(cls, known) if known else _members_of_generic(cls)


@cache
def _members_of_generic(cls: Class) -> dict[str, Member]:
    return _members_of(cls, None)


def _members_of(cls: Class, known: Known | None) -> dict[str, Member]:
    members: dict[str, Member] = {}
    ancestry = cls.ancestry(known)
    for base, context in ancestry:
        if not isinstance(base, Class):
            for name, member in _members_of_collection(base, ancestry).items():
                members.setdefault(name, member)
            continue
        found = {name: _member(name, each, context, base) for name, each in base.scope.items()}
        for name, assigned in base.assigned.items():
            found.setdefault(name, Member(name, assigned, context, base, is_of_instances=True))
        for name, member in found.items():
            first = members.setdefault(name, member)
            members[name] = first = _with_getter(first, member)
            # A declaration in a base class applies to an assignment in this class.
            if _is_undeclared(first) and not _is_undeclared(member):
                members[name] = member
    return members


def _with_getter(member: Member, of_base: Member) -> Member:
    """Return a property that has only a setter of its own along with the getter of a base's."""
    own, inherited = member.binding, of_base.binding
    if not (isinstance(own, Defined) and isinstance(inherited, Defined)):
        return member
    kinds = {name for node in own.nodes for name in decorator_names(node)}
    if not kinds & {"setter", "deleter"} or "property" in kinds:
        return member
    getters: list[Function] = []
    for node in inherited.nodes:
        fields = dict(ast.iter_fields(node))
        if "property" in decorator_names(node) and node.returns is not None:
            fields["returns"] = Elsewhere(Bound(node.returns, of_base.context))
            getters.append(type(node)(**fields))
    return replace(member, binding=Defined([*getters, *own.nodes]))


def collection_of(target: Target) -> Class | None:
    """Return the class that typeshed has in `typing` for one of `collections.abc`."""
    if target.module not in {"collections.abc", "typing"} or target.name not in abc.__all__:
        return None
    is_set = target == Target("collections.abc", "Set")
    return _class_named("typing", "AbstractSet" if is_set else target.name)


def _members_of_collection(
    base: Target, ancestry: list[tuple[Class | Target, Context]]
) -> dict[str, Member]:
    """Return the members of a base from `collections.abc`; none for other bases."""
    cls = collection_of(base)
    if cls is None:
        return {}
    given, context = next(
        (arguments, context)
        for owner, context in ancestry
        if isinstance(owner, Class)
        for each, arguments in owner.bases()
        if isinstance(each, Target) and each[:2] == base[:2]
    )
    bounds = [Bound(each, context) for each in given] or repeat(UNKNOWN)
    return members_of(cls, dict(zip(cls.parameters, bounds, strict=False)))


def _member(name: str, binding: Binding, context: Context, owner: Class) -> Member:
    """Return a member from the body of a class; an alias of a function is that function."""
    value = binding.value if isinstance(binding, Assigned) and not binding.annotation else None
    target = None if value is None else context.target(value)
    if target is not None and target.name and isinstance(target.binding, Defined):
        source, taken = load(target.module), target.binding.nodes[-1].args
        # Builtin functions are no methods.
        is_written = source is not None and source.path.suffix == ".py"
        if is_written and (taken.posonlyargs or taken.args or taken.vararg):
            other = _class_named(target.module, target.name.rpartition(".")[0])
            context = other.context if other else Context(target.module)
            known = dict.fromkeys(other.parameters if other else (), UNKNOWN)
            binding, context = target.binding, replace(context, known=known)
    return Member(name, binding, context, owner)


def _is_undeclared(member: Member) -> bool:
    return isinstance(member.binding, Assigned) and member.binding.annotation is None


def _assigned_in(method: Function) -> Iterator[tuple[str, Assigned]]:
    positional = [*method.args.posonlyargs, *method.args.args]
    own = positional[0].arg if positional else None
    for statement in ast.walk(method):
        annotation: ast.expr | None = None
        pairs: Iterable[tuple[ast.expr, ast.expr | None]] = []
        if isinstance(statement, ast.AnnAssign):
            pairs = [(statement.target, statement.value)]
            annotation = statement.annotation
        elif isinstance(statement, ast.Assign):
            pairs = assignments(statement)
        for target, value in pairs:
            if (
                isinstance(target, ast.Attribute)
                and isinstance(target.value, ast.Name)
                and target.value.id == own
            ):
                # Along with the method, for the types of its parameters.
                yield target.attr, Assigned(value, annotation, method)
