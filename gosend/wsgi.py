"""The WSGI entry point."""

import os

from django.core.wsgi import get_wsgi_application

from gosend.lib import heartbeat

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gosend.settings")

application = get_wsgi_application()
heartbeat.start("web")
