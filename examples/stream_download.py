"""Read a download of any size line by line, with httpx's async client.

By hand: a thread that runs an event loop, `run_coroutine_threadsafe` for each step, a bounded
queue that brings lines, errors and the end to the caller, and a way to stop it all early.
"""

from collections.abc import AsyncGenerator

import httpx
from servers import http_server, run

from aiofutures import to_sync


@to_sync
async def read_lines(client: httpx.AsyncClient, url: str) -> AsyncGenerator[str, None]:
    """Yield the lines as they arrive."""
    async with client.stream("GET", url) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            yield line


def main(url: str) -> None:
    """Count 10,000 lines."""
    with to_sync(httpx.AsyncClient)(trust_env=False) as client:  # a server here needs no proxy
        lines = characters = 0
        for line in read_lines(client, f"{url}/10000"):
            lines += 1
            characters += len(line)
    print(f"{lines} lines, {characters} characters")


if __name__ == "__main__":
    run(main, http_server)
