"""A channel whose connection was given up closes without a word, and one in use gives back what it held."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from celery import Celery
from django.conf import settings
from kombu import Connection

from gosend.celery import app
from gosend.lib import doorbell
from gosend.lib.redis_broker import Channel, Transport, put

pytestmark = pytest.mark.skipif(not settings.REDIS_URL, reason="needs Redis")
# One for each process of a test run.
QUEUE = f"gosend-test-bells-{os.getpid()}"
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
        found.delete(QUEUE, f"_kombu.binding.{QUEUE}")


@pytest.fixture
def held(server: redis.Redis) -> Iterator[Channel]:
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
    transport, client = held.connection, held.connection.client
    transport.client = None

    held.close()

    assert held.closed
    held.close()  # as Celery does at the end of a worker
    transport.client = client


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


def test_bells_of_several_tasks_and_numbers_are_all_rung(
    server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = Celery("mine", broker=settings.REDIS_URL, set_as_current=False)
    theirs = Celery("theirs", broker=settings.REDIS_URL, set_as_current=False)
    for one in (mine, theirs):
        one.conf.update(task_default_queue=QUEUE, task_publish_retry=False)
    bells = [
        doorbell._Bell(task, (("number_id", number_id),))
        for number_id in (7, 8)
        for task in ("messaging.drain", "templates_app.sync")
    ]
    for one in (mine, theirs, mine):
        doorbell._send(one, *bells)
    monkeypatch.setattr(doorbell, "_PATTERN_SECONDS", -1.0)  # each is the library's own from now on
    doorbell._send(theirs, *bells)
    heard = [json.loads(raw)["headers"] for raw in server.lrange(QUEUE, 0, -1)]

    told = Counter((one["task"], one["kwargsrepr"]) for one in heard)
    assert told == {(bell.task, f"{{'number_id': {dict(bell.arguments)['number_id']}}}"): 4 for bell in bells}
    for one in (mine, theirs):
        one.close()
