"""Each harmful setting is found, by its id, and a sound installation passes."""

import ipaddress
from typing import Any

import pytest
from django.core import checks
from pytest_django import Settings

PUBLIC = {
    "PUBLIC_URL": "https://wa.example.com",
    "ALLOWED_HOSTS": ["wa.example.com"],
    "TRUSTED_PROXIES": [ipaddress.ip_network("172.16.0.0/12")],
}


def found() -> list[str | None]:
    return [message.id for message in checks.run_checks() if (message.id or "").startswith("gosend.")]


def test_the_test_installation_is_sound() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (PUBLIC, []),
        (PUBLIC | {"TRUSTED_PROXIES": []}, ["gosend.W010"]),
        ({"SECRET_KEY": ""}, ["gosend.E001"]),
        ({"SECRET_KEY": "short"}, ["gosend.E001"]),
        ({"SECRET_KEY": "a" * 60}, ["gosend.E001"]),
        ({"SECRET_KEY": "django-insecure-0123456789-abcdefghijklmnop"}, ["gosend.E001"]),
        ({"ENCRYPTION_KEYS": ""}, ["gosend.E002"]),
        ({"ENCRYPTION_KEYS": "k1:c2hvcnQ="}, ["gosend.E002"]),
        ({"PUBLIC_URL": "wa.example.com"}, ["gosend.E003"]),
        ({"PUBLIC_URL": "https://wa.example.com/api"}, ["gosend.E003"]),
        ({"PUBLIC_URL": "https://[broken"}, ["gosend.E003"]),
        (PUBLIC | {"ALLOWED_HOSTS": ["localhost"]}, ["gosend.E004"]),
        (PUBLIC | {"PUBLIC_URL": "http://wa.example.com"}, ["gosend.W005"]),
        (PUBLIC | {"DEBUG": True}, ["gosend.E006"]),
        ({"DEBUG": True}, []),
        ({"META_GRAPH_URL": "http://graph.example.com"}, ["gosend.E007"]),
        ({"META_GRAPH_URL": "http://127.0.0.1:9000"}, []),
        ({"TRUSTED_NETWORKS": [ipaddress.ip_network("0.0.0.0/0")]}, ["gosend.E008"]),
        ({"TRUSTED_NETWORKS": [ipaddress.ip_network("8.8.8.0/24")]}, ["gosend.E008"]),
        ({"TRUSTED_NETWORKS": [ipaddress.ip_network("10.0.0.0/8")]}, []),
        ({"CLAIM_LEASE_SECONDS": 37}, ["gosend.E009"]),
        ({"CLAIM_LEASE_SECONDS": 38}, []),
        ({"WEBHOOK_TIMEOUT_SECONDS": 45}, ["gosend.E009"]),
        ({"SWEEP_SECONDS": 0}, ["gosend.E009"]),
        ({"WEBHOOK_LOG_DAYS": 1}, ["gosend.E010"]),
        ({"WEBHOOK_LOG_DAYS": 2}, []),
        ({"WEBHOOK_LOG_DAYS": 0}, []),
    ],
)
def test_a_harmful_setting_is_found(settings: Settings, changed: dict[str, Any], expected: list[str]) -> None:
    for name, value in changed.items():
        setattr(settings, name, value)

    assert found() == expected


def test_every_finding_names_a_cure(settings: Settings) -> None:
    settings.SECRET_KEY = "short"
    settings.ENCRYPTION_KEYS = ""
    settings.PUBLIC_URL = "nowhere"

    assert all(message.hint for message in checks.run_checks() if (message.id or "").startswith("gosend."))
