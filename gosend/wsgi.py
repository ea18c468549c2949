"""The WSGI entry point."""

import gc
import os

from django.conf import settings
from django.core import signals
from django.core.cache import close_caches
from django.core.wsgi import get_wsgi_application
from django.db import reset_queries

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


def _expect_no_more_than_is_used() -> None:
    """Django looks after each request for caches to close, and before it for queries to forget.

    There are no caches but in memory, and queries are remembered under DEBUG alone.
    """
    signals.request_finished.disconnect(close_caches)
    if not settings.DEBUG:
        signals.request_started.disconnect(reset_queries)


_limit_statements()
_expect_no_more_than_is_used()
application = get_wsgi_application()
heartbeat.start("web")
# What has been loaded by now stays for good: without it in view, collecting garbage never takes 100 ms.
gc.collect()
gc.freeze()
