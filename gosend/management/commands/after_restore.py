"""After a restored backup: keep what was sent since from being sent twice."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from messaging import restored


class Command(BaseCommand):
    help = (
        "Run it once after a backup was restored, before web and worker start. A message that waited in the"
        " backup may have been sent since: each becomes unconfirmed, and nobody sends it again by itself."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--confirm", action="store_true", help="do it; without this it only counts")

    def handle(self, *, confirm: bool, **_: Any) -> None:
        if confirm:
            self.stdout.write(f"{restored.set_aside()} waiting messages are unconfirmed now.")
        else:
            self.stdout.write(f"{restored.waiting()} messages wait. Nothing was changed: --confirm does it.")
