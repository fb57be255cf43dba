"""What Sphinx needs to know to build the documentation."""

import importlib.metadata
import re
import sys
import typing
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext import intersphinx
from sphinx.pycode import ModuleAnalyzer

sys.path.insert(0, str(Path(__file__).parent))

from promises import breakable

project = "aiofutures"
author = "the authors of aiofutures"
copyright = author
release = importlib.metadata.version("aiofutures")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "promises",
]
exclude_patterns = ["_build"]
html_theme = "furo"
pygments_dark_style = "github-dark"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"aiofutures {release}"
html_copy_source = False

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

default_role = "code"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
python_maximum_signature_line_length = 88

# The names of python.inv, which has what this package needs: the build needs no network.
intersphinx_mapping = {"python": ("https://docs.python.org/3", "python.inv")}

# Type parameters, what is private, and what the standard library does not document.
nitpick_ignore_regex = [
    (r"py:.*", r"distributed\.[\w.]+"),
    (r"py:.*", r"(aiofutures\.[\w.]+\.)?(P(\.args|\.kwargs)?|[A-Z](_co)?)"),
    (r"py:.*", r"aiofutures\.[\w.]+\.(HasOriginal|InExecutor|SubmitsCalls|ToSync\w*)"),
    (r"py:.*", r"concurrent\.futures\.(_base\.)?Error"),
]

# Shown with the one signature of their implementation.
OVERLOADED = {"_futures.results": ["MapsCalls.map"], "_combinators": ["gather", "first"]}


def forget_overloads(app: Sphinx) -> None:
    """Show one signature where there is one for each number of arguments."""
    for module, names in OVERLOADED.items():
        analyzer = ModuleAnalyzer.for_module(f"aiofutures.{module}")
        analyzer.analyze()
        for name in names:
            del analyzer.overloads[name]


def name_parameters(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str, returns: str
) -> tuple[str, str] | None:
    """Write `P.args` and `P.kwargs` where Sphinx writes what Python cannot parse."""
    if "~typing.~P" not in (signature or ""):
        return None
    signature = signature.replace("*args: ~typing.~P", "*args: P.args")
    return signature.replace("*kwargs: ~typing.~P", "*kwargs: P.kwargs"), returns


def unwrap_parameters(app: Sphinx, doctree: nodes.document) -> None:
    """Write `Callable[P, T]` where Sphinx writes `Callable[[P], T]`."""
    for name in [*doctree.findall(addnodes.pending_xref)]:
        siblings, place = name.parent.children, name.parent.index(name)
        around = [node.astext() for node in siblings[max(0, place - 2) : place + 2]]
        if around == ["[", "[", "P", "]"]:
            del name.parent[place + 1], name.parent[place - 1]


def show_public_bases(
    app: Sphinx, name: str, obj: object, options: object, bases: list[type]
) -> None:
    """Name the public class that a private one between stands for."""
    for place, base in enumerate(bases):
        private = typing.get_origin(base) or base
        if private.__name__ in {"BaseFuture", "MapsCalls"}:
            bases[place] = private.__bases__[0]


def find_in_public_module(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Look a name of the standard library up where it is documented, not where it is defined."""
    private = r"^_?(asyncio|concurrent\.futures)\.(_base\.|events\.|thread\.)?"
    node["reftarget"] = re.sub(private, r"\1.", node["reftarget"])
    return intersphinx.missing_reference(app, env, node, content)


def let_code_break(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Let code in tables break after punctuation, which `site.css` forbids on a screen."""
    cells = re.compile(r"<td.*?</td>", re.DOTALL)
    code = re.compile(r'(?<=<span class="pre">)[^<]+')
    context["body"] = cells.sub(
        lambda cell: code.sub(lambda word: breakable(word[0]), cell[0]),
        context.get("body", ""),
    )


def setup(app: Sphinx) -> None:
    """Correct how Sphinx writes parameter specifications, and code in tables."""
    app.connect("html-page-context", let_code_break)
    app.connect("builder-inited", forget_overloads)
    app.connect("autodoc-process-signature", name_parameters)
    app.connect("autodoc-process-bases", show_public_bases)
    app.connect("missing-reference", find_in_public_module)
    app.connect("doctree-read", unwrap_parameters)
