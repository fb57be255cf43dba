"""The classes of a stub, member by member."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import replace
from enum import Enum, EnumMeta
from functools import partial
from inspect import isfunction, signature
from typing import Final

from .._twins.base import SYNC_NAMES
from .._twins.members import OWN
from .classes import (
    UNKNOWN,
    Class,
    Context,
    Key,
    Known,
    Member,
    arguments_of,
    class_of,
    collection_of,
    is_type_variable,
    members_of,
    unquoted,
    variables_in,
)
from .decorated import KEPT_DECORATORS, Made, applied
from .inference import default_of, inferred, returned_by
from .modules import (
    Assigned,
    Binding,
    Defined,
    Function,
    Target,
    decorator_names,
    overloads_in,
    public_place,
)
from .names import (
    as_record,
    changed_arguments,
    docstring,
    generator_type,
    joined,
    last_part,
    member_name,
    subscript,
    value_of,
)
from .references import Reference, Unfinished
from .types import Position, StubKind, Types, is_protocol

_HIDDEN: Final = frozenset(
    {"__slots__", "__match_args__", "__doc__", "__module__", "__all__", "__orig_bases__", "__str__"}
)
# What an enumeration has in another way, or does not show.
_OF_ENUMERATIONS: Final = frozenset({"__init__", "__new__", "__format__"})

_COMPARISONS: Final = ("__lt__", "__le__", "__gt__", "__ge__")


class Writer:
    """Writes the twins of classes.

    Args:
        types: Translates types.
        decorated: The classes that their twins replace.
    """

    def __init__(self, types: Types, decorated: frozenset[Key]) -> None:
        self._types = types
        self._decorated = decorated

    def written(self, cls: Class, name: str) -> ast.stmt:
        """Return the twin of a class under this name."""
        members = members_of(cls)
        shown = {
            SYNC_NAMES.get(each, each): member
            for each, member in members.items()
            if self._is_shown(each, member, members)
        }
        body = docstring(cls.node)
        if self._types.kind(cls) is StubKind.RECORD:
            # Keys may be private.
            fields = {each: members[each] for each in members if not each.startswith("__")}
            return self._record(cls, name, _sorted(fields | shown))
        enumeration = _enumeration(cls)
        if enumeration is not None:
            # It has these, and makes objects itself.
            shown = {
                each: member
                for each, member in shown.items()
                if member.owner.module.name != "enum" and each not in _OF_ENUMERATIONS
            }
        # A decorated async class has no name of its own.
        if cls.key not in self._decorated:
            body += self._original(cls)
        if enumeration is None and not {"__init__", "__new__"} & members.keys():
            body += self._init(cls, members)
        for each, member in _sorted(shown):
            body += self._member(each, member, cls)
        if enumeration is None:
            body += _ordering(cls, members)
        # That it is deprecated, but not that it is final.
        kept = self._decorators(name, cls.node, cls.context)
        decorators: list[ast.expr] = [each for each in kept if isinstance(each, ast.Call)]
        bases = self._bases(cls)
        if enumeration is not None:
            bases = [Reference("enum", enumeration)]
        written = ast.ClassDef(name, bases, [], body or [_ELLIPSIS], decorators)
        self._types.add_brackets(written, cls.node, cls.context, Position.GIVEN)
        return Unfinished(written, partial(self._derived, cls)) if enumeration is None else written

    def _derived(self, cls: Class, written: ast.ClassDef) -> ast.ClassDef:
        """Return a twin with the twins of its nearest ancestors as bases."""
        nearest: list[Class] = []
        bases: list[ast.expr] = []
        for each, context in cls.ancestry()[1:]:
            is_other = isinstance(each, Class) and not any(map(each.descends, nearest))
            if isinstance(each, Class) and is_other and self._is_base(each):
                base = self._types.as_base(each, context)
                nearest += [each] if base else []
                bases += [base] if base else []
        kept = {
            SYNC_NAMES.get(name, name)
            for name, member in members_of(cls).items()
            if _is_final(member.binding) and any(map(member.owner.descends, nearest))
        }
        kept |= {
            name
            for name in _COMPARISONS
            if name not in members_of(cls)
            and any(isfunction(getattr(each.live(), name, None)) for each in nearest)
        }
        # Self is another class here, so this would not be what the base has.
        kept |= {
            SYNC_NAMES.get(name, name)
            for name, member in members_of(cls).items()
            if isinstance(member.binding, Defined) and any(map(member.owner.descends, nearest))
        } & {*filter(None, map(_name_with_self_inside, written.body))}
        body = [each for each in written.body if member_name(each) not in kept]
        written.bases, written.body = [*bases, *written.bases], body or [_ELLIPSIS]
        return written

    def _is_base(self, cls: Class) -> bool:
        """Tell whether the stub has a twin of a class that can be a base."""
        is_class = self._types.kind(cls) is not StubKind.RECORD and _enumeration(cls) is None
        return is_class and self._types.has_twin(cls)

    def _record(self, cls: Class, name: str, shown: list[tuple[str, Member]]) -> ast.stmt:
        """Return a named tuple or typed dictionary with twins in it."""
        body = docstring(cls.node)
        for each, member in shown:
            binding = member.binding
            kind = self._types.field(member, Position.GIVEN)
            if isinstance(binding, Assigned) and kind is not None:
                body.append(ast.AnnAssign(ast.Name(each), kind, binding.value and _DOTS, simple=1))
            else:
                body += self._member(each, member, cls)
        special = {base.name for base, _ in cls.ancestry() if isinstance(base, Target)}
        base = "TypedDict" if "TypedDict" in special else "NamedTuple"
        written = ast.ClassDef(name, [Reference("typing", base), *self._bases(cls)], [], body, [])
        self._types.add_brackets(written, cls.node, cls.context, Position.GIVEN)
        return as_record(written)

    def _is_shown(self, name: str, member: Member, members: dict[str, Member]) -> bool:
        if name in SYNC_NAMES:
            return name != "__await__" or "__call__" not in members
        is_special = name.startswith("__") and name.endswith("__")
        if is_special:
            replaced = {sync for each, sync in SYNC_NAMES.items() if each in members}
            replaced.discard("__call__")
            is_function = isinstance(member.binding, Defined)
            is_own = name in OWN - {"__init__", "__new__", "__getattr__"}
            hides_new = name == "__new__" and "__init__" in members
            return is_function and not (is_own or name in replaced | _HIDDEN or hides_new)
        return not name.startswith("_")

    def _bases(self, cls: Class) -> list[ast.expr]:
        variables = [] if cls.parameters_of_syntax else self._types.variables(cls)
        if is_protocol(cls):
            return [subscript(Reference("typing", "Protocol"), variables)]
        return [subscript(Reference("typing", "Generic"), variables)] if variables else []

    def _original(self, cls: Class) -> Iterator[ast.stmt]:
        """Yield the property that tells type checkers what `unwrap` gives."""
        kind = self._types.wrapped(cls)
        yield _function(
            "__wrapped__", _arguments(["self"]), kind, [Reference("builtins", "property")]
        )

    def _init(self, cls: Class, members: dict[str, Member]) -> Iterator[ast.stmt]:
        """Yield the `__init__` that a decorator such as `dataclass` creates from attributes.

        A named tuple has a `__new__` instead.
        """
        live = cls.live()
        found = (getattr(live, name, None) for name in ("__init__", "__new__"))
        made = next(filter(isfunction, found), None)
        # A protocol has one that only refuses, and a deprecated class one that warns.
        refuses = {"typing", "typing_extensions", "warnings", "_py_warnings"}
        if live is None or made is None or made.__globals__.get("__name__") in refuses:
            return
        args = _arguments(["self"])
        # Those of attrs may have other names.
        fields = {each.alias: each.name for each in getattr(live, "__attrs_attrs__", ())}
        for parameter in signature(live).parameters.values():
            name = parameter.name
            member = members.get(fields.get(name, name)) or members.get(f"_{name}")
            kind = None if member is None else self._field(member)
            if parameter.kind is parameter.VAR_POSITIONAL:
                args.vararg = ast.arg(name)
                continue
            if parameter.kind is parameter.VAR_KEYWORD:
                args.kwarg = ast.arg(name)
                continue
            is_last = parameter.kind is parameter.KEYWORD_ONLY
            (args.kwonlyargs if is_last else args.args).append(ast.arg(name, kind))
            default = None if parameter.default is parameter.empty else _DOTS
            if is_last:
                args.kw_defaults.append(default)
            elif default is not None:
                args.defaults.append(default)
        yield _function("__init__", args, ast.Constant(None), [])

    def _field(self, member: Member) -> ast.expr | None:
        """Return the parameter type for an attribute."""
        binding = member.binding
        node = unquoted(binding.annotation) if isinstance(binding, Assigned) else None
        if isinstance(node, ast.Subscript) and last_part(node.value) in {"Final", "InitVar"}:
            node = node.slice
        return node and self._types.translate(node, member.context, Position.TAKEN)

    # Members.

    def _member(self, name: str, member: Member, cls: Class) -> Iterator[ast.stmt]:
        binding = member.binding
        if isinstance(binding, Defined):
            yield from self._functions(name, binding.nodes, member, cls)
        elif isinstance(binding, Assigned):
            yield from self._attribute(name, binding, member, cls)
        elif isinstance(binding, ast.ClassDef):
            yield self._nested(name, member)

    def _nested(self, name: str, member: Member) -> ast.stmt:
        key = f"{member.owner.name}.{name}"
        inner = class_of(Target(member.owner.module.name, key))
        assert inner is not None  # noqa: S101
        if self._types.kind(inner) is StubKind.TWIN:
            meant = self._types.translate(ast.Name(name), member.context, Position.GIVEN)
        else:
            meant = self._types.original(inner)
        return ast.AnnAssign(ast.Name(name), Reference("typing", "TypeAlias"), meant, simple=1)

    def _attribute(
        self, name: str, binding: Assigned, member: Member, cls: Class
    ) -> Iterator[ast.stmt]:
        enum_member = _enum_member(name, member)
        if enum_member is not None:
            yield ast.Assign([ast.Name(name)], value_of(name, enum_member), lineno=0)
            return
        if binding.annotation is not None:
            kind, value = self._declared(binding, member)
            taken = self._types.of_setter(binding.annotation, member.context)
            if taken is None:
                yield ast.AnnAssign(ast.Name(name), kind, value, simple=1)
            else:
                yield from _property(name, kind, taken)
            return
        meant = None if member.is_of_instances else self._class_meant(binding.value, member)
        if meant is not None:
            yield ast.AnnAssign(ast.Name(name), Reference("typing", "TypeAlias"), meant, simple=1)
            return
        types: list[ast.expr] = []
        for each in inferred(binding, member):
            if isinstance(each, Made):
                context = self._context(each.function, each.context, member, cls)
                yield self._function(name, member, cls, replace(each, context=context))
            else:
                types.append(self._types.bound(each, Position.ATTRIBUTE))
        kind = joined(types) if types else Reference("typing", "Any")
        method = None if member.is_of_instances else _method(name, kind)
        if method is not None:
            yield method
        elif types or not isinstance(binding.value, ast.Call) or not inferred(binding, member):
            yield ast.AnnAssign(ast.Name(name), kind, None, simple=1)

    def _class_meant(self, node: ast.expr | None, member: Member) -> ast.expr | None:
        """Return the class, or its twin, that an attribute is another name of.

        None where a base has another one: one alias may not replace another.
        """
        target = None if node is None else member.context.target(node)
        cls = None if target is None else class_of(target)
        bases = (each for each, _ in member.owner.ancestry()[1:] if isinstance(each, Class))
        is_first = not any(member.name in each.scope for each in bases)
        if node is None or cls is None or cls.parameters or not is_first:
            return None
        if self._types.kind(cls) is StubKind.TWIN:
            return self._types.translate(node, member.context, Position.GIVEN)
        return self._types.original(cls)

    def _declared(self, binding: Assigned, member: Member) -> tuple[ast.expr, ast.expr | None]:
        """Return the annotation of an attribute; where that is `Final` alone, its value says more.

        A class constant is final itself.
        """
        annotation = unquoted(binding.annotation)
        assert annotation is not None  # noqa: S101
        if isinstance(annotation, ast.Subscript) and last_part(annotation.slice) == "Final":
            annotation = annotation.slice
        kind = self._types.translate(annotation, member.context, Position.ATTRIBUTE)
        if last_part(annotation) not in {"ClassVar", "Final"}:
            return kind, None
        is_constant = isinstance(binding.value, ast.Constant) and not member.is_of_instances
        if last_part(annotation) == "Final" and is_constant:
            return kind, binding.value
        return subscript(kind, [self._types.inferred(binding, member, Position.ATTRIBUTE)]), None

    def _functions(
        self, name: str, nodes: list[Function], member: Member, cls: Class
    ) -> Iterator[ast.stmt]:
        context = partial(self._context, member=member, cls=cls)
        made = {node: applied(node, context(node, member.context)) for node in nodes}
        if made[nodes[-1]].is_opaque:
            yield ast.AnnAssign(ast.Name(name), Reference("typing", "Any"), None, 1)
            return
        overloads = overloads_in(nodes)
        others = [node for node in nodes if node not in overloads]
        fitting = [node for node in overloads if self._fits(node, member, cls)]
        if not fitting:
            for node in others or nodes:
                yield self._function(name, member, cls, made[node])
            return
        for node in fitting:
            written = self._function(name, member, cls, made[node])
            if len(fitting) == 1:
                written.decorator_list = [
                    each
                    for each in written.decorator_list
                    if not (isinstance(each, Reference) and each.name == "overload")
                ]
            if node is fitting[0] and others and not ast.get_docstring(node):
                written.body = docstring(others[-1]) or written.body
            yield written

    def _fits(self, node: Function, member: Member, cls: Class) -> bool:
        """Tell whether an overload applies to this class: the type of `self` may exclude it."""
        own = node.args.posonlyargs + node.args.args
        annotation = unquoted(own[0].annotation) if own else None
        if annotation is None or "staticmethod" in decorator_names(node):
            return True
        args = arguments_of(annotation) if isinstance(annotation, ast.Subscript) else []
        named = annotation.value if isinstance(annotation, ast.Subscript) else annotation
        target = member.context.target(named)
        if target is not None and target.name == "LiteralString":
            # Inherited from `str`; a twin is no string.
            return False
        wanted = None if target is None else class_of(target) or collection_of(target)
        if wanted is None or wanted == cls:
            return True
        if wanted == member.owner:
            return all(map(partial(self._is_known, member.context), wanted.parameters, args))
        return _has_all(cls, wanted)

    def _is_known(self, context: Context, key: Key, arg: ast.expr) -> bool:
        """Tell whether the type argument that an overload requires is the known one."""
        known = context.known.get(key)
        target = context.target(arg)
        if known is None or (target is not None and is_type_variable(target)):
            return True
        has = self._types.bound(known, Position.KEPT)
        return ast.dump(self._types.translate(arg, context, Position.KEPT)) == ast.dump(has)

    def _function(self, name: str, member: Member, cls: Class, made: Made) -> ast.FunctionDef:
        node, context = made.function, made.context
        arguments = self._parameters(node, context)
        returns = self._returns(name, member, cls, made)
        decorators = [*self._decorators(name, node, context)]
        if made.is_attribute:
            decorators = [Reference("builtins", "property")]
        written = _function(name, arguments, returns, decorators, docstring(node))
        self._types.add_brackets(written, node, context, Position.TAKEN)
        return written

    def _context(self, node: Function, context: Context, member: Member, cls: Class) -> Context:
        """Return the meaning of names in a method."""
        lost = self._unmatched(node, context, {member.owner, cls})
        return replace(context.inside(node), known=lost | context.known)

    def _unmatched(self, node: Function, context: Context, known: set[Class]) -> Known:
        """Return type variables of the protocol that `self` has to match, if it is no known class.

        The stub does not say what they are.
        """
        positional = [*node.args.posonlyargs, *node.args.args]
        own = unquoted(positional[0].annotation) if positional else None
        if not isinstance(own, ast.Subscript) or "staticmethod" in decorator_names(node):
            return {}
        target = context.target(own.value)
        wanted = None if target is None else class_of(target)
        if wanted is None or wanted in known:
            return {}
        return dict.fromkeys(variables_in(own.slice, context), UNKNOWN)

    def _parameters(self, node: Function, context: Context) -> ast.arguments:
        args = node.args
        is_bound = "staticmethod" not in decorator_names(node)
        positional = [*args.posonlyargs, *args.args]

        def changed(arg: ast.arg) -> ast.arg:
            if is_bound and positional and arg is positional[0]:
                return ast.arg(arg.arg, self._own_annotation(arg, context))
            if arg.annotation is None:
                return ast.arg(arg.arg, self._of_default(arg, node, context))
            return ast.arg(arg.arg, self._types.translate(arg.annotation, context, Position.TAKEN))

        return changed_arguments(args, changed, partial(self._default, context=context))

    def _of_default(self, arg: ast.arg, node: Function, context: Context) -> ast.expr | None:
        """Return the type of a parameter whose default value creates an object."""
        match default_of(arg, node):
            case ast.Call(func=called):
                target = context.target(called)
                cls = None if target is None else class_of(target)
                is_plain = cls is not None and not cls.parameters
                return self._types.translate(called, context, Position.TAKEN) if is_plain else None
            case _:
                return None

    def _own_annotation(self, arg: ast.arg, context: Context) -> ast.expr | None:
        """Return the annotation of `self`, if it has type arguments."""
        annotation = unquoted(arg.annotation)
        if not isinstance(annotation, ast.Subscript):
            return None
        target = context.target(annotation.value)
        if target is None or class_of(target) != context.classes[-1]:
            return None
        # For inherited methods, it has already selected the overload.
        if context.known:
            return None
        return self._types.translate(annotation, context, Position.GIVEN)

    def _default(self, node: ast.expr, context: Context) -> ast.expr:
        """Return a default value, if it is short and its names are known."""
        match node:
            case ast.Constant():
                return node
            case ast.UnaryOp(operand=ast.Constant()):
                return node
            case ast.Name() | ast.Attribute():
                target = context.target(node)
                if target is not None and target.name and _is_defined(target):
                    return Reference(*public_place(target))
            case ast.Tuple(elts=[]) | ast.List(elts=[]) | ast.Dict(keys=[]):
                return node
            case _:
                pass
        return _DOTS

    def _returns(self, name: str, member: Member, cls: Class, made: Made) -> ast.expr | None:
        node, context = made.function, made.context
        if name == "__init__":
            return ast.Constant(None)
        if name == "__iter__" and member.name == "__aiter__":
            return self._iterated(member, cls)
        if name == "__call__" and member.name == "__await__":
            awaited = self._types.awaited(cls, {})
            return None if awaited is None else self._types.bound(awaited, Position.GIVEN)
        if made.returns is not None:
            return self._types.bound(made.returns, Position.RESULT)
        if node.returns is None:
            return self._unsaid(node, context, member)
        position = Position.GIVEN if isinstance(node, ast.AsyncFunctionDef) else Position.RESULT
        if name == "__getattr__":
            position = Position.ATTRIBUTE
        return self._types.translate(node.returns, context, position)

    def _unsaid(self, node: Function, context: Context, member: Member) -> ast.expr | None:
        """Return the type that an unannotated function returns, if obvious."""
        if member.owner.module.path.suffix == ".pyi" or isinstance(node.body[-1], ast.Raise):
            return None
        found = [self._types.bound(each, Position.RESULT) for each in returned_by(node, context)]
        return joined(found) if found else None

    def _iterated(self, member: Member, cls: Class) -> ast.expr:
        assert isinstance(member.binding, Defined)  # noqa: S101
        returned = member.binding.nodes[-1].returns
        if returned is not None:
            kind = self._types.translate(returned, member.context, Position.GIVEN)
            if isinstance(kind, ast.Subscript) and "Generator" in ast.dump(kind.value):
                return kind
        return generator_type(self._types.bound(self._types.iterated(cls, {}), Position.GIVEN))

    def _decorators(
        self, name: str, node: Function | ast.ClassDef, context: Context
    ) -> Iterator[ast.expr]:
        for decorator, last in zip(node.decorator_list, decorator_names(node), strict=True):
            if last in {"setter", "deleter"}:
                yield ast.Attribute(ast.Name(name), last)
            elif last in {"classmethod", "staticmethod", "property"}:
                yield Reference("builtins", last)
            elif last == "cached_property":
                yield Reference("functools", "cached_property")
            elif last in KEPT_DECORATORS:
                called = decorator.func if isinstance(decorator, ast.Call) else decorator
                target = context.target(called)
                module = target.module if target else "typing"
                if last == "deprecated" and module not in {"warnings", "typing_extensions"}:
                    # One of a library, which type checkers do not know.
                    continue
                kept: ast.expr = Reference(module, last)
                if isinstance(decorator, ast.Call):
                    kept = ast.Call(
                        kept,
                        [self._value(each, context) for each in decorator.args],
                        [
                            ast.keyword(each.arg, self._value(each.value, context))
                            for each in decorator.keywords
                        ],
                    )
                yield kept

    def _value(self, node: ast.expr, context: Context) -> ast.expr:
        """Return an argument of a decorator."""
        target = context.target(node)
        if target is None or target.name is None:
            return node
        return Reference(*public_place(target))


def _ordering(cls: Class, members: dict[str, Member]) -> Iterator[ast.stmt]:
    """Yield the comparisons that a decorator such as `dataclass` creates."""
    live = cls.live()
    for name in _COMPARISONS:
        if name not in members and isfunction(getattr(live, name, None)):
            arguments = _arguments(["self", "other"])
            arguments.args[1].annotation = Reference("typing", "Self")
            yield _function(name, arguments, Reference("builtins", "bool"), [])


def _property(name: str, given: ast.expr, taken: ast.expr) -> Iterator[ast.stmt]:
    """Yield a property whose values are given as one type, and taken as another."""
    yield _function(name, _arguments(["self"]), given, [Reference("builtins", "property")])
    arguments = _arguments(["self", "value"])
    arguments.args[1].annotation = taken
    decorator = ast.Attribute(ast.Name(name), "setter")
    yield _function(name, arguments, ast.Constant(None), [decorator])


def _name_with_self_inside(node: ast.stmt) -> str | None:
    """Return the name of a method with Self in the type of a parameter, or inside its result's."""
    returns = getattr(node, "returns", None)
    nodes = [getattr(node, "args", None), returns if isinstance(returns, ast.Subscript) else None]
    kinds = [each for part in nodes if part is not None for each in ast.walk(part)]
    has_self = any(isinstance(each, Reference) and each.name == "Self" for each in kinds)
    return member_name(node) if has_self else None


def _is_final(binding: Binding) -> bool:
    """Tell whether subclasses must not define a member again."""
    if isinstance(binding, Defined):
        return any("final" in decorator_names(node) for node in binding.nodes)
    annotation = unquoted(binding.annotation) if isinstance(binding, Assigned) else None
    named = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return named is not None and last_part(named) == "Final"


def _enumeration(cls: Class) -> str | None:
    """Return the name of the kind of enumeration that a class is; None if it is none."""
    keys = {base.key for base, _ in cls.ancestry() if isinstance(base, Class)}
    return next((each for each in ("Flag", "Enum") if ("enum", each) in keys), None)


def _enum_member(name: str, member: Member) -> Enum | None:
    """Return the enumeration member that an attribute defines, or None."""
    live = member.owner.live()
    found: Enum | None = live.__members__.get(name) if isinstance(live, EnumMeta) else None
    return found


_DOTS: Final = ast.Constant(...)
_ELLIPSIS: Final = ast.Expr(_DOTS)


def _has_all(cls: Class, protocol: Class) -> bool:
    """Tell whether a class may match a protocol: same members, same literals."""
    if not is_protocol(protocol):
        return True
    members = members_of(cls)
    for name, wanted in members_of(protocol).items():
        if name not in members:
            return False
        has = members[name].binding
        is_data = isinstance(wanted.binding, Assigned) and isinstance(has, Assigned)
        if is_data and _literal(wanted.binding) not in {None, _literal(has)}:
            return False
    return True


def _is_defined(target: Target) -> bool:
    is_built_in = target.module == "builtins" and hasattr(builtins, target.name or "")
    return target.binding is not None or is_built_in


def _literal(binding: Binding) -> str | None:
    node = binding.annotation if isinstance(binding, Assigned) else None
    if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("Literal"):
        return ast.unparse(node.slice)
    return None


def _arguments(names: list[str]) -> ast.arguments:
    return ast.arguments(
        posonlyargs=[],
        args=[ast.arg(each) for each in names],
        kwonlyargs=[],
        kw_defaults=[],
        defaults=[],
    )


def _function(
    name: str,
    arguments: ast.arguments,
    returns: ast.expr | None,
    decorators: list[ast.expr],
    body: list[ast.stmt] | None = None,
) -> ast.FunctionDef:
    return ast.FunctionDef(name, arguments, body or [_ELLIPSIS], decorators, returns, lineno=0)


def _method(name: str, kind: ast.expr) -> ast.FunctionDef | None:
    """Return the method that a class has where a call has made a function of this type."""
    match kind:
        case ast.Subscript(
            value=Reference(name="Callable"),
            slice=ast.Tuple(elts=[ast.List(elts=[_, *taken]), returned]),
        ):
            arguments = _arguments([])
            given = (ast.arg(f"arg{number}", each) for number, each in enumerate(taken, 1))
            arguments.posonlyargs = [ast.arg("self"), *given]
            return _function(name, arguments, returned, [])
        case _:
            return None


def _sorted(shown: dict[str, Member]) -> list[tuple[str, Member]]:
    """Return members in a stable order: `__init__`, then attributes, then methods."""

    def place(item: tuple[str, Member]) -> tuple[int, bool]:
        return (
            0 if item[0] in {"__init__", "__new__"} else 1,
            isinstance(item[1].binding, Defined),
        )

    return sorted(shown.items(), key=place)
