"""Receive what is published on a Redis channel in a `for` loop, with `redis.asyncio`.

By hand: a thread that runs an event loop, a task there that listens, a queue, a way to end both.
"""

from collections.abc import AsyncGenerator

from redis.asyncio import Redis
from servers import redis_server, run

from aiofutures import to_sync


@to_sync
async def messages(url: str, channel: str) -> AsyncGenerator[str, None]:
    """Yield "ready" when it listens, then what is published."""
    async with Redis.from_url(url, decode_responses=True) as redis, redis.pubsub() as subscription:
        await subscription.subscribe(channel)
        async for event in subscription.listen():
            yield event["data"] if event["type"] == "message" else "ready"


@to_sync
async def publish(url: str, channel: str, message: str) -> None:
    """Send a message to all who listen."""
    async with Redis.from_url(url) as redis:
        await redis.publish(channel, message)


def main(url: str) -> None:
    """Count down, each number an answer to the one before."""
    for message in messages(url, "countdown"):
        print(message)
        if message == "0":
            break
        publish(url, "countdown", "3" if message == "ready" else str(int(message) - 1))


if __name__ == "__main__":
    run(main, redis_server)
