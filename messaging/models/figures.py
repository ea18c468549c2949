"""What happened in each hour, counted: the console's charts read these rows and never the large tables."""

from django.db import models

from accounts.models import PhoneNumber, Tenant


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
