"""The Celery app; its settings and beat schedule stand in settings.py."""

import logging
import logging.config
import os
import sys
import threading
from typing import Any

from celery import Celery, signals
from celery.concurrency import get_implementation
from django.conf import settings
from django.db import close_old_connections
from kombu.transport import TRANSPORT_ALIASES

from gosend.lib import stop

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gosend.settings")

TRANSPORT_ALIASES["filesystem"] = "gosend.lib.file_broker:Transport"
TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = "gosend.lib.redis_broker:Transport"

log = logging.getLogger(__name__)

app = Celery("gosend")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Celery would close the thread's database connection before and after each task: a new one for each costs the
# server more than most tasks do, because every statement is planned on it anew.
app.conf.CELERY_DB_REUSE_MAX = sys.maxsize


@signals.task_prerun.connect
@signals.task_postrun.connect
def keep_healthy_connections(**_: Any) -> None:
    """As Django does around each request: what broke is closed, and the rest asked once whether it lives."""
    close_old_connections()


@signals.setup_logging.connect
def keep_logging(**_: Any) -> None:
    """Celery would put its own format, which redacts nothing, in the place of LOGGING's."""
    logging.config.dictConfig(settings.LOGGING)


@signals.worker_shutting_down.connect
def _ask_to_stop(**_: object) -> None:
    """A warm shutdown waits for the tasks: they hand back what they have not begun, and end."""
    stop.asked.set()


@signals.worker_init.connect
def make_rounds(sender: Any, **_: Any) -> None:
    """Report, and look whether anybody sweeps, also while there is no broker to be ready with.

    A worker that forks would hand its children threads that do not run there.
    """
    from gosend.lib import heartbeat  # noqa: PLC0415 -- the settings are read by then
    from gosend.lib.rounds import Rounds  # noqa: PLC0415

    if get_implementation(sender.pool_cls).__module__ == "celery.concurrency.prefork":
        log.warning("a forking worker cannot look for work by itself: start it with --pool threads")
        return
    heartbeat.start("worker")
    rounds = Rounds(app.tasks)
    signals.worker_shutdown.connect(lambda **_: rounds.finish(), weak=False)
    threading.Thread(target=rounds.run, name="rounds", daemon=True).start()


@signals.worker_ready.connect
@signals.worker_process_init.connect
def report(**_: Any) -> None:
    """A worker of threads is one process; a forking one is several, and each reports."""
    from gosend.lib import heartbeat  # noqa: PLC0415 -- the settings are read by then

    heartbeat.start("worker")


@signals.beat_init.connect
def report_beat(**_: Any) -> None:
    from gosend.lib import heartbeat  # noqa: PLC0415 -- the settings are read by then

    log.info("beat started")
    heartbeat.start("beat")


@signals.task_success.connect
def note_sweep(sender: Any = None, **_: Any) -> None:
    """What beat asks for and a worker finished: the proof that both are at work."""
    from gosend.lib import heartbeat  # noqa: PLC0415 -- the settings are read by then

    if sender is not None and sender.name in settings.CELERY_BEAT_SCHEDULE:
        heartbeat.note_sweep(sender.name)
