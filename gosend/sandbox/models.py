"""PendingCallback, SeenOnce and HeldTemplate: what the in-process sandbox remembers between two requests."""

from django.db import models


class PendingCallback(models.Model):
    """One callback that the sandbox will post to our own door when it is due."""

    due_at = models.DateTimeField()
    body = models.BinaryField()
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="sandbox_callback_due")]


class SeenOnce(models.Model):
    """A mark for behaviour that happens only the first time, such as a throttle."""

    key = models.CharField(max_length=200, primary_key=True)
    created_at = models.DateTimeField(auto_now_add=True)


class HeldTemplate(models.Model):
    """One template as the sandbox's Meta has it; its status follows from its name and its age."""

    waba_id = models.CharField(max_length=64)
    template_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=512)
    language = models.CharField(max_length=16)
    category = models.CharField(max_length=20)
    parameter_format = models.CharField(max_length=10)
    components = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["waba_id", "name", "language"], name="held_template_once")
        ]
