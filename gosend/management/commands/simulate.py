"""A pretend customer writes to you."""

import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import PhoneNumber
from gosend.sandbox import callbacks
from gosend.sandbox.models import PendingCallback

# A worker may be posting the same callback just now.
PATIENCE_SECONDS = 3.0


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
        self._post(payload)

    def _post(self, payload: dict[str, Any]) -> None:
        body = callbacks.to_bytes(payload)
        callbacks.schedule(payload=payload)
        callbacks.post_due()
        stop_at = time.monotonic() + PATIENCE_SECONDS
        while PendingCallback.objects.filter(body=body).exists():
            if time.monotonic() > stop_at:
                raise CommandError(
                    f"{settings.SANDBOX_CALLBACK_URL} has not taken the message yet. "
                    "It is kept and will be tried again: start the server and a worker."
                )
            time.sleep(0.1)
        self.stdout.write(f"Posted to {settings.SANDBOX_CALLBACK_URL} as {callbacks.wamid_of(payload)}.")
