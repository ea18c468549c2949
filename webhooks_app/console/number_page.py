"""Numbers: connect, disconnect, stop, start; on a sandbox number a pretend customer writes."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from accounts import numbers as lines
from accounts.acts import Act, ActForm, Acting, Done, ReasonForm
from accounts.console import TenantRecordAdmin, note
from accounts.models import PhoneNumber
from gosend.lib import phone
from gosend.sandbox import callbacks
from webhooks_app import numbers
from webhooks_app.console import connecting


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
    return Done(
        "The customer has written; it arrives within seconds.", goes_to=page, details={"wamid": wamid}
    )


def _stop(row: PhoneNumber, data: Mapping[str, Any]) -> Done:
    lines.stop(row)
    return Done("Stopped. What waits goes on waiting; what arrives is still taken in.")


def _start(row: PhoneNumber, data: Mapping[str, Any]) -> Done:
    lines.start(row)
    return Done("Started; what waits goes out first.")


class PhoneNumberAdmin(Acting, TenantRecordAdmin):  # type: ignore[misc]  # unfold narrows what Django wrote
    """A number is connected here, and disconnected; deleting it would delete its messages."""

    list_display = ["display_phone_number", "tenant", "status", "quality_rating", "throughput_tier", "limit"]
    list_select_related = ["tenant", "business_account"]
    list_filter = ["status", "quality_rating", "is_sandbox"]
    search_fields = ["phone_number_id__exact", "display_phone_number_normalized__exact"]
    autocomplete_fields = ["tenant", "business_account"]
    readonly_fields = ["is_sandbox"]
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

    @admin.display(description="Meta's limit")
    def limit(self, row: PhoneNumber) -> str:
        return row.business_account.messaging_limit or "not known"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("tenant", "business_account")

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
