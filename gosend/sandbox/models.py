"""PendingCallback and SeenOnce: what the in-process sandbox remembers between two requests."""

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
