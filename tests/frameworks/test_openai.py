"""OpenAI's async client, against a server on this machine."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from aiofutures import AsyncExecutor, Shared, shared, to_sync, to_sync_iter

ONE_CONNECTION = type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=1)
WORDS = "one two three"


@pytest.fixture
def client(default_executor: AsyncExecutor, openai_url: str) -> Iterator[Shared[AsyncOpenAI]]:
    """A client for all calls."""
    client = shared(AsyncOpenAI, base_url=openai_url, api_key="none", max_retries=0)
    yield client
    opened = client()
    client.close()
    assert opened.is_closed()


def test_answer(client: Shared[AsyncOpenAI]) -> None:
    """A method of the client is called as it is."""
    answer = to_sync(client().chat.completions.create)(
        model="parrot", messages=[{"role": "user", "content": WORDS}]
    )

    assert answer.choices[0].message.content == WORDS


def test_stream(client: Shared[AsyncOpenAI]) -> None:
    """A stream is iterated, the coroutine before it awaited."""
    create = to_sync_iter(client().chat.completions.create)

    chunks = create(model="parrot", messages=[{"role": "user", "content": WORDS}], stream=True)

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == WORDS


def test_stream_left(client: Shared[AsyncOpenAI]) -> None:
    """Leaving the loop closes the response: the only connection is free for the next one."""
    limited = client().with_options(
        http_client=DefaultAsyncHttpxClient(limits=ONE_CONNECTION, trust_env=False)
    )
    create = to_sync_iter(timeout=10)(limited.chat.completions.create)

    for _ in range(5):
        for chunk in create(
            model="parrot", messages=[{"role": "user", "content": WORDS * 100}], stream=True
        ):
            assert chunk.choices[0].delta.content == "one"
            break
    to_sync(limited.close)()


def test_pages(client: Shared[AsyncOpenAI]) -> None:
    """What can be awaited and iterated is iterated through all pages, or awaited for the first."""
    names = [model.id for model in to_sync_iter(client().models.list)()]

    page = to_sync(AsyncOpenAI(base_url=client().base_url, api_key="none").models.list)()
    assert [model.id for model in page.data] == names == ["parrot", "lyrebird"]


def test_threads(client: Shared[AsyncOpenAI]) -> None:
    """Many threads use one client."""

    def ask(number: int) -> str | None:
        answer = to_sync(client().chat.completions.create)(
            model="parrot", messages=[{"role": "user", "content": str(number)}]
        )
        return answer.choices[0].message.content

    with ThreadPoolExecutor(20) as threads:
        assert [*threads.map(ask, range(60))] == [str(number) for number in range(60)]


def test_error(client: Shared[AsyncOpenAI]) -> None:
    """An error of the client is raised here, of its own type."""
    closed = client().with_options(base_url="http://127.0.0.1:1")

    with pytest.raises(openai.APIConnectionError):
        to_sync(closed.models.list)()
