"""The pages on frameworks are true: their code runs against real servers, and type-checks."""

import subprocess
import sys
from pathlib import Path

import pytest
from test_documentation import ROOT, check, check_types, not_installed, script

PAGES = sorted((ROOT / "docs" / "frameworks").glob("*.md"))


@pytest.fixture
def _servers(
    http_url: str,
    openai_url: str,
    postgresql_url: str,
    redis_url: str,
    websocket_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Environment variables that lead to the servers."""
    for name, value in {
        "HTTP_URL": http_url,
        "OPENAI_BASE_URL": openai_url,
        "OPENAI_API_KEY": "none",
        "DATABASE_URL": postgresql_url,
        "REDIS_URL": redis_url,
        "WEBSOCKET_URL": websocket_url,
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("_servers")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_of_a_page_runs_and_prints_what_it_says(page: Path, tmp_path: Path) -> None:
    """Each Python block of a page runs, after those above it, and prints its comments."""
    check(page, tmp_path, "-W", "ignore::DeprecationWarning")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_says_what_to_install(page: Path) -> None:
    """A guide's `pip install` lines name everything that its code imports."""
    assert not_installed(page) == set()


@pytest.mark.timeout(180)
def test_code_of_the_pages_is_typed(tmp_path: Path) -> None:
    """The Python blocks of every page pass mypy as strictly as the package does."""
    check_types(PAGES, tmp_path)


def test_tests_of_the_page_on_pytest_pass(tmp_path: Path) -> None:
    """The tests that a page shows are collected and pass, with pytest-asyncio."""
    page = ROOT / "docs" / "frameworks" / "pytest.md"
    (tmp_path / "test_page.py").write_text(script(page), encoding="utf-8")
    options = ["-q", "-W", "error", "-o", "asyncio_default_fixture_loop_scope=function"]

    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-c", "/dev/null", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{script(page).count('def test_')} passed" in done.stdout
