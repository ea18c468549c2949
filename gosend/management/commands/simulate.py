"""A pretend customer writes to you."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import PhoneNumber
from gosend.demo import running
from gosend.sandbox import callbacks
from messaging.models import Contact


class Command(BaseCommand):
    help = "Let a pretend customer write to a sandbox number, through Meta's door as a real one would."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from", dest="sender", required=True, help="the customer's number, digits only")
        parser.add_argument("--number", required=True, help="phone_number_id of a sandbox number")
        parser.add_argument("--text", required=True)
        parser.add_argument(
            "--name", default="", help="the customer's profile name; one who is known keeps theirs"
        )
        parser.add_argument(
            "--url", default="", help="the web server's address; by default the running demo's, or PUBLIC_URL"
        )

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
            name=options["name"] or _known_name(number, sender),
        )
        door, source = _door(options["url"])
        body = callbacks.to_bytes(payload)
        if not callbacks.post(url=door, secret=settings.SANDBOX_APP_SECRET, body=body):
            callbacks.schedule(payload=payload)
            why = "see the server's log" if running.Address(door, "").is_heard() else "nobody listens there"
            raise CommandError(
                f"{door} ({source}) has not taken the message: {why}. It is kept and will be posted by a "
                "worker. Start server and worker (make run, make worker), or name the server with --url."
            )
        self.stdout.write(f"Posted to {door} ({source}) as {callbacks.wamid_of(payload)}.")


def _door(given: str) -> tuple[str, str]:
    """Where the message is posted to, and where that address is from."""
    at = running.find(given)
    door = f"{at.url}/meta/webhook"
    if at.source != "PUBLIC_URL" or door == settings.SANDBOX_CALLBACK_URL:
        return door, at.source
    return settings.SANDBOX_CALLBACK_URL, "SANDBOX_CALLBACK_URL"


def _known_name(number: PhoneNumber, sender: str) -> str:
    """What the customer called themselves before, so that writing again renames nobody."""
    known = Contact.objects.filter(business_account=number.business_account, phone=sender).first()
    return known.name if known else ""
