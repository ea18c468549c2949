"""Meta's callbacks as they came: what went wrong with them, and handling them again."""

import json
from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import access
from accounts.acts import Act, Acting, Done, Finding, ReasonForm
from accounts.console import note, user_of
from gosend.lib.console import LogAdmin
from messaging import ingest
from messaging.models import MetaEvent


def _replay(row: MetaEvent, data: Mapping[str, Any]) -> Done:
    ingest.replay(event=row)
    return Done("It is handled again within seconds; what it changed already is not changed twice.")


def _body(row: MetaEvent, data: Mapping[str, Any]) -> Done:
    raw = bytes(row.body)
    try:
        shown = json.dumps(json.loads(raw), indent=2, ensure_ascii=False)
    except ValueError:
        shown = raw.decode(errors="replace")
    return Done("This is what Meta posted.", findings=[Finding("Body", shown)])


class GivenUp(admin.SimpleListFilter):
    """What failed until its last try, found by an index of its own."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("given_up", "Given up")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() != "given_up":
            return queryset
        return queryset.filter(handled_at=None, next_attempt_at=None)


class MetaEventAdmin(Acting, LogAdmin):  # type: ignore[misc]  # unfold narrows what Django wrote
    """A callback may be about several tenants: only who sees all of them sees it."""

    when_empty = "Meta posted nothing yet. Check a number's health: it says whether callbacks come here."
    list_display = ["id", "received_at", "handled_at", "attempt_count", "source", "outcome"]
    list_filter = ["is_sandbox", GivenUp]
    ordering = ["-id"]
    exclude = ["body", "digest"]
    actions = ["replay"]
    acts = (
        Act("replay", "Handle again", "Handling twice changes nothing twice.", "metaevent.replayed", _replay),
        Act(
            "body", "Show the body", "Shows what Meta posted, customers' words and numbers included.",
            "metaevent.revealed", _body, ReasonForm,
        ),
    )  # fmt: skip

    # In words: a sign for each of them is drawn by the theme from a template of its own.
    @admin.display(description="From")
    def source(self, row: MetaEvent) -> str:
        return "sandbox" if row.is_sandbox else "Meta"

    @admin.display(description="Outcome")
    def outcome(self, row: MetaEvent) -> str:
        if row.errors:
            again = ", tried again" if row.next_attempt_at else ""
            return f"✕ {len(row.errors)} not handled{again}"
        return "✓ handled" if row.handled_at else "◷ waits"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # A body may have 3 MB, and is shown by its button alone.
        rows: QuerySet[Any] = super().get_queryset(request).defer("body", "digest")
        return rows if access.sees_all(user_of(request)) else rows.none()

    @admin.action(description="Handle the chosen callbacks again", permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[MetaEvent]) -> None:
        for event in queryset:
            ingest.replay(event=event)
            note(request, "metaevent.replayed", subject=event)
        messages.success(request, "They will be handled again within seconds.")

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return self.may_act(request)
