"""Rows in bulk of what grows beside the messages: events, deliveries, attempts, callbacks, the trail."""

from django.db import connection, transaction

from accounts.models import Tenant
from webhooks_app.models import Delivery, WebhookEndpoint


def fill(tenant: Tenant, *, rows: int) -> None:
    """So many of each, over the past weeks, once: kept from run to run as the messages are."""
    endpoint, _ = WebhookEndpoint.objects.get_or_create(
        tenant=tenant, url="https://bench.example/hook", sealed_secret="none"
    )
    if Delivery.objects.filter(endpoint=endpoint).exists():
        return
    values = {
        "tenant": tenant.pk,
        "number": tenant.phone_numbers.order_by("pk")[0].pk,
        "endpoint": endpoint.pk,
        "rows": rows,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        # Every reference is to a row just made: looking each up again would take minutes.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for statement in _STATEMENTS:
            cursor.execute(statement.format(id=_ID, at=_AT), values)
    with connection.cursor() as cursor:
        cursor.execute(
            "VACUUM ANALYZE webhooks_app_event, webhooks_app_delivery, webhooks_app_attempt,"
            " messaging_metaevent, accounts_auditevent, webhooks_app_replay"
        )


# Ids as they would have been made, one every few seconds back from now.
_ID = "(((extract(epoch FROM now()) * 1000)::bigint - 1735689600000 - n::bigint * 5000) << 22 | n %% 4000000)"
_AT = "now() - n * interval '5 seconds'"
_STATEMENTS = (
    """
INSERT INTO webhooks_app_event (id, tenant_id, phone_number_id, type, occurred_at, body, created_at)
SELECT {id}, %(tenant)s, %(number)s,
       (ARRAY['whatsapp.message.sent', 'whatsapp.message.read', 'whatsapp.message.failed'])[1 + n %% 3],
       {at}, convert_to('{{"event": "whatsapp.message.sent", "n": ' || n || '}}', 'UTF8'), {at}
  FROM generate_series(1, %(rows)s) n
""",
    """
INSERT INTO webhooks_app_delivery
       (id, tenant_id, endpoint_id, event_id, delivery_id, status, attempt_count, attempts_before, trigger,
        claim_count, ended_reason, next_attempt_at, delivered_at, created_at)
SELECT {id}, %(tenant)s, %(endpoint)s, {id}, gen_random_uuid(),
       CASE WHEN n %% 200 = 0 THEN 'failed' ELSE 'delivered' END, 1, 0, 'schedule', 0,
       CASE WHEN n %% 200 = 0 THEN 'exhausted' ELSE '' END, NULL, {at}, {at}
  FROM generate_series(1, %(rows)s) n
""",
    """
INSERT INTO webhooks_app_attempt
       (id, delivery_id, number, trigger, started_at, duration_ms, response_status, response_headers,
        response_body, error)
SELECT {id}, {id}, 1, 'schedule', {at}, 20 + n %% 300, CASE WHEN n %% 200 = 0 THEN 500 ELSE 200 END,
       '{{}}'::jsonb, 'ok', ''
  FROM generate_series(1, %(rows)s) n
""",
    """
INSERT INTO messaging_metaevent
       (id, is_sandbox, body, digest, received_at, handled_at, next_attempt_at, attempt_count, errors)
SELECT {id}, n %% 50 = 0, convert_to('{{"n": ' || n || '}}', 'UTF8'), sha256(int8send(n)), {at}, {at},
       NULL, 1, '[]'::jsonb
  FROM generate_series(1::bigint, %(rows)s) n
""",
    """
INSERT INTO accounts_auditevent
       (id, at, actor, action, tenant_id, subject_type, subject_id, subject, reason, details, request_id)
SELECT {id}, {at}, 'someone' || n %% 20, 'message.viewed', %(tenant)s, 'message', n::text,
       'Message ' || n, '', '{{}}'::jsonb, 'req_' || left(md5(n::text), 24)
  FROM generate_series(1, %(rows)s) n
""",
)
