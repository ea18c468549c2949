"""Webhooks through the console, to a receiver over HTTP: test event, secrets, replay with its progress."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from gosend.lib.signing import verify_gosend
from tests.conftest import Party
from tests.webhooks_app import receiver as receivers
from tests.webhooks_app.receiver import Receiver, reply
from webhooks_app import deliver, endpoints, events, replay, secrets
from webhooks_app.models import Delivery, Replay, WebhookEndpoint

PAGE = "webhooks_app_webhookendpoint"
SIGNATURE = "x-gosendapi-signature"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receivers.serving() as running:
        yield running


@pytest.fixture
def endpoint(acme: Party, receiver: Receiver) -> WebhookEndpoint:
    made, _ = endpoints.add(tenant=acme.tenant, number=acme.number, url=receiver.url(), events=["*"])
    return made


def press(client: Client, name: str, endpoint: WebhookEndpoint, **form: Any) -> Any:
    return client.post(reverse(f"admin:{PAGE}_act_{name}", args=[endpoint.pk]), form)


def finding(answer: Any) -> tuple[str, bool, bool]:
    one = answer.context["done"].findings[0]
    return one.state, "HTTP" in one.says, bool(one.cure)


def test_a_test_event_is_posted_and_the_answer_shown(
    operator: Client, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    well = press(operator, "test", endpoint)
    receiver.answer = reply(500, b"<script>no</script>")
    ill = press(operator, "test", endpoint)

    assert (finding(well), finding(ill)) == (("ok", True, False), ("failed", True, True))
    assert "&lt;script&gt;no&lt;/script&gt;" in ill.content.decode()
    first = receiver.received[0]
    assert b"webhook.test" in first.body
    assert verify_gosend(endpoint.secret, first.body, first.headers[SIGNATURE])
    page = operator.get(well.context["done"].goes_to).content.decode()
    assert "HTTP 200" in page
    assert list(AuditEvent.objects.values_list("action", flat=True)) == ["webhookendpoint.tested"] * 2


def test_a_receiver_that_is_not_there_is_said(operator: Client, acme: Party, receiver: Receiver) -> None:
    nowhere, _ = endpoints.add(
        tenant=acme.tenant, number=acme.number, url="http://127.0.0.1:1/hook", events=["*"]
    )

    answer = press(operator, "test", nowhere)

    state, _, has_cure = finding(answer)
    assert (state, has_cure) == ("failed", True)
    assert "no answer" in answer.content.decode()


@pytest.mark.parametrize(("hours", "old_still_signs"), [(24, True), (0, False)])
def test_a_rotated_secret_signs_and_the_old_one_as_long_as_was_said(
    hours: int, old_still_signs: bool, operator: Client, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    old = endpoint.secret
    answer = press(operator, "rotate", endpoint, overlap_hours=hours, reason="leaked")
    press(operator, "test", endpoint)

    fresh = answer.context["done"].secret
    posted = receiver.received[-1]
    signatures = posted.headers["webhook-signature"].split()
    assert fresh != old
    assert verify_gosend(fresh, posted.body, posted.headers[SIGNATURE])
    assert len(signatures) == (2 if old_still_signs else 1)
    assert fresh not in operator.get(reverse(f"admin:{PAGE}_change", args=[endpoint.pk])).content.decode()


@pytest.mark.parametrize("hours", ["-1", str(secrets.MAX_OVERLAP_HOURS + 1), "x"])
def test_an_overlap_out_of_bounds_rotates_nothing(
    hours: str, operator: Client, endpoint: WebhookEndpoint
) -> None:
    before = endpoint.secret

    answer = press(operator, "rotate", endpoint, overlap_hours=hours, reason="leaked")

    endpoint.refresh_from_db()
    assert "overlap_hours" in answer.context["form"].errors
    assert endpoint.secret == before


def test_what_failed_since_a_moment_is_made_again_with_its_progress(
    operator: Client, acme: Party, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    for number in range(3):
        events.publish(
            tenant_id=acme.tenant.pk, number=acme.number, type="message.delivered",
            data={"message": {"id": f"wamid.{number}"}}, occurred_at=datetime.now(UTC),
        )  # fmt: skip
    ended = {"status": Delivery.Status.FAILED, "next_attempt_at": None}
    Delivery.objects.update(**ended)
    earlier = Delivery.objects.earliest("pk")
    since = datetime.now(UTC) - timedelta(minutes=5)
    Delivery.objects.filter(pk=earlier.pk).update(created_at=since - timedelta(minutes=5))

    answer = press(operator, "replay", endpoint, since=f"{since:%Y-%m-%dT%H:%M}", reason="they were down")
    ordered = progress(operator, answer["Location"])
    replay.advance()
    under_way = progress(operator, answer["Location"])
    deliver.run()
    done = progress(operator, answer["Location"])

    order = Replay.objects.get()
    assert ordered == ("running", "0 of 2 made again", True)
    assert under_way == ("running", "2 of 2 made again", True)
    assert done == ("done", "2 of 2 made again: ✓ 2 delivered, ✗ 0 failed, … 0 waiting.", False)
    assert (len(receiver.received), order.total) == (2, 2)
    earlier.refresh_from_db()
    assert earlier.status == Delivery.Status.FAILED
    listed = operator.get(reverse(f"admin:{PAGE}_change", args=[endpoint.pk])).content.decode()
    assert "2 of 2 made again, 2 delivered" in listed


def progress(client: Client, page: str) -> tuple[str, str, bool]:
    """The word, the counts, and whether the page looks again by itself."""
    answer = client.get(page)
    text = " ".join(answer.content.decode().split())
    begin = text.index(" made again", text.index("gs-progress")) - len("0 of 2")
    whole = text[begin : text.index("</p>", begin)]
    status = answer.context["progress"].status
    return (
        status,
        whole if status == "done" else whole[: len("0 of 2 made again")],
        'http-equiv="refresh"' in text,
    )


def test_a_moment_that_is_none_orders_nothing(operator: Client, endpoint: WebhookEndpoint) -> None:
    answer = press(operator, "replay", endpoint, since="yesterday", reason="x")

    assert "since" in answer.context["form"].errors
    assert not Replay.objects.exists()
