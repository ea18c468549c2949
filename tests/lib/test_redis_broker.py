"""A channel whose connection was given up closes without a word, and one in use gives back what it held."""

from collections.abc import Iterator

import pytest
import redis
from django.conf import settings
from kombu import Connection

from gosend.celery import app
from gosend.lib.redis_broker import Channel, Transport

pytestmark = pytest.mark.skipif(not settings.REDIS_URL, reason="needs Redis")
QUEUE = "gosend-test-bells"


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
