"""gosend.settings, made fast and sealed."""

import ipaddress
import os
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

os.environ.setdefault("SECRET_KEY", "only-for-tests-only-for-tests-only-for-tests-0123456789")
os.environ.setdefault("ENCRYPTION_KEYS", "test:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")

worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
if worker and os.environ.get("REDIS_URL") and "pytest" in sys.modules:  # what a test starts inherits it
    # Rows of different tests have the same ids, for each worker has its own database; limits go by ids.
    url = urlsplit(os.environ["REDIS_URL"])
    place = 1 + (int(url.path.strip("/") or 0) + int(worker)) % 15  # Redis has sixteen; the first is not ours
    os.environ["REDIS_URL"] = url._replace(path=f"/{place}").geturl()

from gosend.settings import *  # noqa: E402, F403 -- it reads what was set above

TRUSTED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]
# Counts are brought by the tests that ask for them.
METRICS_FLUSH_SECONDS = int(os.environ.get("METRICS_FLUSH_SECONDS", "0"))
# A test changes a key or a number and knocks at once.
LOOKUPS_LIVE_SECONDS = 0
# Tests that are about it turn it on.
CONSOLE_SECOND_FACTOR = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Rings of the tests are heard by nobody, least of all by a worker of this machine.
CELERY_TASK_DEFAULT_QUEUE = "gosend-tests"
BROKER_DIR = Path(tempfile.gettempdir()) / f"gosend-tests-{os.getuid()}"
MEDIA_ROOT = BROKER_DIR / "media"
if not REDIS_URL:  # noqa: F405
    for option in ("data_folder_in", "data_folder_out"):
        CELERY_BROKER_TRANSPORT_OPTIONS[option] = str(BROKER_DIR / "queue")  # noqa: F405
    CELERY_BROKER_TRANSPORT_OPTIONS["control_folder"] = str(BROKER_DIR / "control")  # noqa: F405
# A live server's thread outlives its test as long as a client keeps its connection; its session must not.
DATABASES["default"]["CONN_MAX_AGE"] = 0  # noqa: F405
