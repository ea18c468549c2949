"""Numbers: connect, disconnect, stop, start; on a sandbox number a pretend customer writes."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from accounts import numbers as lines
from accounts import pace, stops
from accounts.acts import Act, ActForm, Acting, Done, ReasonForm
from accounts.console import TenantRecordAdmin, note
from accounts.models import PhoneNumber
from gosend.lib import logs, phone
from gosend.sandbox import callbacks
from webhooks_app import numbers
from webhooks_app.console import connecting

# What a number is at Meta, and to whom it belongs: Meta tells it when the number is connected, checked
# and whenever it changes.
_OF_META = (
    "tenant", "business_account", "phone_number_id", "display_phone_number",
    "display_phone_number_normalized", "verified_name", "quality_rating",
    "is_official_business_account",
)  # fmt: skip


class _WriteForm(ActForm):
    from_phone = forms.CharField(
        initial="5491155550100", label="From", help_text="The pretend customer's number, with its country."
    )
    name = forms.CharField(initial="Ana", max_length=100)
    text = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), max_length=4096)

    def clean_from_phone(self) -> str:
        digits = phone.plain(self.cleaned_data["from_phone"])
        if not phone.is_e164_digits(digits):
            raise forms.ValidationError("Give the number with its country, such as 5491155550100.")
        return digits


def _write(row: PhoneNumber, data: Mapping[str, Any]) -> Done:
    payload = callbacks.inbound_text(
        waba_id=row.business_account.waba_id,
        phone_number_id=row.phone_number_id,
        display_phone_number=row.display_phone_number_normalized,
        from_phone=data["from_phone"],
        body=data["text"],
        name=data["name"],
    )
    callbacks.schedule(payload=payload)
    wamid = callbacks.wamid_of(payload)
    page = reverse("admin:messaging_message_changelist")
    # A wamid holds the customer's number in base64.
    details = {"from": phone.mask(data["from_phone"]), "wamid": logs.redact(wamid)}
    return Done("The customer has written; it arrives within seconds.", goes_to=page, details=details)


def _is_live(row: PhoneNumber) -> bool:
    return not row.is_sandbox


def _resume(row: PhoneNumber, data: Mapping[str, Any]) -> Done:
    why, count = row.held_for, pace.resume(row)
    return Done(
        f"One message tries now on each of {count} numbers." if count > 1 else "One message tries now.",
        details={"held_for": why, "numbers": count},
    )


def _stop(row: PhoneNumber, data: Mapping[str, Any]) -> Done:
    lines.stop(row)
    return Done("Stopped. What waits goes on waiting; what arrives is still taken in.")


def _start(row: PhoneNumber, data: Mapping[str, Any]) -> Done:
    lines.start(row)
    return Done("Started; what waits goes out first.")


class PhoneNumberAdmin(Acting, TenantRecordAdmin):  # type: ignore[misc]  # unfold narrows what Django wrote
    """A number is connected here, and disconnected; deleting it would delete its messages."""

    when_empty = (
        "No number yet. Connect one by its token with the button above, or add a tenant for a sandbox number."
    )
    list_display = [
        "display_phone_number", "tenant", "sending", "status", "quality_rating", "throughput_tier", "limit",
    ]  # fmt: skip
    list_select_related = ["tenant", "business_account__customer"]
    # Written by what happens, and by the buttons above.
    exclude = ["stopped_at", "held_until", "held_for", "slowed_at", "slowed_to"]
    list_filter = ["status", "quality_rating", "is_sandbox"]
    search_fields = ["phone_number_id__exact", "display_phone_number_normalized__exact"]
    autocomplete_fields = ["tenant", "business_account"]
    ordering = ["-id"]
    actions = ["disconnect"]
    acts = (
        Act(
            "connect", "Connect a number", "Asks Meta step by step whether it can work, and keeps it if so.",
            "phonenumber.connected", connecting.connect, connecting.ConnectForm,
            of_list=True, is_atomic=False,
        ),
        Act(
            "check", "Check its health", "Asks Meta what is wrong, and tells the cure.",
            "phonenumber.checked", connecting.check, is_atomic=False,
        ),
        Act(
            "subscribe", "Subscribe the app", "Has Meta post the account's callbacks to the token's app.",
            "phonenumber.subscribed", connecting.subscribe, is_atomic=False, fits=_is_live,
        ),
        Act(
            "register", "Register with a PIN", "Registers the number with the Cloud API; Meta asks for this"
            " when a number is new, or was moved.",
            "phonenumber.registered", connecting.register, connecting.PinForm, is_atomic=False, fits=_is_live,
        ),
        Act(
            "resume", "Try again now", "Ends the pause. One message tries; the others follow once Meta"
            " accepts it. Where the cause is still there, the pause begins anew.",
            "phonenumber.resumed", _resume, ReasonForm, fits=lambda row: bool(pace.held_seconds(row)),
        ),
        Act(
            "write", "Let a customer write", "A pretend customer writes to this sandbox number.",
            "sandbox.customer_wrote", _write, _WriteForm, fits=lambda row: row.is_sandbox,
        ),
        Act(
            "stop", "Stop sending", "Nothing is sent on this number until it is started again.",
            "phonenumber.stopped", _stop, ReasonForm, fits=lambda row: row.stopped_at is None,
        ),
        Act(
            "start", "Start sending", "Sends again on this number.",
            "phonenumber.started", _start, ReasonForm, fits=lambda row: row.stopped_at is not None,
        ),
    )  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["is_sandbox", *(_OF_META if obj else ())]

    @admin.display(description="Meta's limit")
    def limit(self, row: PhoneNumber) -> str:
        return row.business_account.messaging_limit or "not known"

    @admin.display(description="Sending")
    def sending(self, row: PhoneNumber) -> str:
        found = stops.of(row)
        return f"✗ {found[0].says}" if found else "✓ free to send"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("tenant", "business_account__customer")

    def panel(self, request: HttpRequest, row: Any) -> Mapping[str, Any]:
        return {
            "panel_template": "console/number_panel.html",
            "stops": stops.of(row),
            "share": round(100 * pace.share_of(row)),
            "token_ends": row.business_account.token_expires_at,
        }

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        numbers.keep(number=obj)

    @admin.action(description="Disconnect the chosen numbers", permissions=["change"])
    def disconnect(self, request: HttpRequest, queryset: QuerySet[PhoneNumber]) -> None:
        for number in queryset.select_related("business_account"):
            numbers.disconnect(number=number)
            note(request, "phonenumber.disconnected", subject=number)
        messages.success(request, "Disconnected; they neither send nor count as connected any more.")
