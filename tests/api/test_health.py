"""Alive, and ready."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from messaging.models import MetaEvent
from tests.faults.servers import Redis


@pytest.mark.django_db
def test_alive_asks_the_database_nothing(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        response = Client().get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_ready_tells_of_the_database_and_of_what_waits(settings: Settings) -> None:
    settings.REDIS_URL = ""
    MetaEvent.objects.create(body=b"", digest=b"1", next_attempt_at=timezone.now() - timedelta(seconds=90))

    response = Client().get("/readyz")

    report = response.json()
    assert response.status_code == 200
    assert (report["status"], report["database"], report["migrations"]) == ("ok", "ok", "applied")
    assert report["redis"] == "not configured"
    assert 90 <= report["oldest_due_seconds"]["callbacks"] < 120
    assert report["oldest_due_seconds"]["messages"] == 0


@pytest.mark.django_db
def test_without_redis_it_is_degraded_and_still_ready(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    response = Client().get("/readyz")

    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["redis"] == "unreachable"


@pytest.mark.django_db
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server")
def test_a_redis_that_takes_no_writes_is_degraded_too(settings: Settings, tmp_path: Path) -> None:
    redis = Redis(tmp_path)
    redis.start()
    settings.REDIS_URL = f"redis://127.0.0.1:{redis.port}/0"
    try:
        assert Client().get("/readyz").json()["redis"] == "ok"
        with redis.client() as client:
            client.config_set("maxmemory", "1")
        report = Client().get("/readyz").json()
    finally:
        redis.kill()

    assert (report["status"], report["redis"]) == ("degraded", "unwritable")
