"""aiofutures 0.1.3, the first version. It has the same import name as this one."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from typing_extensions import override

from . import MissingPeerError, Peer, Submit

VERSION = "0.1.3"
_MODULE = "aiofutures_0_1_3"
_FOLDER = Path(__file__).parents[2] / ".cache" / f"aiofutures-{VERSION}"


class FirstVersion(Peer):
    """`AsyncExecutor` of aiofutures 0.1.3."""

    @override
    @contextmanager
    def submitting(self, in_flight: int = 1) -> Iterator[Submit]:
        executor: Executor = first_version().AsyncExecutor()
        with executor:
            yield executor.submit


def first_version() -> ModuleType:
    """Import the first version under a name of its own; install it where it is not there yet."""
    if _MODULE in sys.modules:
        return sys.modules[_MODULE]
    if not _FOLDER.exists():
        _install()
    package = _FOLDER / "aiofutures"
    spec = importlib.util.spec_from_file_location(
        _MODULE, package / "__init__.py", submodule_search_locations=[str(package)]
    )
    if spec is None or spec.loader is None:
        raise MissingPeerError(f"{package} is no package; delete {_FOLDER}")
    module = sys.modules[_MODULE] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _install() -> None:
    """Install the first version into the cache folder of this repository."""
    _FOLDER.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_FOLDER.parent) as folder:
        target = Path(folder, "new")
        what = ["--no-deps", "--target", str(target), f"aiofutures=={VERSION}"]
        command = [sys.executable, "-m", "pip", "install", "--quiet", *what]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MissingPeerError(f"pip could not install it: {done.stderr.strip()}")
        target.rename(_FOLDER)
