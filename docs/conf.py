"""What Sphinx needs to know to build the documentation."""

import importlib.metadata
import typing

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

project = "aiofutures"
author = "the authors of aiofutures"
copyright = author
release = importlib.metadata.version("aiofutures")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
python_maximum_signature_line_length = 88

# Names of the standard library, whose reference would need the network, and of type parameters.
nitpick_ignore_regex = [
    (r"py:.*", r"distributed\.[\w.]+"),
    (r"py:.*", r"(_?asyncio|collections|concurrent|contextlib|types|typing)\..*"),
    (r"py:.*", r"(aiofutures\.[\w.]+\.)?(P(\.args|\.kwargs)?|[A-Z])"),
    (r"py:.*", r"aiofutures\.[\w.]+\.(InExecutor|SubmitsCalls|ToSync\w*)"),
]


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


def setup(app: Sphinx) -> None:
    """Correct how Sphinx writes parameter specifications."""
    app.connect("autodoc-process-signature", name_parameters)
    app.connect("autodoc-process-bases", show_public_bases)
    app.connect("doctree-read", unwrap_parameters)
