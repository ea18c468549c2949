"""Ask Meta, step by step, whether an account and a number can work here; say what is wrong and the cure."""

import enum
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from accounts import numbers, stops
from accounts.models import BusinessAccount, MetaApp, PhoneNumber
from gosend.lib import moments
from gosend.whatsapp.client import GraphClient
from gosend.whatsapp.errors import GraphError

# What a token must be allowed to do.
SCOPES = ("whatsapp_business_management", "whatsapp_business_messaging")
# A token that ends within so many days wants to be replaced now.
EXPIRY_WARNING = timedelta(days=14)
# Numbers of one account that are looked at in one go; Meta allows it 20 at first.
MAX_NUMBERS = 20
_NEW_TOKEN = (
    "Make a token of a system user in Meta's Business Settings (never to expire, with "
    + " and ".join(SCOPES)
    + ") and put it in at the business account."
)


class State(enum.StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at; `cure` is empty where nothing is wrong."""

    name: str
    state: State
    says: str
    cure: str = ""


@dataclass(slots=True)
class Checkup:
    """What was found, and what Meta told on the way; `number` and `account` are Meta's own objects."""

    steps: list[Step] = field(default_factory=list)
    token_expires_at: datetime | None = None
    account: dict[str, Any] = field(default_factory=dict)
    number: dict[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """The worst of the steps."""
        found = {step.state for step in self.steps}
        return next((one for one in (State.FAILED, State.WARNING) if one in found), State.OK)

    def add(self, name: str, says: str, *, cure: str = "", state: State | None = None) -> None:
        self.steps.append(Step(name, state or (State.FAILED if cure else State.OK), says, cure))


def of_number(number: PhoneNumber, *, pin: str = "", is_to_subscribe: bool = False) -> Checkup:
    """Check a number that is kept here, with its account's token; `run` says what the rest does."""
    account = number.business_account
    checkup = run(
        client=numbers.client_for(number),
        waba_id=account.waba_id,
        phone_number_id=number.phone_number_id,
        tenant_id=account.tenant_id,
        is_sandbox=account.is_sandbox,
        pin=pin,
        is_to_subscribe=is_to_subscribe,
    )
    _here(checkup, number)
    return checkup


def of_account(account: BusinessAccount, *, is_to_subscribe: bool = False) -> Checkup:
    """Check an account and the numbers of it that are kept here, each under its own name."""
    client = numbers.client_for_account(account)
    checkup = run(
        client=client,
        waba_id=account.waba_id,
        tenant_id=account.tenant_id,
        is_sandbox=account.is_sandbox,
        is_to_subscribe=is_to_subscribe,
    )
    kept = account.phone_numbers.select_related("tenant", "business_account__customer").order_by("pk")
    rows = list(kept[: MAX_NUMBERS + 1])
    is_reached = all(step.state is State.OK for step in checkup.steps if step.name == "account")
    for number in rows[:MAX_NUMBERS]:
        about = f"number {number.display_phone_number}"
        if is_reached and not account.is_sandbox:
            _number(checkup, client, account.waba_id, number.phone_number_id, about=about)
        elif not is_reached:
            _skip(checkup, about)
        _here(checkup, number, about=about)
    if len(rows) > MAX_NUMBERS:
        says = f"Only the first {MAX_NUMBERS} numbers were looked at."
        checkup.add("number", says, state=State.SKIPPED)
    return checkup


def run(
    *,
    client: GraphClient,
    waba_id: str,
    tenant_id: int,
    phone_number_id: str = "",
    is_sandbox: bool = False,
    pin: str = "",
    is_to_subscribe: bool = False,
) -> Checkup:
    """Check what a client's token reaches, whether or not it is kept here already. Never raises GraphError.

    What cannot be known once a step has failed is left out as skipped. With a `pin` the number is
    registered with the Cloud API first, and the token's app is subscribed to the account on demand.
    """
    checkup = Checkup()
    app_id = _token(checkup, client)
    if app_id is None:
        _skip(checkup, "account", "number", "webhooks")
        return checkup
    if not _account(checkup, client, waba_id):
        _skip(checkup, "number", "webhooks")
        return checkup
    if is_sandbox:  # a sandbox server knows no list of its numbers: any id is one
        checkup.add("webhooks", "The sandbox posts its callbacks by itself.")
        return checkup
    if phone_number_id:
        _number(checkup, client, waba_id, phone_number_id, pin=pin)
    _webhooks(checkup, client, waba_id, app_id, is_to_subscribe=is_to_subscribe)
    _secret(checkup, app_id, tenant_id)
    return checkup


def _token(checkup: Checkup, client: GraphClient) -> str | None:
    """The id of the app that the token belongs to; None where the token is of no use."""
    try:
        known = client.debug_token()
    except GraphError as error:
        cure = _NEW_TOKEN if error.code == 190 else "Look at the network between here and Meta; try again."
        checkup.add("token", _words(error), cure=cure)
        return None
    if not known.get("is_valid"):
        checkup.add("token", "Meta does not take this token any more.", cure=_NEW_TOKEN)
        return None
    scopes = known.get("scopes")
    missing = [scope for scope in SCOPES if scope not in (scopes if isinstance(scopes, list) else [])]
    checkup.token_expires_at = ends_at = _moment(known.get("expires_at"))
    if missing:
        checkup.add("token", f"The token lacks the permission {' and '.join(missing)}.", cure=_NEW_TOKEN)
    elif ends_at and ends_at < timezone.now() + EXPIRY_WARNING:
        says = f"The token ends on {moments.day(ends_at)}."
        checkup.add("token", says, cure=_NEW_TOKEN, state=State.WARNING)
    else:
        until = f"until {moments.day(ends_at)}" if ends_at else "without an end"
        checkup.add("token", f"The token is valid {until}, with the permissions that are needed.")
    return str(known.get("app_id") or "")


def _account(checkup: Checkup, client: GraphClient, waba_id: str) -> bool:
    try:
        checkup.account = client.get_waba(waba_id=waba_id)
    except GraphError as error:
        cure = f"Check the id {waba_id[:40]}, and give the system user full control of this account at Meta."
        checkup.add("account", _words(error), cure=cure)
        return False
    name, review = checkup.account.get("name"), checkup.account.get("account_review_status")
    if review == "REJECTED":
        cure = "Appeal in Meta's WhatsApp Manager, under account quality."
        checkup.add("account", f"Meta has rejected the account {name}.", cure=cure)
    else:
        checkup.add("account", f"The token reaches the account {name}, review {review}.")
    return True


def _number(
    checkup: Checkup,
    client: GraphClient,
    waba_id: str,
    phone_number_id: str,
    *,
    pin: str = "",
    about: str = "number",
) -> None:
    try:
        owned = {str(row.get("id")): row for row in client.list_phone_numbers(waba_id=waba_id)}
        if phone_number_id not in owned:
            cure = "Use one of this account's: " + (", ".join(sorted(owned)[:20]) or "it has none")
            checkup.add(about, "The number does not belong to this account.", cure=cure)
            return
        if pin:
            _register(checkup, client, phone_number_id, pin)
        checkup.number = client.get_phone_number(phone_number_id=phone_number_id)
    except GraphError as error:
        cure = "Take phone_number_id from WhatsApp Manager; it is not the telephone number itself."
        checkup.add(about, _words(error), cure=cure)
        return
    status = checkup.number.get("status")
    if status not in {"CONNECTED", None}:
        cure = _STATUS_CURES.get(
            str(status), "Open the number in Meta's WhatsApp Manager and follow its notice."
        )
        checkup.add(about, f"Meta says that the number is {status}.", cure=cure)
    else:
        checkup.add(about, f"The number {checkup.number.get('display_phone_number')} is connected.")
    _health(checkup)
    if checkup.number.get("quality_rating") in {"YELLOW", "RED"}:
        says = f"The number's quality is {checkup.number['quality_rating']}: people block or report it."
        cure = "Send less marketing, only to people who agreed to it; Meta lowers limits otherwise."
        checkup.add("quality", says, cure=cure, state=State.WARNING)


def _health(checkup: Checkup) -> None:
    """Meta's own verdict on whether messages can go out, by whoever stands in the way."""
    health = checkup.number.get("health_status")
    for entity in health.get("entities", []) if isinstance(health, dict) else []:
        if isinstance(entity, dict) and entity.get("can_send_message") in {"LIMITED", "BLOCKED"}:
            verdict, kind = str(entity["can_send_message"]).lower(), entity.get("entity_type")
            problems = [one for one in entity.get("errors") or [] if isinstance(one, dict)]
            whys = "; ".join(str(one.get("error_description", "")) for one in problems)
            cures = " ".join(str(one.get("possible_solution", "")) for one in problems)
            state = State.FAILED if verdict == "blocked" else State.WARNING
            says = f"Sending is {verdict} by Meta at the {kind}: {whys or 'no reason given'}."
            checkup.add("health", says, cure=cures or "See WhatsApp Manager's notices.", state=state)


def _register(checkup: Checkup, client: GraphClient, phone_number_id: str, pin: str) -> None:
    try:
        client.register(phone_number_id=phone_number_id, pin=pin)
    except GraphError as error:
        checkup.add("register", _words(error), cure=error.cure)
    else:
        checkup.add("register", "Meta has registered the number with the Cloud API; its PIN is this one.")


def _here(checkup: Checkup, number: PhoneNumber, *, about: str = "number") -> None:
    """What keeps the number from sending on our side, where Meta finds nothing wrong."""
    for stop in stops.of(number):
        checkup.add(about, stop.says, cure=stop.cure, state=State.WARNING)


def _webhooks(
    checkup: Checkup, client: GraphClient, waba_id: str, app_id: str, *, is_to_subscribe: bool
) -> None:
    try:
        if is_to_subscribe:
            client.subscribe(waba_id=waba_id)
        apps = client.subscribed_apps(waba_id=waba_id)
    except GraphError as error:
        cure = "Give the token's user full control of the account at Meta, then subscribe the app again."
        checkup.add("webhooks", _words(error), cure=cure)
        return
    if app_id in apps:
        checkup.add("webhooks", "Meta posts the account's callbacks to the token's app.")
    else:
        says = "Meta posts this account's callbacks to " + (", ".join(apps) or "nobody") + "."
        cure = "Press Subscribe the app on the page of the number or the account in the console."
        checkup.add("webhooks", says, cure=cure)


def _secret(checkup: Checkup, app_id: str, tenant_id: int) -> None:
    app = MetaApp.objects.filter(app_id=app_id).first()
    if app is None or app.tenant_id not in (None, tenant_id):
        cure = f"Add the app {app_id} with its app secret under Meta apps; unsigned callbacks are refused."
        checkup.add("app secret", f"The secret of the app {app_id} is not known here.", cure=cure)
    else:
        checkup.add("app secret", f"The callbacks of the app {app.name} can be verified.")


def _skip(checkup: Checkup, *names: str) -> None:
    for name in names:
        checkup.add(name, "Not looked at, as a step before it failed.", state=State.SKIPPED)


def _words(error: GraphError) -> str:
    code = f" (Meta's code {error.code})" if error.code else ""
    return f"{error.title}{code}."


def _moment(seconds: object) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) and seconds > 0 else None


_STATUS_CURES = {
    "PENDING": "Register the number with a PIN of six digits: connect it with one, or Register on its page.",
    "DISCONNECTED": "Register the number again with its PIN: connect it with it, or Register on its page.",
    "RATE_LIMITED": "Wait until tomorrow; the number reached its messaging limit.",
    "BANNED": "Appeal in Meta's WhatsApp Manager; nothing can be sent meanwhile.",
}
