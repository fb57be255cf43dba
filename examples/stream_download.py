"""Read a download of any size line by line, with httpx's async client.

By hand: a thread that runs an event loop, `run_coroutine_threadsafe` for each step, a bounded
queue that brings lines, errors and the end to the caller, and a way to stop it all early.
"""

import httpx

from aiofutures import sync_class

Client = sync_class(httpx.AsyncClient)


def main(url: str) -> None:
    """Count 10,000 lines."""
    lines = characters = 0
    # A server here needs no proxy.
    with (
        Client(trust_env=False) as client,
        client.stream("GET", f"{url}/10000") as response,
    ):
        response.raise_for_status()
        for line in response.aiter_lines():
            lines += 1
            characters += len(line)
    print(f"{lines} lines, {characters} characters")


if __name__ == "__main__":
    from servers import http_server, run

    run(main, http_server)
