"""Requests that may be repeated, and what they were answered with."""

from django.db import models
from django.db.models.functions import Now

from accounts.models import Tenant
from messaging.models.messages import Message


class IdempotentAnswer(models.Model):
    """A key that a client sent with a POST, and the answer it got."""

    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, db_index=False, related_name="idempotent_answers"
    )
    environment = models.CharField(max_length=10)
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32)
    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, db_constraint=False, related_name="idempotent_answers", null=True
    )
    status_code = models.PositiveSmallIntegerField(null=True)
    body = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "environment", "key"], name="idempotency_key_once")
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_age")]
