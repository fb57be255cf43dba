"""Fixtures for the tests of stubs."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from twins.stubs import Write, written


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes modules, makes the stub of the first one, and returns it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:

        def write(source: str, target: str = "clients", **others: str) -> str:
            return stack.enter_context(contextmanager(written)(tmp_path, source, target, **others))

        yield write
