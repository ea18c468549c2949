"""Settings that would hurt, each with the cure."""

import ipaddress
import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.http.request import validate_host

from gosend.lib import encryption

_SECRET_KEY_MIN = 32
_LEAST_LOG_DAYS = 2


@checks.register(checks.Tags.security)
def check_secrets(app_configs: Sequence[Any] | None, **_: Any) -> list[checks.CheckMessage]:
    found: list[checks.CheckMessage] = []
    try:
        secret_key = settings.SECRET_KEY
    except ImproperlyConfigured:
        secret_key = ""
    if len(secret_key) < _SECRET_KEY_MIN or len(set(secret_key)) < 8 or "insecure" in secret_key:
        found.append(
            checks.Error(
                "SECRET_KEY is missing or weak.",
                hint="Set SECRET_KEY (or SECRET_KEY_FILE) to the output of: openssl rand -hex 32",
                id="gosend.E001",
            )
        )
    try:
        encryption.parse_ring(settings.ENCRYPTION_KEYS)
    except encryption.BadKeyRing as error:
        found.append(
            checks.Error(
                f"ENCRYPTION_KEYS cannot be used: {error}.",
                hint='Set ENCRYPTION_KEYS to the output of: echo "k1:$(openssl rand -base64 32)"',
                id="gosend.E002",
            )
        )
    return found


@checks.register(checks.Tags.security)
def check_addresses(app_configs: Sequence[Any] | None, **_: Any) -> list[checks.CheckMessage]:
    public = _origin(settings.PUBLIC_URL)
    if public is None:
        return [
            checks.Error(
                f"PUBLIC_URL is {settings.PUBLIC_URL!r}, which is no address of a site.",
                hint="Set PUBLIC_URL to scheme and host alone, such as https://wa.example.com",
                id="gosend.E003",
            )
        ]
    found: list[checks.CheckMessage] = []
    host = public.hostname or ""
    if not validate_host(host, settings.ALLOWED_HOSTS):
        found.append(
            checks.Error(
                f"ALLOWED_HOSTS does not name {host}, so PUBLIC_URL would be refused.",
                hint=f"Add {host} to ALLOWED_HOSTS.",
                id="gosend.E004",
            )
        )
    if public.scheme == "http" and not _is_loopback(host):
        found.append(
            checks.Warning(
                "PUBLIC_URL is plain http: keys travel unprotected, and Meta calls https addresses only.",
                hint="Put a proxy that speaks TLS in front and set PUBLIC_URL to its https:// address.",
                id="gosend.W005",
            )
        )
    if public.scheme == "https" and not settings.TRUSTED_PROXIES:
        found.append(
            checks.Warning(
                "TRUSTED_PROXIES is empty, so all callers have the address of the proxy that speaks TLS:"
                " anybody's wrong passwords keep all staff out, and the audit trail names the proxy.",
                hint="Set TRUSTED_PROXIES to the networks of your proxies, such as Docker's 172.16.0.0/12.",
                id="gosend.W010",
            )
        )
    if settings.DEBUG and not _is_loopback(host):
        found.append(
            checks.Error(
                "DEBUG is on although others reach this installation; its error pages show secrets.",
                hint="Unset DEBUG.",
                id="gosend.E006",
            )
        )
    return found


@checks.register(checks.Tags.security)
def check_reach(app_configs: Sequence[Any] | None, **_: Any) -> list[checks.CheckMessage]:
    found: list[checks.CheckMessage] = []
    graph = _origin(settings.META_GRAPH_URL)
    if graph is None or (graph.scheme == "http" and not _is_loopback(graph.hostname or "")):
        found.append(
            checks.Error(
                f"META_GRAPH_URL is {settings.META_GRAPH_URL!r}; access tokens would travel unprotected.",
                hint="Unset META_GRAPH_URL, or name an https:// address.",
                id="gosend.E007",
            )
        )
    for network in settings.TRUSTED_NETWORKS:
        if network.prefixlen == 0 or network.is_global:
            found.append(
                checks.Error(
                    f"TRUSTED_NETWORKS holds {network}, so webhooks may go there over plain http.",
                    hint="Name only private networks of your own.",
                    id="gosend.E008",
                )
            )
    return found


@checks.register
def check_times(app_configs: Sequence[Any] | None, **_: Any) -> list[checks.CheckMessage]:
    # A call to Meta may begin some time after the claim was renewed for it, and must end before it does.
    least = max(math.ceil(1.25 * settings.META_TIMEOUT_SECONDS), 1 + settings.WEBHOOK_TIMEOUT_SECONDS)
    if least <= settings.CLAIM_LEASE_SECONDS and settings.SWEEP_SECONDS > 0:
        return []
    return [
        checks.Error(
            "A claim would run out during the call that it covers, or nothing would be swept.",
            hint=f"Set CLAIM_LEASE_SECONDS to {least} or more, and SWEEP_SECONDS above 0.",
            id="gosend.E009",
        )
    ]


@checks.register
def check_logs(app_configs: Sequence[Any] | None, **_: Any) -> list[checks.CheckMessage]:
    # The figures of each hour are counted again for a day: what has gone by then is taken off the charts.
    if settings.WEBHOOK_LOG_DAYS <= 0 or settings.WEBHOOK_LOG_DAYS >= _LEAST_LOG_DAYS:
        return []
    return [
        checks.Error(
            f"WEBHOOK_LOG_DAYS is {settings.WEBHOOK_LOG_DAYS}; the charts would lose what is forgotten.",
            hint=f"Set WEBHOOK_LOG_DAYS to {_LEAST_LOG_DAYS} or more, or to 0, which keeps all deliveries.",
            id="gosend.E010",
        )
    ]


def _origin(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        is_origin = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return (
        parts if is_origin and not (parts.path or parts.query or parts.fragment or parts.username) else None
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
