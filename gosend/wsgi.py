"""The WSGI entry point."""

import gc
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from gosend.lib import heartbeat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gosend.settings")


def _limit_statements() -> None:
    """One slow question must not hold a thread, and the database, long after whoever asked has left.

    It goes with the connection, so it costs no statement. What DATABASE_URL says in `options` comes last.
    """
    if settings.WEB_STATEMENT_SECONDS > 0:
        options = settings.DATABASES["default"]["OPTIONS"]
        limit = f"-c statement_timeout={settings.WEB_STATEMENT_SECONDS}s"
        options["options"] = f"{limit} {options.get('options', '')}".strip()


_limit_statements()
application = get_wsgi_application()
heartbeat.start("web")
# What has been loaded by now stays for good: without it in view, collecting garbage never takes 100 ms.
gc.collect()
gc.freeze()
