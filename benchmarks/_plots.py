"""The two plots of the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import call, peers, submit, wait
from ._lines import Outcome
from .in_flight import Curves

_OURS, _OTHERS = "#c0392b", "#7f8c8d"
_COLOURS = (_OURS, "#2c6fad", "#8e6bb0", "#5d6d6e")


def draw(outcomes: Sequence[Outcome], curves: Curves, folder: Path) -> list[Path]:
    """Draw both plots, each as SVG and PNG; return the files."""
    # No date and no random names: the same figures give the same file.
    mpl.rcParams["svg.hashsalt"] = "aiofutures"
    figures = {"performance-tasks": _bars(outcomes), "performance-in-flight": _curves(curves)}
    return [path for name, figure in figures.items() for path in _save(figure, folder / name)]


def _save(figure: Figure, path: Path) -> Iterable[Path]:
    svg, png = path.with_suffix(".svg"), path.with_suffix(".png")
    figure.savefig(svg, metadata={"Date": None, "Creator": None})
    figure.savefig(png, dpi=120, metadata={"Software": None})
    return svg, png


def costs(outcomes: Sequence[Outcome]) -> dict[str, dict[str, float]]:
    """Return the µs per task of each library in each panel of the bar chart."""
    panels: dict[str, dict[str, list[float]]] = {}
    titles = {
        submit.LINES[0].work: "10,000 submits, then collect",
        wait.LINES[0].work: "one at a time",
        wait.LINES[-1].work: "one at a time",
        call.LINES[0].work: "one at a time",
    }
    for outcome in outcomes:
        line, samples = outcome.line, outcome.samples
        if samples is None or line.work not in titles:
            continue
        bars = panels.setdefault(titles[line.work], {})
        bars.setdefault(_OUR_NAMES.get(line.work, peers.AIOFUTURES), []).extend(samples.ours)
        bars.setdefault(line.against, []).extend(samples.theirs)
    return {
        title: {name: median(times) for name, times in bars.items()}
        for title, bars in panels.items()
    }


_OUR_NAMES: Mapping[str, str] = {
    wait.LINES[-1].work: peers.AIOFUTURES_UVLOOP,
    call.LINES[0].work: "aiofutures, to_sync",
}


def _bars(outcomes: Sequence[Outcome]) -> Figure:
    panels = costs(outcomes)
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots(1, max(1, len(panels)), squeeze=False)[0]
    for panel, (title, bars) in zip(axes, panels.items(), strict=False):
        _draw_bars(panel, title, bars)
    return figure


def _draw_bars(axes: Axes, title: str, bars: Mapping[str, float]) -> None:
    ordered = sorted(bars.items(), key=lambda bar: -bar[1])
    colours = [_OURS if _is_ours(name) else _OTHERS for name, _ in ordered]
    drawn = axes.barh([name for name, _ in ordered], [time for _, time in ordered], color=colours)
    axes.bar_label(drawn, fmt="%.1f", padding=3)
    axes.set_xscale("log")
    axes.set_xlim(1, max(bars.values()) * 2.5)
    axes.set_title(title)
    axes.set_xlabel("µs per task, logarithmic")
    axes.spines[["top", "right"]].set_visible(b=False)


def _is_ours(name: str) -> bool:
    return name.startswith("aiofutures") and name != peers.FIRST_VERSION


def _curves(curves: Curves) -> Figure:
    figure = Figure(figsize=(9, 4), layout="constrained")
    cpu, memory = figure.subplots(1, 2)
    for (name, points), colour in zip(curves.items(), _COLOURS, strict=False):
        counts = [count for count, _, _ in points]
        cpu.plot(counts, [seconds for _, seconds, _ in points], "o-", color=colour, label=name)
        memory.plot(counts, [size for _, _, size in points], "o-", color=colour, label=name)
    for axes, label in ((cpu, "CPU seconds"), (memory, "peak MB added")):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("tasks in flight")
        axes.set_ylabel(label)
        axes.grid(visible=True, which="major", alpha=0.3)
    cpu.legend()
    return figure
