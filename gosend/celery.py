"""The Celery app; its settings and beat schedule stand in settings.py."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gosend.settings")

TRANSPORT_ALIASES["filesystem"] = "gosend.lib.file_broker:Transport"

app = Celery("gosend")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
