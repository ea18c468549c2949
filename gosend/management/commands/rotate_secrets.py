"""Encrypt every token and secret anew under the first key of ENCRYPTION_KEYS."""

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand
from django.db import models, transaction

from gosend.lib import encryption


class Command(BaseCommand):
    help = (
        "Seal every token and secret under the first key of ENCRYPTION_KEYS. Put the new key in front,"
        " restart, run this, and take the old key away a day later: remembered answers live as long."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        total = sum(_reseal(model) for model in sealing_models())
        self.stdout.write(f"{total} rows sealed anew.")


def sealing_models() -> list[Any]:
    """Every model that keeps something sealed."""
    return [model for model in apps.get_models() if hasattr(model, "sealed_contexts")]


def _reseal(model: type[models.Model]) -> int:
    """Row by row, each locked, so that a secret changed meanwhile is not undone."""
    changed = 0
    for pk in list(model._default_manager.values_list("pk", flat=True)):
        with transaction.atomic():
            row: Any = model._default_manager.select_for_update().filter(pk=pk).first()
            if row is not None and (fields := encryption.reseal(row)):
                row.save(update_fields=fields)
                changed += 1
    return changed
