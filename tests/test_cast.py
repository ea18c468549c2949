"""The cast and the factories, which every other test leans on."""

import pytest
from django.apps import apps

from accounts import keys
from tests import factories
from tests.conftest import Party

FACTORIES = [
    item
    for name, item in vars(factories).items()
    if name.endswith("Factory") and name != "DjangoModelFactory"
]


@pytest.mark.parametrize("factory", FACTORIES, ids=lambda factory: factory.__name__)
def test_a_factory_makes_rows_that_satisfy_the_database_twice(db: None, factory: type) -> None:
    first, second = factory.create_batch(2)  # type: ignore[attr-defined]

    first.refresh_from_db()
    assert first.pk != second.pk


def test_every_model_of_ours_has_a_factory() -> None:
    rooms = ("accounts", "webhooks_app", "templates_app", "messaging")
    models = {model.__name__ for room in rooms for model in apps.get_app_config(room).get_models()}

    assert {factory.__name__.removesuffix("Factory") for factory in FACTORIES} == models


def test_acme_and_globex_share_nothing(acme: Party, globex: Party) -> None:
    assert keys.find(acme.api_key, address=None).tenant == acme.tenant
    assert keys.find(globex.api_key, address=None).tenant == globex.tenant
    assert acme.number.business_account.tenant == acme.tenant
    assert acme.number.phone_number_id != globex.number.phone_number_id
    assert list(acme.tenant.members.values_list("user", flat=True)) == [acme.owner.pk]
