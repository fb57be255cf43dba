"""The types of unannotated names, if they are obvious."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Final

from .classes import (
    SELF,
    Bound,
    Class,
    Context,
    Member,
    class_of,
    members_of,
    type_parameters,
    unquoted,
    variables_in,
)
from .decorated import Made, undecorated, wrapped
from .modules import Assigned, Defined, Function, assignments, overloads_in, resolve


def inferred(binding: Assigned, member: Member) -> list[Made] | list[Bound]:
    """Return an attribute's meaning: a function with overloads, or the types of a union."""
    method = (
        binding.node if isinstance(binding.node, (ast.FunctionDef, ast.AsyncFunctionDef)) else None
    )
    is_none = isinstance(binding.value, ast.Constant) and binding.value.value is None
    if is_none and _is_assigned_again(member):
        return []
    made = _made(binding.value, method, member.context)
    if made or method is None:
        return made or _types_of(binding.value, method, member.context)
    found = _types_of(binding.value, method, member.context)
    return [] if any(_has_own_variables(each, method) for each in found) else found


def _is_assigned_again(member: Member) -> bool:
    """Tell whether more than one statement of a class assigns an attribute."""
    targets = [
        target
        for node in ast.walk(member.owner.node)
        if isinstance(node, ast.Assign)
        for target, _ in assignments(node)
    ]
    names = [each.attr for each in targets if isinstance(each, ast.Attribute)]
    return names.count(member.name) > 1


def _has_own_variables(bound: Bound, method: Function) -> bool:
    """Tell whether a type has type variables of a method, which mean nothing outside of it."""
    node, context = unquoted(bound.node), bound.context
    own = {each.name for each in type_parameters(method)}
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    of_classes = {key for cls in context.classes for key in cls.parameters}
    free = {*variables_in(node, context)} - of_classes - context.known.keys()
    return bool(own & names or free)


def default_of(arg: ast.arg, function: Function) -> ast.expr | None:
    """Return the default value of a parameter."""
    args = function.args
    positional = [*args.posonlyargs, *args.args]
    values = [None] * (len(positional) - len(args.defaults)) + args.defaults
    pairs = [
        *zip(positional, values, strict=True),
        *zip(args.kwonlyargs, args.kw_defaults, strict=True),
    ]
    return next((value for each, value in pairs if each is arg), None)


def returned_by(function: Function, context: Context) -> list[Bound]:
    """Return the types of the union that a function returns; none if not obvious."""
    nodes = [*_nodes_of(function.body)]
    if any(isinstance(each, (ast.Yield, ast.YieldFrom)) for each in nodes):
        return []
    values = [each.value for each in nodes if isinstance(each, ast.Return)]
    none: ast.expr = ast.Constant(None)
    found = [_types_of(each or none, function, context) for each in values or [none]]
    return [each for part in found for each in part] if all(found) else []


def _nodes_of(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Iterate over the nodes of a function, without nested functions."""
    for node in body:
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            yield from _nodes_of([*ast.iter_child_nodes(node)])


def _types_of(node: ast.expr | None, method: Function | None, context: Context) -> list[Bound]:
    """Return the types of the union that an expression has; none if not obvious."""
    match node:
        case ast.Constant(value=None):
            return [Bound(ast.Constant(None), context)]
        case ast.Constant(value=value) if value is not ...:
            return [Bound(ast.Name(type(value).__name__), _BUILTINS)]
        case ast.JoinedStr():
            return [Bound(ast.Name("str"), _BUILTINS)]
        case ast.Compare() | ast.UnaryOp(op=ast.Not()):
            return [Bound(ast.Name("bool"), _BUILTINS)]
        case ast.IfExp():
            parts = [_types_of(each, method, context) for each in (node.body, node.orelse)]
            return [each for part in parts for each in part] if all(parts) else []
        case ast.Name(id=name) if method is not None:
            return _named(name, method, context)
        case (
            ast.Call(func=ast.Name("cls"))
            | ast.Call(func=ast.Attribute(value=ast.Name("self"), attr="__class__"))
        ):
            return [SELF]
        case ast.Call():
            return _called(node, method, context)
        case ast.Await(value=ast.Call() as call):
            return _called(call, method, context, is_awaited=True)
        case _:
            return []


_BUILTINS: Final = Context("typing")


def _named(name: str, method: Function, context: Context) -> list[Bound]:
    """Return the type of a parameter, of `self`, or of a variable assigned only once."""
    positional = method.args.posonlyargs + method.args.args
    if positional and name == positional[0].arg == "self":
        return [SELF]
    values = [
        each.value
        for each in _nodes_of(method.body)
        if isinstance(each, ast.Assign) and [ast.unparse(part) for part in each.targets] == [name]
    ]
    known = _parameter(name, method, context)
    if known or len(values) != 1 or ast.dump(values[0]) == ast.dump(ast.Name(name, ast.Load())):
        return known
    return _types_of(values[0], method, context)


def _parameter(name: str, method: Function, context: Context) -> list[Bound]:
    args = method.args
    for arg in [*args.posonlyargs, *args.args, *args.kwonlyargs]:
        if arg.arg == name and arg.annotation is not None:
            return [Bound(arg.annotation, context)]
    return []


def _called(
    node: ast.Call, method: Function | None, context: Context, *, is_awaited: bool = False
) -> list[Bound]:
    target = context.target(node.func)
    if target is None:
        return []
    cls = class_of(target)
    if cls is not None:
        return [] if cls.parameters else [Bound(node.func, context)]
    if isinstance(target.binding, Defined) and len(target.binding.nodes) == 1:
        function = target.binding.nodes[0]
        if function.returns is None or isinstance(function, ast.AsyncFunctionDef) != is_awaited:
            return []
        owner = class_of(resolve(target.module, (target.name or "").rpartition(".")[0]))
        if owner is not None and isinstance(node.func, ast.Attribute):
            return _made_by_class(function.returns, owner, Bound(node.func.value, context))
        inner = Context(target.module)
        is_open = [*variables_in(function.returns, inner)]
        return [] if is_open else [Bound(function.returns, inner)]
    return []


def _made_by_class(returns: ast.expr, cls: Class, written: Bound) -> list[Bound]:
    """Return the type of what a function of a class returns, which is called on the class."""
    if "Self" in {each.id for each in ast.walk(returns) if isinstance(each, ast.Name)}:
        is_self = isinstance(returns, ast.Name) and not cls.parameters
        return [written] if is_self else []
    is_open = cls.parameters or [*variables_in(returns, cls.context)]
    return [] if is_open else [Bound(returns, cls.context)]


def _made(node: ast.expr | None, method: Function | None, context: Context) -> list[Made]:
    """Return what a function derives from a method of one of its parameters."""
    match node:
        case ast.Call(func=called, args=[ast.Attribute(value=ast.Name(owner), attr=name)]):
            maker = context.target(called)
        case _:
            return []
    if maker is None or not isinstance(maker.binding, Defined) or method is None:
        return []
    for kind in _parameter(owner, method, context):
        target = kind.context.target(kind.node)
        cls = None if target is None else class_of(target)
        found = None if cls is None else members_of(cls).get(name)
        if found is not None and isinstance(found.binding, Defined):
            nodes = found.binding.nodes
            made = [
                wrapped(maker, undecorated(each, found.context))
                for each in overloads_in(nodes) or nodes
            ]
            return [each for each in made if each is not None]
    return []
