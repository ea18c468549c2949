"""The console's lists and searches over a large history: the 95th percentile of each page."""

import time
from collections.abc import Callable
from itertools import count

import psutil  # type: ignore[import-untyped]
from django.db import connection
from django.test import Client, override_settings

from accounts.models import Tenant, User
from messaging import rollups
from messaging.models import Message
from tests.benchmarks import history, lists, measure, world
from tests.benchmarks.measure import Result
from webhooks_app.models import Delivery

# Milliseconds within which 95 of 100 pages are to be answered.
_P95_MS = 150.0
_ASKED = 60
_WARM = 5
_LOG = "/console/messaging/message/"
_LISTS = {
    "deliveries": "webhooks_app/delivery/",
    "deliveries-deep": "webhooks_app/delivery/?p=199",
    "attempts": "webhooks_app/attempt/",
    "events": "webhooks_app/event/",
    "callbacks": "messaging/metaevent/",
    "callbacks-live": "messaging/metaevent/?is_sandbox__exact=0",
    "audit": "accounts/auditevent/",
    "tenants": "accounts/tenant/",
    "numbers": "accounts/phonenumber/",
    "keys": "accounts/apikey/",
    "endpoints": "webhooks_app/webhookendpoint/",
    "templates": "templates_app/template/",
}


def pages(*, rows: int) -> list[Result]:
    """Every list and search page, asked for by somebody who sees all tenants, each time for other rows."""
    _, tenant = lists.fill(rows)
    history.fill(tenant, rows=rows // 10)
    rollups.refresh()
    return over(tenant)


def over(tenant: Tenant) -> list[Result]:
    client = Client(HTTP_HOST="127.0.0.1")
    user, _ = User.objects.get_or_create(
        username="bench-console", defaults={"is_staff": True, "is_superuser": True}
    )
    client.force_login(user)
    sample = list(Message.objects.filter(tenant=tenant).order_by("-pk")[: 40 * _ASKED : 40])
    if len(sample) < _ASKED:
        raise world.CannotBench(f"{tenant} has too few messages")
    number = sample[0].phone_number_id
    delivery = Delivery.objects.order_by("-pk").values_list("delivery_id", flat=True)[0]
    found: dict[str, Callable[[Message], str]] = {
        "home": lambda _: "/console/",
        "log": lambda _: _LOG,
        "log-deep": lambda row: f"{_LOG}?before={row.pk // 2}",
        "log-tenant": lambda row: f"{_LOG}?tenant={tenant.pk}&before={row.pk}",
        "log-number": lambda row: f"{_LOG}?number={number}&before={row.pk}",
        "log-customer": lambda row: f"{_LOG}?peer={row.peer}",
        "log-failed": lambda _: f"{_LOG}?tenant={tenant.pk}&status=failed",
        "log-nothing": lambda row: f"{_LOG}?tenant={tenant.pk}&status=unconfirmed&before={row.pk}",
        "log-error": lambda _: f"{_LOG}?error=131047",
        "log-type": lambda _: f"{_LOG}?direction=inbound&type=document&within=30d",
        "find-wamid": lambda row: f"{_LOG}find/?q={row.wamid}",
        "find-id": lambda row: f"{_LOG}find/?q={row.pk}",
        "find-number": lambda row: f"{_LOG}find/?q=%2B{row.peer}",
        "find-request": lambda row: f"{_LOG}find/?q={row.request_id or 'req_nobody00'}",
        "find-nothing": lambda _: f"{_LOG}find/?q=nobody-is-called-so",
        "message": lambda row: f"{_LOG}{row.pk}/change/",
        "conversations": lambda _: "/console/messaging/conversation/",
        "conversation": lambda row: f"/console/messaging/conversation/{row.conversation_id}/change/",
        "contacts": lambda _: "/console/messaging/contact/",
        "contacts-search": lambda row: f"/console/messaging/contact/?q={row.peer}",
        "conversations-search": lambda row: f"/console/messaging/conversation/?q={row.peer}",
        **{name: _at(f"/console/{path}") for name, path in _LISTS.items()},
        "deliveries-search": _at(f"/console/webhooks_app/delivery/?q={delivery}"),
        "attempts-search": _at(f"/console/webhooks_app/attempt/?q={delivery}"),
        "audit-search": lambda row: f"/console/accounts/auditevent/?q={row.pk}",
        "tenants-search": _at("/console/accounts/tenant/?q=bench"),
        "numbers-search": _at("/console/accounts/phonenumber/?q=bench"),
    }
    # The second factor is asked for once a session, and not on each page.
    with override_settings(CONSOLE_SECOND_FACTOR=False):
        return [_one(client, name, path, sample) for name, path in found.items()]


def _at(path: str) -> Callable[[Message], str]:
    return lambda _: path


def _one(client: Client, name: str, path: Callable[[Message], str], sample: list[Message]) -> Result:
    took = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = psutil.Process(cursor.fetchone()[0])
    ours = theirs = 0.0
    for turn, row in zip(count(), (*sample[:_WARM], *sample), strict=False):
        if turn == _WARM:
            ours, theirs = time.process_time(), measure.cpu_of(backend)
        url = path(row)
        began = time.perf_counter()
        answer = client.get(url)
        if turn >= _WARM:
            took.append(1000 * (time.perf_counter() - began))
        # A search that finds one thing leads there.
        if answer.status_code != 200 and not (name.startswith("find-") and answer.status_code == 302):
            raise world.CannotBench(f"{url}: {answer.status_code}")
    took.sort()
    p50, p95 = took[len(took) // 2], took[int(len(took) * 0.95)]
    # Where other work shares the machine, the processor's own time says more than the clock's.
    pages = len(sample)
    spent = 1000 * (time.process_time() - ours) / pages, 1000 * (measure.cpu_of(backend) - theirs) / pages
    note = (
        f"half of the pages within {p50:.0f} ms, 95 of 100 within {p95:.0f} ms;"
        f" processor's time a page: {spent[0]:.0f} ms here, {spent[1]:.0f} ms in PostgreSQL"
    )
    return Result(
        f"console-{name}",
        f"95th percentile by {_P95_MS:.0f} ms",
        p95 / _P95_MS,
        1.0,
        is_most=True,
        notes=[note],
    )
