"""What docstrings and comments of the package claim holds, and is seen where it does not."""

import signal
import subprocess
import sys
from typing import Final

import pytest
from support import LIMIT, run_python


@pytest.mark.skipif(sys.platform == "win32", reason="a child is not born with SIGINT ignored")
class TestInterrupt:
    """Ctrl-C interrupts the tests and their children, however they were started."""

    BOTH: Final = ("test_here", "test_in_a_child")

    def test_here(self) -> None:
        """This process has Python's own handler."""
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_in_a_child(self) -> None:
        """An interpreter that a test starts has it too."""
        output = run_python("import signal; print(signal.getsignal(signal.SIGINT).__name__)")

        assert output == "default_int_handler\n"

    def test_where_it_is_ignored(self) -> None:
        """Both are so where pytest itself was born with SIGINT ignored."""
        done = subprocess.run(
            ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-m", "pytest", "-q"]
            + [f"{__file__}::{type(self).__name__}::{name}" for name in self.BOTH],
            capture_output=True,
            text=True,
            timeout=5 * LIMIT,
            check=False,
        )

        assert f"{len(self.BOTH)} passed" in done.stdout, done.stdout + done.stderr
