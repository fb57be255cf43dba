"""What the tests with frameworks need: the packages of an extra, and servers."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest
import servers
from integration.conftest import http_url, postgresql_url, redis_url, websocket_url
from typing_extensions import override

from aiofutures import AsyncExecutor

__all__ = ["http_url", "postgresql_url", "redis_url", "websocket_url"]

NEEDED: Final = (
    *("aiobotocore", "asgiref", "celery", "click", "django", "fastapi", "flask", "freezegun"),
    *(
        "grpc",
        "ipykernel",
        "mcp",
        "moto",
        "nbclient",
        "openai",
        "pytest_asyncio",
        "sqlalchemy",
        "typer",
    ),
    "uvicorn",
)
MISSING: Final = [name for name in NEEDED if find_spec(name) is None]


class _Skipped(pytest.Module):
    """A module that is not imported."""

    @override
    def collect(self) -> list[pytest.Item]:
        pytest.skip(f"needs the extra `frameworks`: no {', '.join(MISSING)}")


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Skip all modules of this folder where a package is missing."""
    return _Skipped.from_parent(parent, path=module_path) if MISSING else None


@pytest.fixture(scope="session")
def openai_url() -> Iterator[str]:
    """The URL of a server with OpenAI's API, which answers with the words of the question."""
    with servers.openai_server() as url:
        yield url


@pytest.fixture
def executor() -> Iterator[AsyncExecutor]:
    """An executor as its users make it."""
    with AsyncExecutor(cancel_at_exit=True) as executor:
        yield executor
