"""SQLAlchemy's async engine and sessions, over aiosqlite and asyncpg."""

from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import String, func, select, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from aiofutures import AsyncExecutor, Shared, shared, to_sync, to_sync_context, to_sync_iter

THREADS = 20


class Base(DeclarativeBase):
    """The tables."""


class Book(Base):
    """A book."""

    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50), unique=True)


@asynccontextmanager
async def open_engine(url: str) -> AsyncGenerator[AsyncEngine, None]:
    """Open an engine with an empty table, and dispose of it."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    yield engine
    await engine.dispose()


@pytest.fixture(params=["aiosqlite", "asyncpg"])
def engine(
    request: pytest.FixtureRequest, tmp_path: Path, default_executor: AsyncExecutor
) -> Iterator[Shared[AsyncEngine]]:
    """An engine with an empty table, for the whole process."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    if request.param == "asyncpg":
        url = request.getfixturevalue("postgresql_url")
        url = url.replace("postgresql:", "postgresql+asyncpg:")
    engine = shared(open_engine, url)
    yield engine
    engine.close()


@pytest.fixture
def sessions(engine: Shared[AsyncEngine]) -> async_sessionmaker[AsyncSession]:
    """What makes sessions."""
    return async_sessionmaker(engine(), expire_on_commit=False)


def test_connection(engine: Shared[AsyncEngine]) -> None:
    """A connection is entered; its methods are functions."""
    with to_sync_context(engine().connect)() as connection:
        result = to_sync(connection.execute)(text("SELECT 1 + 1"))

    assert result.scalar_one() == 2


def test_transaction(engine: Shared[AsyncEngine]) -> None:
    """`begin` commits at the end of the block, or rolls back."""
    begin = to_sync_context(engine().begin)
    insert = Book.__table__.insert()  # type: ignore[attr-defined]
    with begin() as connection:
        to_sync(connection.execute)(insert, [{"title": "one"}])
    with pytest.raises(ZeroDivisionError), begin() as connection:
        to_sync(connection.execute)(insert, [{"title": "two"}])
        _ = 1 / 0

    with begin() as connection:
        titles = to_sync(connection.scalars)(select(Book.title)).all()
    assert titles == ["one"]


def test_session(sessions: async_sessionmaker[AsyncSession]) -> None:
    """A session is entered; objects are stored, found and changed."""
    with to_sync_context(sessions)() as session:
        session.add(Book(id=1, title="one"))
        to_sync(session.commit)()
    with to_sync_context(sessions.begin)() as session:
        book = to_sync(session.get_one)(Book, 1)
        book.title = "first"

    with to_sync_context(sessions)() as session:
        assert to_sync(session.scalar)(select(Book.title)) == "first"


def test_stream(sessions: async_sessionmaker[AsyncSession]) -> None:
    """Rows are streamed; leaving the loop early leaves a session that can be used."""
    with to_sync_context(sessions)() as session:
        session.add_all([Book(title=str(number)) for number in range(500)])
        to_sync(session.flush)()
        stream = to_sync_iter(session.stream_scalars)

        titles = [*stream(select(Book.title).order_by(Book.id))]
        for _ in stream(select(Book).execution_options(yield_per=10)):
            break

        assert titles == [str(number) for number in range(500)]
        assert to_sync(session.scalar)(select(func.count(Book.id))) == 500


def test_error(sessions: async_sessionmaker[AsyncSession]) -> None:
    """An error of the database rolls back, and is raised here."""
    with to_sync_context(sessions.begin)() as session:
        session.add(Book(title="one"))
    with pytest.raises(IntegrityError), to_sync_context(sessions.begin)() as session:
        session.add_all([Book(title="two"), Book(title="one")])

    with to_sync_context(sessions)() as session:
        assert to_sync(session.scalars)(select(Book.title)).all() == ["one"]


def test_threads(engine: Shared[AsyncEngine]) -> None:
    """Threads share one engine and its pool; each has sessions of its own."""

    @to_sync
    async def count(number: int) -> int:
        async with AsyncSession(await engine) as session, session.begin():
            return await session.scalar(select(func.abs(-number))) or 0

    with ThreadPoolExecutor(THREADS) as threads:
        assert [*threads.map(count, range(200))] == [*range(200)]


# SQLAlchemy drops the coroutine that it cannot await.
@pytest.mark.filterwarnings("ignore:coroutine 'Connection.cursor' was never awaited")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_expired(engine: Shared[AsyncEngine]) -> None:
    """What is loaded on access is not outside async functions, as SQLAlchemy says itself; it can be
    refreshed.
    """
    with to_sync_context(AsyncSession)(engine()) as session:
        book = Book(title="one")
        session.add(book)
        to_sync(session.commit)()

        with pytest.raises(SQLAlchemyError, match="greenlet_spawn"):
            _ = book.title
        to_sync(session.refresh)(book)
        assert book.title == "one"
