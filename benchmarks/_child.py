"""Measuring in a process of its own."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

ROOT = Path(__file__).parent.parent
LIMIT = 300.0


class ChildError(Exception):
    """The process has failed; the message is the last that it said."""


def in_child(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function of a module in a new interpreter and return what it returns.

    Arguments and result travel as JSON.

    Raises:
        ChildError: It raised, or took more than 5 minutes.
    """
    where = f"{function.__module__}:{function.__qualname__}"
    result: T = json.loads(run_child("-m", __name__, where, json.dumps([args, kwargs])))
    return result


def run_child(*command: str, env: dict[str, str] | None = None) -> str:
    """Run Python with a command and return the last line that it prints.

    Raises:
        ChildError: It failed, or took more than 5 minutes.
    """
    try:
        done = subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=env,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ChildError(str(error)) from error
    if done.returncode:
        raise ChildError((done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1])
    return done.stdout.splitlines()[-1]


def main() -> None:
    """Call the function that the command line names and print its result."""
    where, arguments = sys.argv[1:]
    args, kwargs = json.loads(arguments)
    print(json.dumps(pkgutil.resolve_name(where)(*args, **kwargs)))


if __name__ == "__main__":
    main()
