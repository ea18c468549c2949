"""Makes the room an app."""

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from accounts import roles  # noqa: PLC0415 -- needs the models

        # Permissions are made after each app's migrations: so behind the last one, and in no migration.
        last = list(apps.get_app_configs())[-1]
        post_migrate.connect(roles.ensure, sender=last, dispatch_uid="accounts.roles")
