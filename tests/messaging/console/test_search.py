"""One box finds what it is given, by an index, and only what the person may see."""

import orjson
import pytest
from django.db import connection
from django.urls import reverse

from accounts import roles
from accounts.models import User
from messaging.console import search
from tests import factories, plans
from tests.conftest import Party
from tests.messaging.console.conftest import PHONE, WAMID, Told, sign_in

FIND = "/console/messaging/message/find/"


@pytest.mark.parametrize("term", [WAMID, "req_0123456789abcdef", f" {WAMID} "])
def test_a_single_hit_is_opened_at_once(term: str, told: Told) -> None:
    answer = sign_in(roles.SUPPORT, told.party).get(FIND, {"q": term})

    page = reverse("admin:messaging_message_change", args=[told.message.pk])
    assert (answer.status_code, answer["Location"]) == (302, page)


def test_our_id_a_number_and_a_tenant_are_found(told: Told) -> None:
    client = sign_in(roles.SUPPORT, told.party)

    by_id = client.get(FIND, {"q": str(told.message.pk)})
    by_number = client.get(FIND, {"q": "+54 911 4012-3456"})
    by_tenant = client.get(FIND, {"q": "aCME"})

    assert by_id["Location"].endswith(f"/messaging/message/{told.message.pk}/change/")
    assert by_number["Location"].endswith(f"/conversation/{told.message.conversation_id}/change/")
    assert by_tenant["Location"].endswith(f"/accounts/tenant/{told.party.tenant.pk}/change/")


@pytest.mark.parametrize("term", [WAMID, "req_0123456789abcdef", PHONE, "Acme"])
def test_what_belongs_to_another_tenant_is_not_found(term: str, told: Told, globex: Party) -> None:
    answer = sign_in(roles.SUPPORT, globex).get(FIND, {"q": term})

    assert (answer.status_code, answer.context["hits"]) == (200, [])
    assert "The search is exact" in answer.content.decode()


@pytest.mark.parametrize("term", ["", "x" * 300, "nul\x00", "'; --", "9" * 40])
def test_nonsense_finds_nothing(term: str, told: Told) -> None:
    answer = sign_in(roles.SUPPORT, told.party).get(FIND, {"q": term})

    assert (answer.status_code, answer.context["hits"]) == (200, [])


# A probe of an index and of the rows beside it reads a few; each of the tables, or an index of it, has more.
_BLOCKS_MAX = 60
# What tells the rows of a table apart.
_LARGE = {
    "messaging_message": ("id", "wamid", "request_id"),
    "messaging_contact": ("id", "phone", "user_id"),
    "messaging_conversation": ("id", "contact_id"),
    "webhooks_app_delivery": ("id", "event_id", "delivery_id"),
}


def _multiply(table: str, own: tuple[str, ...]) -> None:
    """Five thousand rows more of a table, as the one that is in it but for its own columns."""
    made = ", ".join(
        f"'{name}', " + ("gen_random_uuid()" if name == "delivery_id" else "seed.id + n") for name in own
    )
    with connection.cursor() as cursor:
        # Past the triggers and foreign keys: the planner asks for none of them.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            f"INSERT INTO {table} SELECT more.* FROM {table} seed, generate_series(1, 5000) n,"  # noqa: S608
            f" jsonb_populate_record(seed, jsonb_build_object({made})) more"
        )
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    plans.write_anew(table)


@pytest.mark.parametrize(
    "term",
    ["wamid.X", "req_0123456789abcdef", PHONE, "AR.abc", "Acme", "9f0b2c54-3b77-4a39-9c0a-111111111111"],
)
@pytest.mark.parametrize("sees_all", [True, False])
def test_no_search_reads_a_table_through(term: str, sees_all: bool, told: Told) -> None:
    user = User.objects.create(username="any", is_staff=True, sees_all_tenants=sees_all)
    for table, own in _LARGE.items():
        _multiply(table, own)

    with connection.cursor() as cursor:
        # With it the planner takes a table as a whole only where there is no index to go by.
        cursor.execute("SET LOCAL enable_seqscan = off")
        found = [
            rows.explain(format="json", analyze=True, buffers=True) for rows in search.queries(term, user)
        ]

    assert found
    for plan in found:
        [top] = orjson.loads(plan)
        assert top["Plan"]["Node Type"] == "Limit", plan
        assert top["Plan"]["Shared Hit Blocks"] + top["Plan"]["Shared Read Blocks"] <= _BLOCKS_MAX, plan


def test_a_search_by_user_id_puts_no_number_into_the_address(told: Told) -> None:
    account = told.party.number.business_account
    factories.ContactFactory.create(
        tenant=told.party.tenant, business_account=account, phone="5491150000001", user_id="AR.abc123"
    )

    answer = sign_in(roles.SUPPORT, told.party).get(FIND, {"q": "AR.abc123"})

    assert "peer=AR.abc123" in answer["Location"]
    assert "5491150000001" not in answer["Location"]
