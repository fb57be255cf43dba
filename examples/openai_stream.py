"""Print an answer of OpenAI's API as it arrives, with the async client.

By hand: a thread that runs an event loop, `run_coroutine_threadsafe` for the request and for each
chunk, and a way to close the response when the loop is left.
"""

from openai import AsyncOpenAI
from servers import openai_server, run

from aiofutures import to_sync, to_sync_iter


def main(url: str) -> None:
    """Ask a server that repeats the question."""
    with to_sync(AsyncOpenAI)(base_url=url, api_key="none") as client:
        chunks = to_sync_iter(client.chat.completions.create)(
            model="parrot",
            messages=[{"role": "user", "content": "what arrives word by word"}],
            stream=True,
        )
        for chunk in chunks:
            print(chunk.choices[0].delta.content, end="", flush=True)
        print()
        print(*[model.id for model in to_sync_iter(client.models.list)()])


if __name__ == "__main__":
    run(main, openai_server)
