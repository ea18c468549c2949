"""Fill tenants with messages of the past, to see how lists and the console fare with millions."""

import time
import zlib
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.db.utils import ProgrammingError

from accounts import tenants
from accounts.models import BusinessAccount, PhoneNumber, Tenant
from messaging import tallies

# Rows that one transaction writes.
_CHUNK = 50_000
# One person for so many messages, up to so many people a tenant.
_MESSAGES_PER_CONTACT = 25
_MAX_CONTACTS = 100_000


class Command(BaseCommand):
    help = (
        "Write messages with plausible people, kinds, statuses and moments, straight into the tables:"
        " no event is told and nothing is sent. Tenants are named 'Seed 1', 'Seed 2' …; a second run with the"
        " same prefix adds to them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--count", type=int, required=True, help="messages in all")
        parser.add_argument("--prefix", default="Seed", help="what the tenants' names begin with")
        parser.add_argument("--tenants", type=int, default=1, help="tenants that share them evenly")
        parser.add_argument("--numbers", type=int, default=2, help="numbers of each tenant")
        parser.add_argument("--days", type=int, default=90, help="days that they reach back")
        parser.add_argument(
            "--indexes-after",
            action="store_true",
            help="drop the messages' indexes meanwhile and build them at the end: several times as fast for"
            " millions, but the table is locked, so nothing else may run",
        )

    def handle(self, **options: Any) -> None:
        count, owners, lines, days = (options[name] for name in ("count", "tenants", "numbers", "days"))
        if min(count, owners, lines, days) < 1:
            raise CommandError("--count, --tenants, --numbers and --days are whole numbers from 1.")
        started = time.monotonic()
        with _indexes_after() if options["indexes_after"] else nullcontext():
            for index in range(owners):
                share = count // owners + (index < count % owners)
                tenant, numbers = _tenant(options["prefix"], index + 1, lines)
                _fill(tenant, numbers, count=share, days=days)
                self.stdout.write(
                    f"tenant {tenant.pk} ({tenant.name}): {share} messages on phone_number_id"
                    f" {', '.join(number.phone_number_id for number in numbers)}"
                )
        with connection.cursor() as cursor:
            for table in ("message", "messagecontent", "messagetally", "contact", "conversation"):
                cursor.execute(f"VACUUM ANALYZE messaging_{table}")
        self.stdout.write(f"{count} messages in {time.monotonic() - started:.0f} s")


def _tenant(prefix: str, index: int, lines: int) -> tuple[Tenant, list[PhoneNumber]]:
    mark = f"{prefix.lower()}-{index}"
    tenant = Tenant.objects.filter(external_id=mark).first() or tenants.open_tenant(
        name=f"{prefix} {index}", external_id=mark
    )
    # Meta's ids are decimal; those that begin so are nobody's.
    begins = f"888{zlib.crc32(mark.encode()):010d}"
    account, _ = BusinessAccount.objects.get_or_create(
        waba_id=begins,
        defaults={
            "tenant": tenant,
            "customer": tenant.customers.get(is_default=True),
            "display_name": tenant.name,
            "status": BusinessAccount.Status.ACTIVE,
        },
    )
    for line in range(lines):
        PhoneNumber.objects.get_or_create(
            phone_number_id=f"{begins}{line:03d}",
            defaults={
                "tenant": tenant,
                "business_account": account,
                "display_phone_number": f"+1 555-{line:03d}-01{index % 100:02d}",
                "display_phone_number_normalized": f"1555{line:03d}01{index % 100:02d}",
                "display_name": tenant.name,
                "quality_rating": PhoneNumber.Quality.GREEN,
                "status": PhoneNumber.Status.ACTIVE,
            },
        )
    return tenant, list(account.phone_numbers.order_by("pk")[:lines])


def _fill(tenant: Tenant, numbers: list[PhoneNumber], *, count: int, days: int) -> None:
    contacts = max(1, min(count // _MESSAGES_PER_CONTACT, _MAX_CONTACTS))
    account = numbers[0].business_account
    parameters: dict[str, Any] = {
        "tenant": tenant.pk,
        "account": account.pk,
        "customer": account.customer_id,
        "numbers": [number.pk for number in numbers],
        "contacts": contacts,
        "count": count,
        "seconds": days * 86_400,
        "code": f"{tenant.pk % 1000:03d}",
    }
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.seed_people")
        for statement in _PEOPLE:
            cursor.execute(statement, parameters)
        for first in range(0, count, _CHUNK):
            last = min(first + _CHUNK, count) - 1
            with transaction.atomic(), _without_checks():
                cursor.execute(_MESSAGES, {**parameters, "first": first, "last": last})
    tallies.count_anew(tenant_id=tenant.pk)


@contextmanager
def _indexes_after() -> Iterator[None]:
    """In one transaction, so that a run that is broken off leaves the indexes as they were."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid = 'messaging_message'::regclass AND NOT indisprimary"
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
        yield
        cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
        for _, definition in indexes:
            cursor.execute(definition)


@contextmanager
def _without_checks() -> Iterator[None]:
    """Every reference is to a row just made: looking each up again would double the time.

    No trigger counts the rows either; that is made good once, at the end.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
    except ProgrammingError:  # only a superuser may
        pass
    yield


_PEOPLE = (
    """
INSERT INTO messaging_contact
       (tenant_id, business_account_id, phone, user_id, name, username, created_at, updated_at)
SELECT %(tenant)s, %(account)s, '549' || %(code)s || lpad(i::text, 8, '0'), '',
       (ARRAY['Ana', 'Bruno', 'Carla', 'Diego', 'Elena', 'Fabio', 'Gala', 'Hugo'])[1 + i %% 8] || ' '
       || (ARRAY['Silva', 'Gómez', 'Costa', 'Pérez', 'Rossi', 'Núñez', 'Lima'])[1 + i %% 7],
       '', now(), now()
  FROM generate_series(0, %(contacts)s - 1) AS i
ON CONFLICT DO NOTHING
""",
    """
INSERT INTO messaging_conversation
       (tenant_id, customer_id, phone_number_id, contact_id, started_at, last_message_at,
        status, messages_count, ended_at, ended_reason)
SELECT tenant_id, %(customer)s,
       (%(numbers)s::bigint[])[1 + right(phone, 8)::int %% cardinality(%(numbers)s::bigint[])],
       id, moment, moment, 'ended', 0, moment + interval '24 hours', 'expired'
  FROM messaging_contact
 CROSS JOIN LATERAL (SELECT now() - make_interval(days => 2 + (id %% 60)::int) AS moment) AS past
 WHERE business_account_id = %(account)s AND phone LIKE '549' || %(code)s || '%%'
   AND right(phone, 8)::int < %(contacts)s
""",
    """
CREATE TEMPORARY TABLE seed_people AS
SELECT DISTINCT ON (index) right(c.phone, 8)::int AS index, c.id AS contact_id, c.phone AS peer,
       v.id AS conversation_id, v.phone_number_id
  FROM messaging_contact c JOIN messaging_conversation v ON v.contact_id = c.id
 WHERE c.business_account_id = %(account)s AND c.phone LIKE '549' || %(code)s || '%%'
   AND right(c.phone, 8)::int < %(contacts)s
 ORDER BY index, v.id DESC
""",
    "CREATE UNIQUE INDEX ON seed_people (index)",
    "ANALYZE seed_people",
)
# Evenly over the days, oldest first; ids are made as `gosend_next_id` would have made them then.
# Of ten messages eight are ours: mostly read or delivered, some only sent, few failed.
_MESSAGES = """
WITH drawn AS MATERIALIZED (
    SELECT now() - make_interval(secs => %(seconds)s * (1 - i / %(count)s::float8)) AS at,
           least(floor(random() ^ 2 * %(contacts)s), %(contacts)s - 1)::int AS person,
           random() AS side, random() AS kind, random() AS fate
      FROM generate_series(%(first)s, %(last)s) AS i),
told AS MATERIALIZED (
    SELECT ((extract(epoch FROM at) * 1000)::bigint - 1735689600000) << 22
           | nextval('gosend_id_sequence') AS id,
           at, person, CASE WHEN side < 0.8 THEN 'outbound' ELSE 'inbound' END AS direction,
           CASE WHEN side < 0.8 AND kind < 0.6 THEN 'template' WHEN kind < 0.85 THEN 'text'
                WHEN kind < 0.95 THEN 'image' ELSE 'document' END AS type,
           CASE WHEN side >= 0.8 THEN 'received' WHEN fate < 0.55 THEN 'read'
                WHEN fate < 0.85 THEN 'delivered' WHEN fate < 0.98 THEN 'sent' ELSE 'failed' END AS status
      FROM drawn),
fresh AS (
    INSERT INTO messaging_message
           (id, tenant_id, phone_number_id, contact_id, conversation_id, customer_id, direction, type, status,
            origin, wamid, peer, request_id, attempt_count, error, pricing, created_at, sent_at, delivered_at,
            read_at, failed_at, updated_at)
    SELECT t.id, %(tenant)s, p.phone_number_id, p.contact_id, p.conversation_id, %(customer)s, t.direction,
           t.type, t.status, 'cloud_api', 'wamid.HBgN' || upper(md5(t.id::text)), p.peer,
           CASE t.direction WHEN 'outbound' THEN 'req_' || left(md5(t.id::text), 24) ELSE '' END,
           (t.direction = 'outbound')::int,
           CASE t.status WHEN 'failed' THEN
               '{"code": 131026, "title": "Message undeliverable", "details": ""}'::jsonb END,
           CASE WHEN t.status IN ('delivered', 'read') THEN
               '{"billable": true, "category": "utility", "pricing_model": "PMP"}'::jsonb END,
           t.at,
           CASE WHEN t.direction = 'outbound' THEN t.at + interval '1 second' END,
           CASE WHEN t.status IN ('delivered', 'read') THEN t.at + interval '3 seconds' END,
           CASE t.status WHEN 'read' THEN t.at + interval '5 minutes' END,
           CASE t.status WHEN 'failed' THEN t.at + interval '2 seconds' END,
           t.at + interval '5 minutes'
      FROM told t JOIN seed_people p ON p.index = t.person
     ORDER BY t.id
    RETURNING id, type)
INSERT INTO messaging_messagecontent (message_id, body, tracking)
SELECT id, CASE type
       WHEN 'text' THEN jsonb_build_object('type', 'text', 'text', jsonb_build_object('body',
            'Hola, su pedido ' || id %% 1000000 || ' sale hoy. ¿Confirma la dirección? 👋'))
       WHEN 'template' THEN jsonb_build_object('type', 'template', 'template', jsonb_build_object(
            'name', 'appointment_reminder', 'language', jsonb_build_object('code', 'es_AR'),
            'components', jsonb_build_array(jsonb_build_object('type', 'body', 'parameters',
                jsonb_build_array(jsonb_build_object('type', 'text', 'text', 'Ana'),
                jsonb_build_object('type', 'text', 'text', (id %% 28 + 1) || '/11'))))))
       ELSE jsonb_build_object('type', type, type, jsonb_build_object('id', (id %% 1000000000000)::text)) END,
       ''
  FROM fresh
"""
