"""What people did and looked at in the console; rows are only added, and forgotten when they are old."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from gosend.lib.ids import NextId


class AuditEvent(models.Model):
    """One thing that somebody did: a trigger refuses to change it, ever, and to delete it within 90 days.

    Whom and what it concerns is written out, not referred to, so that it outlives them.
    """

    id = models.BigIntegerField(primary_key=True, db_default=NextId())
    at = models.DateTimeField(db_default=Now())
    actor_id = models.BigIntegerField(null=True, help_text="Empty when the product itself acted.")
    actor = models.CharField(max_length=150)
    action = models.CharField(max_length=60, help_text="A noun and what befell it: message.revealed.")
    tenant_id = models.BigIntegerField(null=True)
    subject_type = models.CharField(max_length=60, blank=True)
    subject_id = models.CharField(max_length=64, blank=True)
    subject = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    details = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    address = models.GenericIPAddressField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant_id", "-id"], name="audit_of_tenant"),
            models.Index(fields=["actor_id", "-id"], name="audit_of_actor"),
            models.Index(fields=["subject_type", "subject_id", "-id"], name="audit_of_subject"),
            # What the search box of the trail asks for.
            models.Index(fields=["actor", "-id"], name="audit_of_actor_name"),
            models.Index(fields=["subject_id", "-id"], name="audit_of_subject_id"),
            models.Index(fields=["request_id"], condition=~Q(request_id=""), name="audit_of_request"),
        ]

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.subject}"
