"""One signed-in person of each role, who sees all tenants."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts import roles
from accounts.models import User
from tests.templates_app.conftest import account, meta

__all__ = ["account", "meta"]  # fixtures of the templates' tests, used here as well
Staff = Callable[[str], Client]


@pytest.fixture
def staff(db: None) -> Staff:
    def sign_in(role: str) -> Client:
        user = User.objects.create(username=role.lower(), is_staff=True, sees_all_tenants=True)
        user.groups.add(Group.objects.get(name=role))
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def operator(staff: Staff) -> Client:
    return staff(roles.OPERATOR)
