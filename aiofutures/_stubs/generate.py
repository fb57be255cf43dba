"""The stub of a module with the twins that it creates."""

from __future__ import annotations

import ast
import subprocess
from functools import partial
from pathlib import Path
from types import ModuleType

from .classes import Class, Key, class_of
from .modules import MARK, Imported, StubError, imported_names, load, missing, resolve
from .names import Names
from .references import Reference
from .rest import Rest
from .types import Types
from .writer import Writer


def stub_of(
    module: ModuleType, twins: dict[str, type], command: str, path: Path | None, *, is_whole: bool
) -> str:
    """Return the stub of a module.

    Args:
        module: The module.
        twins: The async classes that it has twins of, by the twins' names.
        command: The command that generates the stub.
        path: The path of the stub, which determines the formatter's settings.
        is_whole: Whether the stub includes everything else in the module.
    """
    imported = imported_names(module.__name__) if is_whole else set()
    lent = {name: _lent(module, name) for name in twins if name in imported}
    same = _same(module, [name for name in twins if name not in lent]) if is_whole else {}
    others = {*lent, *same}
    classes = {name: _source_of(cls) for name, cls in twins.items() if name not in others}
    # Of each family: one class has another twin where `sync_class` is called with other options.
    names: dict[int, dict[Key, ast.Name]] = {_family_of(module, name): {} for name in twins}
    for name, each in lent.items():
        names[_family_of(module, name)][_source_of(twins[name]).key] = each
    for name, cls in reversed(classes.items()):
        names[_family_of(module, name)][cls.key] = ast.Name(name)
    body, rest = _written(module, classes, names, is_whole=is_whole)
    lent = lent if rest is None else rest.lent() | lent
    own = _names_of(module) if is_whole else set()
    accepted: dict[Key, list[ast.Name]] = {}
    for key, node in (pair for family in names.values() for pair in family.items()):
        accepted.setdefault(key, []).append(node)
    settled = Names(module.__name__ if is_whole else "", own | _ids(names), accepted, lent)
    statements = [settled.settled_statement(each) for each in body]
    if rest is not None:
        statements += _others(rest, settled, frozenset({*lent, *others, *classes}))
    statements += [
        ast.Assign([ast.Name(new)], ast.Name(name), lineno=0) for new, name in same.items()
    ]
    statements = [*settled.imports(), *settled.declarations(), *statements]
    statements.sort(key=lambda each: not isinstance(each, (ast.Import, ast.ImportFrom)))
    tree = ast.Module(statements, [])
    source = ast.unparse(ast.fix_missing_locations(tree))
    # Such as type variables; only in strict mode does pyright report them.
    setting = "# pyright: reportPrivateUsage=false\n" if _has_private_names(tree) else ""
    if any(getattr(each, "name", None) == "__getattr__" for each in statements):
        # The module of the stub has it, too.
        setting += "# pyright: reportIncompleteStub=false\n"
    return formatted(f"{MARK} {command}`: do not edit it.\n{setting}\n{source}\n", path)


def _has_private_names(tree: ast.Module) -> bool:
    """Tell whether a stub has private names of other modules or classes."""
    names = [
        name
        for node in ast.walk(tree)
        for name in (getattr(node, "attr", ""), *(each.name for each in getattr(node, "names", [])))
    ]
    return any(name.startswith("_") and not name.endswith("__") for name in names)


def _same(module: ModuleType, names: list[str]) -> dict[str, str]:
    """Return the further names of a module's twins, with the first one of each."""
    first: dict[int, str] = {}
    found = {name: first.setdefault(id(vars(module)[name]), name) for name in names}
    return {name: known for name, known in found.items() if name != known}


def _lent(module: ModuleType, name: str) -> Reference:
    """Return the name of a twin that another module has made."""
    target = resolve(module.__name__, name)
    assert target.name is not None  # noqa: S101
    return Reference(target.module, target.name)


def _family_of(module: ModuleType, name: str) -> int:
    """Return a number for the family of a twin; 0 for a class that has none yet."""
    family = getattr(vars(module).get(name), "_aiofutures_family", None)
    return 0 if family is None else id(family)


def _ids(names: dict[int, dict[Key, ast.Name]]) -> set[str]:
    return {node.id for family in names.values() for node in family.values()}


def _source_of(cls: type) -> Class:
    """Return the source of a class."""
    first, _, rest = cls.__qualname__.partition(".")
    # A package may present classes that it imports as its own.
    target = resolve(cls.__module__, first)
    found = class_of(target._replace(name=f"{target.name}.{rest}" if rest else target.name))
    if found is None:
        raise StubError(
            f"{cls.__module__}.{cls.__qualname__} has no readable source: it is compiled or "
            "created at run time. Put a stub next to its module"
        )
    return found


def _names_of(module: ModuleType) -> set[str]:
    """Return the names that a module defines itself."""
    source = load(module.__name__)
    scope = {} if source is None else source.scope
    return {name for name, binding in scope.items() if not isinstance(binding, Imported)}


def _written(
    module: ModuleType,
    classes: dict[str, Class],
    names: dict[int, dict[Key, ast.Name]],
    *,
    is_whole: bool,
) -> tuple[list[ast.stmt], Rest | None]:
    """Return the twins, and what writes the rest of the module; note further twins in `names`."""
    taken = _names_of(module) | imported_names(module.__name__) if is_whole else set()

    def name_twin(cls: Class, family: dict[Key, ast.Name], found: list[Class]) -> str:
        found.append(cls)
        family[cls.key] = ast.Name(_free_name(cls, taken | _ids(names)))
        return family[cls.key].id

    decorated = {cls.key for name, cls in classes.items() if cls.key == (module.__name__, name)}
    written: list[tuple[Class, ast.stmt]] = []
    for number, family in names.items():
        found: list[Class] = []
        types = Types(family, partial(name_twin, family=family, found=found))
        writer = Writer(types, frozenset(decorated))
        own = [name for name in classes if _family_of(module, name) == number]
        written += [(classes[name], writer.written(classes[name], name)) for name in own]
        # Classes that this adds to `found` are visited, too.
        written += ((cls, writer.written(cls, family[cls.key].id)) for cls in found)
    # A nested class comes before the outer one, which has it as an attribute.
    written.sort(key=lambda pair: -pair[0].name.count("."))
    source = load(module.__name__) if is_whole else None
    first = {key: node for family in reversed(names.values()) for key, node in family.items()}
    kept = Types(first, partial(name_twin, family=first, found=[]), frees=False)
    rest = None if source is None else Rest(source, module, kept)
    return [node for _, node in written], rest


def _others(rest: Rest, settled: Names, known: frozenset[str]) -> list[ast.stmt]:
    """Return the statements for all names of a module but these."""
    others = [name for name in rest.names() if name not in known]
    found: dict[str, list[ast.stmt]] = {}
    new = [name for name in others if rest.is_wanted(name)]
    new += [name for name in others if name in settled.used and name not in new]
    while new:
        for name in new:
            found[name] = [settled.settled_statement(each) for each in rest.written(name)]
        # What is written may use others: a decorator, for example, which is private.
        new = [name for name in others if name in settled.used and name not in found]
    return [*rest.listed(), *(each for name in others for each in found.get(name, []))]


def _free_name(cls: Class, taken: set[str]) -> str:
    """Return a free name for a twin that the module does not name."""
    bare = cls.name.rpartition(".")[2].lstrip("_")
    bare = bare.removeprefix("Async") or bare
    parts = [each.strip("_").title().replace("_", "") for each in cls.module.name.split(".")]
    candidates = [f"Sync{bare}", *(f"Sync{part}{bare}" for part in reversed(parts))]
    candidates += [f"Sync{bare}{number}" for number in range(2, 1000)]
    return next(each for each in candidates if each not in taken)


def formatted(source: str, path: Path | None) -> str:
    """Return the source, formatted by ruff."""
    try:
        from ruff import find_ruff_bin  # noqa: PLC0415
    except ImportError:
        raise missing("ruff") from None
    command = find_ruff_bin()
    for arguments in (
        ["check", "--select", "I", "--fix", "--exit-zero", "--quiet"],
        ["format", "--quiet"],
    ):
        done = subprocess.run(  # noqa: S603
            [command, *arguments, "--stdin-filename", str(path or "stub.pyi"), "-"],
            input=source,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode != 0:
            # Its settings may be wrong, those of the project around.
            raise StubError(f"ruff cannot format the stub: {done.stderr.strip()}")
        source = done.stdout
    return source
