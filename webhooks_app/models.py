"""WebhookEndpoint, Event, Replay, Delivery, Attempt."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import PhoneNumber, Tenant
from gosend.lib import encryption, ids
from gosend.lib.ids import NextId


class WebhookEndpoint(models.Model):
    """An address of a tenant's that is told what happened.

    With a phone number it hears that number's messages and conversations; without one it hears what
    concerns the project.
    """

    class Type(models.TextChoices):
        GOSENDAPI_EVENTS = "gosendapi_events"
        META_RAW = "meta_raw"
        SESSION_EVENTS = "session_events"

    class Schedule(models.TextChoices):
        DEFAULT = "default"
        EXTENDED = "extended"
        DOUBLING = "doubling"

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="webhook_endpoints")
    phone_number = models.ForeignKey(
        PhoneNumber,
        on_delete=models.CASCADE,
        related_name="webhook_endpoints",
        null=True,
        blank=True,
    )
    url = models.CharField(max_length=2048)
    type = models.CharField(max_length=20, choices=Type, default=Type.GOSENDAPI_EVENTS)
    events = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    schedule = models.CharField(max_length=10, choices=Schedule, default=Schedule.DEFAULT)
    sealed_secret = models.TextField()
    sealed_previous_secret = models.TextField(blank=True)
    previous_secret_expires_at = models.DateTimeField(null=True, blank=True)
    is_test = models.BooleanField(
        default=False, help_text="Hears of the sandbox only; others hear of live accounts only."
    )
    is_enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=200, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(
        null=True, blank=True, help_text="When the present unbroken run of failed attempts began."
    )
    given_up_count = models.PositiveIntegerField(
        default=0, help_text="Deliveries given up in that run; the first success sets it back."
    )
    warned_percent = models.PositiveSmallIntegerField(
        default=0, help_text="The last warning of that run: how much of the time until disabling was over."
    )
    is_fallback = models.BooleanField(
        default=False,
        help_text="Stands for the project's webhook_url: hears what concerns the project while no webhook"
        " of the project does, and signs with the project's secret.",
    )
    removed_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="A removed endpoint hears nothing and is shown to nobody; its log stays.",
    )
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["phone_number"],
                condition=Q(type="meta_raw", removed_at__isnull=True),
                name="endpoint_one_meta_raw_per_number",
            ),
            models.UniqueConstraint(
                fields=["tenant"], condition=Q(is_fallback=True), name="endpoint_one_fallback_per_tenant"
            ),
        ]

    def __str__(self) -> str:
        return self.url

    def _context(self) -> str:
        return f"webhooks_app.WebhookEndpoint.secret:{self.uid}:{self.tenant_id}"

    def sealed_contexts(self) -> dict[str, str]:
        return dict.fromkeys(("sealed_secret", "sealed_previous_secret"), self._context())

    @property
    def secret(self) -> str:
        return encryption.open_sealed(self.sealed_secret, context=self._context())

    @secret.setter
    def secret(self, value: str) -> None:
        self.sealed_secret = encryption.seal(value, context=self._context())

    @property
    def previous_secret(self) -> str:
        """The secret before the last rotation, or nothing; when it ends stands beside it."""
        if not self.sealed_previous_secret:
            return ""
        return encryption.open_sealed(self.sealed_previous_secret, context=self._context())

    @previous_secret.setter
    def previous_secret(self, value: str) -> None:
        self.sealed_previous_secret = encryption.seal(value, context=self._context()) if value else ""


class Event(models.Model):
    """Something that happened and that an endpoint subscribed to; its bytes are frozen here."""

    id = models.BigIntegerField(primary_key=True, db_default=NextId())
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="events")
    phone_number = models.ForeignKey(
        PhoneNumber,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="events",
        null=True,
        blank=True,
    )
    type = models.CharField(max_length=60)
    message_id = models.BigIntegerField(
        null=True, blank=True, editable=False, help_text="The message that it tells of, if it tells of one."
    )
    occurred_at = models.DateTimeField()
    body = models.BinaryField(help_text="The JSON of the envelope, without its delivery id.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(
                fields=["message_id"], condition=Q(message_id__isnull=False), name="event_of_message"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.pk}"


class Replay(models.Model):
    """An order to deliver again what an endpoint was owed since a moment: the row is the job."""

    class Wanted(models.TextChoices):
        FAILED = "failed"
        DELIVERED = "delivered"
        ALL = "all"

    id = models.BigIntegerField(primary_key=True, db_default=NextId())
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, db_index=False, related_name="webhook_replays"
    )
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="replays")
    since = models.DateTimeField()
    until = models.DateTimeField(help_text="When it was ordered; later deliveries are not its own.")
    wanted = models.CharField(max_length=10, choices=Wanted, default=Wanted.FAILED)
    total = models.PositiveIntegerField(help_text="How many there are; counted when it was ordered.")
    replayed_count = models.PositiveIntegerField(default=0)
    delivered_count = models.PositiveIntegerField(default=0)
    last_delivery_id = models.BigIntegerField(
        default=0, help_text="How far it has come: a killed worker's successor goes on from here."
    )
    finished_at = models.DateTimeField(null=True, blank=True, help_text="When the last one was made due.")
    is_stopped = models.BooleanField(
        default=False, help_text="Ended early, because the endpoint was disabled or removed."
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["id"], condition=Q(finished_at=None), name="replay_unfinished"),
        ]

    # Counting stops after one more: it would keep whoever orders waiting the longer, the more there is.
    MAX_COUNTED = 10_000

    def __str__(self) -> str:
        return f"replay {self.pk}"

    @property
    def is_total_capped(self) -> bool:
        """Whether there are more than `shown_total`; at the end all are counted, one by one."""
        return self.total > self.MAX_COUNTED and (self.finished_at is None or self.is_stopped)

    @property
    def shown_total(self) -> int:
        if not self.is_total_capped:
            return self.total
        return max(self.MAX_COUNTED, self.replayed_count)


class Trigger(models.TextChoices):
    """Who asked for an attempt: the event itself, or somebody who wanted it again."""

    SCHEDULE = "schedule"
    MANUAL = "manual"


class Delivery(models.Model):
    """One event owed to one endpoint: the row is the job."""

    class EndedReason(models.TextChoices):
        EXHAUSTED = "exhausted"
        GONE = "gone"
        ENDPOINT_DISABLED = "endpoint_disabled"
        ENDPOINT_REMOVED = "endpoint_removed"
        ABANDONED = "abandoned"

    class Status(models.TextChoices):
        PENDING = "pending"
        RETRYING = "retrying"
        DELIVERED = "delivered"
        FAILED = "failed"

    id = models.BigIntegerField(primary_key=True, db_default=NextId())
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False, related_name="deliveries")
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, db_index=False, related_name="deliveries"
    )
    event = models.ForeignKey(Event, on_delete=models.CASCADE, db_index=False, related_name="deliveries")
    delivery_id = models.UUIDField(
        default=ids.time_ordered_uuid,
        unique=True,
        help_text="The same for all attempts; receivers dedupe by it.",
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    attempt_count = models.PositiveIntegerField(default=0)
    attempts_before = models.PositiveIntegerField(
        default=0, help_text="Attempts made before the present run through the schedule; a replay begins one."
    )
    trigger = models.CharField(
        max_length=10, choices=Trigger, default=Trigger.SCHEDULE, help_text="What began the present run."
    )
    replay = models.ForeignKey(
        Replay,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="deliveries",
        null=True,
        blank=True,
        help_text="The order that the present run belongs to.",
    )
    next_attempt_at = models.DateTimeField(
        null=True,
        db_default=Now(),
        help_text="When it is due, which a claim puts off to the end of its lease; empty when ended.",
    )
    claim_token = models.UUIDField(null=True, blank=True)
    claim_count = models.PositiveSmallIntegerField(
        default=0, help_text="Claims since an attempt was last recorded: more than one means dead workers."
    )
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    ended_reason = models.CharField(max_length=20, choices=EndedReason, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(
                fields=["endpoint", "next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="delivery_due",
            ),
            models.Index(
                fields=["endpoint"],
                condition=Q(lease_expires_at__isnull=False),
                name="delivery_in_flight",
            ),
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(claim_count__gte=2, next_attempt_at__isnull=False),
                name="delivery_suspect",
            ),
            models.Index(fields=["endpoint", "-id"], name="delivery_of_endpoint"),
            models.Index(
                fields=["replay"],
                condition=Q(replay__isnull=False, next_attempt_at__isnull=False),
                name="delivery_replay_waiting",
            ),
            models.Index(fields=["replay"], condition=Q(replay__isnull=False), name="delivery_of_replay"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["event", "endpoint"], name="delivery_once_per_endpoint")
        ]

    def __str__(self) -> str:
        return f"{self.delivery_id} ({self.status})"


class Attempt(models.Model):
    """One try at a delivery, and what the receiver said."""

    id = models.BigIntegerField(primary_key=True, db_default=NextId())
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, db_index=False, related_name="attempts")
    number = models.PositiveIntegerField()
    trigger = models.CharField(max_length=10, choices=Trigger, default=Trigger.SCHEDULE)
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    response_status = models.PositiveSmallIntegerField(null=True, blank=True)
    response_headers = models.JSONField(default=dict)
    response_body = models.TextField(blank=True, help_text="The first 2 KB of the answer.")
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [models.Index(fields=["delivery", "number"], name="attempt_of_delivery")]

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.response_status or self.error}"
