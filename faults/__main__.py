"""The command that runs each fault on each library, in a process of its own, and writes the table.

The peers stand in the extra `bench`; aiofutures 0.1.3 is installed into `.cache/` at its first use:

    python -m pip install -e ".[bench]"
    python -m faults --write docs/guarantees.md
"""

import argparse
import importlib.metadata
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from ._adapters import LIBRARIES
from ._faults import FAULTS, Fault

ROOT: Final = Path(__file__).parent.parent
LIMIT: Final = 8.0  # seconds that a child may take
BEGIN: Final = "<!-- faults: begin -->"
END: Final = "<!-- faults: end -->"
OUTCOMES: Final = {
    "right": "right",
    "hangs": "**hangs**",
    "loses work": "**loses work**",
    "silent": "silent",
    "wrong error": "wrong error",
    "crashes": "crashes",
    "not applicable": "-",
}


def run(fault: Fault, library: str) -> str:
    """Run one fault on one library in a process of its own and return the outcome."""
    command = [sys.executable, "-W", "ignore", "-m", "faults._child", library, fault.name]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return "hangs"
    return fault.judge(output, process.returncode)


def table(names: list[str]) -> str:
    """Return the table, in Markdown."""
    versions = {library: version_of(library) for library in LIBRARIES}
    lines = [
        "| what happens → *the right outcome* | " + " | ".join(versions.values()) + " |",
        "|---|" + "---|" * len(versions),
    ]
    for fault in FAULTS:
        if names and fault.name not in names:
            continue
        outcomes = [run(fault, library) for library in LIBRARIES]
        cells = [OUTCOMES[outcome] for outcome in outcomes]
        lines.append(f"| {fault.description} → *{fault.right}* | " + " | ".join(cells) + " |")
        sys.stderr.write(f"{fault.name}: {dict(zip(LIBRARIES, outcomes, strict=True))}\n")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return "\n".join(lines) + f"\n\n{python}, {platform.system()}.\n"


def version_of(library: str) -> str:
    """Return the heading of a library's column."""
    name = LIBRARIES[library]
    return library if name is None else f"{library} {importlib.metadata.version(name)}"


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--write", type=Path, help="the page whose table to replace")
    parser.add_argument("names", nargs="*", help="faults to run instead of all")
    arguments = parser.parse_args()

    text = table(arguments.names)
    if arguments.write is None:
        sys.stdout.write(text)
        return
    before, rest = arguments.write.read_text().split(BEGIN)
    _, after = rest.split(END)
    arguments.write.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


main()
