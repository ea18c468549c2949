"""A channel whose connection was given up closes without a word, and one in use gives back what it held."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from django.conf import settings
from kombu import Connection

from gosend.celery import app
from gosend.lib.redis_broker import Channel, Transport, put

pytestmark = pytest.mark.skipif(not settings.REDIS_URL, reason="needs Redis")
QUEUE = "gosend-test-bells"
_IDS = (
    ("headers", "id"),
    ("headers", "root_id"),
    ("properties", "correlation_id"),
    ("properties", "delivery_tag"),
)


@pytest.fixture
def server() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.REDIS_URL) as found:
        yield found
        found.delete(QUEUE)


@pytest.fixture
def held() -> Iterator[Channel]:
    """A channel that took a doorbell and has not acknowledged it."""
    with Connection(settings.REDIS_URL, transport=Transport) as connection:
        with connection.SimpleQueue(QUEUE) as queue:
            queue.put({"ring": 1})
        channel = connection.channel()
        assert isinstance(channel, Channel)
        assert channel.basic_get(QUEUE) is not None
        yield channel


def test_it_is_the_transport_of_the_workers() -> None:
    assert app.connection_for_read().transport_cls == "redis"
    assert isinstance(app.connection_for_read().transport, Transport)


def test_what_was_held_is_given_back(held: Channel, server: redis.Redis) -> None:
    assert server.llen(QUEUE) == 0

    held.close()

    assert server.llen(QUEUE) == 1


def test_a_connection_that_was_given_up_is_no_reason_to_end(held: Channel) -> None:
    held.connection.client = None

    held.close()

    assert held.closed


def _put(connection: Connection, number_id: int) -> Channel:
    """A doorbell as the library writes it."""
    channel = connection.channel()
    assert isinstance(channel, Channel)
    with app.amqp.Producer(channel) as producer:
        app.send_task(
            "messaging.drain",
            kwargs={"number_id": number_id},
            producer=producer,
            queue=QUEUE,
            ignore_result=True,
            expires=30,
        )
    return channel


def _told(message: dict[str, Any]) -> tuple[Any, ...]:
    """What a worker reads of it, without what is of one message only."""
    own = ("id", "root_id", "expires", "kwargsrepr")
    headers = {name: value for name, value in message["headers"].items() if name not in own}
    properties = {
        name: value
        for name, value in message["properties"].items()
        if name not in ("correlation_id", "delivery_tag")
    }
    rest = {name: value for name, value in message.items() if name not in ("headers", "properties", "body")}
    return headers, properties, rest


def test_what_is_written_again_is_as_the_library_writes_it(server: redis.Redis) -> None:
    with Connection(settings.REDIS_URL, transport=Transport) as connection:
        channel = _put(connection, 7)
        assert channel.pattern is not None
        put(channel, [(channel.pattern, {"number_id": 8}), (channel.pattern, {"number_id": 9})], expires=30)
        first, second, third = (json.loads(raw) for raw in reversed(server.lrange(QUEUE, 0, -1)))

        assert _told(first) == _told(second) == _told(third)
        assert second["headers"].keys() == first["headers"].keys()
        assert second["headers"]["kwargsrepr"] == "{'number_id': 8}"
        ids = {one[part][name] for one in (first, second, third) for part, name in _IDS}
        assert len(ids) == 6  # a task's own id, in three places, and a delivery's
        ends = [datetime.fromisoformat(one["headers"]["expires"]) for one in (first, second)]
        assert abs(ends[0] - ends[1]) < timedelta(seconds=20)


def test_a_worker_reads_it(server: redis.Redis) -> None:
    with Connection(settings.REDIS_URL, transport=Transport) as connection:
        channel = _put(connection, 7)
        server.delete(QUEUE)
        assert channel.pattern is not None
        put(channel, [(channel.pattern, {"number_id": 8})], expires=30)

        message = channel.basic_get(QUEUE)

    assert message is not None
    assert message.decode()[:2] == [[], {"number_id": 8}]
    assert message.headers["task"] == "messaging.drain"
