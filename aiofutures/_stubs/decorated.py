"""The types of decorated functions, as far as the annotations of decorators tell."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from .classes import (
    SELF,
    UNKNOWN,
    Bound,
    Class,
    Context,
    Elsewhere,
    Member,
    arguments_of,
    class_of,
    is_type_variable,
    meant_by,
    members_of,
    type_parameters,
    unquoted,
    variables_in,
)
from .modules import Assigned, Defined, Function, Target, decorator_names, overloads_in
from .references import Reference

#: Decorators that a stub keeps.
KEPT_DECORATORS: Final = frozenset(
    {
        "classmethod",
        "staticmethod",
        "property",
        "cached_property",
        "deprecated",
        "final",
        "overload",
    }
)
# What those of the standard library return.
_MANAGERS: Final = {
    "asynccontextmanager": "AbstractAsyncContextManager",
    "contextmanager": "AbstractContextManager",
}
# Those whose effect is known without their annotations.
_KNOWN: Final = KEPT_DECORATORS | {
    *("override", "abstractmethod", "setter", "deleter", "wraps", "cache", "lru_cache"),
    "singledispatchmethod",
    *_MANAGERS,
}
_ITERATED: Final = frozenset({"AsyncGenerator", "AsyncIterable", "AsyncIterator"})
_UNTOLD: Final = frozenset({"Any", "Callable", "object"})


@dataclass(frozen=True)
class Made:
    """A function, perhaps derived from another one.

    Attributes:
        function: A function with the parameters of the derived one.
        context: The meaning of the names in it.
        returns: What a call returns; None if the function itself says it.
        is_attribute: Whether it is no function, but a value that is computed as a property is.
        is_opaque: Whether nothing is known about what was made.
    """

    function: Function
    context: Context
    returns: Bound | None
    is_attribute: bool = False
    is_opaque: bool = False


@dataclass
class _Match:
    """What the type variables of a decorator stand for, by their names.

    Attributes:
        types: Types.
        parameters: The parameters that a ParamSpec stands for.
        own: Parameters of the function, by the type variables that stand for their types.
    """

    types: dict[str, Bound] = field(default_factory=dict)
    parameters: dict[str, ast.arguments] = field(default_factory=dict)
    own: dict[str, ast.arg] = field(default_factory=dict)


@dataclass(frozen=True)
class _Signature:
    """What a decorator takes and gives."""

    taken: Bound
    given: Bound


def applied(node: Function, context: Context) -> Made:
    """Return what its decorators turn a method into."""
    plain = made = undecorated(node, context)
    alone = replace(plain, returns=None)
    names = decorator_names(node)
    for decorator, name in zip(reversed(node.decorator_list), reversed(names), strict=True):
        if name in _MANAGERS:
            made = replace(made, returns=_manager(node, made.context, _MANAGERS[name]))
        if name in _KNOWN:
            continue
        signatures = [*_signatures(decorator, context)]
        found = [each for each in (_wrapped(one, made) for one in signatures) if each is not None]
        if signatures and not found:
            return replace(alone, is_opaque=True)
        made = found[0] if found else made
    return alone if made is plain else made


def undecorated(node: Function, context: Context) -> Made:
    """Return a function as it is without its decorators."""
    context = context.inside(node)
    returns = node.returns or Reference("typing", "Any")
    if isinstance(node, ast.AsyncFunctionDef) and not _is_generator(node):
        nothing = Reference("typing", "Any")
        named = Reference("collections.abc", "Coroutine")
        returns = ast.Subscript(named, ast.Tuple([nothing, nothing, returns]))
    return Made(node, context, Bound(returns, context))


def _is_generator(node: Function) -> bool:
    return any(isinstance(each, (ast.Yield, ast.YieldFrom)) for each in ast.walk(node))


def _manager(node: Function, context: Context, kind: str) -> Bound:
    """Return what a `contextmanager` or `asynccontextmanager` function returns."""
    returns = unquoted(node.returns)
    args = arguments_of(returns) if isinstance(returns, ast.Subscript) else []
    item = args[0] if args else Reference("typing", "Any")
    left = ast.BinOp(Reference("builtins", "bool"), ast.BitOr(), ast.Constant(None))
    manager = ast.Subscript(Reference("contextlib", kind), ast.Tuple([item, left]))
    return Bound(manager, context)


def wrapped(maker: Target, made: Made) -> Made | None:
    """Return what a function makes of another one, if its annotations tell."""
    found = (_wrapped(each, made) for each in _of_functions(maker, is_called=False))
    return next((each for each in found if each is not None and each is not made), None)


# What decorators take and give.


def _signatures(decorator: ast.expr, context: Context) -> Iterator[_Signature]:
    """Yield what a decorator takes and gives, for each of its overloads with annotations."""
    is_called = isinstance(decorator, ast.Call)
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    target = context.target(called)
    method = _method(called, context)
    if method is not None:
        yield from _of_method(method, is_called=is_called)
    if target is None or method is not None:
        return
    made = None if is_called else _value_of(target)
    if made is not None:
        yield from _signatures(made.node, made.context)
        return
    cls = class_of(target)
    if cls is None:
        yield from _of_functions(target, is_called=is_called)
    elif is_called:
        yield from _of_objects(cls, is_called=False)
    else:
        yield from _of_class(cls, Bound(decorator, context))


def _value_of(target: Target) -> Bound | None:
    """Return the decorator, or the call that makes one, which a module assigns to a name.

    None for the object of a class, and for what is made of itself.
    """
    value = target.binding.value if isinstance(target.binding, Assigned) else None
    called = value.func if isinstance(value, ast.Call) else value
    context = Context(target.module)
    found = None if called is None else context.target(called)
    is_other = found is not None and found != target and class_of(found) is None
    return Bound(value, context) if value is not None and is_other else None


def _class_of_object(target: Target) -> Class | None:
    """Return the class of an object that a module has, if it calls the class for it."""
    binding, context = target.binding, Context(target.module)
    if not isinstance(binding, Assigned):
        return None
    named = binding.value.func if isinstance(binding.value, ast.Call) else binding.annotation
    made_by = None if named is None else context.target(named)
    return None if made_by is None else class_of(made_by)


def _method(node: ast.expr, context: Context) -> Member | None:
    """Return the method of an object of a module that an expression names."""
    if not isinstance(node, ast.Attribute):
        return None
    target = context.target(node.value)
    cls = None if target is None else _class_of_object(target)
    return None if cls is None else members_of(cls).get(node.attr)


def _of_functions(target: Target, *, is_called: bool) -> Iterator[_Signature]:
    binding, context = target.binding, Context(target.module)
    cls = _class_of_object(target)
    if cls is not None:
        yield from _of_objects(cls, is_called=is_called)
    if isinstance(binding, Defined):
        for node in overloads_in(binding.nodes) or binding.nodes:
            yield from _of_function(node, context.inside(node), 0, is_called=is_called)


def _of_objects(cls: Class, *, is_called: bool) -> Iterator[_Signature]:
    """Yield the signatures of the objects of a class."""
    member = members_of(cls).get("__call__")
    if member is not None:
        yield from _of_method(member, is_called=is_called)


def _of_method(member: Member, *, is_called: bool) -> Iterator[_Signature]:
    """Yield the signatures of a method of an object."""
    if not isinstance(member.binding, Defined):
        return
    for node in overloads_in(member.binding.nodes) or member.binding.nodes:
        context = member.context.inside(node)
        index = 0 if "staticmethod" in decorator_names(node) else 1
        yield from _of_function(node, context, index, is_called=is_called)


def _of_class(cls: Class, written: Bound) -> Iterator[_Signature]:
    """Yield the signatures of a class whose objects take the place of functions."""
    member = members_of(cls).get("__init__")
    if member is not None and isinstance(member.binding, Defined):
        taken = _annotation(member.binding.nodes[-1], 1)
        if taken is not None:
            yield _Signature(Bound(taken, member.context), written)


def _of_function(
    node: Function, context: Context, index: int, *, is_called: bool
) -> Iterator[_Signature]:
    if node.returns is None:
        return
    returned = Bound(node.returns, context)
    if not is_called:
        taken = _annotation(node, index)
        if taken is not None:
            yield _Signature(Bound(taken, context), returned)
        return
    given = _seen_through(returned)
    match given.node:
        case ast.Subscript(slice=ast.Tuple(elts=[ast.List(elts=[taken]), new])):
            yield _Signature(Bound(taken, given.context), Bound(new, given.context))
        case ast.Name() | ast.Attribute() | ast.Subscript():
            named = given.node.value if isinstance(given.node, ast.Subscript) else given.node
            target = given.context.target(named)
            cls = None if target is None else class_of(target)
            yield from () if cls is None else _of_objects(cls, is_called=False)
        case _:
            pass


def _annotation(node: Function, index: int) -> ast.expr | None:
    """Return the type of a positional parameter."""
    positional = node.args.posonlyargs + node.args.args
    return positional[index].annotation if index < len(positional) else None


# How they fit.


def _wrapped(signature: _Signature, made: Made) -> Made | None:
    """Return what a decorator turns a function into; None if its annotations do not tell."""
    is_same = ast.dump(signature.taken.node) == ast.dump(signature.given.node)
    taken, given = _seen_through(signature.taken), _seen_through(signature.given)
    if is_same or _says_nothing(taken) or _says_nothing(given):
        return made
    match = _Match()
    takes = _callable(taken)
    if takes is None or made.returns is None:
        return None
    if not (_take(takes[0], made, match) and _fit(takes[1], made.returns, match)):
        return None
    gives = _callable(given)
    if gives is None:
        return _described(given, made, match)
    arguments = _give(gives[0], made, match)
    if arguments is None:
        return None
    if made.function.returns is None and arguments is made.function.args:
        # Its own body may tell more.
        return made
    returns = _with(gives[1], match)
    if returns is None:
        return None
    return Made(_with_arguments(made.function, arguments), made.context, returns)


def _with_arguments(function: Function, arguments: ast.arguments) -> Function:
    fields = dict(ast.iter_fields(function)) | {"args": arguments}
    return type(function)(**fields)


def _described(given: Bound, made: Made, match: _Match) -> Made | None:
    """Return what reading a descriptor gives, which has taken the place of a function."""
    node = given.node
    target = given.context.target(node.value if isinstance(node, ast.Subscript) else node)
    cls = None if target is None else class_of(target)
    member = None if cls is None else members_of(cls).get("__get__")
    if cls is None or member is None or not isinstance(member.binding, Defined):
        return None
    args = arguments_of(node) if isinstance(node, ast.Subscript) else []
    names = [name.rpartition(".")[2] for _, name in cls.parameters]
    known = {name: Bound(arg, given.context) for name, arg in zip(names, args, strict=False)}
    # The last overload is the one for objects.
    returns = (overloads_in(member.binding.nodes) or member.binding.nodes)[-1].returns
    if returns is None:
        return None
    read = _seen_through(Bound(returns, replace(member.context, names=known)))
    kind = None if _callable(read) else _with(read, match)
    if kind is None:
        return None
    alone = ast.arguments([], [ast.arg("self")], kwonlyargs=[], kw_defaults=[], defaults=[])
    function = _with_arguments(made.function, alone)
    return replace(made, function=function, returns=kind, is_attribute=True)


def _says_nothing(bound: Bound) -> bool:
    """Tell whether a type says nothing about the parameters of a function."""
    target = bound.context.target(bound.node)
    return target is not None and target.name in _UNTOLD


def _callable(bound: Bound) -> tuple[Bound, Bound] | None:
    """Return the parameters and the result of a `Callable`."""
    match bound.node:
        case ast.Subscript(value=named, slice=ast.Tuple(elts=[parameters, returned])):
            target = bound.context.target(named)
            if target is not None and target.name == "Callable":
                return Bound(parameters, bound.context), Bound(returned, bound.context)
        case _:
            pass
    return None


def _seen_through(bound: Bound) -> Bound:
    """Return the meaning of a type that is quoted, an alias, or known from its context."""
    node, context = unquoted(bound.node), bound.context
    if isinstance(node, Elsewhere):
        return _seen_through(node.bound)
    named = node.value if isinstance(node, ast.Subscript) else node
    if isinstance(named, ast.Name) and named.id in context.names:
        return _seen_through(context.names[named.id])
    target = context.target(named)
    value = None if target is None or is_type_variable(target) else meant_by(target)
    if target is None or value is None:
        return Bound(node, context)
    inner = Context(target.module)
    args = arguments_of(node) if isinstance(node, ast.Subscript) else []
    own = [each.name for each in type_parameters(getattr(target.binding, "node", None))]
    names = own or [name for _, name in dict.fromkeys(variables_in(value, inner))]
    known = {name: Bound(arg, context) for name, arg in zip(names, args, strict=False)}
    return _seen_through(Bound(value, replace(inner, names=known)))


def _variable(bound: Bound) -> str | None:
    """Return the name of a type variable; None for anything else."""
    if not isinstance(bound.node, ast.Name):
        return None
    target = bound.context.target(bound.node)
    is_variable = target is not None and is_type_variable(target)
    return bound.node.id if is_variable or bound.node.id in bound.context.own else None


def _take(pattern: Bound, made: Made, match: _Match) -> bool:
    """Fit the parameters that a decorator expects to those of a function."""
    pattern = _seen_through(pattern)
    heads, last = _heads(pattern)
    args = made.function.args
    positional = args.posonlyargs + args.args
    if len(positional) < len(heads):
        return False
    for arg, head in zip(positional, heads, strict=False):
        is_own = arg is positional[0] and arg.annotation is None
        kind = Bound(arg.annotation, made.context) if arg.annotation else UNKNOWN
        name = _variable(_seen_through(head))
        if name is not None:
            match.own.setdefault(name, arg)
        # What is around the class itself, such as `type`, does not matter.
        if not _fit(head, SELF if is_own else kind, match) and not is_own:
            return False
    if last is not None:
        match.parameters[last] = _without(args, len(heads)) if heads else args
    return True


def _heads(pattern: Bound) -> tuple[list[Bound], str | None]:
    """Return the types of the first parameters, and the ParamSpec of the others."""
    match pattern.node:
        case ast.List(elts=elements):
            return [Bound(each, pattern.context) for each in elements], None
        case ast.Subscript(slice=ast.Tuple(elts=[*elements, last])):
            # This is `Concatenate`.
            heads = [Bound(each, pattern.context) for each in elements]
            return heads, _variable(_seen_through(Bound(last, pattern.context)))
        case _:
            return [], _variable(pattern)


def _without(args: ast.arguments, count: int) -> ast.arguments:
    """Return parameters without the first ones."""
    left = len(args.posonlyargs) + len(args.args) - count
    fields = dict(ast.iter_fields(args))
    fields["posonlyargs"] = args.posonlyargs[count:]
    fields["args"] = args.args[max(0, count - len(args.posonlyargs)) :]
    fields["defaults"] = args.defaults[max(0, len(args.defaults) - left) :]
    return ast.arguments(**fields)


def _give(pattern: Bound, made: Made, match: _Match) -> ast.arguments | None:
    """Return the parameters of what a decorator gives; None if they are not known."""
    pattern = _seen_through(pattern)
    if isinstance(pattern.node, ast.Constant):
        # Any parameters, which usually means the same.
        return made.function.args
    heads, last = _heads(pattern)
    if last is not None and last not in match.parameters:
        return None
    none = ast.arguments([], [], kwonlyargs=[], kw_defaults=[], defaults=[])
    rest = none if last is None else match.parameters[last]
    if not heads:
        return rest
    is_method = "staticmethod" not in decorator_names(made.function)
    first = [_parameter(each, number, match, is_method) for number, each in enumerate(heads)]
    if None in first:
        return None
    fields = dict(ast.iter_fields(rest))
    known = [*match.own.values()]
    is_named = all(each in known for each in first) and not rest.posonlyargs
    place = "args" if is_named else "posonlyargs"
    return ast.arguments(**{**fields, place: [*first, *fields[place]]})


def _parameter(head: Bound, number: int, match: _Match, is_method: bool) -> ast.arg | None:
    """Return one of the first parameters of what a decorator gives."""
    name = _variable(_seen_through(head))
    if name is not None and name in match.own:
        return match.own[name]
    if number == 0 and is_method:
        return ast.arg("self")
    kind = _with(head, match)
    return None if kind is None else ast.arg(f"arg{number}", Elsewhere(kind))


def _fit(pattern: Bound, actual: Bound, match: _Match) -> bool:
    """Find out what the type variables in a type stand for, if that is the actual type."""
    pattern = _seen_through(pattern)
    name = _variable(pattern)
    if name is not None:
        match.types.setdefault(name, actual)
        return True
    if not _variables(pattern):
        return True
    actual = _seen_through(actual)
    if not (isinstance(pattern.node, ast.Subscript) and isinstance(actual.node, ast.Subscript)):
        return False
    wanted, has = _name(pattern), _name(actual)
    expected, given = arguments_of(pattern.node), arguments_of(actual.node)
    if wanted == "Awaitable" and has == "Coroutine":
        given = given[2:]
    elif wanted != has and not (wanted in _ITERATED and has in _ITERATED):
        return False
    return all(
        _fit(Bound(each, pattern.context), Bound(arg, actual.context), match)
        for each, arg in zip(expected, given, strict=False)
    )


def _name(bound: Bound) -> str | None:
    assert isinstance(bound.node, ast.Subscript)  # noqa: S101
    target = bound.context.target(bound.node.value)
    return None if target is None else target.name


def _variables(bound: Bound) -> set[str]:
    """Return the names of the type variables in a type."""
    found: set[str] = set()
    for node in ast.walk(bound.node):
        if isinstance(node, ast.Name):
            known = bound.context.names.get(node.id)
            name = _variable(Bound(node, bound.context))
            found |= _variables(known) if known else {name} if name else set()
    return found


def _with(bound: Bound, match: _Match) -> Bound | None:
    """Return a type with known type variables; None if some are not known."""
    if not _variables(bound) <= match.types.keys():
        return None
    used = {each.id for each in ast.walk(bound.node) if isinstance(each, ast.Name)}
    inner = {name: _with(each, match) for name, each in bound.context.names.items() if name in used}
    known = {name: each for name, each in inner.items() if each is not None}
    context = replace(bound.context, own=frozenset(), names={**match.types, **known})
    return Bound(bound.node, context)
