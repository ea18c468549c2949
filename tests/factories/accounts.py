"""Tenants, people, keys and numbers."""

import hashlib
from datetime import UTC, datetime

import factory
from factory.django import DjangoModelFactory

from accounts import models as accounts
from gosend.lib import encryption

# Moments that a test does not choose lie here, far from now.
LONG_AGO = datetime(2026, 1, 1, 12, tzinfo=UTC)


class UserFactory(DjangoModelFactory[accounts.User]):
    class Meta:
        model = accounts.User

    username = factory.Sequence(lambda n: f"user{n}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.com")


class TenantFactory(DjangoModelFactory[accounts.Tenant]):
    class Meta:
        model = accounts.Tenant

    name = factory.Sequence(lambda n: f"Tenant {n}")


class MemberFactory(DjangoModelFactory[accounts.Member]):
    class Meta:
        model = accounts.Member

    tenant = factory.SubFactory(TenantFactory)
    user = factory.SubFactory(UserFactory)
    role = accounts.Member.Role.OWNER


class GrantFactory(DjangoModelFactory[accounts.Grant]):
    class Meta:
        model = accounts.Grant

    user = factory.SubFactory(UserFactory)
    tenant = factory.SubFactory(TenantFactory)


class AuthenticatorFactory(DjangoModelFactory[accounts.Authenticator]):
    class Meta:
        model = accounts.Authenticator

    user = factory.SubFactory(UserFactory)
    name = "app"
    sealed_key = factory.LazyAttribute(
        lambda made: encryption.seal("0a" * 20, context=f"accounts.Authenticator.key:{made.user.pk}")
    )


class SignInTallyFactory(DjangoModelFactory[accounts.SignInTally]):
    class Meta:
        model = accounts.SignInTally

    key = factory.Sequence(lambda n: f"{n:064x}")
    began_at = LONG_AGO
    count = 1


class AuditEventFactory(DjangoModelFactory[accounts.AuditEvent]):
    class Meta:
        model = accounts.AuditEvent

    actor = "operator"
    action = "message.revealed"


class CustomerFactory(DjangoModelFactory[accounts.Customer]):
    class Meta:
        model = accounts.Customer

    tenant = factory.SubFactory(TenantFactory)
    name = factory.Sequence(lambda n: f"Customer {n}")


class ApiKeyFactory(DjangoModelFactory[accounts.ApiKey]):
    """A row nobody has the key to; `accounts.keys.mint` makes one that opens the API."""

    class Meta:
        model = accounts.ApiKey

    tenant = factory.SubFactory(TenantFactory)
    label = factory.Sequence(lambda n: f"key {n}")
    environment = accounts.ApiKey.Environment.TEST
    prefix = "gsk_test_AbC"
    last_four = "wxyz"
    digest = factory.Sequence(lambda n: hashlib.sha256(b"key %d" % n).digest())
    scopes = ["read", "send", "manage"]


class KeyDayFactory(DjangoModelFactory[accounts.KeyDay]):
    class Meta:
        model = accounts.KeyDay

    api_key = factory.SubFactory(ApiKeyFactory)
    day = LONG_AGO.date()
    drawn = 20
    slice = 20


class MetaAppFactory(DjangoModelFactory[accounts.MetaApp]):
    class Meta:
        model = accounts.MetaApp

    app_id = factory.Sequence(lambda n: str(700_000_000_000 + n))
    name = "The platform's app"
    secret = "app-secret"
    verify_token = "verify-me"


class BusinessAccountFactory(DjangoModelFactory[accounts.BusinessAccount]):
    class Meta:
        model = accounts.BusinessAccount

    tenant = factory.SubFactory(TenantFactory)
    customer = factory.SubFactory(CustomerFactory, tenant=factory.SelfAttribute("..tenant"))
    waba_id = factory.Sequence(lambda n: str(102_290_129_340_000 + n))
    display_name = "A business"
    status = accounts.BusinessAccount.Status.ACTIVE
    access_token = "EAA-made-up-token"


class PhoneNumberFactory(DjangoModelFactory[accounts.PhoneNumber]):
    class Meta:
        model = accounts.PhoneNumber

    tenant = factory.SubFactory(TenantFactory)
    business_account = factory.SubFactory(BusinessAccountFactory, tenant=factory.SelfAttribute("..tenant"))
    phone_number_id = factory.Sequence(lambda n: str(106_540_352_240_000 + n))
    display_phone_number_normalized = factory.Sequence(lambda n: f"1555{n:03d}0100")
    display_phone_number = factory.LazyAttribute(lambda number: f"+{number.display_phone_number_normalized}")
    status = accounts.PhoneNumber.Status.ACTIVE
    quality_rating = accounts.PhoneNumber.Quality.GREEN
    connected_at = LONG_AGO
