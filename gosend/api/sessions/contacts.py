"""The people whom a session's account knows."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from gosend.api.sessions import bodies, envelope, jids, pages
from gosend.api.sessions.view import SessionView, session_of
from gosend.api.view import TenantRequest
from messaging import people
from messaging.models import Contact


class SessionContact(envelope.Camel):
    """A person on WhatsApp."""

    id: str
    jid: str | None
    phone: str | None
    user_id: str | None
    name: str
    username: str | None
    created_at: int


class SessionContactPage(envelope.Camel):
    """One page of contacts."""

    data: list[SessionContact]
    next_cursor: str | None


class ContactList(SessionView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="sessions.contacts.list",
        summary="List contacts, newest first",
        tags=["Contacts"],
        parameters=[bodies.SESSION, *bodies.PAGING],
        responses=bodies.answers({200: SessionContactPage}, 400, 404),
    )
    def get(self, request: TenantRequest, session_id: str) -> Response:
        number = session_of(request, session_id)
        rows = Contact.objects.filter(
            business_account_id=number.business_account_id, tenant_id=number.tenant_id
        )
        rows = people.unmerged(rows)
        return Response(pages.take(request, rows, lambda found: [_contact(one) for one in found]))


def _contact(row: Contact) -> dict[str, Any]:
    jid, user_id = jids.of(row)
    return SessionContact(
        id=str(row.pk),
        jid=jid,
        phone=row.phone or None,
        user_id=user_id,
        name=row.name,
        username=row.username or None,
        created_at=envelope.milliseconds(row.created_at),
    ).wire()
