"""The log of messages, and the page of one: read only, whoever looks."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.acts import Acting
from accounts.console import TenantLogAdmin, note, user_of
from gosend.lib import ids
from gosend.lib.console import COUNT_CAP
from messaging.console import (
    bubbles,
    export,
    filters,
    masking,
    media,
    pages,
    saved,
    search,
    settling,
    story,
    words,
)
from messaging.console.filters import Filter
from messaging.console.masking import REVEALED_SECONDS, Revealing
from messaging.models import Message


class MessageAdmin(Acting, Revealing, TenantLogAdmin):  # type: ignore[misc]  # unfold narrows what Django wrote
    acts = settling.ACTS

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        own = [
            path("find/", guard(require_GET(self.find)), name="messaging_find"),
            path("export/", guard(require_POST(self.export)), name="messaging_export"),
            path("views/", guard(require_POST(self.save_view)), name="messaging_save_view"),
            path("views/forget/", guard(require_POST(self.forget_view)), name="messaging_forget_view"),
            path("media/<int:file_id>/", guard(require_GET(self.download)), name="messaging_media"),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:
        """The log, newest first; a filter reads no further than it says."""
        self._require_view(request)
        user = user_of(request)
        form = Filter(request.GET, user=user)
        is_valid = form.is_valid()
        page = None
        if is_valid:
            before, after = (ids.parse_id(request.GET.get(name, "")) for name in ("before", "after"))
            page = pages.read(form, before=before, after=after)
        veil = masking.veil(request)
        context = {
            "form": form,
            "page": page,
            "rows": [_row(row, veil) for row in page.rows] if page else [],
            "must_choose": is_valid and page is None,
            "query": form.query(),
            "cap": COUNT_CAP,
            "export_rows_max": export.ROWS_MAX,
            "saved_views": saved.of(user),
        }
        return self._answer(request, "console/messages.html", "Messages", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One message's story."""
        message = self.get_object(request, object_id)
        if message is None:
            return self.no_such(request, object_id)
        self._require_view(request, message)
        note(request, "message.viewed", subject=message)
        veil = masking.veil(request)
        file = media.of([message]).get(message.pk)
        context = {
            "message": message,
            "object_id": object_id,
            "peer": veil.number(message.peer, record=message),
            "wamid": veil.within(message.wamid or "", record=message),
            "is_masked": veil.hides(message),
            "revealed_minutes": REVEALED_SECONDS // 60,
            "story": story.tell(message, veil=veil),
            "bubble": bubbles.draw(message, bubbles.templates_of([message]), veil=veil, record=message),
            "file": file,
            "is_image": file is not None and media.is_image(file),
            **self.act_context(request, message),
        }
        return self._answer(request, "console/message.html", f"Message {message.pk}", context)

    def get_queryset(self, request: HttpRequest) -> Any:
        related = ("tenant", "phone_number", "contact", "conversation", "customer", "api_key", "content")
        return super().get_queryset(request).select_related(*related)

    def find(self, request: HttpRequest) -> HttpResponse:
        """The search box: a single hit is opened at once."""
        self._require_view(request)
        term = request.GET.get("q", "")
        hits = search.find(term, user=user_of(request), veil=masking.veil(request))
        if len(hits) == 1:
            return HttpResponseRedirect(hits[0].url)
        return self._answer(request, "console/find.html", "Find", {"term": term, "hits": hits})

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """The filtered log as a file, written while it is read."""
        self._require_view(request)
        form = Filter(request.POST, user=user_of(request))
        if not form.is_valid() or form.lanes() is None:
            return HttpResponseRedirect(f"{reverse('admin:messaging_message_changelist')}?{form.query()}")
        tenant = filters.tenant_of(form)
        note(
            request,
            "message.exported",
            subject=tenant,
            filter=filters.describe(form),
            rows_max=export.ROWS_MAX,
        )
        return export.answer(form, veil=masking.veil(request))

    def save_view(self, request: HttpRequest) -> HttpResponse:
        form = Filter(request.POST, user=user_of(request))
        saved.save(user=user_of(request), name=request.POST.get("name", ""), query=form.query())
        return HttpResponseRedirect(f"{reverse('admin:messaging_message_changelist')}?{form.query()}")

    def forget_view(self, request: HttpRequest) -> HttpResponse:
        saved.forget(user=user_of(request), view_id=ids.parse_id(request.POST.get("view", "")) or 0)
        return HttpResponseRedirect(reverse("admin:messaging_message_changelist"))

    def download(self, request: HttpRequest, file_id: int) -> HttpResponseBase:
        """A file that a customer sent, to who may see its message."""
        self._require_view(request)
        file = media.find(file_id, user=user_of(request))
        answer = media.answer(file)
        note(request, "file.opened", subject=file)
        return answer

    def _require_view(self, request: HttpRequest, obj: Message | None = None) -> None:
        if not self.has_view_permission(request, obj):
            raise Http404

    def _answer(
        self, request: HttpRequest, template: str, title: str, context: dict[str, Any]
    ) -> TemplateResponse:
        whole = {**self.admin_site.each_context(request), "title": title, "opts": self.opts, **context}
        return TemplateResponse(request, template, whole)


def _row(message: Message, veil: masking.Veil) -> dict[str, Any]:
    trouble = story.trouble_of(message.error, veil=veil, record=message)
    return {
        "message": message,
        "meaning": words.status(message.status),
        "peer": veil.number(message.peer, record=message),
        "trouble": trouble,
    }
