"""What Meta says about accounts and numbers is noted, and told to the project that owns them."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from accounts.models import MetaApp, PhoneNumber, Tenant
from messaging.models import MetaEvent
from tests import factories, material
from webhooks_app.models import Event

Tell = Callable[..., MetaEvent]
Say = Callable[..., MetaEvent]


@pytest.fixture
def live(tenant: Tenant) -> PhoneNumber:
    factories.WebhookEndpointFactory.create(tenant=tenant, phone_number=None, events=["*"])
    made: PhoneNumber = factories.PhoneNumberFactory.create(
        tenant=tenant,
        business_account__tenant=tenant,
        business_account__waba_id="102290129340398",
        display_phone_number="+1 555-078-3881",
        display_phone_number_normalized="15550783881",
    )
    return made


@pytest.fixture
def app(db: None) -> MetaApp:
    made: MetaApp = factories.MetaAppFactory.create()
    return made


@pytest.fixture
def say(live: PhoneNumber, app: MetaApp, tell: Tell) -> Say:
    """Let Meta post one change about the live account."""

    def _say(field: str, *, waba_id: str = "", **value: Any) -> MetaEvent:
        entry = {
            "id": waba_id or live.business_account.waba_id,
            "changes": [{"field": field, "value": value}],
        }
        event = tell({"entry": [entry]}, is_sandbox=False, app=app)
        live.refresh_from_db()
        return event

    return _say


def told() -> list[dict[str, Any]]:
    return [orjson.loads(bytes(event.body)) for event in Event.objects.order_by("pk")]


def quality(event: str, **more: Any) -> dict[str, Any]:
    return {"display_phone_number": "15550783881", "event": event, **more}


def test_a_flagged_number_is_red_and_its_project_hears_of_it_once(say: Say, live: PhoneNumber) -> None:
    event = say("phone_number_quality_update", **quality("FLAGGED", current_limit="TIER_10K"))
    say("phone_number_quality_update", **quality("FLAGGED", current_limit="TIER_10K", again=True))

    assert event.errors == []
    assert live.quality_rating == "red"
    (body,) = told()
    assert body["event"] == "whatsapp.phone_number.quality"
    assert body["phone_number_id"] == live.phone_number_id
    assert body["phone_number"] == {
        "id": str(live.pk),
        "waba_id": "102290129340398",
        "phone_number_id": live.phone_number_id,
        "display_phone_number": "+1 555-078-3881",
        "quality_rating": "red",
        "previous_quality_rating": "green",
        "throughput_tier": "standard",
        "messaging_limit": "TIER_10K",
        "meta_event": "FLAGGED",
    }


def test_quality_and_throughput_go_up_again(say: Say, live: PhoneNumber) -> None:
    say("phone_number_quality_update", **quality("FLAGGED"))
    say("phone_number_quality_update", **quality("UNFLAGGED"))
    rating = live.quality_rating
    say("phone_number_quality_update", **quality("THROUGHPUT_UPGRADE"))

    assert (rating, live.throughput_tier) == ("yellow", "high")
    assert [body["phone_number"]["previous_quality_rating"] for body in told()] == ["green", "red", "yellow"]


def test_a_tier_that_an_operator_set_is_not_upgraded(say: Say, live: PhoneNumber) -> None:
    PhoneNumber.objects.filter(pk=live.pk).update(throughput_tier="medium")

    say("phone_number_quality_update", **quality("THROUGHPUT_UPGRADE"))

    live.refresh_from_db()
    assert live.throughput_tier == "medium"


@pytest.mark.parametrize(
    ("decision", "name"), [("APPROVED", "Lucky Shrub"), ("REJECTED", ""), ("PENDING", "")]
)
def test_only_an_approved_name_is_taken_over(decision: str, name: str, say: Say, live: PhoneNumber) -> None:
    say(
        "phone_number_name_update",
        display_phone_number="+15550783881",
        decision=decision,
        requested_verified_name="Lucky Shrub",
    )

    assert live.verified_name == name
    assert told() == []


@pytest.mark.parametrize("limit", [2000, "TIER_2K"])
def test_the_business_limit_is_the_accounts(limit: object, say: Say, live: PhoneNumber) -> None:
    say("business_capability_update", max_daily_conversations_per_business=limit)

    live.business_account.refresh_from_db()
    assert live.business_account.messaging_limit == str(limit)


def test_a_disabled_account_is_suspended_until_it_is_reinstated(say: Say, live: PhoneNumber) -> None:
    say("account_update", event="DISABLED_UPDATE", ban_info={"waba_ban_state": "SCHEDULE_FOR_DISABLE"})
    live.business_account.refresh_from_db()
    warned = live.business_account.status
    say("account_update", event="DISABLED_UPDATE", ban_info={"waba_ban_state": "DISABLE"})
    live.business_account.refresh_from_db()
    banned = live.business_account.status
    say("account_update", event="DISABLED_UPDATE", ban_info={"waba_ban_state": "REINSTATE"})
    live.business_account.refresh_from_db()

    assert (warned, banned, live.business_account.status) == ("active", "suspended", "active")
    assert [body["alert"]["account_status"] for body in told()] == ["active", "suspended", "active"]
    assert told()[1]["event"] == "whatsapp.account.alert"
    assert told()[1]["alert"] == {
        "type": "disabled_update",
        "severity": None,
        "description": None,
        "waba_id": "102290129340398",
        "account_status": "suspended",
        "meta": {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}},
    }


def test_an_account_that_was_deleted_is_suspended(say: Say, live: PhoneNumber) -> None:
    say("account_update", event="ACCOUNT_DELETED")

    live.business_account.refresh_from_db()
    assert live.business_account.status == "suspended"


@pytest.mark.parametrize("connection", ["coexistence", "dedicated"])
def test_a_number_of_the_business_app_leaves_and_comes_back(
    connection: str, say: Say, live: PhoneNumber
) -> None:
    PhoneNumber.objects.filter(pk=live.pk).update(connection_type=connection)

    say("account_update", event="ACCOUNT_OFFBOARDED")
    left = live.status
    say("account_update", event="ACCOUNT_RECONNECTED")

    assert left == ("disconnected" if connection == "coexistence" else "active")
    assert live.status == "active"
    of_numbers = ["whatsapp.phone_number.deleted", "whatsapp.phone_number.created"]
    alert = "whatsapp.account.alert"
    expected = [of_numbers[0], alert, of_numbers[1], alert] if connection == "coexistence" else [alert, alert]
    assert [body["event"] for body in told()] == expected


def test_what_alarms_nobody_is_not_told(say: Say) -> None:
    say("account_update", event="MM_LITE_TERMS_SIGNED")

    assert told() == []


def test_an_alert_is_told_in_metas_words(say: Say) -> None:
    info = {
        "alert_severity": "CRITICAL",
        "alert_status": "ACTIVE",
        "alert_type": "INCREASED_CAPABILITIES_ELIGIBILITY_FAILED",
        "alert_description": "The limit stays.",
    }

    say("account_alerts", entity_type="PHONE_NUMBER", entity_id=106, alert_info=info)

    (body,) = told()
    assert body["phone_number_id"] is None
    assert (body["alert"]["type"], body["alert"]["severity"], body["alert"]["description"]) == (
        "increased_capabilities_eligibility_failed",
        "critical",
        "The limit stays.",
    )
    assert body["alert"]["meta"]["entity_id"] == 106


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("phone_number_quality_update", quality("FLAGGED") | {"display_phone_number": "1"}),
        ("phone_number_quality_update", {"event": "FLAGGED"}),
        ("phone_number_name_update", {"decision": "APPROVED", "requested_verified_name": "X"}),
        ("business_capability_update", {}),
        ("account_alerts", {"waba": 1}),
    ],
)
def test_what_names_no_number_of_ours_does_no_harm(
    field: str, value: dict[str, Any], say: Say, live: PhoneNumber
) -> None:
    event = say(field, **value)

    assert event.errors == []
    assert (live.quality_rating, live.verified_name) == ("green", "")


def test_an_account_of_nobody_changes_nothing(say: Say) -> None:
    event = say("account_update", waba_id="1", event="ACCOUNT_DELETED")

    assert (event.errors, told()) == ([], [])


def test_the_sandbox_may_not_speak_of_a_live_account(live: PhoneNumber, tell: Tell) -> None:
    change = {"field": "account_update", "value": {"event": "ACCOUNT_DELETED"}}

    event = tell({"entry": [{"id": live.business_account.waba_id, "changes": [change]}]}, is_sandbox=True)

    live.business_account.refresh_from_db()
    assert live.business_account.status == "active"
    assert "NotForThisApp" in event.errors[0]["error"]


@material.needs_material
@pytest.mark.parametrize("path", material.meta_samples(), ids=lambda path: path.stem)
def test_every_sample_of_metas_is_handled(path: Any, live: PhoneNumber, app: MetaApp, tell: Tell) -> None:
    event = tell(path.read_bytes(), is_sandbox=False, app=app)

    assert event.errors == []
