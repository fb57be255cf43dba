"""pytest, in whose fixtures and tests async functions are called."""

import subprocess
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).parent / "pytest_suite.py"


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "options", [[], ["-n", "2"], ["-p", "no:randomly", "-s"]], ids=["alone", "xdist", "uncaptured"]
)
def test_suite(tmp_path: Path, options: list[str]) -> None:
    """Fixtures that are async generators, mocks, patches, captured output and pytest-asyncio work
    together, in one process and in several.
    """
    (tmp_path / "test_suite.py").write_text(SUITE.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"
    )

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--dist", "loadscope", *options, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert " passed" in done.stdout
