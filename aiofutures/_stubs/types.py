"""The types of a stub: those of the source, as seen by synchronous code."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from enum import Enum, auto
from itertools import repeat, zip_longest
from typing import Final

from .._twins.kinds import kind_of_class
from .classes import (
    SELF,
    UNKNOWN,
    Bound,
    Class,
    Context,
    Elsewhere,
    Key,
    Known,
    Member,
    arguments_of,
    call_of,
    class_of,
    is_type_variable,
    itself,
    limits_of,
    matched,
    meant_by,
    members_of,
    parsed,
    type_parameters,
    unquoted,
    variable_of,
    variables_in,
)
from .decorated import Made, applied
from .inference import inferred, returned_by
from .modules import (
    Assigned,
    Defined,
    Function,
    Target,
    load,
    public_place,
    resolve,
)
from .names import Alias, OptionsName, Taken, generator_type, joined, parts, subscript
from .references import Declared, Reference


class Position(Enum):
    """Where a type occurs: async objects are given and taken as their twins.

    A result comes from a call, and is awaited. Others come from containers.
    """

    RESULT = auto()
    ATTRIBUTE = auto()
    GIVEN = auto()
    TAKEN = auto()
    KEPT = auto()


class StubKind(Enum):
    """What an object becomes, like `aiofutures._twins.kinds.Kind`."""

    PLAIN = auto()
    TWIN = auto()
    ITERATOR = auto()
    #: A named tuple or typed dictionary with async objects in it.
    RECORD = auto()


_GIVES: Final = frozenset({Position.RESULT, Position.ATTRIBUTE, Position.GIVEN})
_SPECIAL: Final = frozenset(
    {"abc", "builtins", "collections", "collections.abc", "contextlib", "types", "typing"}
) | {"typing_extensions"}
_AWAITABLE: Final = {"Awaitable": 0, "Coroutine": 2}
_ITERABLE: Final = frozenset({"AsyncGenerator", "AsyncIterator", "AsyncIterable"})
_MANAGER: Final = frozenset({"AbstractAsyncContextManager", "AsyncContextManager"})
_SYNC_MANAGER: Final = frozenset({"AbstractContextManager", "ContextManager"})
# Containers and iterators whose items are given and taken as twins: those that are only read,
# and those whose items have exactly one type.
_READ: Final = frozenset(
    {"Collection", "FrozenSet", "Iterable", "Iterator", "Mapping", "MappingProxyType", "Reversible"}
    | {"Sequence", "Tuple", "TypeGuard", "TypeIs", "ValuesView", "frozenset", "tuple"}
)
_CHANGED: Final = frozenset(
    {"ChainMap", "Counter", "DefaultDict", "Deque", "Dict", "ItemsView", "KeysView", "List"}
    | {"MutableMapping", "UserDict", "UserList"}
    | {"MutableSequence", "MutableSet", "OrderedDict", "Set", "defaultdict", "deque", "dict"}
    | {"list", "set"}
)
_CLASS: Final = frozenset({"type", "Type"})
#: What becomes another one of its kind, with twins in it.
_RECORDS: Final = frozenset({"NamedTuple", "TypedDict"})
_QUALIFIERS: Final = frozenset({"ClassVar", "Final", "NotRequired", "ReadOnly", "Required"})
_FUTURE: Final = frozenset({("_asyncio", "Future"), ("asyncio.futures", "Future")})
_EXEMPT: Final = _FUTURE | {("asyncio.events", "AbstractEventLoop"), ("builtins", "BaseException")}
_ITERATING: Final = frozenset({"aclose", "asend", "athrow", "ag_await", "ag_code", "ag_frame"}) | {
    "ag_running",
    "ag_suspended",
}


class Types:
    """Translates types of the source to those of the stub.

    Args:
        twins: The names of the classes of twins in the stub.
        name_twin: Adds a name for the twin of a class that has none yet.
        frees: Whether type variables lose async bounds and constraints, which twins do not meet.
    """

    def __init__(
        self, twins: dict[Key, ast.Name], name_twin: Callable[[Class], str], *, frees: bool = True
    ) -> None:
        self._twins = twins
        self._name_twin = name_twin
        # Those of twins that the module names are known.
        self._kinds: dict[Key, StubKind] = dict.fromkeys(twins, StubKind.TWIN)
        # The meaning of aliases; while an alias is examined, it means itself.
        self._aliases: dict[tuple[str, str, Position], ast.expr] = {}
        self._async_aliases: dict[Key, bool] = {}
        self._frees = frees
        self._freed: dict[Key, bool] = {}

    def translate(self, node: ast.expr, context: Context, position: Position) -> ast.expr:
        """Return a type as written in the stub."""
        match node:
            case ast.Constant(value=str(text)):
                return self.translate(parsed(text), context, position)
            case Reference():
                return node
            case Elsewhere():
                return self.bound(node.bound, position)
            case ast.Name() | ast.Attribute():
                return self._generic(node, [], context, position)
            case ast.Subscript():
                return self._generic(node.value, arguments_of(node), context, position)
            case ast.BinOp(op=ast.BitOr()):
                return self._union([node.left, node.right], context, position)
            case ast.List():
                kept = [self.translate(each, context, Position.KEPT) for each in node.elts]
                return ast.List(kept)
            case ast.Tuple():
                return ast.Tuple([self.translate(each, context, position) for each in node.elts])
            case ast.Starred():
                return ast.Starred(self.translate(node.value, context, position))
            case _:
                return node

    def bound(self, bound: Bound, position: Position) -> ast.expr:
        """Return a type with its own context, as written in the stub."""
        return self.translate(bound.node, bound.context, position)

    def inferred(self, binding: Assigned, member: Member, position: Position) -> ast.expr:
        """Return the type of an unannotated attribute: `Any`, unless it is obvious."""
        found = inferred(binding, member)
        types = [self.bound(each, position) for each in found if isinstance(each, Bound)]
        return joined(types) if types else Reference("typing", "Any")

    def _union(self, nodes: Iterable[ast.expr], context: Context, position: Position) -> ast.expr:
        return joined(self.translate(each, context, position) for each in nodes)

    def _generic(
        self, named: ast.expr, args: list[ast.expr], context: Context, position: Position
    ) -> ast.expr:
        """Return a named type with the arguments in its brackets."""
        if isinstance(named, ast.Name) and named.id in context.is_self:
            return self._self(position)
        if isinstance(named, ast.Name) and named.id in context.own:
            return named
        if isinstance(named, ast.Name) and named.id in context.names:
            return self.bound(context.names[named.id], position)
        if isinstance(named, ast.Attribute) and named.attr in {"args", "kwargs"}:
            return self._parameters(named, context)
        target = context.target(named)
        if target is None or target.name is None:
            return Reference("typing", "Any")
        if is_type_variable(target):
            return self._variable(target, context, position)
        if target.module in _SPECIAL:
            is_self = target.name == "Self"
            return (
                self._self(position) if is_self else self._special(target, args, context, position)
            )
        cls = class_of(target)
        if cls is not None:
            return self._class(cls, args, context, position)
        if self._frees and target.binding is None and _is_missing(target):
            return Reference("typing", "Any")
        return self._alias(target, args, context, position)

    def _self(self, position: Position) -> ast.expr:
        """Return the type of the class itself; what is kept has the original, not the twin."""
        is_original = self._frees and position is Position.KEPT
        return Reference("typing", "Any" if is_original else "Self")

    # Names with a special meaning.

    def _special(
        self, target: Target, args: list[ast.expr], context: Context, position: Position
    ) -> ast.expr:
        name = target.name or ""
        gives = position in _GIVES
        if name in {"Union", "Optional"} and args:
            nodes = [*args, ast.Constant(None)] if name == "Optional" else args
            return self._union(nodes, context, position)
        if name == "Annotated" and args:
            return self.translate(args[0], context, position)
        if name in {"Literal", "Unpack"}:
            inside = self._literal if name == "Literal" else self._unpacked
            kept = [inside(each, context, position) for each in args]
            return subscript(self._import(target), kept)
        if name in _AWAITABLE and position is Position.RESULT:
            return self._argument(args, _AWAITABLE[name], context, Position.GIVEN)
        if name in _ITERABLE and gives:
            return self._generator(args, context)
        if name in _MANAGER and gives:
            return self._manager(args, context)
        if name == "Callable" and position is Position.ATTRIBUTE and len(args) == 2:
            result = self.translate(args[1], context, Position.RESULT)
            taken = self.translate(args[0], context, Position.KEPT)
            return subscript(self._import(target), [taken, result])
        if name == "Generator" and gives:
            places = (Position.GIVEN, Position.TAKEN, Position.GIVEN)
            kept = [self.translate(*each) for each in zip(args, repeat(context), places)]
            return subscript(self._import(target), kept)
        inner = _inside(name, position)
        kept = [self.translate(each, context, inner) for each in args]
        if name in _CHANGED | _CLASS and position is Position.TAKEN:
            given = [self.translate(each, context, position) for each in args]
            return self._container(target, kept, given)
        return subscript(self._import(target), kept)

    def _container(self, target: Target, kept: list[ast.expr], taken: list[ast.expr]) -> ast.expr:
        """Return a container as a parameter type: either all items are twins, or none."""
        original = subscript(self._import(target), kept)
        is_same = [*map(ast.dump, kept)] == [*map(ast.dump, taken)]
        return original if is_same else Taken(original, self._import(target), taken)

    def _unpacked(self, node: ast.expr, context: Context, position: Position) -> ast.expr:
        """Return what describes several arguments, perhaps a typed dictionary of keywords."""
        target = context.target(node)
        cls = None if target is None or position is not Position.TAKEN else class_of(target)
        if cls is None or cls.parameters or not is_record(cls):
            return self.translate(node, context, Position.KEPT)
        fields = {
            name: self.field(member, Position.TAKEN)
            for name, member in members_of(cls).items()
            if isinstance(member.binding, Assigned)
        }
        kinds = {name: kind for name, kind in fields.items() if kind is not None}
        return OptionsName(Reference(*public_place(self._target(cls))), kinds)

    def field(self, member: Member, position: Position) -> ast.expr | None:
        """Return the type of a field of a named tuple or typed dictionary, if it is one."""
        annotation = getattr(member.binding, "annotation", None)
        if annotation is None:
            return None
        kind = self.translate(annotation, member.context, position)
        if _is_partial(member.owner) and not _says_whether_required(kind):
            kind = subscript(Reference("typing", "NotRequired"), [kind])
        return kind

    def _literal(self, node: ast.expr, context: Context, position: Position) -> ast.expr:
        """Return a literal; that of an enumeration has the name of its class in it."""
        if not isinstance(node, ast.Attribute):
            return node
        inner = position if position in _GIVES else Position.KEPT
        return ast.Attribute(self.translate(node.value, context, inner), node.attr)

    def _argument(
        self, args: list[ast.expr], index: int, context: Context, position: Position
    ) -> ast.expr:
        if index < len(args):
            return self.translate(args[index], context, position)
        return Reference("typing", "Any")

    def _generator(self, args: list[ast.expr], context: Context) -> ast.expr:
        item = self._argument(args, 0, context, Position.GIVEN)
        sent = self.translate(args[1], context, Position.TAKEN) if len(args) > 1 else None
        return generator_type(item, sent)

    def _manager(self, args: list[ast.expr], context: Context) -> ast.expr:
        entered = self._argument(args, 0, context, Position.GIVEN)
        rest = [self.translate(each, context, Position.KEPT) for each in args[1:]]
        left = rest or [ast.BinOp(Reference("builtins", "bool"), ast.BitOr(), ast.Constant(None))]
        return subscript(Reference("contextlib", "AbstractContextManager"), [entered, *left])

    def _import(self, target: Target) -> ast.expr:
        return Reference(*public_place(target))

    # Type variables and aliases.

    def _variable(self, target: Target, context: Context, position: Position) -> ast.expr:
        name = target.name or ""
        owner, _, last = name.rpartition(".")
        bound = context.known.get((target.module, name))
        if bound is not None:
            return self.bound(bound, position)
        if owner:
            # Declared in brackets after the class name, in the stub as well.
            return ast.Name(last)
        key = target.module, name
        if not self.is_freed(key):
            return Reference(*key)
        is_of_class = any(key in cls.parameters for cls in context.classes)
        return self._declared(key, [] if is_of_class else self._bounds_of_twins(key))

    def _bounds_of_twins(self, key: Key) -> list[ast.keyword]:
        """Return the bound, if any, of a type variable of functions, which accept twins, too."""
        value = next((each.value for each in call_of(key).keywords if each.arg == "bound"), None)
        if value is None:
            return []
        context = Context(key[0])
        # It may limit itself.
        known = dict.fromkeys(variables_in(unquoted(value), context), UNKNOWN)
        bound = self.translate(value, replace(context, known=known), Position.TAKEN)
        return [ast.keyword("bound", bound)]

    def _declared(self, key: Key, bounds: Sequence[ast.keyword] = ()) -> ast.expr:
        """Return the name of a type variable that has lost its limits, except `bounds`."""
        call = call_of(key)
        context = Context(key[0])
        kept = [
            ast.keyword(each.arg, self.translate(each.value, context, Position.GIVEN))
            for each in call.keywords
            if each.arg != "bound"
        ]
        # That of `typing` has no default before Python 3.13.
        has_default = any(each.arg == "default" for each in kept)
        maker = Reference("typing_extensions" if has_default else "typing", "TypeVar")
        return Declared(*key, ast.Call(maker, [], [*bounds, *kept]))

    def is_freed(self, key: Key) -> bool:
        """Tell whether twins would not meet the bound or the constraints of a type variable.

        Then the twins of its limits are in the stub, too.
        """
        if key not in self._freed:
            # One that limits itself.
            self._freed[key] = False
            limits, default = limits_of(key)
            self._freed[key] = self._frees and any(
                self.changes(each.node, each.context)
                for each in (*limits, *default)
                if not self._is_anything(each)
            )
        return self._freed[key]

    def _is_anything(self, bound: Bound) -> bool:
        """Tell whether a type is a union with `object` in it."""
        everything = Reference("builtins", "object").id
        kept = parts(self.bound(bound, Position.KEPT))
        return any(isinstance(each, Reference) and each.id == everything for each in kept)

    def changes(self, node: ast.expr, context: Context) -> bool:
        """Tell whether anything in a type that is given becomes a twin."""
        given, kept = (
            self.translate(node, context, each) for each in (Position.GIVEN, Position.KEPT)
        )
        return ast.dump(given) != ast.dump(kept)

    def in_brackets(self, node: ast.AST, context: Context, position: Position) -> list[ast.AST]:
        """Return the type parameters in brackets, without bounds that twins would not meet.

        In the position `TAKEN`, bounds accept twins.
        """
        parameters: list[ast.AST] = []
        for each in type_parameters(node):
            fields = {
                part: self.translate(value, context, position)
                if isinstance(value, ast.expr)
                else value
                for part, value in ast.iter_fields(each)
            }
            bound = getattr(each, "bound", None)
            # This also gives the bound a twin in the stub.
            is_async = self._frees and bound is not None and self.changes(bound, context)
            if position is Position.GIVEN and is_async:
                del fields["bound"]
            if each.name not in context.is_self:
                parameters.append(type(each)(**fields))
        return parameters

    def add_brackets(
        self, new: ast.stmt, node: ast.AST, context: Context, position: Position
    ) -> None:
        """Add the type parameters in brackets to a statement, if there are any."""
        parameters = self.in_brackets(node, context, position)
        if parameters:
            vars(new)["type_params"] = parameters

    def variables(self, cls: Class) -> list[ast.expr]:
        """Return the type variables of the twin of a generic class, as type arguments."""
        nodes: list[ast.expr] = []
        for key in cls.parameters:
            node, is_several = variable_of(key)
            is_free = isinstance(node, Reference) and self.is_freed(key)
            named = self._declared(key) if is_free else node
            nodes.append(ast.Starred(named) if is_several else named)
        return nodes

    def wrapped(self, cls: Class) -> ast.expr:
        """Return the type of the originals of the twins of a class."""
        arguments = [
            Reference("typing", "Any") if self.is_freed(key) else node
            for node, key in zip(self.variables(cls), cls.parameters, strict=True)
        ]
        return subscript(self.original(cls), arguments)

    def _parameters(self, node: ast.Attribute, context: Context) -> ast.expr:
        """Return the parameters a variable represents, or those of a class without it."""
        variable = self.translate(node.value, context, Position.KEPT)
        is_known = isinstance(variable, Reference) and variable.module == "typing"
        if is_known or not isinstance(variable, ast.Name):
            return Reference("typing", "Any")
        return ast.Attribute(variable, node.attr)

    def _alias(
        self, target: Target, args: list[ast.expr], context: Context, position: Position
    ) -> ast.expr:
        """Return an alias, or its meaning if anything in it is async."""
        key = (target.module, target.name or "", position)
        if args:
            return self._meaning(target, args, context, position)
        if key not in self._aliases:
            self._aliases[key] = self._import(target)
            self._aliases[key] = self._meaning(target, args, context, position)
        return self._aliases[key]

    def _meaning(
        self, target: Target, args: list[ast.expr], context: Context, position: Position
    ) -> ast.expr:
        kept = subscript(
            self._import(target),
            [
                Reference("typing", "Any")
                if self._has_free(each, context)
                else self.translate(each, context, Position.KEPT)
                for each in args
            ],
        )
        value = meant_by(target)
        if value is None or position is Position.KEPT:
            return kept
        given = [Bound(each, context) for each in args]
        inner = Context(target.module)
        variables = dict.fromkeys(variables_in(value, inner))
        known = dict.fromkeys(variables, UNKNOWN) | dict(zip(variables, given, strict=False))
        node = getattr(target.binding, "node", None)
        parameters = [each.name for each in type_parameters(node)]
        names = dict.fromkeys(parameters, UNKNOWN) | dict(zip(parameters, given, strict=False))
        inner = replace(inner, known=known, names=names)
        meant = self.translate(value, inner, position)
        if ast.dump(meant) == ast.dump(self.translate(value, inner, Position.KEPT)):
            return kept
        return Alias(kept, meant) if position is Position.TAKEN else meant

    # Classes.

    def _class(
        self, cls: Class, args: list[ast.expr], context: Context, position: Position
    ) -> ast.expr:
        if position in _GIVES:
            return self._class_given(cls, args, context, position)
        original = subscript(self.original(cls), self._kept(cls, args, context))
        if position is Position.KEPT:
            return original
        self._name_protocol(cls)
        args = [self.translate(each, context, position) for each in args]
        return Taken(original, cls.key, args)

    def _name_protocol(self, cls: Class) -> None:
        """Name the twin of a protocol, which the twin of any class with its members meets."""
        if is_protocol(cls) and cls.key not in self._twins and self.kind(cls) is StubKind.TWIN:
            self._name_twin(cls)

    def _class_given(
        self, cls: Class, args: list[ast.expr], context: Context, position: Position
    ) -> ast.expr:
        known = matched(cls.parameters, [Bound(each, context) for each in args])
        kind = self.kind(cls)
        awaited = self.awaited(cls, known) if position is Position.RESULT else None
        if awaited is not None and (kind is not StubKind.TWIN or "__aenter__" in members_of(cls)):
            if self._is_itself(awaited):
                return self._twin(cls, args, context)
            return self.bound(awaited, Position.GIVEN)
        if kind is StubKind.ITERATOR:
            return self._iterator(cls, known)
        is_callback = position is Position.ATTRIBUTE and self._is_callback(cls)
        if kind in {StubKind.TWIN, StubKind.RECORD} or is_callback:
            return self._twin(cls, args, context)
        if cls.key in _FUTURE:
            future = Reference("aiofutures", "Future")
            return subscript(future, self._given(cls, args, context))
        has_twins = self._given if is_record(cls) else self._kept
        return subscript(self.original(cls), has_twins(cls, args, context))

    def _is_callback(self, cls: Class) -> bool:
        """Tell whether a class is a protocol of async functions, which an attribute may have."""
        member = members_of(cls).get("__call__")
        return is_protocol(cls) and member is not None and self._is_async(member)

    def of_setter(self, node: ast.expr, context: Context) -> ast.expr | None:
        """Return the type that an attribute for async functions is set to; None for others.

        What reads it calls a sync function, but the original awaits the one that it has.
        """
        given, kept, taken = (
            self.translate(node, context, each)
            for each in (Position.ATTRIBUTE, Position.KEPT, Position.TAKEN)
        )
        same = {*map(ast.dump, parts(kept))}
        is_called = any(_is_callable(part) and ast.dump(part) not in same for part in parts(given))
        accepted = [*map(self._without_twins_of_callbacks, parts(taken))]
        is_unlike = any(one is not other for one, other in zip(accepted, parts(taken), strict=True))
        return joined(accepted) if is_called or is_unlike else None

    def _without_twins_of_callbacks(self, node: ast.expr) -> ast.expr:
        if not isinstance(node, Taken) or isinstance(node.named, ast.expr):
            return node
        cls = class_of(resolve(*node.named))
        return node.original if cls is not None and self._is_callback(cls) else node

    def original(self, cls: Class) -> ast.expr:
        """Return an expression for the original class."""
        return self._import(self._target(cls))

    def _target(self, cls: Class) -> Target:
        return Target(cls.module.name, cls.name, cls.node)

    def _is_itself(self, bound: Bound) -> bool:
        target = bound.context.target(bound.node)
        return target is not None and target.name == "Self" and target.module in _SPECIAL

    def _twin(self, cls: Class, args: list[ast.expr], context: Context) -> ast.expr:
        if cls.key not in self._twins:
            self._name_twin(cls)
        return subscript(self._twins[cls.key], self._given(cls, args, context))

    def has_twin(self, cls: Class) -> bool:
        """Tell whether the stub has a twin of a class."""
        return cls.key in self._twins

    def as_base(self, cls: Class, context: Context) -> ast.expr | None:
        """Return the twin of a class as the base of another; None if none would fit.

        Args:
            cls: A class that has a twin.
            context: What the other class has for its type variables.
        """
        args = [context.known[key] for key in cls.parameters if key in context.known]
        if any(variable_of(key)[1] for key in cls.parameters):
            return None
        # A twin need not be what the base expects.
        if any(self._holds_async(each.node, each.context) for each in args):
            return None
        return subscript(self._twins[cls.key], [self.bound(each, Position.KEPT) for each in args])

    def known_twin(self, cls: type) -> ast.expr | None:
        """Return the name of a class of twins, if this is one that has a name."""
        original = vars(cls).get("_aiofutures_class")
        if original is None:
            return None
        found = class_of(resolve(original.__module__, original.__qualname__))
        return None if found is None or found.parameters else self._twins.get(found.key)

    def _given(self, cls: Class, args: list[ast.expr], context: Context) -> list[ast.expr]:
        """Return the type arguments of a twin: members give twins.

        Those need not meet a limit that is kept, so there it is `Any`.
        """
        return [
            Reference("typing", "Any")
            if self._keeps(key) and self._holds_async(each, context)
            else self.translate(each, context, Position.GIVEN)
            for each, key in zip_longest(args, cls.parameters)
            if each is not None
        ]

    def _keeps(self, key: Key | None) -> bool:
        return key is not None and bool(limits_of(key)[0]) and not self.is_freed(key)

    def _has_free(self, node: ast.expr, context: Context) -> bool:
        found = variables_in(unquoted(node), context)
        return any(map(self.is_freed, found))

    def _kept(self, cls: Class, args: list[ast.expr], context: Context) -> list[ast.expr]:
        """Return the type arguments of an original, whose limits a variable may not meet."""
        return [
            Reference("typing", "Any")
            if key and self.is_freed(key) and self._has_free(each, context)
            else self.translate(each, context, Position.KEPT)
            for each, key in zip_longest(args, cls.parameters)
            if each is not None
        ]

    def _iterator(self, cls: Class, known: Known) -> ast.expr:
        return generator_type(self.bound(self.iterated(cls, known), Position.GIVEN))

    def iterated(self, cls: Class, known: Known) -> Bound:
        """Return the type of the items of an async iterator or iterable."""
        members = members_of(cls, known)
        for name in ("__anext__", "__aiter__"):
            member = members.get(name)
            if member is None or not isinstance(member.binding, Defined):
                continue
            node = member.binding.nodes[-1]
            if node.returns is None:
                continue
            returned = Bound(node.returns, member.context)
            if name == "__anext__" and isinstance(node, ast.AsyncFunctionDef):
                return returned
            if name == "__anext__":
                return self._inner(returned, frozenset(_AWAITABLE)) or UNKNOWN
            return self._inner(returned, _ITERABLE) or self._iterated_by(returned, cls)
        return self._of_iterable(cls, known)

    def _iterated_by(self, iterator: Bound, cls: Class) -> Bound:
        """Return the item type of the iterator that a class's `__aiter__` returns."""
        node = unquoted(iterator.node)
        args = arguments_of(node) if isinstance(node, ast.Subscript) else []
        target = iterator.context.target(node.value if isinstance(node, ast.Subscript) else node)
        other = None if target is None else class_of(target)
        if other is None or other == cls:
            return UNKNOWN
        given = [Bound(each, iterator.context) for each in args]
        return self.iterated(other, dict(zip(other.parameters, given, strict=False)))

    def _inner(self, bound: Bound, names: frozenset[str]) -> Bound | None:
        """Return the argument of a special generic type."""
        node = unquoted(bound.node)
        if not isinstance(node, ast.Subscript):
            return None
        target = bound.context.target(node.value)
        args = arguments_of(node)
        if target is None or target.name not in names:
            return None
        return Bound(args[_AWAITABLE.get(target.name, 0)], bound.context)

    def awaited(self, cls: Class, known: Known) -> Bound | None:
        """Return the type that awaiting an object gives; None if it cannot be awaited."""
        member = members_of(cls, known).get("__await__")
        if member is not None and isinstance(member.binding, Defined):
            return self._awaited_by(member.binding.nodes[-1], member, cls)
        return None

    def _awaited_by(self, function: Function, member: Member, cls: Class) -> Bound:
        """Return the type that `__await__` gives; unannotated, it may delegate to a method."""
        returns = unquoted(function.returns)
        if isinstance(returns, ast.Subscript) and len(arguments_of(returns)) == 3:
            result = arguments_of(returns)[2]
            is_itself = isinstance(result, ast.Name) and result.id in itself(
                function, member.context
            )
            return SELF if is_itself else Bound(result, member.context)
        match function.body[-1]:
            case ast.Return(value=ast.Call(func=ast.Attribute(value=ast.Call(func=called)))):
                name = called.attr if isinstance(called, ast.Attribute) else ""
            case _:
                return UNKNOWN
        method = members_of(cls).get(name)
        if method is None or not isinstance(method.binding, Defined):
            return UNKNOWN
        node = method.binding.nodes[-1]
        if node.returns is None:
            return next(iter(returned_by(node, method.context)), UNKNOWN)
        named = unquoted(node.returns)
        is_itself = isinstance(named, ast.Name) and named.id in itself(node, method.context)
        return SELF if is_itself else Bound(node.returns, method.context)

    def _of_iterable(self, cls: Class, known: Known) -> Bound:
        """Return the argument of the generic iterator or iterable that a class derives from."""
        for base, context in cls.ancestry(known):
            for node in base.node.bases if isinstance(base, Class) else ():
                named = node.value if isinstance(node, ast.Subscript) else node
                target = context.target(named)
                if target is None or target.module not in _SPECIAL or target.name not in _ITERABLE:
                    continue
                args = arguments_of(node) if isinstance(node, ast.Subscript) else []
                return Bound(args[0], context) if args else UNKNOWN
        return UNKNOWN

    # Kinds.

    def kind(self, cls: Class) -> StubKind:
        """Return what the objects of a class become."""
        if cls.key not in self._kinds:
            self._kinds[cls.key] = StubKind.PLAIN
            self._kinds[cls.key] = self._kind(cls)
        return self._kinds[cls.key]

    def _kind(self, cls: Class) -> StubKind:
        ancestry = [base for base, _ in cls.ancestry()]
        special = {base.name for base in ancestry if isinstance(base, Target)}
        keys = {base.key for base in ancestry if isinstance(base, Class)}
        if keys & _EXEMPT or cls.module.name.split(".")[0] == "aiofutures":
            return StubKind.PLAIN
        members = members_of(cls)
        assigned = {name for name in members if isinstance(members[name].binding, Assigned)}
        public = {name for name in members if not name.startswith("_")}
        live = _kind_at_run_time(cls)
        if live is None:
            live = self._kind_of_source(members, special)
        if live is not StubKind.PLAIN:
            return live
        if is_record(cls):
            # Keys may be private.
            is_open = any(self._holds_field(members[name]) for name in sorted(assigned))
            return StubKind.RECORD if is_open else StubKind.PLAIN
        # Objects count by their attributes, too.
        is_async = any(self._is_async(members[name]) for name in sorted(public & assigned))
        return StubKind.TWIN if is_async else StubKind.PLAIN

    def _kind_of_source(self, members: dict[str, Member], special: set[str | None]) -> StubKind:
        """Return the kind of a class that does not exist at run time, without its attributes."""
        iterates = bool({"__aiter__", "__anext__"} & members.keys() or special & _ITERABLE)
        enters = "__aenter__" in members or bool(special & _MANAGER)
        functions = {name for name in members if not isinstance(members[name].binding, Assigned)}
        public = {name for name in functions if not name.startswith("_")}
        if iterates and not enters and public <= _ITERATING:
            return StubKind.ITERATOR
        called = set() if "Protocol" in special else {"__call__"} & functions
        is_async = any(self._is_async(members[name]) for name in sorted(public | called))
        return StubKind.TWIN if iterates or enters or is_async else StubKind.PLAIN

    def _holds_field(self, field: Member) -> bool:
        """Tell whether a field of a record may be, or contain, something async."""
        assert isinstance(field.binding, Assigned)  # noqa: S101
        return self._holds_async(field.binding.annotation, field.context)

    def _holds_async(self, annotation: ast.expr | None, context: Context) -> bool:
        """Tell whether what has this type may be, or contain, something async."""
        for node in ast.walk(unquoted(annotation) or ast.Constant(None)):
            match node:
                case ast.Name() | ast.Attribute():
                    named: ast.expr = node
                case ast.Constant(value=str(text)) if text.isidentifier():
                    named = ast.Name(text)
                case _:
                    continue
            target = context.target(named)
            cls = None if target is None else class_of(target)
            is_open = cls is not None and self.kind(cls) is StubKind.RECORD
            known = (
                None if target is None else context.known.get((target.module, target.name or ""))
            )
            holds = known is not None and self._holds_async(known.node, known.context)
            if is_open or holds or self.is_async_type(named, context):
                return True
        return False

    def _is_made_async(self, made: Made) -> bool:
        """Tell whether decorators have made a function async."""
        returns = made.returns
        return returns is not None and self.is_async_type(returns.node, returns.context)

    def _is_async(self, member: Member) -> bool:
        binding, context = member.binding, member.context
        if isinstance(binding, Defined):
            return any(
                isinstance(node, ast.AsyncFunctionDef)
                or (node.returns is not None and self.is_async_type(node.returns, context))
                or self._is_made_async(applied(node, context))
                for node in binding.nodes
            )
        if not isinstance(binding, Assigned):
            return False
        if binding.annotation is not None:
            return self.is_async_type(binding.annotation, context)
        return any(
            isinstance(each, Made)
            or (member.is_of_instances and self.is_async_type(each.node, each.context))
            for each in inferred(binding, member)
        )

    def is_async_type(self, node: ast.expr, context: Context) -> bool:
        """Tell whether objects of a type, or of a member of a union, are async."""
        node = unquoted(node)
        if isinstance(node, ast.BinOp):
            return self.is_async_type(node.left, context) or self.is_async_type(node.right, context)
        args = arguments_of(node) if isinstance(node, ast.Subscript) else []
        target = context.target(node.value if isinstance(node, ast.Subscript) else node)
        if target is None or target.name is None:
            return False
        if target.module in _SPECIAL:
            if target.name in {"Union", "Optional", "ClassVar", "Final"}:
                return any(self.is_async_type(each, context) for each in args)
            if target.name == "Callable" and len(args) == 2:
                return self.is_async_type(args[1], context)
            return target.name in {*_AWAITABLE, *_ITERABLE, *_MANAGER}
        cls = class_of(target)
        if cls is not None:
            is_plain = self.kind(cls) in {StubKind.PLAIN, StubKind.RECORD}
            return not is_plain or self.awaited(cls, {}) is not None
        value = meant_by(target)
        if value is None:
            return False
        key = (target.module, target.name)
        if key not in self._async_aliases:
            self._async_aliases[key] = False
            self._async_aliases[key] = self.is_async_type(value, Context(target.module))
        return self._async_aliases[key]


def _is_callable(node: ast.expr) -> bool:
    """Tell whether a type is a `Callable` with known parameters."""
    named = node.value if isinstance(node, ast.Subscript) else None
    return isinstance(named, Reference) and named.name == "Callable"


def _inside(name: str, position: Position) -> Position:
    """Return the position of the arguments of a special type."""
    if (name in _CLASS and position is Position.ATTRIBUTE) or (
        name in _READ | _CHANGED | _SYNC_MANAGER and position in _GIVES
    ):
        return Position.GIVEN
    if name in _QUALIFIERS or (name in _READ and position is Position.TAKEN):
        return position
    return Position.KEPT


def _is_partial(cls: Class) -> bool:
    """Tell whether the keys that a class itself declares need not be there."""
    keywords = {each.arg: ast.unparse(each.value) for each in cls.node.keywords}
    return keywords.get("total") == "False"


def _says_whether_required(kind: ast.expr) -> bool:
    """Tell whether the type of a key says itself whether the key must be there."""
    match kind:
        case ast.Subscript(Reference(name="ReadOnly"), inner):
            return _says_whether_required(inner)
        case ast.Subscript(Reference(name=name)):
            return name in {"Required", "NotRequired"}
        case _:
            return False


def is_protocol(cls: Class) -> bool:
    """Tell whether a class is a protocol."""
    return any(isinstance(base, Target) and base.name == "Protocol" for base, _ in cls.bases())


def _kind_at_run_time(cls: Class) -> StubKind | None:
    """Return the kind of a class that exists at run time, as far as the class determines it."""
    live = cls.live()
    if live is None:
        return None
    kind = kind_of_class(live)
    return StubKind[kind.name] if kind.name in StubKind.__members__ else None


def _is_missing(target: Target) -> bool:
    """Tell whether a module has no such name: an import in a function may have bound it."""
    live = sys.modules.get(target.module)
    name = (target.name or "").partition(".")[0]
    return live is not None and load(target.module) is not None and not hasattr(live, name)


def is_record(cls: Class) -> bool:
    """Tell whether a class is a named tuple with known types, or a typed dictionary."""
    bases = (base for base, _ in cls.ancestry() if isinstance(base, Target))
    return any(base.module in _SPECIAL and base.name in _RECORDS for base in bases)
