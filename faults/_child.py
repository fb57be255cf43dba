"""The process of one fault on one library. What it prints is judged by the one that started it."""

import signal
import sys

from ._adapters import NotApplicable
from ._faults import FAULTS


def main() -> None:
    """Run the fault that the command line names."""
    library, name = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    fault = next(fault for fault in FAULTS if fault.name == name)
    try:
        fault.run(library)
    except NotApplicable:
        print("outcome: not applicable", flush=True)


if __name__ == "__main__":
    main()
