"""Files: those brought to Meta for a link, and those that customers sent."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import PhoneNumber, Tenant
from gosend.lib.ids import NextId
from messaging.models.messages import Message


class MediaUpload(models.Model):
    """A linked file that was brought to Meta for a number, or is being brought while `media_id` is empty."""

    phone_number = models.ForeignKey(
        PhoneNumber, on_delete=models.CASCADE, db_index=False, related_name="media_uploads"
    )
    kind = models.CharField(max_length=20)
    url_digest = models.BinaryField(max_length=32, help_text="SHA-256 of the link.")
    media_id = models.CharField(max_length=100, blank=True)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["phone_number", "kind", "url_digest"], name="media_upload_once")
        ]
        indexes = [models.Index(fields=["expires_at"], name="media_upload_age")]


class MediaFile(models.Model):
    """A file that a customer sent: due while `due_at` stands, kept while it has a path."""

    class State(models.TextChoices):
        WAITING = "waiting"
        KEPT = "kept"
        GONE = "gone"

    id = models.BigIntegerField(primary_key=True, db_default=NextId())
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False, related_name="media_files")
    phone_number = models.ForeignKey(PhoneNumber, on_delete=models.CASCADE, related_name="media_files")
    message = models.OneToOneField(
        Message, on_delete=models.SET_NULL, related_name="media_file", null=True, blank=True
    )
    media_id = models.CharField(max_length=100)
    mime_type = models.CharField(max_length=200, blank=True)
    filename = models.CharField(max_length=300, blank=True)
    sha256 = models.CharField(max_length=100, blank=True, help_text="As Meta told it: base64, or hex.")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    path = models.CharField(max_length=200, blank=True, help_text="Where the storage keeps it.")
    size = models.PositiveBigIntegerField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True, db_default=Now())
    attempt_count = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    fetched_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "media_id"], name="media_file_of_meta"),
            models.Index(fields=["due_at"], condition=Q(state="waiting"), name="media_file_due"),
            models.Index(fields=["fetched_at"], condition=Q(state="kept"), name="media_file_age"),
        ]
