"""gosend.settings, made fast and sealed."""

import ipaddress
import os
import tempfile

os.environ.setdefault("SECRET_KEY", "only-for-tests-only-for-tests-only-for-tests-0123456789")
os.environ.setdefault("ENCRYPTION_KEYS", "test:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")

# Files, doorbells and the like of one run; the database and its secrets are where they always are.
BROKER = tempfile.mkdtemp(prefix="gosend-tests-")

from gosend.settings import *  # noqa: F403

TRUSTED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# WhiteNoise warns when it is missing.
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
