"""A small webhook receiver to try deliveries with; `GET /received` lists what it got."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from gosend.demo.receiver import Receiver


class Command(BaseCommand):
    help = "Listen for webhooks on 127.0.0.1 and list them at /received."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=9000)

    def handle(self, *args: Any, **options: Any) -> None:
        port = options["port"]
        self.stdout.write(f"Receiving on http://127.0.0.1:{port}/ ; what came is at /received")
        Receiver(port=port).serve_forever()
