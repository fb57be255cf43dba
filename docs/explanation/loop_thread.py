"""The picture of the loop thread. `python docs/explanation/loop_thread.py` writes it anew."""

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final

PICTURE: Final = Path(__file__).with_name("loop-thread.svg")
STYLE: Final = """
  .loop-thread { max-width: 34rem; width: 100%; height: auto; display: block; margin: 1rem auto;
    font: 13px sans-serif; }
  .loop-thread text { fill: var(--color-foreground-primary, #222); text-anchor: middle; }
  .loop-thread .code { font: 12px monospace; }
  .loop-thread .note { fill: var(--color-foreground-secondary, #555); font-size: 12px; }
  .loop-thread .left { text-anchor: start; }
  .loop-thread .right { text-anchor: end; }
  .loop-thread rect { fill: var(--color-background-secondary, #f4f4f4);
    stroke: var(--color-foreground-muted, #888); }
  .loop-thread .task { fill: var(--color-background-primary, #fff);
    stroke: var(--color-brand-primary, #0a4bff); }
  .loop-thread .arrow { fill: none; stroke: var(--color-brand-primary, #0a4bff);
    stroke-width: 1.5; marker-end: url(#loop-thread-tip); }
  .loop-thread marker path { fill: var(--color-brand-primary, #0a4bff); }
"""
TIP: Final = (
    '<marker id="loop-thread-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
    'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z"/></marker>'
)


def box(x: int, y: int, width: int, height: int, kind: str = "thread") -> str:
    """Draw a thread, the queue or a task."""
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>'


def text(x: int, y: int, words: str, kind: str = "") -> str:
    """Write one line."""
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(words)}</text>'


def arrow(*points: tuple[int, int]) -> str:
    """Draw a line with a tip at its end."""
    return f'<path class="arrow" d="M{" ".join(f"{x} {y}" for x, y in points)}"/>'


def callers() -> Iterator[str]:
    """Draw the calling threads, and their calls in the queue."""
    calls = [("load(1)", "waits"), ("submit(load, 2)", "continues"), ("for x in items():", "waits")]
    for number, (call, then) in enumerate(calls):
        x = 10 + 155 * number
        yield from (box(x, 10, 140, 78), text(x + 70, 32, "your thread"))
        yield from (text(x + 70, 54, call, "code"), text(x + 70, 76, then, "note"))
        yield arrow((x + 70, 88), (x + 70, 126))
    yield from (box(10, 128, 450, 34), text(35, 150, "queue", "left"))
    for x, call in ((165, "load(2)"), (320, "items()")):
        yield from (box(x, 134, 70, 22, "task"), text(x + 35, 149, call, "code"))


def loop() -> Iterator[str]:
    """Draw the loop thread between the queue and the worker threads."""
    yield from (arrow((235, 162), (235, 198)), box(10, 200, 450, 118))
    yield text(235, 222, "the loop thread: an event loop and its tasks")
    for x, call in ((25, "load(1)"), (131, "load(7)"), (237, "load(8)"), (343, "items()")):
        yield from (box(x, 236, 102, 34, "task"), text(x + 51, 257, call, "code"))
    yield text(235, 298, "your async functions run here, one step at a time", "note")
    yield from (arrow((460, 258), (486, 258), (486, 50), (461, 50)), arrow((60, 318), (60, 374)))
    yield text(70, 350, "sync_to_async", "code left")
    yield from (arrow((400, 376), (400, 320)), text(390, 350, "outcome", "note right"))
    for x, call in ((10, "read()"), (165, "query()"), (320, "...")):
        yield from (box(x, 376, 140, 58), text(x + 70, 398, "a worker thread"))
        yield text(x + 70, 420, call, "code")


def picture() -> str:
    """Return the picture, whose colours are those of the page that it stands in."""
    side = (
        '<text class="note" transform="translate(502 154) rotate(90)">results, errors, items, '
        "in_caller_thread</text>"
    )
    start = (
        '<svg class="loop-thread" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 444" '
        'role="img" aria-label="Calls of many threads go through a queue to the loop thread, which '
        'runs them as tasks and hands blocking code to worker threads.">'
    )
    style = f"<style>{STYLE}</style><defs>{TIP}</defs>"
    return "\n".join([start, style, *callers(), *loop(), side, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
