"""The examples with a framework or an SDK each, run as their reader runs them."""

import pytest
from integration.test_examples import EXAMPLES, need_program, run

OUTPUT = {
    "django_views": "[1, 2, 3]\n",
    "flask_views": "1000\n",
    "celery_tasks": "950190\n",
    "mcp_tools": "['add']\n['0', '2', '4', '6', '8']\n",
    "openai_stream": "what arrives word by word\nparrot lyrebird\n",
}
PROGRAMS = {"celery_tasks": "redis-server"}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", OUTPUT)
def test_on_its_own(name: str) -> None:
    """An example starts the server that it needs."""
    need_program(PROGRAMS.get(name))

    assert run(name) == OUTPUT[name]


@pytest.mark.parametrize("name", OUTPUT)
def test_is_short(name: str) -> None:
    """An example has at most 50 lines, and says in a sentence what it replaces."""
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")

    assert len(text.splitlines()) <= 50
    assert text.count("\nBy hand: ") == 1
