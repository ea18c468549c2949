"""People who sign in to the console, and the tenants that each may see."""

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Now


class User(AbstractUser):
    """A person who may sign in to the console."""

    sees_all_tenants = models.BooleanField(
        default=False, help_text="Sees every tenant, also those to come; otherwise only those granted."
    )


class SignInTally(models.Model):
    """How often somebody tried to sign in: for an account from an address, and from an address."""

    key = models.CharField(max_length=64, primary_key=True, help_text="A digest: neither name nor address.")
    began_at = models.DateTimeField()
    count = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.count} since {self.began_at:%H:%M}"


class Grant(models.Model):
    """That a member of staff may see one tenant; what they may do there is their role's to say."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="grants")
    tenant = models.ForeignKey("accounts.Tenant", on_delete=models.CASCADE, related_name="grants")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "tenant"], name="grant_once_per_tenant")]

    def __str__(self) -> str:
        return f"{self.user} sees {self.tenant}"
