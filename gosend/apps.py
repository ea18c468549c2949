"""Makes the project an app, so its checks and commands load."""

from django.apps import AppConfig


class GosendConfig(AppConfig):
    name = "gosend"
    verbose_name = "GoSend"

    def ready(self) -> None:
        from gosend import checks  # noqa: F401, PLC0415 -- registers the checks once apps are ready
