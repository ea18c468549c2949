"""Write the list of errors, or say whether the written one is still true."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from gosend.api import error_list


class Command(BaseCommand):
    help = "Write docs/errors.md from the code; with --check compare it only."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="Change nothing; fail when out of date.")

    def handle(self, *args: Any, **options: Any) -> None:
        written = Path(settings.BASE_DIR) / "docs" / "errors.md"
        made = error_list.as_markdown()
        if options["check"]:
            if not written.exists() or written.read_text(encoding="utf-8") != made:
                raise CommandError("docs/errors.md is out of date: run manage.py errors")
            return
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(made, encoding="utf-8")
        self.stdout.write("wrote docs/errors.md")
