"""The example of a cluster, run as its reader runs it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import LIMIT

pytest.importorskip("distributed", reason="needs the extra dask")

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "cluster.py"


@pytest.mark.timeout(10 * LIMIT)
def test_cluster() -> None:
    """A worker is killed in the middle, and all pages are there."""
    done = subprocess.run(
        [sys.executable, EXAMPLE, "--count", "600"],
        capture_output=True,
        text=True,
        timeout=9 * LIMIT,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "600 pages, 0 missing or wrong" in done.stdout
    by = dict(re.findall(r"^(\d+) by the worker process (\d+)$", done.stdout, re.MULTILINE))
    assert sum(map(int, by)) == 600
    killed = re.search(r"^killed the worker process (\d+)$", done.stdout, re.MULTILINE)
    assert killed is not None
    assert {*by.values()} - {killed[1]}
    assert "600/600" in done.stderr
