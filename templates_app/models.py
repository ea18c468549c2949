"""Template."""

from django.db import models
from django.db.models.functions import Now

from accounts.models import BusinessAccount, Tenant
from gosend.lib import moments


class Template(models.Model):
    """Our copy of one message template in one language, as Meta has it."""

    class Status(models.TextChoices):
        APPROVED = "APPROVED"
        PENDING = "PENDING"
        REJECTED = "REJECTED"
        PAUSED = "PAUSED"
        DISABLED = "DISABLED"
        IN_APPEAL = "IN_APPEAL"
        FLAGGED = "FLAGGED"
        LOCKED = "LOCKED"
        LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
        REINSTATED = "REINSTATED"
        PENDING_DELETION = "PENDING_DELETION"
        DELETED = "DELETED"
        ARCHIVED = "ARCHIVED"

    class Category(models.TextChoices):
        AUTHENTICATION = "AUTHENTICATION"
        MARKETING = "MARKETING"
        UTILITY = "UTILITY"

    class ParameterFormat(models.TextChoices):
        POSITIONAL = "POSITIONAL"
        NAMED = "NAMED"

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="templates")
    business_account = models.ForeignKey(BusinessAccount, on_delete=models.CASCADE, related_name="templates")
    meta_template_id = models.CharField(max_length=64, blank=True)
    name = models.CharField(max_length=512)
    language = models.CharField(max_length=16)
    category = models.CharField(max_length=20, choices=Category)
    status = models.CharField(max_length=20, choices=Status, default=Status.PENDING)
    components = models.JSONField(default=list)
    parameter_format = models.CharField(
        max_length=10, choices=ParameterFormat, default=ParameterFormat.POSITIONAL
    )
    rejection_reason = models.CharField(max_length=200, blank=True)
    quality_score = models.CharField(max_length=10, blank=True)
    last_synced_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["business_account", "name", "language"], name="template_once_per_language"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.language})"


class StatusChange(models.Model):
    """How Meta judged a template, each time that changed; a trigger writes them, whoever saves."""

    template = models.ForeignKey(Template, on_delete=models.CASCADE, related_name="status_changes")
    at = models.DateTimeField(db_default=Now())
    status = models.CharField(max_length=20)
    reason = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.status} at {moments.written(self.at)}"
