"""An HTTP client, and the body of a response as it arrives."""

import subprocess
import sys
from collections.abc import AsyncGenerator

import httpx
import pytest
from support import interpreter

from aiofutures import to_sync


@to_sync
async def lines(client: httpx.AsyncClient, url: str) -> AsyncGenerator[str, None]:
    """Yield the lines of a response."""
    async with client.stream("GET", url) as response:
        async for line in response.aiter_lines():
            yield line


@pytest.mark.usefixtures("default_executor")
class TestClient:
    """`httpx.AsyncClient`."""

    def test_context_manager(self, http_url: str) -> None:
        """The class itself becomes a context manager, its methods become functions."""
        get = to_sync(httpx.AsyncClient.get)

        with to_sync(httpx.AsyncClient)(trust_env=False, base_url=http_url) as client:
            texts = [get(client, "/2").text for _ in range(3)]

        assert client.is_closed
        assert texts == [("0123456789" * 500 + "\n") * 2] * 3

    def test_error(self) -> None:
        """What the client raises is raised here, of its own type."""
        get = to_sync(httpx.AsyncClient.get)

        with (
            pytest.raises(httpx.UnsupportedProtocol),
            to_sync(httpx.AsyncClient)(trust_env=False) as client,
        ):
            get(client, "gopher://127.0.0.1")

        assert client.is_closed

    def test_stream_left_early(self, http_url: str) -> None:
        """Leaving the loop closes the response: the only connection is free for the next one."""
        limits = httpx.Limits(max_connections=1)
        with to_sync(httpx.AsyncClient)(
            trust_env=False, base_url=http_url, limits=limits
        ) as client:
            for _ in range(3):
                for line in lines(client, "/10000"):
                    assert line == "0123456789" * 500
                    break


@pytest.mark.skipif(sys.platform == "win32", reason="needs getrusage")
def test_large_download(http_url: str) -> None:
    """A download of 50 MB is read line by line, and never is more than a little in memory."""
    script = f"""
        import resource, sys
        import httpx
        from aiofutures import to_sync

        @to_sync
        async def lines(client, url):
            async with client.stream("GET", url) as response:
                async for line in response.aiter_lines():
                    yield line

        def peak():
            unit = 1 if sys.platform == "darwin" else 1024
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

        with to_sync(httpx.AsyncClient)(trust_env=False, timeout=60) as client:
            list(lines(client, "{http_url}/100"))
            before = peak()
            size = sum(len(line) + 1 for line in lines(client, "{http_url}/10000"))
            print(size, peak() - before)
        """

    done = subprocess.run(
        interpreter(script, "-W", "error"), capture_output=True, text=True, timeout=60, check=True
    )

    size, memory = map(int, done.stdout.split())
    assert size == 50_010_000
    assert memory < 5_000_000
