"""Every live account and number, as Meta sees them."""

from collections.abc import Iterator

from django.conf import settings
from django.utils import timezone

from accounts import checkup
from accounts.models import BusinessAccount, MetaApp, PhoneNumber
from gosend.doctor import machine
from gosend.doctor.findings import Finding, State, ill, skipped, warned, well
from gosend.lib import encryption

# Numbers that are looked at in one run; Meta allows an app 200 such calls an hour for each account.
MAX_NUMBERS = 100


def apps() -> Iterator[Finding]:
    """The apps whose callbacks we accept: without a secret that opens none is."""
    found = list(MetaApp.objects.order_by("pk")[:MAX_NUMBERS])
    for app in found:
        about = f"app {app.app_id}"
        try:
            is_whole = bool(app.secret and app.verify_token)
        except encryption.CannotOpen:
            yield ill(
                about, "Its secret cannot be opened.", "Put the key that sealed it back into ENCRYPTION_KEYS."
            )
            continue
        if is_whole:
            yield well(about, f"{app.name}: callback address {settings.PUBLIC_URL}/meta/webhook.")
        else:
            yield ill(about, "It has no secret, or no verify token.", "Enter both in the console.")
    if not found and PhoneNumber.objects.filter(is_sandbox=False).exists():
        cure = "Add the app with its id, secret and verify token in the console, under Meta apps."
        yield ill("apps", "Live numbers, but no app of Meta's is known: every callback is refused.", cure)


def accounts(*, asks_meta: bool) -> Iterator[Finding]:
    """Every live number; Meta is asked only where there is one, and only once it is known to be reached."""
    live = PhoneNumber.objects.filter(is_sandbox=False).select_related("business_account")
    numbers = list(live.order_by("pk")[: MAX_NUMBERS + 1])
    if not numbers:
        yield skipped("accounts", "No live numbers, so nothing is asked of Meta; test keys use the sandbox.")
        return
    if asks_meta:
        for finding in machine.meta_reached():
            yield finding
            asks_meta = asks_meta and (finding.about != "meta" or finding.state is State.OK)
    for number in numbers[:MAX_NUMBERS]:
        if asks_meta:
            for step in checkup.of_number(number).steps:
                yield Finding(f"{number.phone_number_id} {step.name}", step.state, step.says, step.cure)
        else:
            yield from _token_end(number.business_account)
    if len(numbers) > MAX_NUMBERS:
        yield skipped("accounts", f"Only the first {MAX_NUMBERS} numbers were looked at.")


def _token_end(account: BusinessAccount) -> Iterator[Finding]:
    ends = account.token_expires_at
    about = f"{account.waba_id} token"
    if ends and ends < timezone.now() + checkup.EXPIRY_WARNING:
        yield warned(about, f"It ends on {ends:%Y-%m-%d}.", "Put in a new one at the business account.")
    else:
        yield well(about, f"It ends on {ends:%Y-%m-%d}." if ends else "It has no end that is known here.")
