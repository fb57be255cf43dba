"""The role `test` of the page of guarantees: a link to a page that shows the code of the test."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from docutils import nodes
from docutils.parsers.rst.states import Inliner
from sphinx.application import Sphinx

ROOT: Final = Path(__file__).parent.parent
NAMED: Final = re.compile(r"\{test\}`([^`]+)`")


def page_of(test: str) -> str:
    """Return the name of the page of a test."""
    return test.replace(".py::", "/").replace("::", ".")


def breakable(text: str) -> str:
    """Let a name or path break after punctuation where the line is too short for it."""
    return re.sub(r"[\w)](?:::|[_./=(,])(?=\w)", r"\g<0><wbr>", text)


def link(
    role: str, raw: str, test: str, line: int, inliner: Inliner, *_: object
) -> tuple[Sequence[nodes.Node], Sequence[nodes.system_message]]:
    """Link to the page of a test, from a page at the root."""
    target = f"{page_of(test)}.html"
    reference = nodes.reference(raw, "test", refuri=target, internal=True, classes=["test"])
    reference["reftitle"] = test
    return [reference], []


def code_of(test: str) -> str:
    """Return the code of a test: a function, a class, or the module of what is made by a call."""
    path, *names = test.split("::")
    source = (ROOT / path).read_text(encoding="utf-8")
    found: ast.AST = ast.parse(source)
    for name in names:
        inside = [node for node in ast.iter_child_nodes(found) if getattr(node, "name", "") == name]
        if not inside:
            return source
        found = inside[0]
    assert isinstance(found, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    first = min([found.lineno, *(decorator.lineno for decorator in found.decorator_list)])
    lines = source.splitlines()[first - 1 : found.end_lineno]
    return "\n".join(line[found.col_offset :] for line in lines)


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield a page for each test that the guarantees name."""
    text = (Path(app.srcdir) / "guarantees.md").read_text(encoding="utf-8")
    for test in sorted(set(NAMED.findall(text))):
        name = test.rsplit("::", 1)[1]
        code = app.builder.highlighter.highlight_block(code_of(test), "python")
        guarantees = app.builder.get_relative_uri(page_of(test), "guarantees")
        heading = f"<h1>{breakable(name)}</h1>"
        place = f"<p>A test behind the <a href='{guarantees}'>guarantees</a>, in "
        place += f"<code class='literal'>{breakable(test)}</code></p>"
        yield page_of(test), {"title": name, "body": heading + place + code}, "page.html"


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the role and the pages."""
    app.add_role("test", link)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
