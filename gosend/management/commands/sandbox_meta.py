"""The sandbox as a Graph server of its own, for other people's clients and for load."""

import signal
from argparse import ArgumentParser, ArgumentTypeError
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from gosend.sandbox import outcomes, templates
from gosend.sandbox.server import SandboxServer
from gosend.sandbox.world import DISPLAY_PHONE_NUMBER, WABA_ID, Line


def _line(text: str) -> Line:
    parts = text.split(":")
    if len(parts) not in {1, 3} or not all(part.isascii() and part.isdigit() for part in parts):
        raise ArgumentTypeError("write ID, or ID:WABA:DISPLAY, in digits")
    phone_number_id, waba_id, display = (
        parts if len(parts) == 3 else [parts[0], WABA_ID, DISPLAY_PHONE_NUMBER]
    )
    return Line(waba_id, phone_number_id, display)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class Command(BaseCommand):
    help = "Serve a pretend Graph API over HTTP, in memory, without a database."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8200, help="0 takes a free one")
        parser.add_argument("--callback-url", default="", help="where statuses are posted; none without it")
        parser.add_argument(
            "--app-secret",
            default=settings.SANDBOX_APP_SECRET,
            help="signs the callbacks; by default this installation's sandbox secret",
        )
        parser.add_argument("--latency-ms", type=float, default=0, help="wait so long before each answer")
        parser.add_argument(
            "--number",
            type=_line,
            action="append",
            default=[],
            metavar="ID[:WABA:DISPLAY]",
            help="a number that exists; may be repeated. Without it every id of five digits or more exists",
        )
        parser.add_argument(
            "--any-number", action="store_true", help="every other id of five digits or more exists as well"
        )

    def handle(self, **options: Any) -> None:
        try:
            server = SandboxServer(
                (options["host"], options["port"]),
                secret=options["app_secret"],
                callback_url=options["callback_url"],
                latency_seconds=options["latency_ms"] / 1000,
                lines=tuple(options["number"]),
                has_starters=True,
                is_open=options["any_number"],
            )
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {options['host']}:{options['port']}: {error.strerror}. "
                "Choose another --port."
            ) from None
        signal.signal(signal.SIGTERM, _stop)
        self.stdout.write(f"Pretend Graph API on http://{options['host']}:{server.port}")
        self.stdout.write("Recipients by their last four digits:")
        for outcome in outcomes.TABLE:
            self.stdout.write(f"  {outcome.suffix}  {outcome.effect}")
        self.stdout.write("Templates by what their name holds:")
        for part, effect in templates.TABLE.items():
            self.stdout.write(f"  {part or '(other)'}  {effect}")
        self.stdout.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            self.stdout.write("Stopped.")
        finally:
            server.server_close()
