"""What users may import, and nothing else."""

import importlib.metadata
import importlib.resources
import pkgutil
import tomllib
import types
from pathlib import Path

import aiofutures

#: What users import besides `aiofutures` itself.
PUBLIC_WINGS = {"dask"}


def test_all_is_sorted() -> None:
    """`__all__` is sorted as the linter sorts it, and has no name twice."""
    assert aiofutures.__all__ == sorted(set(aiofutures.__all__))


def test_all_is_complete() -> None:
    """`__all__` lists every public name that the package has, and no other."""
    names = {
        name
        for name, value in vars(aiofutures).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }

    assert names == set(aiofutures.__all__)


def test_all_is_documented() -> None:
    """Every public name has a docstring of its own."""
    for name in aiofutures.__all__:
        assert vars(aiofutures)[name].__doc__


def test_modules_are_private() -> None:
    """Users import from `aiofutures` only: others begin with an underscore, but wings and commands.

    In these, which have what is imported from them in `__all__`, all modules do.
    """
    modules = {module.name for module in pkgutil.iter_modules(aiofutures.__path__)}

    assert {name for name in modules if not name.startswith("_")} == PUBLIC_WINGS | {"twin"}
    for wing in PUBLIC_WINGS:
        inside = list(pkgutil.iter_modules([str(Path(aiofutures.__path__[0], wing))]))
        assert inside
        assert all(module.name.startswith("_") for module in inside)


def test_version_of_the_metadata() -> None:
    """The version that is installed is the one of pyproject.toml."""
    pyproject = tomllib.loads(Path(__file__, "../../pyproject.toml").resolve().read_text("utf-8"))

    assert importlib.metadata.version("aiofutures") == pyproject["project"]["version"]


def test_is_typed() -> None:
    """Type checkers may use the annotations of the package."""
    assert importlib.resources.files("aiofutures").joinpath("py.typed").is_file()
