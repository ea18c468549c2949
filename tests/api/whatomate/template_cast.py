"""Templates of acme's, and the one that was sent."""

from typing import Any

from messaging.models import MessageContent
from templates_app.models import Template
from tests import factories
from tests.conftest import Party

PHONE = "919876543210"


NAMED = "Hello {{name}}, your order {{order_id}} is ready"


def make(party: Party, *components: dict[str, Any], **fields: Any) -> Template:
    made: Template = factories.TemplateFactory.create(
        tenant=party.tenant,
        business_account=party.number.business_account,
        components=list(components),
        **{"name": "order_confirmation", **fields},
    )
    return made


def body_part(text: str = NAMED) -> dict[str, Any]:
    return {"type": "BODY", "text": text}


def sent_template() -> Any:
    return MessageContent.objects.get().body["template"]
