"""What somebody should look at now: a short list, each with what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Min, Q
from django.urls import reverse
from django.utils import timezone

from accounts import access, pace
from accounts.models import BusinessAccount, PhoneNumber, User
from gosend.lib import moments
from messaging import backlog
from messaging.models import Dispatch
from templates_app.models import Template
from webhooks_app.models import WebhookEndpoint

# Rows of one kind; the rest is one click away.
_PER_KIND = 5
_TOKEN_NOTICE = timedelta(days=14)
_OLD_BACKLOG = timedelta(minutes=2)
_UNKNOWN_CAP = 1_000


@dataclass(frozen=True, slots=True)
class Matter:
    """`tone` is "bad" for what stops messages now, "doubt" for what is about to."""

    tone: str
    what: str
    cure: str
    url: str


def matters(user: User) -> list[Matter]:
    """Everything that needs somebody, worst first; only of tenants that the user may see."""
    found = [matter for look in _LOOKS for matter in look(user)]
    return sorted(found, key=lambda matter: matter.tone != "bad")


def _numbers(user: User) -> Iterator[Matter]:
    rows = access.narrow(PhoneNumber.objects.filter(is_sandbox=False), user=user, path="tenant_id")
    troubled = Q(quality_rating__in=["red", "yellow"]) | Q(status=PhoneNumber.Status.DISCONNECTED)
    paused = PhoneNumber.objects.filter(held_until__gt=timezone.now())
    for row in access.narrow(paused, user=user, path="tenant_id").order_by("pk")[:_PER_KIND]:
        cure = pace.REASONS[row.held_for]
        what = f"{row.display_phone_number} is paused until {moments.written(row.held_until)}"
        yield Matter("bad", what, cure, _page("accounts_phonenumber", row.pk))
    for row in rows.filter(troubled).select_related("tenant").order_by("pk")[:_PER_KIND]:
        url = _page("accounts_phonenumber", row.pk)
        name = f"{row.display_phone_number} of {row.tenant.name}"
        if row.status == PhoneNumber.Status.DISCONNECTED:
            yield Matter("bad", f"{name} is disconnected", "Connect it again before it is to send.", url)
        elif row.quality_rating == PhoneNumber.Quality.RED:
            cure = "Customers block or report it: stop marketing from it until Meta rates it better."
            yield Matter("bad", f"{name}: quality is red", cure, url)
        else:
            cure = "Look at what was sent to people who did not expect it, and send less of it."
            yield Matter("doubt", f"{name}: quality is yellow", cure, url)


def _tokens(user: User) -> Iterator[Matter]:
    now = timezone.now()
    rows = access.narrow(BusinessAccount.objects.filter(is_sandbox=False), user=user, path="tenant_id")
    asked = Q(token_expires_at__lt=now + _TOKEN_NOTICE) | Q(sealed_access_token="", status="active")
    for row in rows.filter(asked).select_related("tenant").order_by("pk")[:_PER_KIND]:
        url, name = _page("accounts_businessaccount", row.pk), f"{row} of {row.tenant.name}"
        if not row.sealed_access_token:
            yield Matter("bad", f"{name} has no access token", "Enter one; nothing can be sent without.", url)
        elif row.token_expires_at is not None and row.token_expires_at <= now:
            cure = "Make a new token at Meta (a system user's does not expire) and enter it."
            yield Matter("bad", f"The access token of {name} has expired", cure, url)
        elif row.token_expires_at is not None:
            when = moments.day(row.token_expires_at)
            yield Matter(
                "doubt", f"The access token of {name} expires on {when}", "Enter a new one before.", url
            )


def _templates(user: User) -> Iterator[Matter]:
    rows = access.narrow(Template.objects.all(), user=user, path="tenant_id")
    stopped = rows.filter(status__in=[Template.Status.PAUSED, Template.Status.DISABLED])
    for row in stopped.select_related("tenant").order_by("-pk")[:_PER_KIND]:
        cure = "Meta stopped it for its quality: sends with it fail. Change its text or use another one."
        what = f"The template {row.name} ({row.language}) of {row.tenant.name} is {row.status.lower()}"
        yield Matter("bad", what, cure, _page("templates_app_template", row.pk))


def _endpoints(user: User) -> Iterator[Matter]:
    rows = access.narrow(WebhookEndpoint.objects.filter(removed_at=None), user=user, path="tenant_id")
    asked = Q(failing_since__isnull=False, is_enabled=True) | Q(is_enabled=False, disabled_at__isnull=False)
    for row in rows.filter(asked).select_related("tenant").order_by("-pk")[:_PER_KIND]:
        url = _page("webhooks_app_webhookendpoint", row.pk)
        if row.is_enabled:
            since = moments.written(row.failing_since)
            cure = "Its owner should look at what it answers; deliveries are tried again, then given up."
            yield Matter("doubt", f"A webhook of {row.tenant.name} fails since {since}", cure, url)
        else:
            cure = (
                f"{row.disabled_reason or 'It failed for too long'}: mend it, enable it, replay what failed."
            )
            yield Matter("bad", f"A webhook of {row.tenant.name} was disabled", cure, url)


def _backlog(user: User) -> Iterator[Matter]:
    now = timezone.now()
    waiting = Dispatch.objects.filter(state=Dispatch.State.QUEUED, due_at__lt=now - _OLD_BACKLOG)
    if not access.sees_all(user):
        waiting = waiting.filter(phone_number__in=_own_numbers(user))
    oldest = waiting[:_UNKNOWN_CAP].aggregate(oldest=Min("due_at"))["oldest"]
    if oldest is not None:
        minutes = int((now - oldest).total_seconds() // 60)
        cure = "See that the worker runs; a number that Meta throttles also makes messages wait."
        yield Matter("bad", f"Messages have been due for {minutes} minutes", cure, _log(status="queued"))
    if access.sees_all(user) and (callbacks := backlog.callbacks()).oldest_seconds > _OLD_BACKLOG.seconds:
        what = f"{callbacks.depth} of Meta's callbacks wait to be read"
        url = reverse("admin:messaging_metaevent_changelist")
        yield Matter("bad", what, "See that the worker runs; statuses are late until then.", url)


def _unknown(user: User) -> Iterator[Matter]:
    rows = Dispatch.objects.filter(state=Dispatch.State.UNKNOWN)
    if not access.sees_all(user):
        rows = rows.filter(phone_number__in=_own_numbers(user))
    count = rows[:_UNKNOWN_CAP].count()
    if count:
        what = f"{count if count < _UNKNOWN_CAP else f'{_UNKNOWN_CAP} or more'} sends of unknown outcome"
        cure = "Meta's reports settle most of them within minutes; do not send them again meanwhile."
        yield Matter("doubt", what, cure, _log(status="unknown"))


def _own_numbers(user: User) -> list[int]:
    rows = PhoneNumber.objects.filter(tenant__in=access.tenant_ids(user))
    return list(rows.order_by("pk").values_list("pk", flat=True)[:1_000])


def _log(*, status: str) -> str:
    return f"{reverse('admin:messaging_message_changelist')}?status={status}"


def _page(name: str, pk: int) -> str:
    return reverse(f"admin:{name}_change", args=[pk])


_LOOKS = (_numbers, _tokens, _templates, _endpoints, _backlog, _unknown)
