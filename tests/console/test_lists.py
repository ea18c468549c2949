"""Lists of tables that grow: newest first whatever is asked, found by an index, only one's own tenants."""

import re

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import roles
from accounts.models import Grant, User
from tests import factories

pytestmark = pytest.mark.django_db


def _rows(client: Client, url: str) -> tuple[list[str], list[str]]:
    """What a list shows, by the addresses its rows lead to, and the statements that it took."""
    with CaptureQueriesContext(connection) as queries:
        page = client.get(url).content.decode()
    shown = re.findall(r'<a href="[^"]*/(\d+)/change/[^"]*" class=', page)
    return shown, [query["sql"] for query in queries.captured_queries]


@pytest.mark.parametrize("column", ["1", "4", "-5"])
def test_the_newest_come_first_whatever_order_is_asked_for(operator: Client, column: str) -> None:
    old, new = factories.DeliveryFactory.create_batch(2)

    shown, _ = _rows(operator, f"/console/webhooks_app/delivery/?o={column}")

    assert shown == [str(new.pk), str(old.pk)]


@pytest.mark.parametrize("model", ["delivery", "attempt"])
def test_a_delivery_is_found_by_its_id_as_the_index_has_it(operator: Client, model: str) -> None:
    delivery, _ = factories.DeliveryFactory.create_batch(2)
    attempt = factories.AttemptFactory.create(delivery=delivery)
    found = {"delivery": delivery, "attempt": attempt}[model]

    shown, statements = _rows(operator, f"/console/webhooks_app/{model}/?q={delivery.delivery_id}")
    nothing, _ = _rows(operator, f"/console/webhooks_app/{model}/?q=nonsense")

    assert (shown, nothing) == ([str(found.pk)], [])
    assert not any("::varchar" in statement for statement in statements)


def test_callbacks_that_were_given_up_are_found(operator: Client) -> None:
    factories.MetaEventFactory.create()
    factories.MetaEventFactory.create(next_attempt_at=None, handled_at="2026-01-01T00:00:00Z")
    wanted = factories.MetaEventFactory.create(next_attempt_at=None)

    shown, _ = _rows(operator, "/console/messaging/metaevent/?outcome=given_up")

    assert shown == [str(wanted.pk)]


@pytest.mark.parametrize("term", ["asked-by", "4711", "req_trail"])
def test_the_trail_is_found_by_each_meaning(operator: Client, term: str) -> None:
    factories.AuditEventFactory.create(actor="somebody")
    wanted = factories.AuditEventFactory.create(actor="asked-by", subject_id="4711", request_id="req_trail")

    shown, _ = _rows(operator, f"/console/accounts/auditevent/?q={term}")

    assert shown == [str(wanted.pk)]


@pytest.mark.django_db
def test_who_has_some_tenants_sees_their_deliveries_alone(client: Client) -> None:
    mine, other = factories.DeliveryFactory.create_batch(2)
    user = User.objects.create(username="some", is_staff=True)
    user.groups.add(Group.objects.get(name=roles.SUPPORT))
    Grant.objects.create(user=user, tenant=mine.tenant)
    client.force_login(user)
    attempt, _ = (factories.AttemptFactory.create(delivery=one) for one in (mine, other))

    assert _rows(client, "/console/webhooks_app/delivery/")[0] == [str(mine.pk)]
    assert _rows(client, "/console/webhooks_app/attempt/")[0] == [str(attempt.pk)]


def test_a_list_draws_the_same_templates_however_many_rows_it_has(operator: Client) -> None:
    url = "/console/messaging/metaevent/"
    factories.MetaEventFactory.create_batch(2)
    operator.get(url)  # the first list of a process draws what all others keep
    few = [template.name for template in operator.get(url).templates]
    factories.MetaEventFactory.create_batch(20)

    answer = operator.get(url)

    assert answer.content.decode().count("_selected_action") >= 22
    assert [template.name for template in answer.templates] == few


def test_callbacks_are_listed_without_their_bodies(operator: Client) -> None:
    event = factories.MetaEventFactory.create(body=b"zzmark")

    shown, statements = _rows(operator, "/console/messaging/metaevent/")
    body = operator.post(f"/console/messaging/metaevent/{event.pk}/act/body/", {"reason": "ticket 4711"})

    assert shown == [str(event.pk)]
    assert not [sql for sql in statements if '"messaging_metaevent"."body"' in sql]
    assert "zzmark" in body.content.decode()
