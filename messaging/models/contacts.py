"""Contacts, and what a tenant says of them."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import BusinessAccount, Tenant
from gosend.lib import phone


class Contact(models.Model):
    """A person on WhatsApp, as one business account knows them.

    Since April 2026 a person may have no phone number but a business-scoped user id, so either may be
    missing, never both.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False, related_name="contacts")
    business_account = models.ForeignKey(
        BusinessAccount, on_delete=models.CASCADE, db_index=False, related_name="contacts"
    )
    phone = models.CharField(max_length=20, blank=True, help_text="Digits only, as Meta's wa_id.")
    user_id = models.CharField(max_length=160, blank=True)
    name = models.CharField(max_length=500, blank=True)
    username = models.CharField(max_length=200, blank=True)
    merged_into = models.ForeignKey(
        "self", on_delete=models.CASCADE, db_index=False, related_name="merged", null=True, editable=False,
        help_text="The contact that this one turned out to be; it stays for who holds its id.",
    )  # fmt: skip
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["business_account", "phone"],
                condition=~Q(phone=""),
                name="contact_phone_once",
            ),
            models.UniqueConstraint(
                fields=["business_account", "user_id"],
                condition=~Q(user_id=""),
                name="contact_user_id_once",
            ),
            models.CheckConstraint(condition=~Q(phone="") | ~Q(user_id=""), name="contact_is_somebody"),
        ]
        # The console finds a person whatever account knows them.
        indexes = [
            models.Index(fields=["phone"], condition=~Q(phone=""), name="contact_of_phone"),
            models.Index(fields=["user_id"], condition=~Q(user_id=""), name="contact_of_user_id"),
            models.Index(fields=["tenant", "-id"], name="contact_of_tenant"),
            models.Index(
                fields=["merged_into"], condition=Q(merged_into__isnull=False), name="contact_of_merged"
            ),
        ]

    def __str__(self) -> str:
        return self.name or phone.mask(self.phone or self.user_id)

    @property
    def whole(self) -> "Contact":
        """The contact that this one became part of, else itself."""
        return self.merged_into or self


class AddressBookEntry(models.Model):
    """What a tenant itself says of a contact; WhatsApp's own name for it stays beside it."""

    contact = models.OneToOneField(Contact, on_delete=models.CASCADE, primary_key=True, related_name="entry")
    name = models.CharField(max_length=500, blank=True)
    tags = models.JSONField(default=list)
    metadata = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name or str(self.contact_id)
