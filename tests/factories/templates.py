"""Templates."""

import factory
from factory.django import DjangoModelFactory

from templates_app import models as templates
from tests.factories.accounts import BusinessAccountFactory, TenantFactory


class TemplateFactory(DjangoModelFactory[templates.Template]):
    class Meta:
        model = templates.Template

    tenant = factory.SubFactory(TenantFactory)
    business_account = factory.SubFactory(BusinessAccountFactory, tenant=factory.SelfAttribute("..tenant"))
    name = factory.Sequence(lambda n: f"order_update_{n}")
    language = "en_US"
    category = templates.Template.Category.UTILITY
    status = templates.Template.Status.APPROVED
    components = [{"type": "BODY", "text": "Your order is on its way."}]


class StatusChangeFactory(DjangoModelFactory[templates.StatusChange]):
    class Meta:
        model = templates.StatusChange

    template = factory.SubFactory(TemplateFactory)
    status = templates.Template.Status.PAUSED
