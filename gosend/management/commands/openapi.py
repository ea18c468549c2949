"""Write the OpenAPI documents, or say whether the written ones are still true."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from gosend.api import schema

_DIALECTS = ("v1",)


class Command(BaseCommand):
    help = "Write docs/openapi/*.yaml from the code; with --check compare them only."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="Change nothing; fail when one is out of date."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder = Path(settings.BASE_DIR) / "docs" / "openapi"
        for dialect in _DIALECTS:
            written = folder / f"{dialect}.yaml"
            made = schema.as_yaml(dialect)
            if options["check"]:
                if not written.exists() or written.read_text(encoding="utf-8") != made:
                    raise CommandError(f"{written.name} is out of date: run manage.py openapi")
                continue
            folder.mkdir(parents=True, exist_ok=True)
            written.write_text(made, encoding="utf-8")
            self.stdout.write(f"wrote docs/openapi/{written.name}")
