"""The WSGI entry point."""

import gc
import os

from django.core.wsgi import get_wsgi_application

from gosend.lib import heartbeat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gosend.settings")

application = get_wsgi_application()
heartbeat.start("web")
# What has been loaded by now stays for good: without it in view, collecting garbage never takes 100 ms.
gc.collect()
gc.freeze()
