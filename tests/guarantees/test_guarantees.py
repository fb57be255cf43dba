"""The page of guarantees: its tests exist, and its table of faults has no loss in our column."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
TESTS = sorted(set(re.findall(r"\{test\}`(tests/[\w/.]+\.py(?:::\w+)+)`", PAGE)))


@pytest.mark.parametrize("test", TESTS)
def test_tests_of_the_page_exist(test: str) -> None:
    """Each test that the page names exists."""
    path, *names = test.split("::")
    code = (ROOT / path).read_text(encoding="utf-8")

    for name in names:
        if name != "runTest":  # of hypothesis, which makes it
            assert re.search(rf"^ *(class|def|async def) {name}\b|^{name} =", code, re.MULTILINE)


def test_every_promise_names_its_test() -> None:
    """The first paragraph of each promise ends with its test, and no other text names one."""
    promises = PAGE.split("## The same faults")[0]
    items = re.findall(r"^- (.+?)\n\n", promises, re.MULTILINE | re.DOTALL)

    assert len(items) > 30
    assert [item for item in items if item.rpartition("{test}")[2].strip("`") not in TESTS] == []
    assert promises.count("{test}") == len(items)
    assert "|---|" not in promises


def test_nothing_hangs_and_nothing_is_lost() -> None:
    """In the table of faults every outcome in our column is the right one."""
    table = PAGE.split("<!-- faults: begin -->")[1].split("<!-- faults: end -->")[0]
    header, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("|")
    ]
    column = next(
        n for n, name in enumerate(header) if re.fullmatch(r"aiofutures 0\.[2-9].*", name)
    )

    assert len(rows) >= 20
    assert {row[column] for row in rows} == {"right"}
