"""The command that runs the benchmarks and prints their tables."""

from __future__ import annotations

import argparse
import json
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import (
    asleep,
    call,
    cluster,
    fairness,
    generator,
    growth,
    import_time,
    in_flight,
    loops,
    map,
    proportion,
    real_load,
    stages,
    submit,
    threads,
    twin,
    wait,
    watchdog,
    web,
    worker,
)
from ._child import ROOT, ChildError
from ._lines import FULL, QUICK, Effort, Line, Outcome
from ._pairs import pin
from ._table import environment, from_json, head, headline, row, to_json
from .peers import MissingPeerError

#: Each question that has lines in the table.
QUESTIONS: Mapping[str, Sequence[Line]] = {
    "submit": submit.LINES,
    "wait": wait.LINES,
    "call": call.LINES,
    "asleep": asleep.LINES,
    "map": map.LINES,
    "generator": generator.LINES,
    "threads": threads.LINES,
    "loops": loops.LINES,
    "growth": [*growth.LINES, *proportion.LINES],
    "fairness": fairness.LINES,
    "watchdog": watchdog.LINES,
    "worker": worker.LINES,
    "twin": twin.LINES,
    "web": web.LINES,
    "import": import_time.LINES,
    "cluster": cluster.LINES,
}

#: Each question that has a table of its own: what measures it, and what shows it.
TABLES: Mapping[str, tuple[Callable[[Effort], Any], Callable[[Any], str]]] = {
    "stages": (stages.measure, stages.report),
    "real_load": (real_load.measure, real_load.report),
    "in_flight": (in_flight.measure, in_flight.report),
}


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="about a minute; only shows that all of it runs")
    add("--only", nargs="+", choices=[*QUESTIONS, *TABLES], metavar="NAME", help="some questions")
    add("--json", type=Path, metavar="FILE", help="write the results to a file")
    add("--read", nargs="+", type=Path, metavar="FILE", help="measure nothing, read such files")
    plots = "measure what the plots show too, and draw them in a folder, by default docs/"
    add("--plots", type=Path, nargs="?", const=ROOT / "docs", metavar="FOLDER", help=plots)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and draw; return 1 if something could not be measured."""
    options = parse_options(arguments)
    names = set(options.only or {*QUESTIONS, *TABLES} - {"in_flight"})
    if options.plots:
        names.add("in_flight")
    if options.read:
        results = read(options.read)
    else:
        pin()
        results = {"environment": environment(), "lines": []}
    print(headline(results["environment"]), flush=True)
    effort = QUICK if options.quick else FULL
    lines = [line for name in QUESTIONS if name in names for line in QUESTIONS[name]]
    outcomes = [*show_lines(lines, results, None if options.read else effort)]
    complete = all(outcome.samples for outcome in outcomes)
    for name in TABLES:
        if name in names:
            complete &= show_table(name, results, None if options.read else effort)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if options.plots:
        draw = pkgutil.resolve_name(f"{__package__}._plots:draw")  # needs matplotlib
        print(*draw(outcomes, results["in_flight"], options.plots), sep="\n")
    return 0 if complete else 1


def read(files: Iterable[Path]) -> dict[str, Any]:
    """Return the results of several runs as if they were one; the first has the tables."""
    first, *others = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    results: dict[str, Any] = first
    for other in others:
        results["lines"] += other["lines"]
        results |= {name: other[name] for name in TABLES if name in other and name not in results}
    return results


def show_lines(
    lines: Sequence[Line], results: dict[str, Any], effort: Effort | None
) -> Iterable[Outcome]:
    """Print each line as soon as it is measured, or read where there is no effort."""
    if lines:
        print(f"\n{head()}", flush=True)
    for line in lines:
        if effort is None:
            outcome = from_json(line, results["lines"])
        else:
            outcome = measure(line, effort)
            results["lines"].append(to_json(outcome))
        print(row(outcome), flush=True)
        yield outcome


def measure(line: Line, effort: Effort) -> Outcome:
    """Measure a line; what is missing on this system is in the outcome."""
    try:
        return Outcome(line, line.measure(effort))
    except (MissingPeerError, ChildError) as error:
        return Outcome(line, None, str(error))


def show_table(name: str, results: dict[str, Any], effort: Effort | None) -> bool:
    """Print the table of a question; return whether all of it is there."""
    measure_all, report = TABLES[name]
    if effort is not None:
        results[name] = measure_all(effort)
    if name not in results:
        return False
    print(f"\n{name}\n\n{report(results[name])}", flush=True)
    return "failed" not in report(results[name])


if __name__ == "__main__":
    sys.exit(main())
