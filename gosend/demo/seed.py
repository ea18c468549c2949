"""What the demo needs before it starts: an operator, a tenant, a sandbox number, a test key."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from django.db import transaction

from accounts import keys, tenants
from accounts.keys import ExpiredKey, MalformedKey, UnknownKey
from accounts.models import ApiKey, PhoneNumber, User
from gosend.api.whatomate import uuids
from gosend.sandbox import shelf
from gosend.sandbox.shelf import RowShelf
from gosend.sandbox.world import Line
from messaging import people
from templates_app.models import Template

# Who the demo writes to.
CUSTOMER = "5491140123456"
_OPERATOR = "operator"
_TENANT = "Demo"


@dataclass(slots=True)
class Demo:
    """What the screen shows, for scripts; kept in `demo.json`, readable by its owner only."""

    base_url: str = ""
    api_key: str = ""
    tenant_id: str = ""
    waba_id: str = ""
    phone_number_id: str = ""
    webhook_id: str = ""
    webhook_secret: str = ""
    receiver_url: str = ""
    console_url: str = ""
    console_user: str = ""
    console_password: str = ""
    # For a client of each of the other two APIs.
    whatomate_key: str = ""
    contact_id: str = ""
    session_key: str = ""
    session_id: str = ""


def load(path: Path) -> Demo:
    """Read what an earlier demo left; empty when there is nothing usable."""
    try:
        return Demo(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return Demo()


def save(demo: Demo, path: Path) -> None:
    """Write the file whole or not at all, and never for other eyes."""
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(demo), indent=2) + "\n")
    draft.replace(path)


@transaction.atomic
def prepare(demo: Demo) -> bool:
    """Make what is missing; say whether anything was made."""
    if _is_usable(demo):
        return False
    operator = _operator(demo)
    tenant = tenants.open_tenant(name=_TENANT, owner=operator)
    number = tenants.add_sandbox(tenant=tenant)
    _, demo.api_key = keys.mint(tenant=tenant, label="demo", environment=ApiKey.Environment.TEST)
    demo.tenant_id = str(tenant.pk)
    demo.waba_id = number.business_account.waba_id
    demo.phone_number_id = number.phone_number_id
    demo.webhook_id = demo.webhook_secret = ""
    _open_other_doors(demo, number)
    add_templates(number)
    return True


def _open_other_doors(demo: Demo, number: PhoneNumber) -> None:
    """A key for each of the other two APIs, and what their addresses name: a contact, a session."""
    tenant, environment = number.tenant, ApiKey.Environment.TEST
    _, demo.whatomate_key = keys.mint(
        tenant=tenant, label="demo", environment=environment, dialect=ApiKey.Dialect.WHATOMATE
    )
    _, demo.session_key = keys.mint(
        tenant=tenant, label="demo", environment=environment, dialect=ApiKey.Dialect.SESSIONS
    )
    contact, _ = people.note(
        tenant=tenant, environment=environment, number=number, phone=CUSTOMER, said={"name": "Juan"}
    )
    demo.contact_id = uuids.write(uuids.CONTACT, contact.pk)
    demo.session_id = number.phone_number_id


def line(demo: Demo) -> Line:
    """The demo's number as the sandbox's callbacks call it."""
    number = PhoneNumber.objects.get(phone_number_id=demo.phone_number_id)
    return Line(demo.waba_id, number.phone_number_id, number.display_phone_number_normalized)


def _is_usable(demo: Demo) -> bool:
    try:
        key = keys.find(demo.api_key)
        keys.find(demo.whatomate_key, dialect=ApiKey.Dialect.WHATOMATE)
        keys.find(demo.session_key, dialect=ApiKey.Dialect.SESSIONS)
    except (MalformedKey, UnknownKey, ExpiredKey):
        return False
    has_number = key.tenant.phone_numbers.filter(phone_number_id=demo.phone_number_id).exists()
    return has_number and User.objects.filter(username=demo.console_user).exists()


def _operator(demo: Demo) -> User:
    demo.console_user, demo.console_password = _OPERATOR, secrets.token_urlsafe(12)
    operator, _ = User.objects.get_or_create(
        username=_OPERATOR, defaults={"is_staff": True, "is_superuser": True}
    )
    operator.set_password(demo.console_password)
    operator.save()
    return operator


def add_templates(number: PhoneNumber) -> None:
    """Copy what the sandbox has to begin with; the demo's server begins with the same."""
    account = number.business_account
    for held in shelf.starters():
        RowShelf(account.waba_id).put(held)
        Template.objects.create(
            tenant_id=number.tenant_id,
            business_account=account,
            meta_template_id=held.template_id,
            name=held.name,
            language=held.language,
            category=held.category,
            status=Template.Status.APPROVED,
            components=held.components,
        )
