"""What libraries keep for the thread that calls, reached from async functions."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, text
from sqlalchemy.orm import scoped_session, sessionmaker
from support import LIMIT

from aiofutures import in_caller_thread, to_sync

pytestmark = pytest.mark.usefixtures("default_executor")

THREADS = 8


def test_context_of_click() -> None:
    """The current context of click, and what it holds."""

    @click.command()
    @click.option("--name")
    @to_sync
    async def command(name: str) -> None:
        await asyncio.sleep(0)
        context = await in_caller_thread(click.get_current_context)
        await in_caller_thread(click.echo, f"{context.info_name} {context.params['name']} {name}")
        context.call_on_close(lambda: click.echo("closed"))

    result = CliRunner().invoke(command, ["--name", "ann"])

    assert (result.exit_code, result.output) == (0, "command ann ann\nclosed\n")


def test_scoped_session(tmp_path: Path) -> None:
    """The `scoped_session` of each thread, its transaction and what it has not committed."""
    engine = create_engine(f"sqlite:///{tmp_path / 'test.db'}")
    session = scoped_session(sessionmaker(engine))
    together = Barrier(THREADS, timeout=LIMIT)

    @to_sync
    async def read() -> tuple[int, int]:
        await asyncio.sleep(0)
        scalar = await in_caller_thread(session.scalar, text("SELECT max(number) FROM numbers"))
        return scalar or 0, await in_caller_thread(lambda: id(session()))

    def serve(number: int) -> bool:
        session.execute(text("CREATE TEMP TABLE numbers (number INTEGER)"))
        session.execute(text("INSERT INTO numbers VALUES (:number)"), {"number": number})
        together.wait()
        try:
            return read() == (number, id(session()))
        finally:
            session.remove()

    with ThreadPoolExecutor(THREADS) as threads:
        assert all(threads.map(serve, range(THREADS)))
    engine.dispose()
