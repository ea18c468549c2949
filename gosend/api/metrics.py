"""Prometheus reads this.

Counters and histograms are those of every process, from the database; gauges are read from the rows when they
are asked for, by capped queries along an index. So any one web process tells the whole truth: scrape one.
"""

import hmac
import ipaddress
import platform
import time
import tomllib
from functools import cache

import django
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from accounts.models import PhoneNumber
from gosend.api import auth, health
from gosend.lib import exposition, metrics
from gosend.lib.exposition import Gauge
from messaging import backlog
from webhooks_app import backlog as webhooks

_FORWARDED = ("X-Forwarded-For", "X-Real-Ip", "Forwarded", "X-Forwarded-Host")
_SCHEME = "Bearer "


@require_safe
def serve(request: HttpRequest) -> HttpResponse:
    """Say how things stand, to those who run this installation only."""
    if not _may_read(request):
        return _refusal()
    started = time.monotonic()
    try:
        gauges, totals = [*_gauges()], metrics.totals()
    except DatabaseError:
        down = Gauge("gosend_up", "Whether the database answers.").put(0)
        return HttpResponse(exposition.text([down], {}), content_type=exposition.CONTENT_TYPE)
    took = Gauge("gosend_scrape_seconds", "What this answer took.").put(time.monotonic() - started)
    return HttpResponse(
        exposition.text([*gauges, took], totals),
        content_type=exposition.CONTENT_TYPE,
        headers={"Cache-Control": "no-store"},
    )


def _may_read(request: HttpRequest) -> bool:
    """With METRICS_TOKEN set whoever has it; without it this machine and the trusted networks.

    What came through a proxy that is not among TRUSTED_PROXIES has no address that could be believed.
    """
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        wanted = _SCHEME + settings.METRICS_TOKEN
        return hmac.compare_digest(given.encode(), wanted.encode())
    try:
        address = ipaddress.ip_address(auth.address_of(request))
    except ValueError:
        return False
    is_direct = not any(name in request.headers for name in _FORWARDED)
    believed = is_direct or auth.address_of(request) != request.META.get("REMOTE_ADDR")
    return believed and (address.is_loopback or any(address in net for net in settings.TRUSTED_NETWORKS))


def _refusal() -> HttpResponse:
    if settings.METRICS_TOKEN:
        return HttpResponse(
            "Send Authorization: Bearer with the METRICS_TOKEN of this installation.\n",
            status=401,
            content_type="text/plain; charset=utf-8",
            headers={"WWW-Authenticate": "Bearer"},
        )
    why = "Only this machine and TRUSTED_NETWORKS may read this; others need a METRICS_TOKEN to be set.\n"
    return HttpResponse(why, status=403, content_type="text/plain; charset=utf-8")


@cache
def version() -> str:
    declared = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())
    return str(declared["project"]["version"])


def _gauges() -> list[Gauge]:
    build = Gauge("gosend_build_info", "What runs here.", ("version", "python", "django"))
    build.put(1, version(), platform.python_version(), django.get_version())
    up = Gauge("gosend_up", "Whether the database answers.").put(1)
    return [up, build, *_redis(), *_messages(), *_webhooks(), *_callbacks(), *_numbers(), *_heartbeats()]


def _redis() -> list[Gauge]:
    words = "Whether Redis answers; nothing where none is configured."
    up = Gauge("gosend_redis_up", words)
    if settings.REDIS_URL:
        up.put(health.redis_state() == "ok")
    return [up]


def _messages() -> list[Gauge]:
    words = f"Messages that wait to be sent, by throughput tier; counted to {backlog.CAP}."
    depth = Gauge("gosend_queue_depth", words, ("tier",))
    words = "Seconds since the oldest of them was due; a held number's count as well."
    age = Gauge("gosend_queue_oldest_seconds", words, ("tier",))
    known = {queue.tier: queue for queue in backlog.queues()}
    for tier in PhoneNumber.Tier.values:
        queue = known.get(tier)
        depth.put(queue.depth if queue else 0, tier)
        age.put(queue.oldest_seconds if queue else 0, tier)
    sends = Gauge("gosend_sends", "Sends under way (claimed, sending) and in doubt (unknown).", ("state",))
    for state, count in backlog.states().items():
        sends.put(count, state)
    return [depth, age, sends]


def _webhooks() -> list[Gauge]:
    waiting = webhooks.deliveries()
    words = f"Webhook deliveries that are due, or wait for their next try; counted to {webhooks.CAP}."
    depth = Gauge("gosend_webhook_deliveries", words, ("when",)).put(waiting.due, "due")
    age = Gauge("gosend_webhook_oldest_seconds", "Seconds since the oldest due delivery was due.")
    known = webhooks.endpoints()
    endpoints = Gauge("gosend_webhook_endpoints", "Endpoints: all, failing now, disabled.", ("state",))
    endpoints.put(known.total, "all").put(known.failing, "failing").put(known.disabled, "disabled")
    return [depth.put(waiting.later, "later"), age.put(waiting.oldest_seconds), endpoints]


def _callbacks() -> list[Gauge]:
    waiting = backlog.callbacks()
    words = f"Callbacks of Meta's that are not worked off; counted to {backlog.CAP}."
    depth = Gauge("gosend_callbacks_waiting", words).put(waiting.depth)
    age = Gauge("gosend_callbacks_oldest_seconds", "Seconds since the oldest of them was due.")
    words = f"Callbacks of Meta's that failed until their last try; counted to {backlog.CAP}."
    given_up = Gauge("gosend_callbacks_given_up", words).put(backlog.callbacks_given_up())
    return [depth, age.put(waiting.oldest_seconds), given_up]


def _numbers() -> list[Gauge]:
    by_status = Gauge("gosend_numbers", "Numbers, by connection status.", ("status",))
    live = PhoneNumber.objects.filter(is_sandbox=False)
    known = dict(live.order_by().values_list("status").annotate(Count("pk")))
    for status in PhoneNumber.Status.values:
        by_status.put(known.get(status, 0), status)
    quality = Gauge("gosend_numbers_quality", "Live numbers, by Meta's quality rating.", ("rating",))
    known = dict(live.order_by().values_list("quality_rating").annotate(Count("pk")))
    for rating in PhoneNumber.Quality.values:
        quality.put(known.get(rating, 0), rating)
    return [by_status, quality]


def _heartbeats() -> list[Gauge]:
    sweeps = Gauge("gosend_sweep_age_seconds", "Seconds since a sweep was last round.", ("sweep",))
    processes = Gauge(
        "gosend_processes",
        "Processes seen within the last half minute; rounds: workers that look for work by themselves.",
        ("kind",),
    )
    memory = Gauge("gosend_resident_memory_bytes", "Their resident memory, all together.", ("kind",))
    seen: dict[str, list[int]] = {"web": [], "worker": []}
    with connection.cursor() as cursor:
        cursor.execute(_SEEN)
        for name, kind, age, rss in cursor.fetchall():
            if kind == "sweep":
                sweeps.put(max(0.0, age), name)
            elif age < health.PROCESS_SECONDS:
                seen.setdefault(kind, []).append(rss)
    for kind, sizes in seen.items():
        processes.put(len(sizes), kind)
        if kind != "rounds":
            memory.put(sum(sizes), kind)
    return [sweeps, processes, memory]


_SEEN = """
SELECT name, kind, extract(epoch FROM clock_timestamp() - at)::float8, rss_bytes FROM gosend_heartbeat
 WHERE kind <> 'turn' ORDER BY name LIMIT 1000
"""
