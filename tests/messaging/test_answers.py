"""Meta's definite answer counts, whatever its words and ids are made of."""

from collections.abc import Callable
from datetime import timedelta

import orjson
import pytest
from django.utils import timezone

from accounts.models import PhoneNumber, Tenant
from gosend.whatsapp.client import GraphClient
from gosend.whatsapp.wire import GraphRequest, GraphResponse
from messaging import claims, deliver, opaque, recover
from messaging.models import Dispatch, Message, MetaEvent
from tests.messaging.conftest import envelope, status

SendText = Callable[..., Message]


class _Meta:
    """Gives one answer after the other, and counts the calls."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        self._answers = list(answers)
        self.calls = 0

    def __call__(self, _: GraphRequest) -> GraphResponse:
        code, body = self._answers[self.calls % len(self._answers)]
        self.calls += 1
        return GraphResponse(status=code, body=body)


def _send(meta: _Meta, number: PhoneNumber, messages: list[Message]) -> None:
    taken = [claims.take_one(message_id=message.pk) for message in messages]
    client = GraphClient(transport=meta, token="t")
    deliver._send(client, number, [claim for claim in taken if claim])


def _sweep_later() -> None:
    """As when the lease has ended, and then the time for Meta's word."""
    past = timezone.now() - timedelta(seconds=1)
    Dispatch.objects.filter(state__in=["claimed", "sending"]).update(lease_expires_at=past)
    recover.leases_ended()
    Dispatch.objects.filter(state="unknown").update(due_at=past)
    recover.unknown_overdue()


@pytest.mark.parametrize(
    ("answer", "is_refused", "code"),
    [
        (b'{"error": {"code": 131026, "message": "not \\u0000 there"}}', True, 131026),
        (b'{"error": {"code": 131026, "message": "half \\ud83d"}}', True, 131026),
        (b'{"error": {"code": 131026, "error_data": {"details": "bad \xff byte"}}}', True, 131026),
        (
            b'{"error": {"code": 131026, "fbtrace_id": "A\\u0000", "error_user_title": "\\ude00"}}',
            True,
            131026,
        ),
        (b'{"error": {"code": 12345678901234567890123, "message": "long"}}', True, None),
        (b'{"error": {"code": 130429, "message": "fast \\u0000"}}', False, 130429),
    ],
    ids=["nul", "half-an-emoji", "bad-byte", "other-fields", "endless-code", "throttle"],
)
def test_a_refusal_counts_whatever_it_says(
    send_text: SendText,
    number: PhoneNumber,
    tenant: Tenant,
    answer: bytes,
    is_refused: bool,
    code: int | None,
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(on_unknown="resend")
    message = send_text(is_async=True)
    meta = _Meta((400, answer))

    _send(meta, number, [message])
    _sweep_later()

    message.refresh_from_db()
    assert message.status == ("failed" if is_refused else "queued")
    assert message.error is not None
    assert message.error["code"] == code
    assert meta.calls == 1
    assert Dispatch.objects.count() == (not is_refused)


@pytest.mark.parametrize("code", [0, 190])
def test_a_token_refused_by_a_meta_that_broke_down_is_unknown_and_pauses_nobody(
    send_text: SendText, number: PhoneNumber, code: int
) -> None:
    message = send_text(is_async=True)
    meta = _Meta((500, b'{"error": {"code": %d, "message": "Error validating access token"}}' % code))

    _send(meta, number, [message])

    message.refresh_from_db()
    number.refresh_from_db()
    assert (message.status, Dispatch.objects.get().state) == ("unknown", "unknown")
    assert (number.held_for, number.held_until) == ("", None)


@pytest.mark.parametrize(
    ("wamid", "kept"),
    [
        ("wamid." + "x" * 294, "wamid." + "x" * 249),
        ("wamid.\0", "wamid.\ufffd"),
    ],
    ids=["too-long", "nul"],
)
def test_a_wamid_that_cannot_be_one_leaves_the_message_sent_and_its_reports_known(
    send_text: SendText,
    number: PhoneNumber,
    tell: Callable[..., object],
    wamid: str,
    kept: str,
) -> None:
    message = send_text(is_async=True)

    _send(_Meta((200, orjson.dumps({"messages": [{"id": wamid}]}))), number, [message])

    message.refresh_from_db()
    assert (message.status, message.wamid) == ("sent", kept)
    tell(envelope(number, statuses=[status(wamid, "delivered")]))
    message.refresh_from_db()
    assert message.status == "delivered"


def test_an_answer_with_anothers_wamid_is_sent_without_one_and_never_again(
    send_text: SendText, number: PhoneNumber, tenant: Tenant, tell: Callable[..., MetaEvent]
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(on_unknown="resend")
    messages = [send_text(to=f"5491140200{n}", is_async=True) for n in range(100, 104)]
    wamids = (b"wamid.1", b"wamid.2", b"wamid.1", b"wamid.4")
    meta = _Meta(*((200, b'{"messages": [{"id": "%b"}]}' % wamid) for wamid in wamids))

    _send(meta, number, messages)
    _sweep_later()

    kept = list(Message.objects.order_by("pk").values_list("status", "wamid"))
    assert kept == [("sent", "wamid.1"), ("sent", "wamid.2"), ("sent", None), ("sent", "wamid.4")]
    assert not Dispatch.objects.exists()
    assert meta.calls == 4
    echo = opaque.write(message_id=messages[2].pk, attempt=1)
    told = tell(envelope(number, statuses=[status("wamid.1", "delivered", opaque=echo)]))
    assert told.errors == []
    kept = list(Message.objects.order_by("pk").values_list("status", "wamid"))
    assert kept == [("sent", "wamid.1"), ("sent", "wamid.2"), ("delivered", None), ("sent", "wamid.4")]
