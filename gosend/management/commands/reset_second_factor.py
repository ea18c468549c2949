"""manage.py reset_second_factor"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts import audit, second_factor
from accounts.models import User


class Command(BaseCommand):
    help = "Forget a person's second factor and end their sessions, where no operator is left who could."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *, username: str, **_options: Any) -> None:
        person = User.objects.filter(username=username).first()
        if person is None:
            raise CommandError(f"There is nobody called {username}.")
        with transaction.atomic():
            second_factor.reset(person)
            # Whoever sits at the server is nobody of the console's: the row says by which way it was done.
            audit.record(
                "user.second_factor_reset", actor=None, subject=person, reason="manage.py reset_second_factor"
            )
        self.stdout.write(f"{username} begins again with the password, and scans a new QR code.")
