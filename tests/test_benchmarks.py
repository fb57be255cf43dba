"""The benchmarks measure what they say; how fast anything is, no test tells."""

import json
import math
from pathlib import Path

import pytest
from support import HAS_GIL

from benchmarks import _lines, _table, proportion, stages, submit, twin, worker
from benchmarks import map as map_question
from benchmarks.__main__ import QUESTIONS, main, measure
from benchmarks._child import ChildError, in_child
from benchmarks._lines import GROWTH, RATE, SHARE, TIMES, WORST, Effort, Line, Outcome, Samples
from benchmarks._pairs import alternate
from benchmarks.peers import MissingPeerError

TINY = Effort(rounds=1, processes=1, scale=0.002)
POOL = "ThreadPoolExecutor(1)"


def line(scale: _lines.Scale = TIMES, target: float = 2, samples: Samples | None = None) -> Line:
    """Return a line that measures nothing, or fails without samples."""

    def samples_or_error(_: Effort) -> Samples:
        if samples is None:
            raise MissingPeerError("there is no peer")
        return samples

    return Line("work", "peer", "µs", target, samples_or_error, scale, target)


def test_figure_is_the_median_of_the_ratios() -> None:
    """Each round is compared with itself, so that a slow moment of the machine does not count."""
    samples = Samples(ours=[1, 10, 2], theirs=[3, 40, 4])

    assert TIMES.figure(samples) == 3
    assert GROWTH.figure(samples) == pytest.approx(1 / 3)
    assert SHARE.figure(samples) == pytest.approx(100 / 3)
    assert WORST.figure(samples) == 10


def test_rounds_must_be_pairs() -> None:
    """A round that has one side only is an error."""
    with pytest.raises(ValueError, match="zip"):
        TIMES.figure(Samples([1, 2], [1]))


@pytest.mark.parametrize(
    ("scale", "ours", "theirs", "verdict"),
    [
        (TIMES, 1, 2, "met"),
        (TIMES, 1, 1.9, "MISSED"),
        (TIMES, 1, 1.996, "met"),  # 2.00 in the table
        (RATE, 2, 1, "met"),
        (RATE, 1.9, 1, "MISSED"),
        (GROWTH, 2, 1, "met"),
        (GROWTH, 2.1, 1, "MISSED"),
        (SHARE, 2, 100, "met"),
        (SHARE, 3, 100, "MISSED"),
        (WORST, 2, 1, "met"),
        (WORST, 3, 1, "MISSED"),
    ],
)
def test_verdict(scale: _lines.Scale, ours: float, theirs: float, verdict: str) -> None:
    """A target is the least for what should be much, and the most for what should be little."""
    assert Outcome(line(scale), Samples([ours], [theirs])).verdict == verdict


def test_target_depends_on_eager_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line has another target on Python 3.11, or none there."""
    monkeypatch.setattr(_lines, "HAS_EAGER_TASKS", False)

    first, *_, last = submit.LINES

    assert first.target_here == 2.8
    assert last.target_here is None
    assert Outcome(last, Samples([1], [9])).verdict == "no target"


def test_sides_take_turns() -> None:
    """Both sides run once without being counted, then in turn, each as often the first."""
    calls: list[str] = []

    def side(name: str) -> float:
        calls.append(name)
        return len(calls)

    samples = alternate(lambda: side("ours"), lambda: side("theirs"), 3)

    assert calls == ["ours", "theirs", "ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert samples == Samples([3, 6, 7], [4, 5, 8])


def test_a_child_returns_or_fails() -> None:
    """What a function returns in a process of its own comes back; what it raises is an error."""
    assert in_child(math.hypot, 3, 4) == 5

    with pytest.raises(ChildError, match="ValueError"):
        in_child(math.sqrt, -1)


def test_what_cannot_be_measured_says_why() -> None:
    """A library that is missing leaves its line in the table, with the reason."""
    outcome = measure(line(), TINY)

    assert outcome.verdict == "not measured"
    assert "there is no peer" in _table.row(outcome)


def test_losses_are_shown() -> None:
    """A line that misses its target says so."""
    outcome = measure(line(samples=Samples([1], [0.5])), TINY)

    assert _table.row(outcome) == "| work | peer | 1.00 µs | 0.50 µs | 0.50x | ≥ 2x | MISSED |"


FIRST = "aiofutures 0.1.3"
TARGETS: dict[tuple[str, str], list[float | None]] = {
    ("submit", FIRST): [6.5, 3],
    ("submit", POOL): [3],
    ("submit", "anyio portal"): [22],
    ("submit", "run_coroutine_threadsafe"): [6],
    ("wait", FIRST): [2],
    ("wait", POOL): [1, 1.25],
    ("wait", "anyio portal"): [5],
    ("wait", "asgiref"): [12],
    ("call", "asgiref"): [12],
    ("call", "synchronicity"): [4],
    ("call", "asyncer"): [3],
    ("asleep", FIRST): [3, 3, 2.5],
    ("asleep", "ThreadPoolExecutor(10,000)"): [15, 10],
    ("asleep", "asyncio alone"): [None, None],
    ("map", "own submits in a loop"): [1.2],
    ("generator", "synchronicity"): [3],
    ("threads", FIRST): [4],
    ("growth", "1,000 in flight"): [1.5, None],
    ("growth", "1,500"): [5] * 12,
    ("fairness", "its own clock"): [50, 50],
    ("watchdog", "not watched"): [0.98],
    ("worker", "asyncio.to_thread"): [1, 1.3],
    ("worker", "an empty `to_sync` call"): [0.67],
    ("twin", "`to_sync` of the method"): [1.15] * 7,
    ("web", "Flask's own way"): [2, 2],
    ("web", "Django's own way"): [2, 2],
    ("web", "a sync view"): [None, None],
    ("import", "asyncio, concurrent.futures"): [35],
    ("cluster", "`client.map`, 1 thread per worker"): [40],
    ("cluster", "`client.map`, 1,000 threads per worker"): [10, 10],
    ("cluster", "chunks of 200 by hand"): [1],
    ("cluster", "aiomultiprocess, map"): [0.9, 0.9],
    ("cluster", "aiomultiprocess, apply"): [2.5],
    ("cluster", "`client.submit().result()`"): [0.9],
    ("cluster", "the median"): [1.6],
}


def test_every_line_is_there() -> None:
    """The table has each comparison that was promised, with its target."""
    found: dict[tuple[str, str], list[float | None]] = {}
    for question, lines in QUESTIONS.items():
        for each in lines:
            found.setdefault((question, each.against), []).append(each.target)

    # An executor has several event loops only without the GIL.
    assert found == TARGETS | ({} if HAS_GIL else {("loops", "1 loop"): [1.6]})
    assert [each.target_without_eager_tasks for each in submit.LINES] == [2.8, 1.3, 8, 2.8, None]


@pytest.mark.parametrize(
    "each",
    [submit.LINES[1], map_question.LINES[0], *worker.LINES, *twin.LINES, *proportion.LINES],
    ids=lambda each: each.work,
)
def test_a_line_runs(each: Line) -> None:
    """A comparison that needs no other library has samples of both sides."""
    samples = each.measure(TINY)

    assert len(samples.ours) == len(samples.theirs) > 0
    assert min(*samples.ours, *samples.theirs) > 0


def test_profile_has_every_stage() -> None:
    """The profile tells what each stage takes, and what Python takes for it."""
    profile = stages.profile(100)

    assert [*profile["ours"]] == [*profile["python"]] == [*stages.STAGES]
    assert "| settle |" in stages.report(profile)


def test_results_can_be_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The results of two runs make one table of all their rounds."""
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for file, theirs in zip(files, (4.0, 6.0), strict=True):
        outcome = Outcome(map_question.LINES[0], Samples([2.0], [theirs]))
        results = {"environment": _table.environment(), "lines": [_table.to_json(outcome)]}
        file.write_text(json.dumps(results), encoding="utf-8")

    status = main(["--only", "map", "--read", *map(str, files)])

    assert status == 0
    assert "| 2.00 µs | 5.00 µs | 2.50x |" in capsys.readouterr().out
