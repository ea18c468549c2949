"""A headless Chromium, and people who are signed in to the console with it."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from django.test import Client
from pytest_django.fixtures import Settings as SettingsWrapper
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from accounts.models import Grant, Tenant, User

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SignIn = Callable[..., None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM and DRIVER:
        return
    reason = "no chromium and chromedriver on this machine (Debian: apt install chromium chromium-driver)"
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def chrome() -> Iterator[Chrome]:
    """One browser for all tests of a process; each begins with no cookies."""
    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    # The sandbox of Chromium needs privileges that a container does not give; the pages are our own.
    for switch in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(switch)
    options.add_argument("--window-size=1360,900")
    driver = Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chrome: Chrome, live_server: LiveServer, settings: SettingsWrapper) -> Iterator[Chrome]:
    settings.PUBLIC_URL = live_server.url
    settings.SANDBOX_CALLBACK_URL = f"{live_server.url}/meta/webhook"
    chrome.get(f"{live_server.url}/healthz")
    chrome.delete_all_cookies()
    chrome.execute_script("localStorage.clear()")
    yield chrome
    # A page that is still loading would ask for rows that the next test has cleared away.
    chrome.get("about:blank")


@pytest.fixture
def sign_in(browser: Chrome, live_server: LiveServer) -> SignIn:
    def _sign_in(role: str, *, sees: Tenant | None = None) -> None:
        """Sign in as one of the roles, who sees one tenant, or all."""
        user, _ = User.objects.get_or_create(
            username=role.lower(), defaults={"is_staff": True, "sees_all_tenants": sees is None}
        )
        user.groups.add(Group.objects.get(name=role))
        if sees:
            Grant.objects.get_or_create(user=user, tenant=sees)
        client = Client()
        client.force_login(user)
        name = django_settings.SESSION_COOKIE_NAME
        browser.get(f"{live_server.url}/healthz")
        browser.delete_all_cookies()
        browser.add_cookie({"name": name, "value": client.cookies[name].value, "path": "/"})

    return _sign_in
