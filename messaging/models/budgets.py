"""Limits towards Meta, counted here while there is no Redis."""

from django.db import models

from accounts.models import PhoneNumber


class Throughput(models.Model):
    """A number's messages per second, counted here while there is no Redis.

    The table is unlogged: a crash empties it, which costs one extra burst, and a count costs no
    write to disk.
    """

    phone_number = models.OneToOneField(
        PhoneNumber, on_delete=models.CASCADE, primary_key=True, related_name="throughput"
    )
    full_at = models.BigIntegerField(help_text="When the budget is whole again, in microseconds since 1970.")
    taken = models.IntegerField(default=0, help_text="What the latest caller got.")


class PairBudget(models.Model):
    """A number's messages to one person, counted here while there is no Redis; unlogged as `Throughput`."""

    phone_number = models.ForeignKey(
        PhoneNumber, on_delete=models.CASCADE, db_index=False, related_name="pair_budgets"
    )
    peer = models.CharField(max_length=160)
    full_at = models.BigIntegerField(help_text="When the budget is whole again, in microseconds since 1970.")
    wait = models.BigIntegerField(default=0, help_text="Microseconds that the latest caller has to wait.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["phone_number", "peer"], name="pair_budget_of_person"),
        ]
