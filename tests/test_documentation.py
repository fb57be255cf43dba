"""The documentation is true: its code runs, prints what it says it prints, and type-checks."""

import ast
import doctest
import functools
import inspect
import os
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest
import servers
from support import LIMIT

import aiofutures

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(page for page in sorted(DOCS.rglob("*.md")) if page.parent.name != "frameworks"),
]
COMMANDS = [
    'python -m pip install -e ".[examples]" && python examples/fetch_many.py',
    'python -m pip install -e ".[test]" && python -m pytest -n auto --dist loadfile',
]

#: The server that pages talk to, and the one that the tests start in its place.
SERVER = "http://127.0.0.1:8000"

#: What a block may be: code to run, commands, output, or a directive that shows no code of its own.
DIRECTIVES = {"{eval-rst}", "{include}", "{literalinclude}", "{raw}", "{toctree}"}
LANGUAGES = {"python", "console", "text", *DIRECTIVES}


def name_of(page: Path) -> str:
    """Return what names a page, and only that one."""
    return "-".join(page.relative_to(ROOT).with_suffix("").parts) if ROOT in page.parents else "p"


#: Says of Dask's logs that only the worst is told: a cluster that ends on a busy machine may log
#: that its parts no longer reach each other.
QUIET_DASK = "logging:\n  distributed: critical\n  distributed.client: critical\n"

#: What some pages need that not every environment has.
NEEDS = {"cluster": "distributed"}

of_every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


@pytest.fixture(scope="module")
def http_url() -> Iterator[str]:
    """The URL of the server that the tutorial begins with."""
    with servers.slow_server() as url:
        yield url


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, and its lines by their numbers from 0."""

    language: str
    lines: dict[int, str]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of `page`; code that stands anywhere else is an error."""
    block: Block | None = None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines()):
        if line.lstrip().startswith(("```", "~~~")):
            if block is None:
                assert line.startswith("```"), f"{page.name}:{number + 1} is not a plain fence"
                block = Block((line[3:].split() or [""])[0], {})
            else:
                yield block
                block = None
        elif block is not None:
            block.lines[number] = line
        else:
            assert not line.startswith(("    ", "\t")), f"{page.name}:{number + 1} is indented code"
    assert block is None, f"{page.name} ends within a block"


def script(page: Path) -> str:
    """Return the Python blocks of `page` as one script, with the line numbers of the page."""
    code: dict[int, str] = {}
    for block in blocks(page):
        assert block.language in LANGUAGES, f"nothing checks a block of {block.language!r}"
        if block.language == "python":
            code |= block.lines
    return "".join(f"{code.get(number, '')}\n" for number in range(max(code, default=-1) + 1))


def printed(source: str) -> list[str]:
    """Return what a script says it prints, in the comments beside its calls of `print`."""
    calls = [line for line in source.splitlines() if "print(" in line]
    comments = [re.search(r"print\(.*\)  # (.+)$", line) for line in calls]
    assert None not in comments, f"a print without its output as a comment: {calls}"
    return [comment[1] for comment in comments if comment]


def check(page: Path, directory: Path, *options: str, url: str = SERVER) -> None:
    """Run the Python blocks of `page` in one new interpreter, strict about warnings."""
    source = script(page)
    if "import uvloop" in source or "from uvloop" in source:
        pytest.importorskip("uvloop")
    path = directory / f"{name_of(page)}.py"
    path.write_text(source.replace(SERVER, url), encoding="utf-8")
    (directory / "dask.yaml").write_text(QUIET_DASK, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", *options, path],
        capture_output=True,
        text=True,
        timeout=5 * LIMIT,
        env={**os.environ, "NO_PROXY": "127.0.0.1", "DASK_CONFIG": str(directory / "dask.yaml")},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # asyncio's debug mode names what took 0.1 seconds, which on a busy machine may be anything.
    slow = re.compile(r"^Executing <.*> took \d+\.\d+ seconds\n", re.MULTILINE)
    assert slow.sub("", done.stderr) == ""
    assert done.stdout.splitlines() == printed(source)


def check_types(pages: Sequence[Path], directory: Path) -> None:
    """Check the Python blocks of each page with mypy."""
    for page in pages:
        name = name_of(page).replace("-", "_")
        (directory / f"{name}.py").write_text(script(page), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", ROOT / "mypy.ini", directory],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def is_here(page: Path) -> bool:
    """Tell whether what a page needs is installed."""
    return page.stem not in NEEDS or find_spec(NEEDS[page.stem]) is not None


def skip_without(page: Path) -> None:
    """Skip a test of a page that needs what is not installed."""
    if not is_here(page):
        pytest.skip(f"needs {NEEDS[page.stem]}")


def not_installed(page: Path) -> set[str]:
    """Return the modules that the code on a page imports without a `pip install` of them."""
    text = page.read_text(encoding="utf-8")
    commands = " ".join(re.findall(r"pip install ([^`\n]+)", text)).replace("-", "_")
    said = {*re.split(r"[\s\[\],\"]+", commands), "typing_extensions"}
    examples = re.findall(r"\{literalinclude\} (.+)", text)
    sources = [script(page), *((page.parent / path).read_text("utf-8") for path in examples)]
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    names = [name.name for node in nodes if isinstance(node, ast.Import) for name in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    modules = {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"servers"}
    return {name for name in modules if said.isdisjoint({name, *distributions().get(name, [])})}


@functools.cache
def distributions() -> dict[str, list[str]]:
    """Return the names of the distributions that have each module, as modules are named."""
    return {
        module: [name.lower().replace("-", "_") for name in names]
        for module, names in packages_distributions().items()
    }


@pytest.mark.parametrize("page", [DOCS / "tutorial.md", *sorted(DOCS.glob("how-to/*.md"))])
def test_page_says_what_to_install(page: Path) -> None:
    """A guide's `pip install` lines name everything that its code imports."""
    assert not_installed(page) == set()


@of_every_page
def test_code_of_a_page_runs_and_prints_what_it_says(
    page: Path, tmp_path: Path, http_url: str
) -> None:
    """Each Python block of a page runs, after those above it, and prints its comments."""
    skip_without(page)

    check(page, tmp_path, url=http_url)


@pytest.mark.timeout(180)
def test_code_of_the_pages_is_typed(tmp_path: Path) -> None:
    """The Python blocks of every page pass mypy as strictly as the package does."""
    pytest.importorskip("mypy")
    check_types([*filter(is_here, PAGES)], tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "```python\nassert False\n```\n",
        "```python\nprint(1)  # 2\n```\n",
        "```python\nprint(1)\n```\n",
        "```python\nassert True\n",
        "```py\nassert True\n```\n",
        "```\nassert True\n```\n",
        "```{code-block} python\nassert True\n```\n",
        "~~~python\nassert True\n~~~\n",
        "- item\n\n  ```python\n  assert True\n  ```\n",
        "\n    assert True\n",
    ],
)
def test_code_that_is_wrong_or_would_not_run_is_an_error(text: str, tmp_path: Path) -> None:
    """No code of a page can escape the tests."""
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")

    with pytest.raises(AssertionError):
        check(page, tmp_path)


def test_readme_opens_with_how_to_install_it_and_code() -> None:
    """After the title and one sentence the README has one command, then code."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    title, sentence, *_ = text.split("\n\n")
    command, code, *_ = blocks(ROOT / "README.md")

    assert title == "# aiofutures"
    assert sentence.count(".") - sentence.count("concurrent.futures") == 1
    assert text.startswith(f"{title}\n\n{sentence}\n\n```console\n")
    assert [*command.lines.values()] == ["pip install aiofutures"]
    assert code.language == "python"
    assert max(code.lines) < 40


def test_readme_has_the_two_commands() -> None:
    """Of its lines, two begin with an installation from a checkout: the example, the tests."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if line.startswith("python -m pip install")] == COMMANDS


def test_commands_of_the_readme_name_what_exists() -> None:
    """The extras and the example of the two commands exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert {"examples", "test"} <= set(project["optional-dependencies"])
    assert (ROOT / "examples" / "fetch_many.py").is_file()


def test_map() -> None:
    """The map in CONTRIBUTING has each room of the package, and each module in it."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    rooms = {row.split("`")[1].rstrip("/"): row for row in rows}
    package = ROOT / "aiofutures"
    for folder in sorted(path.parent for path in package.rglob("__init__.py")):
        modules = {path.stem for path in folder.glob("*.py")} - {"__init__", "__main__"}
        named = rooms["_executor" if folder == package else folder.name]
        assert {name for name in modules if f"`{name}`" not in named} == set(), folder.name


def test_sessions_that_contributors_are_told_of_exist() -> None:
    """Each session of nox in CONTRIBUTING is one of the noxfile."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    noxfile = (ROOT / "noxfile.py").read_text(encoding="utf-8")

    sessions = re.findall(r"nox -s ([a-z_-]*[a-z])", text)

    assert sessions
    functions = [f"def {name.replace('-', '_')}(" for name in sessions]
    assert [function for function in functions if function not in noxfile] == []


def test_changelog_begins_with_this_version() -> None:
    """The newest release of the changelog is the version of the package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert re.findall(r"^## \[(\d[^]]*)\]", text, re.MULTILINE)[0] == project["version"]


def test_reference_has_every_public_name() -> None:
    """The reference shows everything that the package exports, and nothing else."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")

    shown = re.findall(r"^\.\. auto\w+:: aiofutures\.(\w+)(?:\(\))?$", text, re.MULTILINE)

    assert sorted(shown) == sorted(aiofutures.__all__)


def test_picture_of_the_loop_thread_is_of_today() -> None:
    """The picture is what its script draws."""
    names = runpy.run_path(str(DOCS / "explanation" / "loop_thread.py"))

    assert names["PICTURE"].read_text(encoding="utf-8") == names["picture"]()


def public_docstrings() -> Iterator[tuple[str, str]]:
    """Yield the docstrings of the package and of all that it exports, with their names."""
    yield "aiofutures", aiofutures.__doc__ or ""
    for name in aiofutures.__all__:
        exported = getattr(aiofutures, name)
        yield name, exported.__doc__ or ""
        if inspect.isclass(exported) and exported.__module__.startswith("aiofutures"):
            for member, value in vars(exported).items():
                yield f"{name}.{member}", (not member.startswith("_") and value.__doc__) or ""


@pytest.mark.parametrize(
    ("name", "example"),
    [
        pytest.param(name, example, id=f"{name}-{example.lineno}")
        for name, docstring in public_docstrings()
        for example in doctest.DocTestParser().get_examples(docstring)
    ],
)
def test_examples_in_docstrings_compile(name: str, example: doctest.Example) -> None:
    """Each example in a public docstring is one statement of Python."""
    compile(example.source, name, "single")
