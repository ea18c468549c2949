"""Alive? Ready?"""

from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from gosend.api import json
from messaging import backlog
from webhooks_app import backlog as webhooks

_REDIS_SECONDS = 0.5
# A process that has not reported for as long counts as gone: it does so every five seconds.
PROCESS_SECONDS = 30.0
_migrated = False


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """The process answers; nothing else is asked, so that a database outage restarts no process."""
    return _answer(200, {"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Without Redis everything still works, only slower; without the database nothing does."""
    try:
        is_migrated = _is_migrated()
        waiting = _waiting() if is_migrated else {}
    except DatabaseError:
        return _answer(503, {"status": "unavailable", "database": "unreachable"})
    report: dict[str, Any] = {
        "status": "ok",
        "database": "ok",
        "migrations": "applied" if is_migrated else "missing",
        "redis": redis_state(),
        "oldest_due_seconds": waiting,
    }
    if not is_migrated:
        report["status"] = "unavailable"
    elif report["redis"] in ("unreachable", "unwritable"):
        report["status"] = "degraded"
    return _answer(200 if is_migrated else 503, report)


def _is_migrated() -> bool:
    """Looked up until it is so: a process's code, and so what it wants applied, does not change."""
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _migrated


def _waiting() -> dict[str, float]:
    """Seconds that the oldest due row of each kind has waited: a number that grows has no worker."""
    return {
        "messages": round(backlog.oldest_due_seconds(), 3),
        "deliveries": round(webhooks.deliveries().oldest_seconds, 3),
        "callbacks": round(backlog.callbacks().oldest_seconds, 3),
        "sandbox_callbacks": round(backlog.sandbox_callbacks().oldest_seconds, 3),
    }


def redis_state() -> str:
    """Tell whether Redis takes writes: ok, unwritable, unreachable, or not configured.

    One that is full, or follows another, answers a ping and is of no use to the limits and the doorbells.
    """
    if not settings.REDIS_URL:
        return "not configured"
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS
    )
    try:
        client.set("gosend:ready", 1, ex=60)
    except redis.ResponseError:
        return "unwritable"
    except redis.RedisError:
        return "unreachable"
    finally:
        client.close()
    return "ok"


def _answer(status: int, report: dict[str, Any]) -> HttpResponse:
    return HttpResponse(
        json.dumps(report),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
