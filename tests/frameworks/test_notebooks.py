"""Notebooks: cells that run on the event loop of a kernel in a process of its own."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook
from support import LIMIT, in_thread, until

pytestmark = pytest.mark.timeout(120)

FIRST = """
import asyncio, threading, warnings
from contextlib import asynccontextmanager
from aiofutures import AsyncExecutor, BlockingCallWarning, run_async, shared, to_sync
warnings.simplefilter("error", BlockingCallWarning)

@to_sync
async def load(name):
    await asyncio.sleep(0.01)
    return f"page {name}"

@to_sync
async def pages(count):
    try:
        for number in range(count):
            yield await load.__wrapped__(number)
    finally:
        print("closed")

@shared
@asynccontextmanager
async def client():
    yield "client"

@to_sync
async def hold():
    open(STARTED, "w").close()
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.01)
        print("cleaned up")
"""


class Notebook:
    """A notebook whose cells are written and run one by one."""

    def __init__(self, client: NotebookClient) -> None:
        self.client = client

    def run(self, source: str) -> str:
        """Run a cell; return what it prints and shows."""
        # nbformat has no types for it.
        cell = new_code_cell(source)  # type: ignore[no-untyped-call]
        self.client.nb.cells.append(cell)
        try:
            self.client.execute_cell(cell, len(self.client.nb.cells) - 1)
        finally:
            self.texts = [
                output.get("text") or output.get("data", {}).get("text/plain", "")
                for output in cell.outputs
            ]
        return "".join(self.texts)

    def manage(self, name: str) -> None:
        """Interrupt or restart the kernel."""
        asyncio.run(getattr(self.client.km, name)())


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Notebook]:
    """A notebook with a kernel, and its first cell."""
    # nbformat has no types for it.
    empty = new_notebook()  # type: ignore[no-untyped-call]
    client = NotebookClient(empty, timeout=60, kernel_name="python3")
    with client.setup_kernel(cwd=str(tmp_path)):
        notebook = Notebook(client)
        notebook.run(f"STARTED = {str(tmp_path / 'started')!r}" + FIRST)
        yield notebook


def test_calls(notebook: Notebook) -> None:
    """Calls, generators and clients work in cells, without a warning, and from cell to cell."""
    assert notebook.run("load(1)") == "'page 1'"
    assert notebook.run("[*pages(3)]") == "closed\n['page 0', 'page 1', 'page 2']"
    assert notebook.run("for page in pages(3):\n    print(page)\n    break") == "page 0\nclosed\n"
    assert notebook.run("client()") == "'client'"
    notebook.run("items = pages(9); first = next(items)")
    assert notebook.run("first, next(items)") == "('page 0', 'page 1')"
    assert notebook.run("items.close()") == "closed\n"
    assert (
        notebook.run(
            "with AsyncExecutor() as executor:\n"
            "    print(list(executor.map(load.__wrapped__, 'ab')))"
        )
        == "['page a', 'page b']\n"
    )
    loops = "sum(each.name.startswith('aiofutures') for each in threading.enumerate())"
    assert notebook.run(loops) == "1"


def test_await(notebook: Notebook) -> None:
    """A cell can await a future, several, and a shared client."""
    notebook.run("future = run_async(load.__wrapped__, 1)")

    assert notebook.run("await future") == "'page 1'"
    assert notebook.run("await asyncio.gather(future, run_async(asyncio.sleep, 0, 2))") == (
        "['page 1', 2]"
    )
    assert notebook.run("await client") == "'client'"


def test_output(notebook: Notebook) -> None:
    """What is printed and displayed on the event loop, and in the thread of the kernel, is the
    cell's.
    """
    notebook.run(
        "from aiofutures import in_caller_thread\n"
        "from IPython.display import display\n"
        "@to_sync\n"
        "async def show():\n"
        "    print('printed')\n"
        "    display('displayed')\n"
        "    await in_caller_thread(display, threading.current_thread().name)\n"
        "    return await in_caller_thread(lambda: load(3))"
    )

    assert notebook.run("show()") == "printed\n'displayed''aiofutures''page 3'"


def test_error(notebook: Notebook) -> None:
    """An error of the async function is that of the cell."""
    notebook.run("@to_sync\nasync def fail():\n    raise LookupError('no page')")

    with pytest.raises(CellExecutionError, match="no page"):
        notebook.run("fail()")


def test_interrupt(notebook: Notebook, tmp_path: Path) -> None:
    """Interrupting the kernel cancels the call of the cell, which cleans up; the next cell runs."""

    def interrupt() -> None:
        until((tmp_path / "started").exists)
        notebook.manage("interrupt_kernel")

    interrupting = in_thread(interrupt)
    with pytest.raises(CellExecutionError, match="KeyboardInterrupt"):
        notebook.run("hold()")
    interrupting.result(LIMIT)

    assert "cleaned up\n" in notebook.texts
    assert notebook.run("load(2)") == "'page 2'"


def test_restart(notebook: Notebook, tmp_path: Path) -> None:
    """Restarting the kernel cancels what runs on an executor with `cancel_at_exit`, which cleans
    up; the new kernel begins anew.
    """
    notebook.run(
        "from aiofutures import set_default_executor\n"
        "set_default_executor(AsyncExecutor(cancel_at_exit=True))\n"
        "async def run():\n"
        "    try:\n"
        "        await asyncio.sleep(3600)\n"
        "    finally:\n"
        "        open('cleaned-up', 'w').close()\n"
        "running = run_async(run); client()"
    )

    notebook.manage("restart_kernel")
    notebook.run(FIRST)

    assert notebook.run("client(), load(1)") == "('client', 'page 1')"
    assert notebook.run("'running' in globals()") == "False"
    assert (tmp_path / "cleaned-up").exists()
