"""What the benchmarks stand on: a tenant, its live numbers, a key, an app, and rows in bulk."""

from dataclasses import dataclass
from typing import Any

from django.db import connection

from accounts import keys, tenants
from accounts.models import BusinessAccount, MetaApp, PhoneNumber, Tenant

APP_SECRET = "benchmarks-only"
TOKEN = "benchmarks-only"
# Meta's ids are decimal strings; these begin so that nobody takes them for real ones.
_NUMBER = 998_000_000_000_000
_PLENTY = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Stand:
    """One tenant, and what a client of its would hold."""

    tenant: Tenant
    key: str
    numbers: list[PhoneNumber]
    app: MetaApp


def clear() -> None:
    """Empty what grows, but keep what was seeded for the lists."""
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE messaging_metaevent, messaging_idempotentanswer, messaging_dispatch,"
            " webhooks_app_event, webhooks_app_delivery, webhooks_app_attempt CASCADE"
        )


def stand(name: str, *, count: int = 1) -> Stand:
    """Open a tenant with live numbers of no limit, whose Meta is the sandbox server."""
    tenant = tenants.open_tenant(name=name)
    tenant.plan = "enterprise"
    tenant.requests_per_second = tenant.requests_per_day = _PLENTY
    tenant.save()
    account = BusinessAccount(
        tenant=tenant,
        customer=tenant.customers.get(is_default=True),
        waba_id=str(_NUMBER + tenant.pk * 1000),
        display_name=name,
        status=BusinessAccount.Status.ACTIVE,
    )
    account.access_token = TOKEN
    account.save()
    numbers = [_number(account, index) for index in range(count)]
    _, key = keys.mint(tenant=tenant, label="bench", environment="live")
    app, _ = MetaApp.objects.get_or_create(app_id=str(_NUMBER), defaults={"name": "bench"})
    app.secret, app.verify_token = APP_SECRET, APP_SECRET
    app.save()
    return Stand(tenant, key, numbers, app)


def _number(account: BusinessAccount, index: int) -> PhoneNumber:
    phone_number_id = str(int(account.waba_id) + index + 1)
    return PhoneNumber.objects.create(
        tenant=account.tenant,
        business_account=account,
        phone_number_id=phone_number_id,
        display_phone_number=f"+1 555 01{index:02d}",
        display_phone_number_normalized=f"155501{index:02d}",
        throughput_tier=PhoneNumber.Tier.UNLIMITED,
        status=PhoneNumber.Status.ACTIVE,
        window_policy=PhoneNumber.WindowPolicy.DEFER,
    )


def queue(number: PhoneNumber, count: int) -> None:
    """So many accepted texts, each to another person, due now."""
    with connection.cursor() as cursor:
        cursor.execute(_QUEUE, {"tenant": number.tenant_id, "number": number.pk, "count": count})
        cursor.execute("ANALYZE messaging_message, messaging_dispatch")


def sent(number: PhoneNumber, count: int, *, mark: str) -> None:
    """So many texts that Meta has taken, named `wamid.<mark><n>`."""
    with connection.cursor() as cursor:
        parameters: dict[str, Any] = {
            "tenant": number.tenant_id,
            "number": number.pk,
            "count": count,
            "mark": mark,
        }
        cursor.execute(_SENT, parameters)


def owe(stand: Stand, *, endpoint_ids: list[int], count: int) -> None:
    """So many events, each owed to one of the endpoints in turn."""
    number = stand.numbers[0]
    body = (
        b'{"event":"whatsapp.message.sent","occurred_at":"2026-11-25T03:00:00Z","tenant_id":"1",'
        b'"phone_number_id":"998000000000001","message":{"id":"249744948428013590","status":"sent",'
        b'"wa_message_id":"wamid.HBgNNTQ5MTE0MDEyMzQ1NhUCABEYEjY0","to_phone":"5491140123456"}}'
    )
    parameters: dict[str, Any] = {
        "tenant": stand.tenant.pk,
        "number": number.pk,
        "count": count,
        "body": body,
        "endpoints": endpoint_ids,
    }
    with connection.cursor() as cursor:
        cursor.execute(_OWE, parameters)
        cursor.execute("ANALYZE webhooks_app_delivery, webhooks_app_event")


_COLUMNS = "tenant_id, phone_number_id, direction, type, status, origin, peer, request_id, attempt_count"
_QUEUE = f"""
WITH message AS (
    INSERT INTO messaging_message ({_COLUMNS})
    SELECT %(tenant)s, %(number)s, 'outbound', 'text', 'queued', 'cloud_api',
           '4917' || (1000000 + n) || '0', '', 0  -- none of the sandbox's magic numbers
      FROM generate_series(1, %(count)s) n
    RETURNING id, phone_number_id, peer
), content AS (
    INSERT INTO messaging_messagecontent (message_id, body, tracking)
    SELECT id, '{{"type": "text", "text": {{"body": "Your order is on its way."}}}}'::jsonb, '' FROM message
)
INSERT INTO messaging_dispatch (message_id, phone_number_id, peer, state, epoch, claim_count)
SELECT id, phone_number_id, peer, 'queued', 0, 0 FROM message
"""  # noqa: S608 -- constants of this file
_SENT = f"""
INSERT INTO messaging_message ({_COLUMNS}, wamid, sent_at)
SELECT %(tenant)s, %(number)s, 'outbound', 'text', 'sent', 'cloud_api', '4917' || (1000000 + n) || '0', '', 1,
       'wamid.' || %(mark)s || n, now()
  FROM generate_series(1, %(count)s) n
"""  # noqa: S608 -- constants of this file
_OWE = """
WITH event AS (
    INSERT INTO webhooks_app_event (tenant_id, phone_number_id, type, occurred_at, body)
    SELECT %(tenant)s, %(number)s, 'message.sent', now(), %(body)s
      FROM generate_series(1, %(count)s) n
    RETURNING id
), turn AS (SELECT id, row_number() OVER () AS n FROM event)
INSERT INTO webhooks_app_delivery
       (tenant_id, endpoint_id, event_id, delivery_id, status, attempt_count, attempts_before, trigger,
        claim_count, ended_reason)
SELECT %(tenant)s, (%(endpoints)s::bigint[])[1 + n %% cardinality(%(endpoints)s::bigint[])], id,
       gen_random_uuid(), 'pending', 0, 0, 'schedule', 0, ''
  FROM turn
"""
