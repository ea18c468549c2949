"""Alive? Ready?"""

from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from gosend.api import json
from gosend.sandbox.models import PendingCallback
from messaging.models import Dispatch, MetaEvent
from webhooks_app.models import Delivery

_REDIS_SECONDS = 0.5
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
        "redis": _redis(),
        "oldest_due_seconds": waiting,
    }
    if not is_migrated:
        report["status"] = "unavailable"
    elif report["redis"] == "unreachable":
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
        "messages": _age(Dispatch.objects.filter(state=Dispatch.State.QUEUED), "due_at"),
        "deliveries": _age(Delivery.objects.filter(next_attempt_at__isnull=False), "next_attempt_at"),
        "callbacks": _age(MetaEvent.objects.filter(next_attempt_at__isnull=False), "next_attempt_at"),
        "sandbox_callbacks": _age(PendingCallback.objects.all(), "due_at"),
    }


def _age(rows: QuerySet[Any, Any], moment: str) -> float:
    oldest = rows.aggregate(oldest=Min(moment))["oldest"]
    return max(0.0, round((timezone.now() - oldest).total_seconds(), 3)) if oldest else 0.0


def _redis() -> str:
    if not settings.REDIS_URL:
        return "not configured"
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS
    )
    try:
        client.ping()
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
