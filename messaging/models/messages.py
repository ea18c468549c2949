"""Windows, conversations, messages, sends under way, statuses, callbacks."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import ApiKey, Customer, MetaApp, PhoneNumber, Tenant
from gosend.lib.ids import NextId
from messaging.models.contacts import Contact


class ServiceWindow(models.Model):
    """Until when free-form messages may go to a contact: the last inbound message plus 24 hours.

    Kept apart from the conversation record, which may be closed while Meta's window stays open.
    """

    phone_number = models.ForeignKey(
        PhoneNumber, on_delete=models.CASCADE, db_index=False, related_name="service_windows"
    )
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="service_windows")
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["phone_number", "contact"], name="window_once_per_contact")
        ]


class Conversation(models.Model):
    """The record of an exchange; opened by either side, ended 24 hours after the last message."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        INACTIVE = "inactive"
        ENDED = "ended"

    class EndedReason(models.TextChoices):
        EXPIRED = "expired"
        CLOSED = "closed"

    id = models.BigIntegerField(primary_key=True, db_default=NextId())
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False, related_name="conversations")
    customer = models.ForeignKey(Customer, on_delete=models.SET_NULL, related_name="conversations", null=True)
    phone_number = models.ForeignKey(PhoneNumber, on_delete=models.CASCADE, related_name="conversations")
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="conversations")
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    started_at = models.DateTimeField(db_default=Now())
    last_message_at = models.DateTimeField(db_default=Now())
    # Never later than `last_message_at`, to which the sweep brings it up when it comes by. It stands in the
    # indexes instead, so that a message changes no index of its conversation.
    looked_at = models.DateTimeField(db_default=Now())
    last_inbound_at = models.DateTimeField(null=True)
    last_outbound_at = models.DateTimeField(null=True)
    messages_count = models.PositiveIntegerField(default=0)
    ended_at = models.DateTimeField(null=True)
    ended_reason = models.CharField(max_length=10, choices=EndedReason, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "-id"], name="conversation_of_tenant"),
            models.Index(
                fields=["tenant", "looked_at"], condition=Q(status="active"), name="conversation_quiet"
            ),
            models.Index(fields=["looked_at"], condition=~Q(status="ended"), name="conversation_old"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["phone_number", "contact"],
                condition=~Q(status="ended"),
                name="conversation_one_open",
            )
        ]


class Message(models.Model):
    """One message, in or out. Narrow on purpose: what it says stands in MessageContent.

    The database watches over its tenant, person and conversation alone, which others may be removing while
    it is made: to look up and lock seven more rows would cost a fifth of keeping it (docs/decisions/0014).
    """

    class Direction(models.TextChoices):
        INBOUND = "inbound"
        OUTBOUND = "outbound"

    class Status(models.TextChoices):
        QUEUED = "queued"
        SENDING = "sending"
        SENT = "sent"
        DELIVERED = "delivered"
        READ = "read"
        FAILED = "failed"
        UNKNOWN = "unknown"
        UNCONFIRMED = "unconfirmed"
        RECEIVED = "received"

    class Origin(models.TextChoices):
        CLOUD_API = "cloud_api"
        BUSINESS_APP = "business_app"
        HISTORY_SYNC = "history_sync"

    id = models.BigIntegerField(primary_key=True, db_default=NextId())
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False, related_name="messages")
    phone_number = models.ForeignKey(
        PhoneNumber, on_delete=models.CASCADE, db_index=False, db_constraint=False, related_name="messages"
    )
    contact = models.ForeignKey(
        Contact, on_delete=models.SET_NULL, db_index=False, related_name="messages", null=True
    )
    conversation = models.ForeignKey(
        Conversation, on_delete=models.SET_NULL, db_index=False, related_name="messages", null=True
    )
    customer = models.ForeignKey(
        Customer,
        on_delete=models.SET_NULL,
        db_index=False,
        db_constraint=False,
        related_name="messages",
        null=True,
    )
    api_key = models.ForeignKey(
        ApiKey,
        on_delete=models.SET_NULL,
        db_index=False,
        db_constraint=False,
        related_name="messages",
        null=True,
    )
    direction = models.CharField(max_length=10, choices=Direction)
    type = models.CharField(max_length=40)
    status = models.CharField(max_length=12, choices=Status)
    origin = models.CharField(max_length=12, choices=Origin, default=Origin.CLOUD_API)
    wamid = models.CharField(max_length=255, null=True)  # noqa: DJ001 -- unique where known
    peer = models.CharField(
        max_length=160, help_text="The other side: digits of a phone number, or a user id."
    )
    request_id = models.CharField(max_length=64, blank=True)
    attempt_count = models.PositiveSmallIntegerField(default=0)
    error = models.JSONField(null=True)
    pricing = models.JSONField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        # No index holds the status, nor asks for it: each of a message's three or four updates stays in
        # its page. What a list narrows by beside its order stands in the index, so that a deep page is
        # found without the rows before it.
        indexes = [
            models.Index(fields=["tenant", "-id"], include=["phone_number"], name="message_of_tenant"),
            models.Index(fields=["phone_number", "-id"], include=["tenant"], name="message_of_number"),
            models.Index(fields=["tenant", "type", "-id"], name="message_of_type"),
            models.Index(fields=["customer", "-id"], name="message_of_customer"),
            models.Index(fields=["tenant", "-id"], condition=Q(direction="inbound"), name="message_inbound"),
            # The rare states, by what only they change.
            models.Index(
                fields=["tenant", "-id"], condition=Q(failed_at__isnull=False), name="message_failed"
            ),
            models.Index(
                fields=["tenant", "-id"],
                condition=Q(error__isnull=False, failed_at__isnull=True),
                name="message_in_doubt",
            ),
            models.Index(fields=["tenant", "peer", "-id"], name="message_of_peer"),
            models.Index(fields=["conversation", "-id"], name="message_of_conversation"),
            models.Index(fields=["request_id"], condition=~Q(request_id=""), name="message_of_request"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["wamid", "phone_number"],
                condition=Q(wamid__isnull=False),
                name="message_wamid_once_per_number",
            )
        ]

    def __str__(self) -> str:
        return f"{self.direction} {self.type} {self.pk}"


class MessageContent(models.Model):
    """What a message says, in Meta's own shape: `{"type": "text", "text": {…}}`."""

    message = models.OneToOneField(
        Message, on_delete=models.CASCADE, primary_key=True, db_constraint=False, related_name="content"
    )
    body = models.JSONField()
    edited_at = models.DateTimeField(null=True)
    tracking = models.CharField(
        max_length=512, blank=True, help_text="The tenant's own biz_opaque_callback_data."
    )


class Dispatch(models.Model):
    """A send that is not settled yet: the row is the job, and is deleted once the outcome is known."""

    class State(models.TextChoices):
        QUEUED = "queued"
        CLAIMED = "claimed"
        SENDING = "sending"
        UNKNOWN = "unknown"

    message = models.OneToOneField(
        Message, on_delete=models.CASCADE, primary_key=True, db_constraint=False, related_name="dispatch"
    )
    phone_number = models.ForeignKey(
        PhoneNumber, on_delete=models.CASCADE, db_index=False, db_constraint=False, related_name="dispatches"
    )
    peer = models.CharField(max_length=160)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    due_at = models.DateTimeField(
        db_default=Now(),
        help_text="When to send; for an unknown outcome, when to call it unconfirmed.",
    )
    claim_token = models.UUIDField(null=True)
    epoch = models.PositiveIntegerField(default=0, help_text="Grows with every claim, never reset.")
    lease_expires_at = models.DateTimeField(null=True)
    claim_count = models.PositiveSmallIntegerField(
        default=0,
        help_text="Claims since the last known outcome.",
    )
    lost_count = models.PositiveSmallIntegerField(
        db_default=0,
        help_text="Claims whose worker stopped before anything went out; five park the message.",
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(
                fields=["phone_number", "due_at", "message"],
                condition=Q(state="queued"),
                name="dispatch_due_in_order",
            ),
            models.Index(
                fields=["phone_number", "due_at"],
                condition=Q(state="queued", lost_count__gte=2),
                name="dispatch_suspect",
            ),
            models.Index(
                fields=["lease_expires_at"],
                condition=Q(state__in=["claimed", "sending"]),
                name="dispatch_lease",
            ),
            models.Index(fields=["due_at"], condition=Q(state="unknown"), name="dispatch_unknown"),
            models.Index(fields=["phone_number", "peer", "message"], name="dispatch_of_pair"),
        ]


class StatusReport(models.Model):
    """One status that Meta reported, kept as it came; without a message until we know which it means."""

    id = models.BigIntegerField(primary_key=True, db_default=NextId())
    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, db_index=False, related_name="status_reports", null=True
    )
    phone_number = models.ForeignKey(
        PhoneNumber, on_delete=models.CASCADE, db_index=False, related_name="status_reports"
    )
    wamid = models.CharField(max_length=255)
    status = models.CharField(max_length=20)
    participant = models.CharField(max_length=160, blank=True)
    opaque = models.CharField(max_length=512, blank=True)
    occurred_at = models.DateTimeField()
    raw = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(
                fields=["created_at"], condition=Q(message__isnull=True), name="status_report_unmatched"
            ),
        ]
        constraints = [
            # Ordered by the message first, whose ids grow: however many there are, only the end is hot.
            models.UniqueConstraint(
                fields=["message", "status", "participant", "wamid"], name="status_report_of_message_once"
            ),
            models.UniqueConstraint(
                # A report may come without a wamid, known by what it echoes alone.
                fields=["wamid", "status", "participant", "phone_number", "opaque"],
                condition=Q(message__isnull=True),
                name="status_report_stray_once",
            ),
        ]


class MetaEvent(models.Model):
    """One callback of Meta's, stored raw before anything is read from it."""

    id = models.BigIntegerField(primary_key=True, db_default=NextId())
    app = models.ForeignKey(
        MetaApp,
        on_delete=models.SET_NULL,
        db_index=False,
        related_name="events",
        null=True,
        blank=True,
    )
    is_sandbox = models.BooleanField(default=False)
    body = models.BinaryField()
    digest = models.BinaryField(max_length=32, help_text="SHA-256 of the body.")
    received_at = models.DateTimeField(db_default=Now())
    handled_at = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(null=True, db_default=Now())
    attempt_count = models.PositiveSmallIntegerField(default=0)
    forwarded_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was passed on to the meta_raw endpoints, once."
    )
    errors = models.JSONField(default=list, help_text="The items that could not be handled, and why.")

    class Meta:
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="meta_event_due",
            ),
            # Few of many that wait, looked for beside each batch.
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False, attempt_count__gt=0),
                name="meta_event_again",
            ),
            models.Index(
                fields=["-id"],
                condition=Q(handled_at__isnull=True, next_attempt_at__isnull=True),
                name="meta_event_given_up",
            ),
            # The console tells the pretended ones from the many that Meta sent.
            models.Index(fields=["-id"], condition=Q(is_sandbox=True), name="meta_event_of_sandbox"),
        ]
        constraints = [
            # Two apps may be sent the same bytes, and only one of them may speak for the number.
            models.UniqueConstraint(
                fields=["digest", "app", "is_sandbox"], nulls_distinct=False, name="meta_event_once_per_app"
            )
        ]

    def __str__(self) -> str:
        return f"callback {self.pk}"
