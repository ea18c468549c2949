"""manage.py reset_second_factor"""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEvent, Authenticator
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_person_begins_anew_and_others_keep_theirs() -> None:
    lost, other = factories.AuthenticatorFactory.create(), factories.AuthenticatorFactory.create()

    call_command("reset_second_factor", lost.user.username, stdout=(told := StringIO()))

    assert list(Authenticator.objects.all()) == [other]
    assert lost.user.username in told.getvalue()
    row = AuditEvent.objects.get()
    assert (row.actor, row.action, row.subject_id) == (
        "gosend", "user.second_factor_reset", str(lost.user.pk),
    )  # fmt: skip
    assert row.reason == "manage.py reset_second_factor"


def test_a_stranger_is_named() -> None:
    with pytest.raises(CommandError, match="nobody called nemo"):
        call_command("reset_second_factor", "nemo")
