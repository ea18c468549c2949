"""Every type of message through the API, as printed and as badly as hypothesis can think of."""

import copy
from typing import Any

import orjson
import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.models import PhoneNumber
from messaging.models import Message
from templates_app.models import Template
from tests.api.conftest import Call, nothing_stored
from tests.conftest import Party
from tests.whatsapp import messages

# As the documented pages print them, and one of each other type.
PRINTED: dict[str, Any] = {
    "text": {"body": "Hola Juan, llegamos al lugar 👋"},
    "template": {
        "name": "appointment_reminder",
        "language": {"code": "es_AR"},
        "components": [
            {"type": "header", "parameters": [{"type": "image", "image": {"id": "934567890123456"}}]},
            {
                "type": "body",
                "parameters": [
                    {"type": "text", "text": "Juan"},
                    {"type": "text", "text": "20/05"},
                    {"type": "text", "text": "14:00"},
                ],
            },
            {
                "type": "button",
                "sub_type": "quick_reply",
                "index": "0",
                "parameters": [{"type": "payload", "payload": "confirm_yes_apt_123"}],
            },
        ],
    },
    "image": {"id": "934567890123456", "caption": "Same image, reused 100 times"},
    "video": {"id": "934567890123456", "caption": "Tour"},
    "audio": {"id": "934567890123456", "voice": True},
    "document": {"id": "934567890123456", "filename": "order.pdf"},
    "sticker": {"id": "934567890123456"},
    "location": {"latitude": -34.6037, "longitude": "-58.3816", "name": "Obelisco"},
    "interactive": {
        "type": "list",
        "body": {"text": "Elegí un servicio:"},
        "action": {
            "button": "Ver servicios",
            "sections": [
                {
                    "title": "Consultas",
                    "rows": [
                        {"id": "general", "title": "Consulta general", "description": "30 min · $5000"},
                        {"id": "specialist", "title": "Especialista", "description": "45 min · $8000"},
                    ],
                },
                {
                    "title": "Estudios",
                    "rows": [{"id": "lab", "title": "Laboratorio", "description": "Análisis de sangre"}],
                },
            ],
        },
    },
    "contacts": [
        {
            "name": {"formatted_name": "Ana Paz", "first_name": "Ana"},
            "phones": [{"phone": "+54 9 11 4012-3456", "type": "WORK", "wa_id": "5491140123456"}],
            "birthday": "1990-02-28",
        }
    ],
    "reaction": {"message_id": "wamid.HBgLNTQ5", "emoji": "👍"},
}
PLACES = [
    {"type": "HEADER", "format": "IMAGE"},
    {"type": "BODY", "text": "Hola {{1}}, tu turno es el {{2}} a las {{3}}."},
    {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Sí"}]},
]
TYPES = sorted(PRINTED)
ODD = messages.JSON | st.sampled_from(["", "\u202e", "x" * 5000, 10**18, 1.5e308, -1, [], {}, [[]], "👍"])
KEYS = st.sampled_from(["type", "id", "link", "body", "action", "components", "parameters", "", "__proto__"])


@pytest.fixture(autouse=True)
def _unhurried(settings: Settings, number: PhoneNumber) -> None:
    settings.API_RATE_LIMITS = dict.fromkeys(settings.API_RATE_LIMITS, 100_000)
    number.throughput_tier = PhoneNumber.Tier.UNLIMITED
    number.save()


@pytest.fixture(autouse=True)
def template(number: PhoneNumber) -> Template:
    return Template.objects.create(
        tenant=number.tenant,
        business_account=number.business_account,
        name="appointment_reminder",
        language="es_AR",
        category="UTILITY",
        status="APPROVED",
        components=PLACES,
    )


def asked(body: dict[str, Any], kind: str, value: Any) -> dict[str, Any]:
    return {key: body[key] for key in ("phone_number_id", "to")} | {"type": kind, kind: value}


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_is_sent_and_kept_as_it_came(post: Call, body: dict[str, Any], kind: str) -> None:
    response = post("/v1/messages", asked(body, kind, PRINTED[kind]))

    answer = orjson.loads(response.content)
    assert (response.status_code, answer["message_type"], answer["status"]) == (201, kind, "sent"), answer
    assert Message.objects.get().content.body == {"type": kind, kind: PRINTED[kind]}


@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind != "reaction"])
def test_every_type_but_a_reaction_may_answer_a_message(post: Call, body: dict[str, Any], kind: str) -> None:
    response = post("/v1/messages", asked(body, kind, PRINTED[kind]) | {"context": {"message_id": "wamid.X"}})

    assert response.status_code == 201
    assert Message.objects.get().content.body["context"] == {"message_id": "wamid.X"}


def test_a_reaction_answers_no_message(post: Call, body: dict[str, Any]) -> None:
    reaction = asked(body, "reaction", PRINTED["reaction"]) | {"context": {"message_id": "wamid.X"}}

    response = post("/v1/messages", reaction)

    answer = orjson.loads(response.content)
    assert (response.status_code, answer["code"], answer["details"]["field"]) == (
        400,
        "INVALID_FIELD",
        "context",
    )
    assert nothing_stored()


def test_a_broken_limit_names_path_limit_and_value(post: Call, body: dict[str, Any]) -> None:
    button = {"type": "reply", "reply": {"id": "1", "title": "much longer than twenty"}}
    value = {"type": "button", "body": {"text": "?"}, "action": {"buttons": [button]}}

    response = post("/v1/messages", asked(body, "interactive", value))

    answer = orjson.loads(response.content)
    assert (response.status_code, answer["code"]) == (400, "INVALID_CONTENT")
    assert answer["details"]["errors"] == [
        {
            "path": "interactive.action.buttons[0].reply.title",
            "message": "must have at most 20 characters",
            "limit": 20,
            "value": "much longer than twenty",
        }
    ]


def test_parameters_that_do_not_fit_the_template_are_refused(post: Call, body: dict[str, Any]) -> None:
    sent = PRINTED["template"] | {"components": PRINTED["template"]["components"][:1]}

    response = post("/v1/messages", asked(body, "template", sent))

    answer = orjson.loads(response.content)
    assert (response.status_code, answer["code"]) == (422, "TEMPLATE_PARAM_MISMATCH")
    assert answer["details"] == {
        "field": "template.components[body].parameters",
        "expected": 3,
        "given": 0,
        "errors": [
            {
                "path": "template.components[body].parameters",
                "message": "must be as many as the template has places",
                "expected": 3,
                "given": 0,
            }
        ],
    }
    assert nothing_stored()


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """A value with something in it replaced, removed, repeated or added, one to three times."""
    made = orjson.loads(orjson.dumps(value))
    for _ in range(draw(st.integers(1, 3))):
        # What was drawn belongs to the strategy, which would draw it changed the next time.
        made = copy.deepcopy(_once(draw, made))
    return made


def _once(draw: st.DrawFn, value: Any) -> Any:
    if draw(st.integers(0, 3)) and isinstance(value, (dict, list)) and value:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = draw(st.sampled_from(keys))
        value[key] = _once(draw, value[key])
        return value
    act = draw(st.sampled_from(["replace", "add", "drop", "repeat"]))
    if act == "add" and isinstance(value, dict):
        return value | {draw(KEYS): draw(ODD)}
    if act == "drop" and isinstance(value, dict) and value:
        gone = draw(st.sampled_from(sorted(value)))
        return {key: item for key, item in value.items() if key != gone}
    if act == "repeat" and isinstance(value, (list, str)):
        return value * draw(st.integers(2, 40))
    return draw(ODD)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_body_makes_a_fault_of_ours(acme: Party, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(TYPES))
    whole = {
        "phone_number_id": acme.number.phone_number_id,
        "to": "5491140123456",
        "type": kind,
        kind: PRINTED[kind],
        "context": {"message_id": "wamid.X"},
    }
    body = data.draw(mutated(whole))

    assert _status(acme, body) in {201, 202, 400, 403, 404, 422}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages.MESSAGES)
def test_whatever_is_well_formed_is_answered(acme: Party, message: messages.Sent) -> None:
    kind, value = message
    body = {"phone_number_id": acme.number.phone_number_id, "to": "5491140123456", "type": kind, kind: value}

    assert _status(acme, body) in {201, 202, 404, 422}


def _status(party: Party, body: Any) -> int:
    response = Client(raise_request_exception=False).post(
        "/v1/messages",
        orjson.dumps(body),
        content_type="application/json",
        headers={"X-API-Key": party.api_key},
    )
    return response.status_code
