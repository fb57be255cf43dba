"""Signatures survive type checkers. Here mypy says so; `typesafety/checkers.py` asks them all."""

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest
from typesafety import checkers

import aiofutures

USES: Final = Path(__file__).parent / "typesafety"
ACCEPTED: Final = sorted(USES.glob("accepted_*.py"))
REFUSED: Final = sorted(USES.glob("refused_*.py"))

UNBOUND: Final = """

class Unbound(Generic[P, T]):
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T: ...
"""

# Of each way to spoil the signatures: what is replaced by what, and uses that it must break.
MUTATIONS: Final[dict[str, tuple[dict[str, str], list[str]]]] = {
    "parameters": (
        {
            r"\bCallable\[P, ": "Callable[..., ",
            r"\bCallable\[\[[A-F, ]+\], ": "Callable[..., ",
            r"\*args: P\.args, \*\*kwargs: P\.kwargs": "*args: Any, **kwargs: Any",
        },
        [
            "refused_to_sync: fetch(",
            "refused_in_executor: fetch(",
            "refused_options: slow_fetch(",
            "refused_options: fetch_elsewhere(",
            "refused_methods: session.get(",
            "refused_methods: session.start(",
            "refused_submit: executor.submit(",
            "refused_submit: run_async(",
            "refused_map: executor.map(subjects.of_six, ",
            "refused_sync_to_async: await sync_to_async(",
            "refused_sync_to_async: executor.sync_to_async(",
        ],
    ),
    "result": (
        {
            r"-> Callable\[P, T\]": "-> Callable[P, Any]",
            r"\b(Future|Results)\[T\]": r"\1[Any]",
            r"-> Awaitable\[T\]": "-> Awaitable[Any]",
        },
        [
            "accepted_to_sync: fetch(",
            "accepted_in_executor: fetch(",
            "accepted_options: slow_fetch(",
            "accepted_options: fetch_elsewhere(",
            "accepted_methods: session.get(",
            "accepted_methods: session.start(",
            "accepted_submit: executor.submit(",
            "accepted_submit: run_async(",
            "accepted_map: executor.map(subjects.of_six, ",
            "accepted_sync_to_async: await sync_to_async(",
            "accepted_sync_to_async: executor.sync_to_async(",
        ],
    ),
    "binding": (
        {r"-> Callable\[P, (T|Future\[T\])\]": r"-> Unbound[P, \1]"},
        [
            "accepted_methods: session.get(",
            "accepted_methods: session.start(",
            "accepted_methods: session.get_slowly(",
            "accepted_methods: session.start_slowly(",
            "accepted_methods: Session.connect(",
            "refused_methods: session.get(session, ",
            "refused_methods: session.start(session, ",
        ],
    ),
}

# Of each way to spoil a member in a stub of twins: what is replaced by what, and a use that breaks.
SPOILED_MEMBERS: Final = {
    "result": (r"(def fetch.*?) -> int", r"\1 -> Any", 'client.fetch("a"), int'),
    "parameter": (r"(def fetch\(self, key): str", r"\1", "client.fetch(1)"),
    "keyword": (r"\*\*options: Unpack\[Options\]", "**options: Any", 'timeout="1"'),
    "overload": (r"    @overload\n    def find\(self.*?Literal\[False\].*?\n", "", 'find("a"), '),
    "property": (r"    @property\n(    def size)", r"\1", "client.size, int"),
    "deprecated": (r"    @deprecated\(.*?\n", "", "client.search()"),
    "twin": (r"-> SyncCursor", "-> Cursor", "list(step), list[Record]"),
    "Self": (r"(def connect\(cls.*?) -> Self", r"\1 -> Any", 'Client.connect("url")'),
    "generator": (r"-> Generator\[SyncCursor, None, None\]", "-> Any", ".send(1)"),
    "generic": (r"SyncResponse\[list\[int\]\]", "SyncResponse[Any]", "page().read()"),
    "call": (r"    def __call__\(self, x: int\) -> str: \.\.\.\n", "", "client(1), str"),
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mypy")
    return checkers.make_workspace(tmp_path_factory.mktemp("typesafety"))


def test_accepted_and_refused_uses(workspace: Path) -> None:
    """mypy --strict accepts each accepted use, and all it refuses are the refused ones."""
    assert list(checkers.deviations("mypy", workspace)) == []


@pytest.mark.parametrize("spoiled", MUTATIONS)
def test_spoiled_signatures(workspace: Path, spoiled: str, request: pytest.FixtureRequest) -> None:
    """Parameters that are lost, a result that is Any and a method that is not bound are found."""
    replacements, uses = MUTATIONS[spoiled]
    counts = dict.fromkeys(replacements, 0)
    for name in ("_decorators", "_default", "_executor", "_futures/results"):
        path = workspace / "aiofutures" / f"{name}.py"
        source = path.read_text()
        request.addfinalizer(partial(path.write_text, source))
        for pattern, replacement in replacements.items():
            source, count = re.subn(pattern, replacement, source)
            counts[pattern] += count
        path.write_text(source + UNBOUND * ("Unbound[" in source))
    assert all(counts.values()), counts

    found = "\n".join(checkers.deviations("mypy", workspace))

    for use in uses:
        name, call = use.split(": ")
        lines = (USES / f"{name}.py").read_text().splitlines()
        numbers = [int(number) for number in re.findall(rf"{name}\.py:(\d+): should be ", found)]
        assert any(call in lines[number - 1] for number in numbers), use


@pytest.mark.parametrize("spoiled", SPOILED_MEMBERS)
def test_spoiled_members(workspace: Path, spoiled: str, request: pytest.FixtureRequest) -> None:
    """A member of a twin that a stub has in another way than the original is found."""
    pattern, replacement, use = SPOILED_MEMBERS[spoiled]
    path = workspace / checkers.USES / "twins.pyi"
    source = path.read_text()
    request.addfinalizer(partial(path.write_text, source))
    changed, count = re.subn(pattern, replacement, source, flags=re.DOTALL)
    assert count
    path.write_text(f"{changed}\nfrom typing import Any\n")

    found = "\n".join(checkers.deviations("mypy", workspace))

    numbers = re.findall(r"_twin_stubs\.py:(\d+): should be ", found)
    names = re.findall(r"(\w+_twin_stubs)\.py:\d+: should be ", found)
    lines = [
        (USES / f"{name}.py").read_text().splitlines()[int(number) - 1]
        for name, number in zip(names, numbers, strict=True)
    ]
    assert any(use in line for line in lines), lines


def test_unreachable_assertions(workspace: Path, request: pytest.FixtureRequest) -> None:
    """An assertion that no checker looks at is found."""
    path = workspace / checkers.USES / "wrong_accepted_future.py"
    source = path.read_text()
    request.addfinalizer(partial(path.write_text, source))
    name = "def check_result(future: Future[str]) -> None:"
    path.write_text(source.replace(name, f"{name}\n    raise SystemExit"))

    found = list(checkers.deviations("mypy", workspace))

    # Of three assertions; mypy, unlike others, reports that the first one is unreachable.
    assert len([line for line in found if "does not look at this assertion" in line]) == 2


def test_tags_that_are_not_needed(workspace: Path, request: pytest.FixtureRequest) -> None:
    """A tag for a case that the checker can do is found."""
    path = workspace / checkers.USES / "refused_stubs.py"
    source = path.read_text()
    request.addfinalizer(partial(path.write_text, source))
    path.write_text(source.replace("# refused", "# refused  # mypy: cannot, or so it seems", 1))

    found = list(checkers.deviations("mypy", workspace))

    assert [line.split(": ", 1)[1] for line in found] == [
        "the tag 'mypy: cannot' is no longer needed"
    ]


def test_twins() -> None:
    """Each check of accepted uses has a twin of refused uses, with the same name."""
    accepted = {check for path in ACCEPTED for check in checks(path, "assert_type(")}
    refused = {check for path in REFUSED for check in checks(path, "# refused")}

    assert accepted == refused


@pytest.mark.parametrize("paths", [ACCEPTED, REFUSED], ids=["accepted", "refused"])
def test_public_names(paths: list[Path]) -> None:
    """Each public name has an accepted use and a refused one."""
    names = {
        alias.name
        for path in paths
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "aiofutures"
        for alias in node.names
    }

    assert names == set(aiofutures.__all__)


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_accepted_when_run(path: Path) -> None:
    """What the checkers accept can also be decorated and defined."""
    if path.stem.endswith("_uvloop") and find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")
    if path.stem.endswith("_cluster") and find_spec("distributed") is None:
        pytest.skip("distributed is not installed")
    if path.stem.endswith("_later") and sys.version_info < (3, 14):
        pytest.skip("annotations that are defined later are new in Python 3.14")

    importlib.import_module(f"typesafety.{path.stem}")


def checks(path: Path, needed: str) -> Iterator[tuple[str, str]]:
    """Yield the topic and the name of each check in a file. Each has what is `needed`."""
    source = path.read_text()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("check_"):
                lines = source.splitlines()[node.lineno - 1 : node.end_lineno]
                assert needed in "\n".join(lines), f"{path}:{node.lineno}"
                yield path.stem.split("_", 1)[1], node.name
