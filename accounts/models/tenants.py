"""Tenant, Member, ApiKey, Customer, MetaApp, BusinessAccount, PhoneNumber."""

import ipaddress
from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from accounts.models.staff import User
from gosend.lib import encryption

KEY_SCOPES = ("read", "send", "manage")


class Tenant(models.Model):
    """One workspace, called a project in the API: every other row is reached from here."""

    class Plan(models.TextChoices):
        STANDARD = "standard"
        HIGH_VOLUME = "high_volume"
        ENTERPRISE = "enterprise"

    class Status(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"

    class OnUnknown(models.TextChoices):
        HOLD = "hold"
        RESEND = "resend"

    name = models.CharField(max_length=200)
    external_id = models.CharField(max_length=200, blank=True)
    webhook_url = models.CharField(max_length=2048, blank=True)
    sealed_webhook_secret = models.TextField(
        blank=True, help_text="Signs what goes to webhook_url; made when it is first needed."
    )
    plan = models.CharField(max_length=20, choices=Plan, default=Plan.STANDARD)
    status = models.CharField(max_length=20, choices=Status, default=Status.ACTIVE)
    on_unknown = models.CharField(
        max_length=10,
        choices=OnUnknown,
        default=OnUnknown.HOLD,
        help_text="What becomes of a send whose outcome stays unknown. Resending may send it twice.",
    )
    conversation_inactive_minutes = models.PositiveSmallIntegerField(
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(1440)],
        help_text="Minutes without a message after which a conversation counts as inactive.",
    )
    requests_per_second = models.PositiveIntegerField(
        null=True, blank=True, help_text="Per live key, instead of the plan's."
    )
    requests_per_day = models.PositiveIntegerField(
        null=True, blank=True, help_text="Per live key, instead of the plan's."
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(conversation_inactive_minutes__range=(1, 1440)),
                name="tenant_inactive_minutes_in_a_day",
            )
        ]
        indexes = [
            models.Index(Lower("name"), name="tenant_of_name"),
            models.Index(fields=["external_id"], condition=~Q(external_id=""), name="tenant_of_external_id"),
        ]

    def __str__(self) -> str:
        return self.name

    def _context(self) -> str:
        return f"accounts.Tenant.webhook_secret:{self.pk}"

    def sealed_contexts(self) -> dict[str, str]:
        return {"sealed_webhook_secret": self._context()}

    @property
    def webhook_secret(self) -> str:
        """The secret of a saved tenant, or nothing while there is none."""
        if not self.sealed_webhook_secret:
            return ""
        return encryption.open_sealed(self.sealed_webhook_secret, context=self._context())

    @webhook_secret.setter
    def webhook_secret(self, value: str) -> None:
        self.sealed_webhook_secret = encryption.seal(value, context=self._context())


class Member(models.Model):
    """Whom to ask about a tenant, and as what; the role opens nothing, Grant and the groups do."""

    class Role(models.TextChoices):
        OWNER = "owner"
        ADMIN = "admin"
        DEVELOPER = "developer"
        VIEWER = "viewer"

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role, default=Role.VIEWER)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "user"], name="member_once_per_tenant")]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class Customer(models.Model):
    """One end-client of a tenant; the unit of usage reporting."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        INACTIVE = "inactive"
        SUSPENDED = "suspended"

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="customers")
    name = models.CharField(max_length=200)
    external_id = models.CharField(max_length=200, blank=True)
    email = models.EmailField(blank=True)
    phone = models.CharField(max_length=32, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=20, choices=Status, default=Status.ACTIVE)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "external_id"],
                condition=~Q(external_id=""),
                name="customer_external_id_once_per_tenant",
            ),
            models.UniqueConstraint(
                fields=["tenant"],
                condition=Q(is_default=True),
                name="customer_one_default_per_tenant",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """A tenant's key to the API; only its SHA-256 is kept."""

    class Environment(models.TextChoices):
        LIVE = "live"
        TEST = "test"

    class Dialect(models.TextChoices):
        """Which of the APIs a key opens; no key opens two."""

        NATIVE = "native"
        WHATOMATE = "whatomate"
        SESSIONS = "sessions"

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="api_keys")
    label = models.CharField(max_length=100)
    environment = models.CharField(max_length=10, choices=Environment)
    dialect = models.CharField(
        max_length=10, choices=Dialect, default=Dialect.NATIVE, help_text="The API that the key opens."
    )
    prefix = models.CharField(max_length=16, help_text="The first characters, to recognise a key by.")
    last_four = models.CharField(max_length=4)
    digest = models.BinaryField(max_length=32, unique=True)
    scopes = ArrayField(models.CharField(max_length=10), default=list)
    allowed_networks = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.label} ({self.prefix}…{self.last_four})"

    def clean(self) -> None:
        if unknown := sorted(set(self.scopes or []) - set(KEY_SCOPES)):
            raise ValidationError({"scopes": f"{', '.join(unknown)}: use {', '.join(KEY_SCOPES)}"})
        for network in self.allowed_networks or []:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise ValidationError({"allowed_networks": str(error)}) from error


class KeyDay(models.Model):
    """How many requests a key has drawn for one day (UTC); processes draw them in slices."""

    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, db_index=False, related_name="days")
    day = models.DateField()
    drawn = models.PositiveIntegerField()
    slice = models.PositiveIntegerField(help_text="What the latest process drew.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["api_key", "day"], name="key_day_once")]


class MetaApp(models.Model):
    """An app at Meta whose callbacks we accept: its secret signs them.

    An app without a tenant is the platform's own and may speak for every live number; a tenant's own
    app only for that tenant's.
    """

    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, related_name="meta_apps", null=True, blank=True
    )
    app_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    sealed_secret = models.TextField()
    sealed_verify_token = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name

    def _context(self, what: str) -> str:
        return f"accounts.MetaApp.{what}:{self.app_id}:{self.tenant_id or ''}"

    def sealed_contexts(self) -> dict[str, str]:
        return {f"sealed_{what}": self._context(what) for what in ("secret", "verify_token")}

    @property
    def secret(self) -> str:
        return encryption.open_sealed(self.sealed_secret, context=self._context("secret"))

    @secret.setter
    def secret(self, value: str) -> None:
        self.sealed_secret = encryption.seal(value, context=self._context("secret"))

    @property
    def verify_token(self) -> str:
        return encryption.open_sealed(self.sealed_verify_token, context=self._context("verify_token"))

    @verify_token.setter
    def verify_token(self, value: str) -> None:
        self.sealed_verify_token = encryption.seal(value, context=self._context("verify_token"))


class BusinessAccount(models.Model):
    """A WhatsApp Business Account (WABA): groups numbers, holds the token and the templates."""

    class Status(models.TextChoices):
        PENDING = "pending"
        ACTIVE = "active"
        SUSPENDED = "suspended"

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="business_accounts")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="business_accounts")
    waba_id = models.CharField(max_length=64, unique=True)
    waac_id = models.CharField(
        max_length=64,
        blank=True,
        help_text="Meta's WhatsApp Account id, once the account model of 2026 splits it off.",
    )
    business_id = models.CharField(max_length=64, blank=True)
    display_name = models.CharField(max_length=200, blank=True)
    status = models.CharField(max_length=20, choices=Status, default=Status.PENDING)
    messaging_limit = models.CharField(
        max_length=20,
        blank=True,
        help_text="Meta's limit on people written to first in 24 hours (TIER_250 …); Meta enforces it.",
    )
    external_reference = models.CharField(max_length=200, blank=True)
    is_sandbox = models.BooleanField(default=False)
    sealed_access_token = models.TextField(blank=True)
    token_expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.display_name or self.waba_id

    def clean(self) -> None:
        if self.customer_id and self.tenant_id and self.customer.tenant_id != self.tenant_id:
            raise ValidationError({"customer": "This customer belongs to another tenant."})

    def _context(self) -> str:
        return f"accounts.BusinessAccount.access_token:{self.waba_id}:{self.tenant_id}"

    def sealed_contexts(self) -> dict[str, str]:
        return {"sealed_access_token": self._context()}

    @property
    def access_token(self) -> str:
        if not self.sealed_access_token:
            return ""
        return encryption.open_sealed(self.sealed_access_token, context=self._context())

    @access_token.setter
    def access_token(self, value: str) -> None:
        self.sealed_access_token = encryption.seal(value, context=self._context())

    def hears(self, *, app: MetaApp | None, is_sandbox: bool) -> bool:
        """Whether a callback signed by this app, or by the sandbox, may speak of this account."""
        if is_sandbox or self.is_sandbox:
            return is_sandbox and self.is_sandbox
        return app is not None and app.tenant_id in (None, self.tenant_id)


class PhoneNumber(models.Model):
    """A business phone number; `phone_number_id` is Meta's name for it."""

    class Quality(models.TextChoices):
        GREEN = "green"
        YELLOW = "yellow"
        RED = "red"
        UNKNOWN = "unknown"

    class Tier(models.TextChoices):
        STANDARD = "standard"
        MEDIUM = "medium"
        HIGH = "high"
        UNLIMITED = "unlimited"

    class Connection(models.TextChoices):
        DEDICATED = "dedicated"
        COEXISTENCE = "coexistence"

    class Status(models.TextChoices):
        ACTIVE = "active"
        DISCONNECTED = "disconnected"
        PENDING = "pending"

    class WindowPolicy(models.TextChoices):
        STRICT = "strict"
        DEFER = "defer"

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="phone_numbers")
    business_account = models.ForeignKey(
        BusinessAccount, on_delete=models.CASCADE, related_name="phone_numbers"
    )
    phone_number_id = models.CharField(max_length=64, unique=True)
    display_phone_number = models.CharField(max_length=32)
    display_phone_number_normalized = models.CharField(max_length=20)
    display_name = models.CharField(max_length=200, blank=True)
    verified_name = models.CharField(max_length=200, blank=True)
    quality_rating = models.CharField(max_length=10, choices=Quality, default=Quality.UNKNOWN)
    throughput_tier = models.CharField(max_length=10, choices=Tier, default=Tier.STANDARD)
    connection_type = models.CharField(max_length=12, choices=Connection, default=Connection.DEDICATED)
    is_official_business_account = models.BooleanField(default=False)
    inbound_processing_enabled = models.BooleanField(default=True)
    calls_enabled = models.BooleanField(default=False)
    status = models.CharField(max_length=14, choices=Status, default=Status.PENDING)
    window_policy = models.CharField(
        max_length=10,
        choices=WindowPolicy,
        default=WindowPolicy.STRICT,
        help_text="Strict refuses free text outside the 24-hour window; defer lets Meta decide.",
    )
    is_sandbox = models.BooleanField(default=False)
    stopped_at = models.DateTimeField(
        null=True, blank=True, help_text="Stopped by its owner: nothing is sent, what waits goes on waiting."
    )
    held_until = models.DateTimeField(
        null=True, blank=True, help_text="Nothing is sent before this moment, because of Meta's answers."
    )
    held_for = models.CharField(
        max_length=40, blank=True, db_default="", default="", help_text="Why; empty once a send succeeds."
    )
    slowed_at = models.DateTimeField(null=True, blank=True, help_text="When Meta last found it too fast.")
    slowed_to = models.FloatField(null=True, blank=True, help_text="Share of its rate left at that moment.")
    rate_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="Sends by the session API; empty: DEFAULT_RATE_PER_MIN; 0: no cap."
    )
    rate_per_hour = models.PositiveIntegerField(
        null=True, blank=True, help_text="Sends by the session API; empty: DEFAULT_RATE_PER_HOUR; 0: no cap."
    )
    connected_at = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(db_default=Now())
    # No column: whoever holds this object may try first after a pause, while `held_until` is this moment.
    trying_until: datetime | None = None

    class Meta:
        indexes = [models.Index(fields=["display_phone_number_normalized"], name="number_of_digits")]

    def __str__(self) -> str:
        return self.display_phone_number

    def clean(self) -> None:
        if self.business_account_id and self.tenant_id and self.business_account.tenant_id != self.tenant_id:
            raise ValidationError({"business_account": "This account belongs to another tenant."})

    @property
    def is_coexistence(self) -> bool:
        return self.connection_type == self.Connection.COEXISTENCE
