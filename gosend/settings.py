"""Settings, read once from the environment."""

import hashlib
import hmac
import ipaddress
import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from gosend.lib import embedded_postgres, local_secrets

BASE_DIR = Path(__file__).resolve().parent.parent


def env(name: str, default: str = "") -> str:
    """Read a variable; surrounding blanks never count."""
    return os.environ.get(name, default).strip()


def env_bool(name: str, *, default: bool) -> bool:
    return env(name, "1" if default else "0").lower() in {"1", "true", "yes", "on"}


def env_int(name: str, default: int) -> int:
    return int(env(name) or default)


def env_list(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in env(name, default).split(",") if part.strip()]


def env_secret(name: str, default: str = "") -> str:
    """Read X, or the file that X_FILE names (as container secrets are mounted)."""
    if path := env(f"{name}_FILE"):
        return Path(path).read_text().strip()
    return env(name, default)


# --- Identity -----------------------------------------------------------------------------------
# Everything that this installation writes besides its database lies under here.
VAR_DIR = Path(env("VAR_DIR") or BASE_DIR / "var").resolve()
DATABASE_URL = env_secret("DATABASE_URL")
# Without DATABASE_URL this is a laptop: secrets are made on first use and kept under var/.
IS_EMBEDDED = not DATABASE_URL
_local = local_secrets.load_or_create(VAR_DIR) if IS_EMBEDDED else {}

DEBUG = env_bool("DEBUG", default=False)
SECRET_KEY = env_secret("SECRET_KEY") or _local.get("secret_key", "")
# Key ring for tokens and secrets at rest: "id:base64-of-32-bytes", newest first.
ENCRYPTION_KEYS = env_secret("ENCRYPTION_KEYS") or _local.get("encryption_keys", "")
# The address under which clients and Meta reach this installation.
# Without it the address of `make run` on this machine; make tells its PORT.
PUBLIC_URL = (env("PUBLIC_URL") or f"http://127.0.0.1:{env('PORT', '8000')}").rstrip("/")
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")

# --- Apps ---------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "gosend",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_otp",
    "rest_framework",
    "drf_spectacular",
    "gosend.sandbox",
    "accounts",
    "webhooks_app",
    "templates_app",
    "messaging",
]
MIDDLEWARE = [
    "gosend.api.middleware.RequestIdMiddleware",
    "gosend.api.middleware.ProgramsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "accounts.second_factor_page.SecondFactorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "gosend.urls"
WSGI_APPLICATION = "gosend.wsgi.application"
APPEND_SLASH = False
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "gosend" / "pages"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "libraries": {"list_rows": "gosend.lib.list_rows"},
        },
    }
]
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = "gosend.formats"
# Files that customers sent; served by the API to their own project only, never from here.
MEDIA_ROOT = VAR_DIR / "media"
STATIC_URL = "/static/"
# They are served from where they lie; nothing collects them.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG


# --- Database -----------------------------------------------------------------------------------
def _database(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", "") or parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": query,
    }


DATABASES = {"default": _database(DATABASE_URL or embedded_postgres.url(VAR_DIR))}
# Seconds after which PostgreSQL gives up a statement of a web process (wsgi.py); 0 for never. Workers and
# commands have no such end: migrations and retention may take as long as they take.
WEB_STATEMENT_SECONDS = env_int("WEB_STATEMENT_SECONDS", 30)

# --- Redis and Celery ---------------------------------------------------------------------------
# Without Redis the doorbells go over files and the limits over PostgreSQL: the same code that
# serves when Redis is down.
REDIS_URL = env_secret("REDIS_URL")
BROKER_DIR = VAR_DIR / "broker"
CELERY_BROKER_URL = REDIS_URL or "filesystem://localhost"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    # Without max_retries kombu would try for six seconds while a request waits.
    {"socket_timeout": 2, "socket_connect_timeout": 1, "max_retries": 0}
    if REDIS_URL
    else {
        "data_folder_in": str(BROKER_DIR / "queue"),
        "data_folder_out": str(BROKER_DIR / "queue"),
        "processed_folder": str(BROKER_DIR / "processed"),
        "control_folder": str(BROKER_DIR / "control"),
        "store_processed": False,
        "polling_interval": 0.1,
    }
)
if not REDIS_URL:
    # kombu makes its other folders, but not this one.
    (BROKER_DIR / "queue").mkdir(parents=True, exist_ok=True)
CELERY_TASK_IGNORE_RESULT = True
# A doorbell that cannot be rung is no loss: the sweep finds the row. So never wait for a broker.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A worker without its broker makes its rounds by itself (lib/rounds.py), so it never gives up: not after a
# hundred tries, and not over a Redis that is full or refuses writes.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TIMEZONE = "UTC"
# Seconds between two looks for rows that a lost doorbell left behind.
SWEEP_SECONDS = env_int("SWEEP_SECONDS", 1)
# A look that no worker took within so many intervals is dropped: another has been asked for since. A worker
# whose clock is as much ahead of beat's drops all of them; the doctor says so.
SWEEP_EXPIRES_IN = 5
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    name: {"task": name, "schedule": SWEEP_SECONDS, "options": {"expires": SWEEP_SECONDS * SWEEP_EXPIRES_IN}}
    for name in (
        "messaging.sweep",
        "messaging.ingest",
        "messaging.fetch_media",
        "webhooks_app.sweep",
        "sandbox.post_callbacks",
    )
}
CELERY_BEAT_SCHEDULE["messaging.forget"] = {"task": "messaging.forget", "schedule": 600}
CELERY_BEAT_SCHEDULE["messaging.sweep_conversations"] = {
    "task": "messaging.sweep_conversations",
    "schedule": 30,
    "options": {"expires": 60},
}
CELERY_BEAT_SCHEDULE["messaging.roll_up"] = {
    "task": "messaging.roll_up",
    "schedule": 60,
    "options": {"expires": 120},
}
CELERY_BEAT_SCHEDULE["webhooks_app.forget"] = {"task": "webhooks_app.forget", "schedule": 600}
# Meta's callbacks tell of changes at once; this finds what they left out.
CELERY_BEAT_SCHEDULE["templates_app.sync_all"] = {"task": "templates_app.sync_all", "schedule": 4 * 3600}

# --- Meta ---------------------------------------------------------------------------------------
META_GRAPH_URL = env("META_GRAPH_URL", "https://graph.facebook.com").rstrip("/")
META_GRAPH_VERSION = env("META_GRAPH_VERSION", "v25.0")
# Seconds for one call to Meta, connecting included.
META_TIMEOUT_SECONDS = env_int("META_TIMEOUT_SECONDS", 30)
# Requests of one process that wait for Meta's answer to their message at the same moment; a further message
# is answered `queued`, and a worker sends it. Fewer than the process has threads (16): the others answer.
SYNCHRONOUS_SENDS = env_int("SYNCHRONOUS_SENDS", 10)
# The sandbox signs its callbacks with this; derived, so that there is nothing to store or lose.
SANDBOX_APP_SECRET = (
    hmac.digest(SECRET_KEY.encode(), b"gosend sandbox app", hashlib.sha256).hex()
    if SECRET_KEY
    else secrets.token_hex(32)  # else anybody could derive it; the checks ask for a SECRET_KEY
)
# A sandbox that runs as a server of its own; without one, test numbers talk to it in-process.
SANDBOX_URL = env("SANDBOX_URL").rstrip("/")
# Where the sandbox posts its callbacks: our own door, by its inside address.
SANDBOX_CALLBACK_URL = env("SANDBOX_CALLBACK_URL") or f"{PUBLIC_URL}/meta/webhook"

# --- Limits -------------------------------------------------------------------------------------
# Bytes of an API request body; media uploads have their own cap.
API_MAX_BODY_BYTES = env_int("API_MAX_BODY_BYTES", 1_000_000)
# Bytes of a file uploaded to /v1/media, with what a form puts around it.
API_MAX_UPLOAD_BYTES = env_int("API_MAX_UPLOAD_BYTES", 105_000_000)
# Days for which the files that customers send are kept; 0 keeps them.
MEDIA_RETENTION_DAYS = env_int("MEDIA_RETENTION_DAYS", 30)
# Bytes of a batch of messages.
API_MAX_BATCH_BYTES = env_int("API_MAX_BATCH_BYTES", 5_000_000)
# Meta posts up to 3 MB in one callback.
META_MAX_BODY_BYTES = 3_100_000
DATA_UPLOAD_MAX_MEMORY_SIZE = max(4_000_000, API_MAX_BODY_BYTES, API_MAX_BATCH_BYTES)
# Requests per second and key, by plan; the key's environment decides for test keys.
API_RATE_LIMITS = {"sandbox": 10, "standard": 100, "high_volume": 500, "enterprise": 500}
# The same per day (UTC). A project's own limits, for its live keys, come before its plan's.
API_DAILY_LIMITS = {
    "sandbox": 1_000,
    "standard": 100_000,
    "high_volume": 1_000_000,
    "enterprise": 1_000_000,
}
# Sends by the session API, per session, where it has no budgets of its own; 0 means no cap.
DEFAULT_RATE_PER_MIN = env_int("DEFAULT_RATE_PER_MIN", 20)
DEFAULT_RATE_PER_HOUR = env_int("DEFAULT_RATE_PER_HOUR", 200)
# Seconds for which the accepting door believes what it knew of a key, its tenant and a number (twice as
# long while another request looks anew); 0 for never.
LOOKUPS_LIVE_SECONDS = env_int("LOOKUPS_LIVE_SECONDS", 1)
# Seconds before a claimed message or delivery may be claimed by another worker.
CLAIM_LEASE_SECONDS = env_int("CLAIM_LEASE_SECONDS", 45)
# Seconds after which a send of unknown outcome is reported as unconfirmed.
UNCONFIRMED_AFTER_SECONDS = env_int("UNCONFIRMED_AFTER_SECONDS", 900)
# Seconds before a callback of Meta's that a worker took may be taken by another.
INGEST_LEASE_SECONDS = env_int("INGEST_LEASE_SECONDS", 20)
# Seconds for one webhook attempt, the answer's body included.
WEBHOOK_TIMEOUT_SECONDS = env_int("WEBHOOK_TIMEOUT_SECONDS", 10)
# Days after which deliveries that ended are forgotten, with their events and attempts, at least 2, because
# the charts count each hour again for a day; 0 keeps them.
WEBHOOK_LOG_DAYS = env_int("WEBHOOK_LOG_DAYS", 30)
# Days for which Meta's callbacks and the statuses they reported are kept, at least 8, because Meta
# repeats for 7; 0 keeps them. A callback that could not be handled stays until it is.
META_LOG_DAYS = env_int("META_LOG_DAYS", 30)
# Days for which the hourly figures behind the console's charts are kept; 0 keeps them.
FIGURES_DAYS = env_int("FIGURES_DAYS", 90)
# Days for which the audit trail is kept, at least 91; 0 keeps it.
AUDIT_DAYS = env_int("AUDIT_DAYS", 0)

# --- Security -----------------------------------------------------------------------------------
# Networks that tenants' webhook URLs and media links may reach although they are not public, and
# where plain http is allowed. Empty in production; the demo and the tests name the loopback.
TRUSTED_NETWORKS = [ipaddress.ip_network(part) for part in env_list("TRUSTED_NETWORKS")]
# Networks of the proxies in front of us, whose X-Forwarded-For is believed.
TRUSTED_PROXIES = [ipaddress.ip_network(part) for part in env_list("TRUSTED_PROXIES")]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]
LOGIN_URL = "/console/login/"
# Whether staff need a code beside their password to see any page of the console; off only for a demo.
CONSOLE_SECOND_FACTOR = env_bool("CONSOLE_SECOND_FACTOR", default=True)
OTP_TOTP_ISSUER = "GoSend"
_is_https = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _is_https
SESSION_COOKIE_HTTPONLY = True
SECURE_HSTS_SECONDS = 31_536_000 if _is_https else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _is_https else None
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"

# Who may read /metrics: with a token set whoever sends it; without one this machine and TRUSTED_NETWORKS.
METRICS_TOKEN = env_secret("METRICS_TOKEN")
# Seconds after which a process brings its counts to the database and says that it lives; 0 for never.
METRICS_FLUSH_SECONDS = env_int("METRICS_FLUSH_SECONDS", 5)

# --- Console ------------------------------------------------------------------------------------
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "GoSend",
    "SITE_HEADER": "GoSend",
    "SITE_SYMBOL": "forum",
    "SHOW_VIEW_ON_SITE": False,
    "LOGIN": {"form": "accounts.sign_in_page.SignInForm"},
    "DASHBOARD_CALLBACK": "messaging.console.home.dashboard",
    "SIDEBAR": {"navigation": "messaging.console.menu.sidebar"},
    # Emerald, a step darker than usual: white on 600 has to reach a contrast of 4.5.
    "COLORS": {
        "primary": {
            "50": "oklch(97.9% .021 166.113)",
            "100": "oklch(95% .052 163.051)",
            "200": "oklch(90.5% .093 164.15)",
            "300": "oklch(84.5% .143 164.978)",
            "400": "oklch(76.5% .177 163.223)",
            "500": "oklch(69.6% .17 162.48)",
            "600": "oklch(50.8% .118 165.612)",
            "700": "oklch(43.2% .095 166.913)",
            "800": "oklch(37.8% .077 168.94)",
            "900": "oklch(26.2% .051 172.552)",
            "950": "oklch(20% .04 172.552)",
        }
    },
    "STYLES": [f"{STATIC_URL}gosend/console.css"],
    "SCRIPTS": [f"{STATIC_URL}gosend/console.js"],
}

# --- REST framework -----------------------------------------------------------------------------
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["gosend.api.json.JsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["gosend.api.json.JsonParser"],
    "EXCEPTION_HANDLER": "gosend.api.errors.to_response",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
}

# --- Logging ------------------------------------------------------------------------------------
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "gosend.lib.logs.JsonFormatter"}},
    "filters": {
        # Both complain several times a second while their broker is away.
        "sparse": {
            "()": "gosend.lib.logs.Sparse",
            "of": ["celery.beat", "celery.worker.consumer"],
            "seconds": 30.0,
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "filters": ["sparse"]}},
    "root": {"handlers": ["stderr"], "level": env("LOG_LEVEL", "INFO")},
    "loggers": {
        # The middleware writes one line for every request; Django's own would be a second.
        "django.request": {"level": "ERROR"},
        # Doorbells come by the second and say nothing: that one was sent, received and done.
        **{f"celery.{name}": {"level": "WARNING"} for name in ("app.trace", "beat", "worker.strategy")},
    },
}
