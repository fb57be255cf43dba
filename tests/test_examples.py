"""The examples, each run as its user runs it."""

import subprocess
import sys
from pathlib import Path

import pytest
from support import LIMIT

EXAMPLES = Path(__file__).parent.parent / "examples"
SMALL = ["--count", "20", "--latency", "5", "15"]


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run an example in a new interpreter, strict about warnings."""
    name, *options = command
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", EXAMPLES / name, *options],
        capture_output=True,
        text=True,
        timeout=5 * LIMIT,
        check=False,
    )


@pytest.fixture(scope="module")
def small() -> "subprocess.CompletedProcess[str]":
    """A short run of `fetch_many`."""
    return run("fetch_many.py", *SMALL)


def rows(table: str) -> dict[str, list[float]]:
    """Return the figures of each row of the table that ends what `fetch_many` prints."""
    lines = [line for line in table.splitlines() if line.strip()]
    cells = [line.rsplit(maxsplit=5) for line in lines[-2:]]
    return {name.strip(): [float(figure) for figure in figures] for name, *figures in cells}


def test_fetch_many_compares_two_ways(small: "subprocess.CompletedProcess[str]") -> None:
    """All bodies arrive both ways, and the async one takes 3 threads at most."""
    assert small.returncode == 0, small.stderr
    table = rows(small.stdout)
    assert [*table] == ["32 threads", "aiofutures, asyncio"]
    _, _, most_threads, _, wrong_bodies = table["aiofutures, asyncio"]
    assert most_threads <= 3
    assert wrong_bodies == 0
    assert "20/20" in small.stderr  # the bar over the results


def test_fetch_many_fails_with_a_wrong_body() -> None:
    """One wrong body is noticed by both ways, and the exit status is 1."""
    done = run("fetch_many.py", *SMALL, "--corrupt", "1")

    assert done.returncode == 1, done.stderr
    assert [figures[-1] for figures in rows(done.stdout).values()] == [1, 1]


def test_fetch_many_runs_on_uvloop() -> None:
    """The event loop is the one that was asked for."""
    pytest.importorskip("uvloop")

    done = run("fetch_many.py", *SMALL, "--loop", "uvloop")

    assert done.returncode == 0, done.stderr
    table = rows(done.stdout)
    assert [*table] == ["32 threads", "aiofutures, uvloop"]
    assert table["aiofutures, uvloop"][2] <= 3


def test_shop_has_two_faces() -> None:
    """The small SDK works by its synchronous face, and its stub is up to date."""
    done = run("shop.py")
    checked = subprocess.run(
        [sys.executable, "-m", "aiofutures.twin", "shop", "--check"],
        cwd=EXAMPLES,
        capture_output=True,
        text=True,
        timeout=5 * LIMIT,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("14\n", "")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_table_in_the_readme_is_of_today(small: "subprocess.CompletedProcess[str]") -> None:
    """The README shows the columns that `fetch_many` prints."""
    readme = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")

    header, *_ = small.stdout.strip("\n").splitlines()

    assert header in readme
