"""No page of the console asks for rows without an end."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import roles
from messaging import rollups
from tests.messaging.console.conftest import Told, sign_in

# What ends by itself: one row by its key, or as many as were listed; figures; what a person has of roles.
_ENDS = (
    r"\bLIMIT \d+",
    r'"(id|message_id|session_key|user_id)" = ',
    r'"id" IN \([0-9, ]+\)',
    r"^SELECT 1 AS",
    r'FROM "(auth_permission|django_content_type|auth_group)"',
    r"\b(COUNT|SUM|MIN)\(",
    r"WITH RECURSIVE|FROM messaging_metaevent",
    # The theme's lists leave the limit out where a count, itself limited, said that all fit on one page.
    r'ORDER BY "messaging_(contact|conversation)"."id" DESC$',
)


@pytest.mark.parametrize("role", [roles.SUPPORT, roles.AUDITOR])
@pytest.mark.parametrize("sees_all", [True, False])
def test_every_statement_has_an_end(role: str, sees_all: bool, told: Told) -> None:
    rollups.refresh()
    client = sign_in(role, None if sees_all else told.party)
    message = told.message
    contact, conversation = message.contact_id, message.conversation_id
    log = "/console/messaging/message/"
    pages = (
        "/console/", log, f"{log}?status=failed&error=131026", f"{log}?peer={message.peer}",
        f"{log}?status=unknown", f"{log}?before={message.pk + 1}", f"{log}?after=1",
        f"{log}{message.pk}/change/", f"{log}find/?q={message.peer}", f"{log}find/?q=nothing",
        f"/console/messaging/conversation/{conversation}/change/", "/console/messaging/conversation/",
        f"/console/messaging/contact/{contact}/change/", "/console/messaging/contact/",
    )  # fmt: skip

    endless = {}
    for page in pages:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(page).status_code in (200, 302), page
        selects = [one["sql"] for one in queries if one["sql"].startswith(("SELECT", "WITH", "("))]
        endless[page] = [sql for sql in selects if not any(re.search(end, sql) for end in _ENDS)]

    assert {page: found for page, found in endless.items() if found} == {}
