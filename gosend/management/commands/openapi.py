"""Write the OpenAPI documents and the Postman collections, or say whether they are still true."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from gosend.api import postman, schema


class Command(BaseCommand):
    help = "Write docs/openapi/ from the code; with --check compare only."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="Change nothing; fail when one is out of date."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder = Path(settings.BASE_DIR) / "docs" / "openapi"
        for dialect in schema.DIALECTS:
            collection = postman.as_json(schema.document(dialect))
            for name, made in (
                (f"{dialect}.yaml", schema.as_yaml(dialect)),
                (f"{dialect}.postman.json", collection),
            ):
                self._write(folder / name, made, is_check=options["check"])

    def _write(self, written: Path, made: str, *, is_check: bool) -> None:
        if is_check:
            if not written.exists() or written.read_text(encoding="utf-8") != made:
                raise CommandError(f"{written.name} is out of date: run manage.py openapi")
            return
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(made, encoding="utf-8")
        self.stdout.write(f"wrote docs/openapi/{written.name}")
