"""A pretend customer writes to you."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import PhoneNumber
from gosend.sandbox import callbacks


class Command(BaseCommand):
    help = "Let a pretend customer write to a sandbox number, through Meta's door as a real one would."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from", dest="sender", required=True, help="the customer's number, digits only")
        parser.add_argument("--number", required=True, help="phone_number_id of a sandbox number")
        parser.add_argument("--text", required=True)
        parser.add_argument("--name", default="", help="the customer's profile name")

    def handle(self, **options: Any) -> None:
        sender = options["sender"].lstrip("+")
        if not (sender.isascii() and sender.isdigit() and 7 <= len(sender) <= 15):
            raise CommandError("--from must be 7 to 15 digits, country code first.")
        number = (
            PhoneNumber.objects.select_related("business_account")
            .filter(phone_number_id=options["number"], is_sandbox=True)
            .first()
        )
        if number is None:
            raise CommandError(f"No sandbox number has the phone_number_id {options['number']}.")
        payload = callbacks.inbound_text(
            waba_id=number.business_account.waba_id,
            phone_number_id=number.phone_number_id,
            display_phone_number=number.display_phone_number_normalized,
            from_phone=sender,
            body=options["text"],
            name=options["name"],
        )
        door = settings.SANDBOX_CALLBACK_URL
        body = callbacks.to_bytes(payload)
        if not callbacks.post(url=door, secret=settings.SANDBOX_APP_SECRET, body=body):
            callbacks.schedule(payload=payload)
            raise CommandError(
                f"{door} has not taken the message. It is kept and will be posted by a worker; "
                "start the server and a worker, or see the server's log."
            )
        self.stdout.write(f"Posted to {door} as {callbacks.wamid_of(payload)}.")
