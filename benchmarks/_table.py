"""The tables that are printed, and the results as JSON."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from ._lines import Line, Outcome, Samples
from .peers.first_version import VERSION

_HEAD = "| work | against | ours | theirs | figure | target | |"
_RULE = "|---|---|---:|---:|---:|---:|---|"
_PACKAGES = (
    "aiomultiprocess",
    "anyio",
    "asgiref",
    "asyncer",
    "distributed",
    "django",
    "flask",
    "synchronicity",
    "uvloop",
)


def head() -> str:
    """Return what stands above the rows of the table."""
    return f"{_HEAD}\n{_RULE}"


def row(outcome: Outcome) -> str:
    """Return an outcome as a row of the table."""
    line = outcome.line
    target = "" if line.target_here is None else _target(line, line.target_here)
    if outcome.samples is None or outcome.figure is None:
        return f"| {line.work} | {line.against} | | | | {target} | not measured: {outcome.reason} |"
    sides = (_side(side, line.unit) for side in (outcome.samples.ours, outcome.samples.theirs))
    figure = line.scale.form.format(outcome.figure)
    return " | ".join(
        [f"| {line.work}", line.against, *sides, figure, target, f"{outcome.verdict} |"]
    )


def _side(samples: Sequence[float], unit: str) -> str:
    if not samples:
        return ""
    middle = median(samples)
    return f"{middle:.{0 if middle >= 100 else 1 if middle >= 10 else 2}f} {unit}"


def _target(line: Line, target: float) -> str:
    bound = "≥" if line.scale.more_is_better else "≤"
    number = line.scale.form.replace(".2f", "g").replace(".1f", "g").replace(".0f", "g")
    return f"{bound} {number.format(target)}"


def environment() -> dict[str, Any]:
    """Return what the figures depend on."""
    pinned = len(os.sched_getaffinity(0)) == 1 if hasattr(os, "sched_getaffinity") else False
    return {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "system": platform.system(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "pinned to one CPU": pinned,
        "load average": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "versions": {"aiofutures": VERSION, **dict(_versions())},
    }


def _versions() -> Iterable[tuple[str, str]]:
    for name in _PACKAGES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def headline(where: Mapping[str, Any]) -> str:
    """Return the environment in a sentence."""
    pinned = "pinned to one" if where["pinned to one CPU"] else "not pinned"
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    return (
        f"Python {where['python']} on {where['system']}, {where['cpus']} CPUs, {pinned}, "
        f"load average {where['load average']} at the start. Peers: {versions}."
    )


def to_json(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON has it."""
    line, samples = outcome.line, outcome.samples
    return {
        "work": line.work,
        "against": line.against,
        "unit": line.unit,
        "ours": [] if samples is None else [*samples.ours],
        "theirs": [] if samples is None else [*samples.theirs],
        "figure": outcome.figure,
        "target": line.target_here,
        "verdict": outcome.verdict,
        "reason": outcome.reason,
    }


def from_json(line: Line, stored: Sequence[Mapping[str, Any]]) -> Outcome:
    """Return the outcome of a line from what several runs have stored, all rounds together."""
    mine = [each for each in stored if (each["work"], each["against"]) == (line.work, line.against)]
    ours = [sample for each in mine for sample in each["ours"]]
    theirs = [sample for each in mine for sample in each["theirs"]]
    if not ours:
        return Outcome(line, None, mine[0]["reason"] if mine else "not in these files")
    return Outcome(line, Samples(ours, theirs))
