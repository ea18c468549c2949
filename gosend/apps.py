"""Makes the project an app, so its checks and commands load."""

from django.apps import AppConfig
from django.conf import settings


class GosendConfig(AppConfig):
    name = "gosend"
    verbose_name = "GoSend"

    def ready(self) -> None:
        from gosend import checks  # noqa: F401, PLC0415 -- registers the checks once apps are ready

        if not settings.REDIS_URL:
            for name in ("queue", "control"):  # the filesystem transport writes, but does not make them
                (settings.BROKER_DIR / name).mkdir(parents=True, exist_ok=True)
