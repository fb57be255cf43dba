"""Command lines of click and typer, whose commands call async functions."""

import asyncio
import sys
from pathlib import Path
from signal import SIGINT

import click
import pytest
import typer
from click.testing import CliRunner
from programs import Program
from typer.testing import CliRunner as TyperRunner

from aiofutures import in_caller_thread, to_sync

pytestmark = pytest.mark.usefixtures("default_executor")


@click.command()
@click.argument("name")
@click.option("--count", default=1)
@to_sync
async def greet(name: str, count: int) -> None:
    """Greet somebody."""
    await asyncio.sleep(0)
    if not name.isalpha():
        raise click.BadParameter(f"{name} is no name")
    for _ in range(count):
        click.echo(f"hello {name}")


class TestClick:
    """A decorated async function is the command."""

    def test_command(self) -> None:
        """It gets arguments and options, and prints; its docstring is the help."""
        result = CliRunner().invoke(greet, ["ann", "--count", "2"])

        assert (result.exit_code, result.output) == (0, "hello ann\nhello ann\n")
        assert "Greet somebody." in CliRunner().invoke(greet, ["--help"]).output

    def test_error(self) -> None:
        """An error of click's that is raised on the event loop is shown as one."""
        result = CliRunner().invoke(greet, ["4"])

        assert result.exit_code == 2
        assert "4 is no name" in result.output

    def test_context(self) -> None:
        """Its context, which belongs to the thread, is found with `in_caller_thread`."""

        @click.command()
        @to_sync
        async def show() -> None:
            context = await in_caller_thread(click.get_current_context)
            click.echo(context.info_name)

        assert CliRunner().invoke(show).output == "show\n"


class TestTyper:
    """A decorated async function is the command, with its annotations."""

    def test_command(self) -> None:
        """Types come from the annotations, help from the docstring."""
        application = typer.Typer()

        @application.command()
        @to_sync
        async def square(number: int, *, loud: bool = False) -> None:
            """Show a square."""
            await asyncio.sleep(0)
            print(f"{number * number}{'!' * loud}")

        run = TyperRunner().invoke
        result = run(application, ["7", "--loud"])
        wrong = run(application, ["seven"])

        assert (result.exit_code, result.stdout) == (0, "49!\n")
        assert wrong.exit_code == 2
        assert "Show a square." in run(application, ["--help"]).stdout

    def test_context(self) -> None:
        """Its context is a parameter."""
        application = typer.Typer()

        @application.command()
        @to_sync
        async def show(context: typer.Context) -> None:
            await asyncio.sleep(0)
            print(context.info_name)

        result = TyperRunner().invoke(application, prog_name="shop")

        assert (result.exit_code, result.stdout) == (0, "shop\n")

    def test_exit(self) -> None:
        """`typer.Exit` ends the program with its code."""
        application = typer.Typer()

        @application.command()
        @to_sync
        async def leave() -> None:
            await asyncio.sleep(0)
            raise typer.Exit(3)

        assert TyperRunner().invoke(application, []).exit_code == 3


PROGRAM = """
import asyncio
import {kind}
from aiofutures import to_sync

@{command}
@to_sync
async def main():
    print("runs", flush=True)
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0)
        print("cleaned up", flush=True)

{call}
"""
KINDS = {"click": ("click.command()", "main()"), "typer": ("(lambda f: f)", "typer.run(main)")}


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is not to be sent there")
@pytest.mark.parametrize("kind", KINDS)
def test_interrupted(kind: str, tmp_path: Path) -> None:
    """Ctrl-C cancels the async function, which cleans up, and ends the program."""
    command, call = KINDS[kind]
    source = PROGRAM.format(kind=kind, command=command, call=call)
    with Program([sys.executable, "-c", source], tmp_path) as program:
        program.until_says("runs")
        program.stop(SIGINT, status=1 if kind == "click" else 130)

        assert "cleaned up\n" in program.log
