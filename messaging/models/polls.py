"""Polls as they are rendered on the Cloud API, the votes on them, and the slots of a send budget."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from accounts.models import PhoneNumber, Tenant
from gosend.lib.ids import NextId
from messaging.models.messages import Message


class Poll(models.Model):
    """A question with options, sent as buttons, a list or numbered text; its token stands in the replies."""

    class RenderedAs(models.TextChoices):
        BUTTONS = "buttons"
        LIST = "list"
        TEXT = "text"

    id = models.BigIntegerField(primary_key=True, db_default=NextId())
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False, related_name="polls")
    phone_number = models.ForeignKey(PhoneNumber, on_delete=models.CASCADE, related_name="polls")
    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="poll", null=True)
    token = models.CharField(max_length=24, unique=True)
    name = models.CharField(max_length=4096)
    options = ArrayField(models.CharField(max_length=1024))
    selectable_count = models.PositiveSmallIntegerField(default=1)
    rendered_as = models.CharField(max_length=10, choices=RenderedAs)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"poll {self.pk}"


class PollVote(models.Model):
    """What one voter has chosen by now: places of options, from 0, in the order they were chosen."""

    class Source(models.TextChoices):
        BUTTON = "button"
        LIST = "list"
        TEXT = "text"
        API = "api"

    poll = models.ForeignKey(Poll, on_delete=models.CASCADE, db_index=False, related_name="votes")
    voter = models.CharField(max_length=160, help_text="Digits of a phone number, or a user id.")
    selected = ArrayField(models.PositiveSmallIntegerField(), default=list)
    source = models.CharField(max_length=10, choices=Source)
    voted_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["poll", "voter"], name="poll_vote_once_per_voter")]


class SendSlot(models.Model):
    """A send of the session API: when it went out, or may go out once the budget has refilled."""

    phone_number = models.ForeignKey(
        PhoneNumber, on_delete=models.CASCADE, db_index=False, related_name="send_slots"
    )
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["phone_number", "-at"], name="send_slot_of_number"),
            models.Index(fields=["at"], name="send_slot_age"),
        ]
