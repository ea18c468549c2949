"""Endpoints: add, test, rotate the secret, switch on and off, replay what failed."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse

from accounts.acts import Act, ActForm, Acting, Done, Finding, ReasonForm
from accounts.console import TenantLogAdmin
from accounts.models import PhoneNumber, Tenant
from webhooks_app import deliver, endpoints, events, probe, replay, secrets
from webhooks_app.models import Attempt, Delivery, Replay, WebhookEndpoint

# Rows of an endpoint's past that its page shows.
SHOWN = 20


class _AddForm(ActForm):
    tenant = forms.ModelChoiceField(Tenant.objects.order_by("name"))
    phone_number = forms.ModelChoiceField(
        PhoneNumber.objects.order_by("-id"),
        required=False,
        help_text="With one it hears that number's messages; without one what concerns the tenant.",
    )
    url = forms.URLField(max_length=2048, label="URL", assume_scheme="https")
    events = forms.CharField(
        initial=events.ALL, help_text="Names with commas between them, or * for all of them."
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        number, tenant = data.get("phone_number"), data.get("tenant")
        if number and tenant and number.tenant_id != tenant.pk:
            self.add_error("phone_number", "This number belongs to another tenant.")
        return data


class _RotateForm(ReasonForm):
    overlap_hours = forms.IntegerField(
        initial=24,
        min_value=0,
        max_value=secrets.MAX_OVERLAP_HOURS,
        help_text="So long the old secret signs beside the new one; 0 ends it at once.",
    )


class _ReplayForm(ReasonForm):
    since = forms.DateTimeField(
        label="Since (UTC)", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )


def _add(row: None, data: Mapping[str, Any]) -> Done:
    names = [name.strip() for name in data["events"].split(",") if name.strip()]
    endpoint, secret = endpoints.add(
        tenant=data["tenant"], number=data["phone_number"], url=data["url"], events=names
    )
    return Done("The endpoint is added. This secret signs what it gets.", secret, subject=endpoint)


def _rotate(row: WebhookEndpoint, data: Mapping[str, Any]) -> Done:
    hours = data["overlap_hours"]
    secret = secrets.rotate(endpoint=row, overlap_hours=hours)
    return Done("The new secret signs from now on.", secret, details={"overlap_hours": hours})


def _test(row: WebhookEndpoint, data: Mapping[str, Any]) -> Done:
    delivery, claim = probe.begin(endpoint=row)
    page = reverse("admin:webhooks_app_delivery_change", args=[delivery.pk])
    details = {"delivery_id": str(delivery.delivery_id)}
    if claim is None:
        return Done("The test event waits for a worker: others are being posted.", goes_to=page)
    deliver.attempt(claim)
    attempt = Attempt.objects.filter(delivery=delivery).order_by("-number").first()
    if attempt is None:
        return Done("The test event was taken by a worker.", goes_to=page, details=details)
    return Done("The test event was posted.", findings=[finding_of(attempt)], goes_to=page, details=details)


def finding_of(attempt: Attempt) -> Finding:
    is_ok = attempt.response_status is not None and 200 <= attempt.response_status < 300
    answer = f"HTTP {attempt.response_status}" if attempt.response_status else "no answer"
    says = f"{answer} after {attempt.duration_ms} ms. {attempt.error}\n{attempt.response_body}".strip()
    cure = "" if is_ok else "The receiver has to answer 2xx within 10 seconds; see its own log."
    return Finding(f"Attempt {attempt.number}", says, "ok" if is_ok else "failed", cure)


def _switch(row: WebhookEndpoint, data: Mapping[str, Any]) -> Done:
    endpoints.change(endpoint=row, is_enabled=not row.is_enabled)
    if row.is_enabled:
        return Done("Disabled. What waited for it has ended; replay it once it is enabled again.")
    return Done("Enabled. It hears what happens from now on; replay what it missed.")


def _replay(row: WebhookEndpoint, data: Mapping[str, Any]) -> Done:
    order = replay.order(endpoint=row, since=data["since"])
    page = reverse("admin:webhooks_app_replay_change", args=[order.pk])
    count = f"More than {order.shown_total:,}" if order.is_total_capped else f"{order.total}"
    details = {"since": data["since"].isoformat(), "total": order.total}
    return Done(f"{count} failed deliveries will be made again.", goes_to=page, details=details)


class WebhookEndpointAdmin(Acting, TenantLogAdmin):  # type: ignore[misc]  # unfold narrows what Django wrote
    when_empty = "No endpoint yet. Add one with the button above, or let the tenant do it by the API."
    ordering = ("-id",)
    list_display = ("id", "tenant", "phone_number", "url", "type", "is_enabled", "failing_since")
    list_filter = ("is_enabled", "type")
    list_select_related = ("tenant", "phone_number")
    search_fields = ("url__exact",)
    exclude = ("sealed_secret", "sealed_previous_secret")
    acts = (
        Act(
            "add", "Add an endpoint", "Its secret is shown once.", "webhookendpoint.added", _add, _AddForm,
            of_list=True,
        ),
        Act(
            "test", "Send a test event", "Posts one webhook.test event now and shows the answer.",
            "webhookendpoint.tested", _test, is_atomic=False, fits=lambda row: row.is_enabled,
        ),
        Act(
            "rotate", "Rotate the secret", "Makes a new secret, shown once.",
            "webhookendpoint.secret_rotated", _rotate, _RotateForm,
        ),
        Act(
            "replay", "Replay what failed", "Delivers again all that has failed since a moment.",
            "webhookendpoint.replayed", _replay, _ReplayForm, fits=lambda row: row.is_enabled,
        ),
        Act(
            "disable", "Disable", "Nothing is posted to it any more; what waits ends.",
            "webhookendpoint.disabled", _switch, ReasonForm, fits=lambda row: row.is_enabled,
        ),
        Act(
            "enable", "Enable", "Posts to it again, beginning with what happens from now on.",
            "webhookendpoint.enabled", _switch, ReasonForm, fits=lambda row: not row.is_enabled,
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("tenant", "phone_number").filter(removed_at=None)

    def panel(self, request: HttpRequest, row: Any) -> Mapping[str, Any]:
        recent = Delivery.objects.filter(endpoint=row).select_related("event").order_by("-id")[:SHOWN]
        orders = Replay.objects.filter(endpoint=row).order_by("-id")[:SHOWN]
        return {"panel_template": "console/endpoint_panel.html", "deliveries": recent, "replays": orders}
