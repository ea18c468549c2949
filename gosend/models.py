"""Tally and Heartbeat: what the processes of this installation report of themselves."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class Tally(models.Model):
    """One series of `lib/metrics.py`, summed over every process that ever was."""

    name = models.CharField(max_length=80)
    labels = ArrayField(models.CharField(max_length=80), default=list)
    value = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "labels"], name="tally_once")]


class Heartbeat(models.Model):
    """When a process, or a sweep, was last seen at work, by the database's clock."""

    name = models.CharField(max_length=200, primary_key=True)
    kind = models.CharField(
        max_length=20, help_text="web, worker or beat; sweep; rounds, and a turn of theirs."
    )
    at = models.DateTimeField(db_default=Now())
    clock_ahead = models.FloatField(
        null=True, help_text="Seconds by which the process's own clock is ahead of the database's."
    )
    rss_bytes = models.BigIntegerField(default=0, help_text="Resident memory of a process.")

    def __str__(self) -> str:
        return self.name
