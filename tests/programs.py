"""Programs that the tests start: servers, workers and the like, with what they write."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

#: Seconds that a program may take to start or to end on a busy machine.
START: Final = 60.0


class Program:
    """A program that runs for one `with` block; what it writes goes to a log.

    `stop` checks that it ends as it should; the end of the block only kills it.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self._path = folder / "log"
        with self._path.open("w") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """What it has written."""
        return self._path.read_text(encoding="utf-8")

    def forget(self, text: str, count: int = -1) -> None:
        """Remove what was expected from the log: the first `count` of it, or all of it."""
        self._path.write_text(self.log.replace(text, "", count), encoding="utf-8")

    def until(self, condition: Callable[[], bool], limit: float = START) -> None:
        """Wait for a state that nothing announces, while it runs."""
        deadline = time.monotonic() + limit
        while not condition():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)

    def until_says(self, text: str, count: int = 1) -> str:
        """Wait until it has written `text` so many times; return what follows in the last line."""
        rest: list[str] = []

        def has_said() -> bool:
            rest[:] = re.findall(f"{re.escape(text)}(.*)\n", self.log)
            return len(rest) >= count

        self.until(has_said)
        return rest[count - 1].strip()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it, and not to its children."""
        self.process.send_signal(number)

    def stop(
        self, number: signal.Signals = signal.SIGTERM, *, status: int = 0, errors: int = 0
    ) -> None:
        """Have it end, with that status and no more errors in its log than are expected."""
        self.send(number)
        assert self.process.wait(START) == status, self.log
        assert self.log.count("Traceback (most recent call last)") == errors, self.log
        for bad in ("SIGSEGV", "Task was destroyed", "never awaited"):
            assert bad not in self.log, self.log

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it and all that it has started, if it runs."""
        if sys.platform == "win32":
            self.process.kill()
        else:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
