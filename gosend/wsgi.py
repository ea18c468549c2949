"""The WSGI entry point."""

import gc
import multiprocessing
import os
import signal
from typing import Any

import django
from django.conf import settings
from django.core import signals
from django.core.cache import close_caches
from django.db import reset_queries

from gosend.api.doorway import Doorway
from gosend.lib import heartbeat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gosend.settings")


def _be_told_to_stop() -> None:
    """A worker stops when granian's main process says so (SIGTERM), also before it serves.

    It is forked with the main process's handler, which notes the signal in a copy, no more: told to stop
    while it is loaded, it would serve until it is killed. Nothing has been accepted by now: it may just end.
    Ctrl-C reaches every process of a terminal; a worker that gets SIGINT and SIGTERM at once may heed neither
    (granian 2.8), so it leaves the first to the main process.
    """
    server: Any = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if multiprocessing.parent_process() is None or not hasattr(server, "interrupt_signal"):
        return  # no worker of granian's
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if server.interrupt_signal:
        os.kill(os.getpid(), signal.SIGTERM)


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


_be_told_to_stop()
_limit_statements()
_expect_no_more_than_is_used()
django.setup(set_prefix=False)
application = Doorway()
heartbeat.start("web")
# What has been loaded by now stays for good: without it in view, collecting garbage never takes 100 ms.
gc.collect()
gc.freeze()
