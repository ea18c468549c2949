"""gosend/api/v1/templates.py"""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.test import Client

from accounts import keys
from gosend.sandbox.models import HeldTemplate, PendingCallback
from messaging import ingest
from templates_app.models import Template
from tests import factories, material
from tests.api.conftest import Call
from tests.api.v1.test_messages import code_of
from tests.conftest import Party

SAMPLES = sorted(
    p for p in (material.SHARED / "data/meta/templates").glob("*.json") if p.name != "index.json"
)
BODY = {"type": "BODY", "text": "Hello {{1}}, thank you.", "example": {"body_text": [["Ana"]]}}
KEYS = [
    "id", "waba_id", "meta_template_id", "name", "language", "category", "status", "components",
    "parameter_format", "rejection_reason", "quality_score", "created_at", "updated_at", "last_synced_at",
]  # fmt: skip


@pytest.fixture
def base(acme: Party) -> str:
    return f"/v1/wabas/{acme.number.business_account.waba_id}/templates"


def definition(**change: Any) -> dict[str, Any]:
    return {"name": "welcome", "language": "en_US", "category": "UTILITY", "components": [BODY]} | change


def read(response: Any) -> Any:
    return orjson.loads(response.content)


def let_meta_speak() -> None:
    """Hand over every callback that the sandbox owes."""
    for row in PendingCallback.objects.order_by("due_at", "pk"):
        ingest.store(body=bytes(row.body), app=None, is_sandbox=True)
        row.delete()
    ingest.handle_due()


def test_a_template_is_created_reviewed_listed_and_read(
    acme: Party, base: str, post: Call, get: Call
) -> None:
    made = post(base, definition())
    let_meta_speak()

    created = read(made)
    assert made.status_code == 201
    assert list(created) == KEYS
    assert created["waba_id"] == str(acme.number.business_account.pk)
    assert (created["status"], created["components"]) == ("PENDING", [BODY])
    (listed,) = read(get(base))
    assert listed == created | {"status": "APPROVED", "updated_at": listed["updated_at"]}
    assert read(get(f"{base}/{created['id']}")) == listed
    assert read(get(f"{base}/{created['meta_template_id']}")) == listed


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("promo_reject", "REJECTED", "INVALID_FORMAT"),
        ("promo_pause", "PAUSED", None),
        ("promo_pending", "PENDING", None),
        ("promo_lost", "APPROVED", None),
    ],
)
def test_the_sandbox_reviews_by_name(
    name: str, status: str, reason: str | None, base: str, post: Call, get: Call
) -> None:
    created = read(post(base, definition(name=name)))
    let_meta_speak()

    template = read(get(f"{base}/{created['id']}"))
    assert (template["status"], template["rejection_reason"]) == (status, reason)


@material.needs_material
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_metas_own_examples_are_created(path: Path, base: str, post: Call) -> None:
    assert post(base, json.loads(path.read_text())).status_code == 201


def test_a_template_against_the_rules_is_refused_with_every_violation(base: str, post: Call) -> None:
    response = post(base, definition(name="Welcome!", components=[BODY | {"text": "x" * 1025}]))

    answer = read(response)
    assert (response.status_code, answer["code"]) == (422, "INVALID_TEMPLATE")
    assert answer["details"]["field"] == "name"
    assert [(item["path"], item["limit"]) for item in answer["details"]["errors"]] == [
        ("name", "[a-z0-9_]{1,512}"),
        ("components[0].text", 1024),
    ]
    assert HeldTemplate.objects.count() == 0


def test_the_same_name_and_language_is_a_conflict(base: str, post: Call) -> None:
    first = post(base, definition())
    second = post(base, definition())
    other = post(base, definition(language="es"))

    assert [first.status_code, second.status_code, other.status_code] == [201, 409, 201]
    assert code_of(second) == "TEMPLATE_EXISTS"


def test_a_repeat_with_the_same_key_is_answered_alike(base: str, post: Call) -> None:
    first = post(base, definition(), Idempotency_Key="k1")
    again = post(base, definition(), Idempotency_Key="k1")
    other = post(base, definition(name="another"), Idempotency_Key="k1")

    assert (again.status_code, again.content) == (201, first.content)
    assert again["Idempotent-Replayed"] == "true"
    assert code_of(other) == "IDEMPOTENCY_KEY_CONFLICT"
    assert HeldTemplate.objects.count() == 1


def test_a_refusal_leaves_the_key_free(base: str, post: Call) -> None:
    refused = post(base, definition(name="Bad!"), Idempotency_Key="k1")
    accepted = post(base, definition(), Idempotency_Key="k1")

    assert (refused.status_code, accepted.status_code) == (422, 201)


def test_metas_refusal_comes_with_its_code_and_a_cure(base: str, post: Call) -> None:
    dense = {"type": "BODY", "text": "Hi {{1}}, {{2}}!", "example": {"body_text": [["a", "b"]]}}

    response = post(base, definition(components=[dense]))

    answer = read(response)
    assert (response.status_code, answer["code"]) == (422, "META_ERROR")
    assert (answer["details"]["meta"]["code"], answer["details"]["meta"]["subcode"]) == (100, 2388293)
    assert answer["details"]["meta"]["cure"]


def test_sync_counts_what_it_did(base: str, post: Call, get: Call) -> None:
    post(base, definition(name="kept"))
    post(base, definition(name="changed_pending"))
    gone = read(post(base, definition(name="gone")))
    HeldTemplate.objects.filter(name="gone").delete()
    HeldTemplate.objects.filter(name="changed_pending").update(category="MARKETING")
    Template.objects.filter(name="kept").delete()

    response = post(f"{base}/sync")

    assert (response.status_code, read(response)) == (
        200,
        {"created": 1, "updated": 1, "deleted": 1, "total": 2},
    )
    assert read(get(f"{base}/{gone['id']}"))["status"] == "DELETED"
    assert {row["name"] for row in read(get(base))} == {"kept", "changed_pending"}
    assert [row["name"] for row in read(get(f"{base}?status=DELETED"))] == ["gone"]
    assert all(row["last_synced_at"] for row in read(get(base)))


def test_a_deleted_template_is_gone(base: str, post: Call, key: str, get: Call) -> None:
    created = read(post(base, definition()))
    client = Client(headers={"X-API-Key": key})

    deleted = client.delete(f"{base}/{created['id']}")
    again = client.delete(f"{base}/{created['id']}")

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (again.status_code, code_of(again)) == (404, "NOT_FOUND")
    assert read(get(base)) == []
    assert HeldTemplate.objects.count() == 0
    assert post(base, definition()).status_code == 201


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["c", "b", "a"]),
        ("status=APPROVED", ["b", "a"]),
        ("status=PAUSED", ["c"]),
        ("category=MARKETING", ["b"]),
        ("language=es", ["c"]),
        ("name=a", ["a"]),
        ("name=a&language=es", []),
        ("status=APPROVED&per_page=1", ["b"]),
        ("status=APPROVED&per_page=1&page=2", ["a"]),
    ],
)
def test_the_list_is_filtered_and_paged(
    query: str, names: list[str], acme: Party, base: str, get: Call
) -> None:
    account = acme.number.business_account
    for values in (
        {"name": "a"},
        {"name": "b", "category": "MARKETING"},
        {"name": "c", "language": "es", "status": "PAUSED"},
    ):
        factories.TemplateFactory.create(tenant=acme.tenant, business_account=account, **values)

    assert [row["name"] for row in read(get(f"{base}?{query}"))] == names


@pytest.mark.parametrize("query", ["status=approvedd", "category=OTP", "per_page=0"])
def test_an_odd_filter_is_refused(query: str, base: str, get: Call) -> None:
    response = get(f"{base}?{query}")

    assert (response.status_code, code_of(response)) == (400, "INVALID_FIELD")
    assert read(response)["details"]["field"] == query.partition("=")[0]


def test_nothing_here_is_a_strangers(acme: Party, base: str, stranger_key: str, live_key: str) -> None:
    template = factories.TemplateFactory.create(
        tenant=acme.tenant, business_account=acme.number.business_account
    )
    for key in (stranger_key, live_key):
        client = Client(headers={"X-API-Key": key})
        answers = [
            client.get(base),
            client.get(f"{base}/{template.pk}"),
            client.delete(f"{base}/{template.pk}"),
            client.post(base, definition(), content_type="application/json"),
            client.post(f"{base}/sync", content_type="application/json"),
        ]
        assert {(answer.status_code, code_of(answer)) for answer in answers} == {(404, "NOT_FOUND")}


def test_a_template_of_another_account_is_not_found(acme: Party, base: str, get: Call) -> None:
    other = factories.BusinessAccountFactory.create(tenant=acme.tenant, is_sandbox=True)
    template = factories.TemplateFactory.create(tenant=acme.tenant, business_account=other)

    assert get(f"{base}/{template.pk}").status_code == 404


def test_changing_templates_takes_the_manage_scope(acme: Party, base: str) -> None:
    _, key = keys.mint(tenant=acme.tenant, label="reader", environment="test", scopes=("read", "send"))
    client = Client(headers={"X-API-Key": key})

    assert client.get(base).status_code == 200
    for answer in (
        client.post(base, definition(), content_type="application/json"),
        client.post(f"{base}/sync", content_type="application/json"),
        client.delete(f"{base}/1"),
    ):
        assert (answer.status_code, code_of(answer)) == (403, "INSUFFICIENT_SCOPE")
