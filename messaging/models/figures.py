"""What happened in each hour, counted: the console's charts read these rows and never the large tables."""

from django.db import models

from accounts.models import Customer, PhoneNumber, Tenant


class HourlyFigure(models.Model):
    """So many of one kind in one hour (UTC), of one number; counted anew while the hour still changes."""

    class Measure(models.TextChoices):
        STATUS = "status"
        FAILURE = "failure"
        DELAY = "delay"
        WEBHOOK = "webhook"

    hour = models.DateTimeField()
    tenant = models.ForeignKey(
        Tenant, on_delete=models.CASCADE, db_index=False, related_name="hourly_figures"
    )
    phone_number = models.ForeignKey(
        PhoneNumber, on_delete=models.CASCADE, db_index=False, related_name="hourly_figures", null=True
    )
    measure = models.CharField(max_length=10, choices=Measure)
    key = models.CharField(
        max_length=40,
        help_text="A message's status, Meta's code of a failure, the most seconds that a delivery took,"
        " a webhook delivery's status.",
    )
    count = models.PositiveIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["measure", "hour"], name="hourly_figure_of_measure"),
            models.Index(fields=["tenant", "measure", "hour"], name="hourly_figure_of_tenant"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "tenant", "phone_number", "measure", "key"],
                nulls_distinct=False,
                name="hourly_figure_once",
            )
        ]


class _Counted(models.Model):
    """What messages are counted by. No foreign key is checked: counts of what is gone fall to zero."""

    tenant = models.ForeignKey(
        Tenant, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    phone_number = models.ForeignKey(
        PhoneNumber, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    customer = models.ForeignKey(
        Customer,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        null=True,
    )
    day = models.DateField(help_text="UTC; of created_at for what we sent, else of the arrival here.")
    direction = models.CharField(max_length=10)
    type = models.CharField(max_length=40)
    status = models.CharField(max_length=12)

    class Meta:
        abstract = True


class MessageTally(_Counted):
    """So many messages of one kind; those that wait or are being sent are counted as dispatches instead."""

    count = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "phone_number", "day", "customer", "direction", "type", "status"],
                nulls_distinct=False,
                name="message_tally_once",
            )
        ]


class MessageTallyChange(_Counted):
    """What one statement changed of a tally: written by the database itself, soon added up and gone."""

    delta = models.IntegerField()
