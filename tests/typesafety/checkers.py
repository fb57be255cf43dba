"""The command that runs type checkers over the package, its accepted uses and refused ones.

    python tests/typesafety/checkers.py [CHECKER ...]

Without arguments: all checkers and `verifytypes`. Each assumes the oldest Python and then the
newest. The exit status is 1 if anything is not as the
files say. Comments at a statement, or in a line of their own above it, say what is expected:

- nothing: it is accepted, nothing is reported at it;
- `# refused`: something must be reported at it;
- `# NAME: cannot, REASON`: the checker of that name gets it wrong today.

What is reported nowhere may also never have been looked at: checkers skip in silence what they
take for unreachable. So each file of accepted uses has a copy in which every `assert_type` is
wrong, and every one of them must be reported.
"""

import ast
import io
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tokenize
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

REPOSITORY: Final = Path(__file__).parents[2]
USES: Final = Path("tests", "typesafety")

_CONFIGURATION: Final = ("mypy.ini", "pyproject.toml")
_VERSIONS: Final = ("3.11", "3.15")
_VERSION: Final = re.compile(
    r"(?<=^python)([_-]?version = \"?)3\.\d+", re.IGNORECASE | re.MULTILINE
)
_WRONG: Final = "frozenset[None]"  # the type of nothing in the files of accepted uses
_TAG: Final = re.compile(r"# (\w+): cannot, \w")
_TEXT: Final = re.compile(r"(?P<path>.+?):(?P<line>\d+): (?:error|warning): (?P<message>.*)")


class Report(NamedTuple):
    """What a checker has reported."""

    path: Path
    line: int
    message: str


class Marks(NamedTuple):
    """What the comments at a statement say."""

    refused: bool
    cannot: frozenset[str]  # the names of checkers


def main(names: list[str]) -> int:
    """Print what is not as it should be; return the exit status."""
    failures = 0
    for version in _VERSIONS:
        with tempfile.TemporaryDirectory() as directory:
            root = make_workspace(Path(directory).resolve(), version)
            for name in names or [*CHECKERS, "verifytypes"]:
                found = check(name, root)
                failures += len(found)
                title = f"{name}, Python {version}: {len(found) or 'no'} deviations"
                print(title, *found, sep="\n  ", flush=True)
    return min(failures, 1)


def check(name: str, root: Path) -> list[str]:
    """Run one checker in a workspace and return what is not as it should be."""
    try:
        return [*(verify_types(root) if name == "verifytypes" else deviations(name, root))]
    except (OSError, RuntimeError) as error:  # it is not installed, or it has crashed
        return [str(error)]


def make_workspace(root: Path, version: str = _VERSIONS[0]) -> Path:
    """Copy to `root` what the checkers need, and add the copies with wrong assertions."""
    for name in ("aiofutures", "stubs", str(USES)):
        shutil.copytree(
            REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in _CONFIGURATION:
        configuration, count = _VERSION.subn(rf"\g<1>{version}", (REPOSITORY / name).read_text())
        assert count, f"{name} says no version of Python"
        (root / name).write_text(configuration)
    if version == _VERSIONS[0]:  # where annotations name what is defined before
        for path in root.glob(f"{USES}/*_later.py"):
            path.unlink()
    # uvloop does not exist for Windows, and distributed is tested on one version of Python.
    for module, topic in (("uvloop", "uvloop"), ("distributed", "cluster")):
        if find_spec(module) is None:
            for path in root.glob(f"{USES}/*_{topic}.py"):
                path.unlink()
    for path in root.glob(f"{USES}/accepted_*.py"):
        path.with_name(f"wrong_{path.name}").write_text(_with_wrong_assertions(path.read_text()))
    return root


def deviations(name: str, root: Path) -> Iterator[str]:
    """Run one checker in a workspace and yield what is not as the comments there say."""
    reports: dict[Path, list[Report]] = {}
    for report in CHECKERS[name](root):
        reports.setdefault(report.path, []).append(report)
    for path in _sources(root):
        source = (root / path).read_text()
        compare = _never_looked_at if path.name.startswith("wrong_") else _deviations
        for line, text in compare(name, source, reports.pop(path, [])):
            yield f"{path}:{line}: {text}".replace("wrong_accepted_", "accepted_")
    for path, others in reports.items():
        yield f"{path}: {others[0].message}"


def verify_types(root: Path) -> Iterator[str]:
    """Yield the public names whose types pyright does not know completely."""
    output = _run(
        root, "pyright", "--outputjson", "--verifytypes", "aiofutures", "--ignoreexternal"
    )
    completeness = json.loads(output)["typeCompleteness"]
    for symbol in completeness["symbols"]:
        if symbol["isTypeKnown"] is False:
            yield f"{symbol['name']}: its type is not known"
    if completeness["completenessScore"] != 1:
        yield f"the score is {completeness['completenessScore']:.1%}"


def _deviations(name: str, source: str, reports: list[Report]) -> Iterator[tuple[int, str]]:
    starts = _statements(source)
    marks = _marks(source, starts)
    messages = {
        starts.get(report.line, report.line): report.message.split("\n")[0] for report in reports
    }
    for line in sorted(marks.keys() | messages.keys()):
        refused, cannot = marks.get(line, Marks(False, frozenset()))
        as_marked = (line in messages) == refused
        if as_marked and name in cannot:
            yield line, f"the tag '{name}: cannot' is no longer needed"
        elif not as_marked and name not in cannot:
            wrong = (
                f"should be accepted: {messages[line]}" if line in messages else "should be refused"
            )
            yield line, wrong


def _never_looked_at(name: str, source: str, reports: list[Report]) -> Iterator[tuple[int, str]]:
    reported = {report.line for report in reports}
    for node in _assertions(ast.parse(source)):
        if reported.isdisjoint(range(node.lineno, (node.end_lineno or node.lineno) + 1)):
            yield node.lineno, f"{name} does not look at this assertion"


def _statements(source: str) -> dict[int, int]:
    """Return for each line of a statement the line where that begins, without those inside it."""
    starts: dict[int, int] = {}
    for node in ast.walk(ast.parse(source)):  # outer ones first
        if isinstance(node, ast.stmt):
            decorators: list[ast.expr] = getattr(node, "decorator_list", [])
            start = min([node.lineno, *(decorator.lineno for decorator in decorators)])
            starts.update(dict.fromkeys(range(start, (node.end_lineno or start) + 1), start))
    return starts


def _marks(source: str, starts: dict[int, int]) -> dict[int, Marks]:
    """Return what the comments say of the statement that begins in a line."""
    marks: dict[int, Marks] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            refused = token.string.startswith("# refused")
            cannot = frozenset(_TAG.findall(token.string))
            line = token.start[0]
            if token.line.lstrip().startswith("#"):
                line = min((start for start in starts.values() if start > line), default=line)
            line = starts.get(line, line)
            old = marks.get(line, Marks(False, frozenset()))
            marks[line] = Marks(old.refused or refused, old.cannot | cannot)
    return marks


def _with_wrong_assertions(source: str) -> str:
    lines = [line.encode() for line in source.splitlines(keepends=True)]  # ast counts bytes
    for node in _assertions(ast.parse(source)):
        expected = node.args[1]
        line = lines[expected.lineno - 1]
        lines[expected.lineno - 1] = (
            line[: expected.col_offset] + _WRONG.encode() + line[expected.end_col_offset :]
        )
    return b"".join(lines).decode()


def _assertions(tree: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "assert_type":
            yield node


def _sources(root: Path) -> list[Path]:
    paths = [*root.glob("aiofutures/*.py"), *root.glob(f"{USES}/*.py")]
    # Where there is a stub, checkers would not look at it if the module was named.
    shown = {stub if (stub := path.with_suffix(".pyi")).exists() else path for path in paths}
    return sorted(path.relative_to(root) for path in shown)


def _run(root: Path, command: str, *arguments: str | Path) -> str:
    """Return what a checker prints. It finds `aiofutures` in the workspace alone."""
    program = Path(sysconfig.get_path("scripts"), command)
    process = subprocess.run(
        [program, *arguments],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode not in {0, 1}:
        raise RuntimeError(f"{command} has failed:\n{process.stdout}{process.stderr}")
    return process.stdout


def _mypy(root: Path) -> Iterator[Report]:
    output = _run(root, "mypy", "--output=json", *_sources(root))
    for report in map(json.loads, output.splitlines()):
        if report["severity"] != "note":
            yield Report(Path(report["file"]), report["line"], report["message"])


def _pyright(root: Path, command: str = "pyright") -> Iterator[Report]:
    output = _run(root, command, "--outputjson", "--pythonpath", sys.executable, *_sources(root))
    for report in json.loads(output)["generalDiagnostics"]:
        if report["severity"] != "information":
            path = Path(report["file"]).relative_to(root)
            yield Report(path, report["range"]["start"]["line"] + 1, report["message"])


def _basedpyright(root: Path) -> Iterator[Report]:
    return _pyright(root, "basedpyright")


def _ty(root: Path) -> Iterator[Report]:
    output = _run(
        root, "ty", "check", "--output-format=gitlab", "--python", sys.prefix, *_sources(root)
    )
    for report in json.loads(output):
        location: dict[str, Any] = report["location"]
        line = location["positions"]["begin"]["line"]
        yield Report(Path(location["path"]), line, report["description"])


def _pyrefly(root: Path) -> Iterator[Report]:
    arguments: list[str | Path] = [
        "--output-format=json",
        "--python-interpreter-path",
        sys.executable,
        *_sources(root),
    ]
    for report in json.loads(_run(root, "pyrefly", "check", *arguments))["errors"]:
        if report["severity"] != "info":
            yield Report(Path(report["path"]), report["line"], report["concise_description"])


def _zuban(root: Path) -> Iterator[Report]:
    arguments: list[str | Path] = ["--python-executable", sys.executable, *_sources(root)]
    for match in _TEXT.finditer(_run(root, "zuban", "mypy", *arguments)):  # it has no JSON
        yield Report(Path(match["path"]), int(match["line"]), match["message"])


CHECKERS: Final[dict[str, Callable[[Path], Iterator[Report]]]] = {
    "mypy": _mypy,
    "pyright": _pyright,
    "basedpyright": _basedpyright,
    "ty": _ty,
    "pyrefly": _pyrefly,
    "zuban": _zuban,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
