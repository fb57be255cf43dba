"""Redis: what is published on a channel, in a `for` loop."""

from collections.abc import AsyncGenerator
from threading import Event

import pytest
from redis.asyncio import Redis
from support import LIMIT, in_thread

from aiofutures import TimeoutError, to_sync

pytestmark = pytest.mark.usefixtures("default_executor")


async def listen(url: str, channel: str) -> AsyncGenerator[str, None]:
    """Yield the kinds of all events and the messages."""
    async with Redis.from_url(url, decode_responses=True) as redis, redis.pubsub() as subscription:
        await subscription.subscribe(channel)
        async for event in subscription.listen():
            yield event["data"] if event["type"] == "message" else event["type"]


@to_sync
async def publish(url: str, channel: str, *messages: str) -> int:
    """Send messages; return how many have received the last one."""
    receivers = 0
    async with Redis.from_url(url) as redis:
        for message in messages:
            receivers = await redis.publish(channel, message)
    return receivers


def test_subscription(redis_url: str) -> None:
    """All that is published after the subscription arrives, in order."""
    listening = Event()

    def receive() -> list[str]:
        received = []
        for message in to_sync(listen)(redis_url, "channel"):
            listening.set()
            received.append(message)
            if message == "end":
                break
        return received

    receiver = in_thread(receive)
    assert listening.wait(LIMIT)
    sent = [*map(str, range(100)), "end"]

    assert publish(redis_url, "channel", *sent) == 1

    assert receiver.result(LIMIT) == ["subscribe", *sent]
    assert publish(redis_url, "channel", "nobody listens any more") == 0


def test_silence(redis_url: str) -> None:
    """A message that does not come in time is a TimeoutError, and the subscription ends."""
    events = to_sync(timeout=2)(listen)(redis_url, "silence")
    assert next(events) == "subscribe"

    with pytest.raises(TimeoutError):
        next(events)

    while publish(redis_url, "silence", "does anybody listen?"):
        pass
