"""Three people at work: one opens a tenant, one finds a message, one sees who did what."""

import re
from datetime import timedelta

import pytest
import requests
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from accounts import keys, roles, tenants
from accounts.models import ApiKey, Tenant
from gosend.sandbox import callbacks
from gosend.sandbox.models import PendingCallback
from messaging import ingest
from messaging.models import Message
from tests.browser.conftest import SignIn

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


def text(browser: Chrome) -> str:
    return browser.find_element(By.TAG_NAME, "body").text


def wait_for(browser: Chrome, words: str) -> None:
    # A page that is just being left has a body that is not there any more.
    patient = WebDriverWait(browser, 20, ignored_exceptions=[StaleElementReferenceException])
    try:
        patient.until(lambda _: words in text(browser))
    except TimeoutException:
        raise AssertionError(f"{words!r} is not in {text(browser)}") from None


def find(browser: Chrome, term: str) -> None:
    box = browser.find_element(By.ID, "gs-find")
    box.clear()
    box.send_keys(term, Keys.ENTER)


def save(browser: Chrome) -> None:
    browser.find_element(By.CSS_SELECTOR, "[name=_save]").click()


def make_key(browser: Chrome, console: str, tenant: Tenant) -> str:
    """Fill in the form as an operator does; the tenant's list is filled by a script, so it is set by one."""
    browser.get(f"{console}/accounts/apikey/add/")
    choose = (
        "document.querySelector('[name=tenant]').append(new Option(arguments[0], arguments[1], true, true))"
    )
    browser.execute_script(choose, tenant.name, str(tenant.pk))
    browser.find_element(By.NAME, "label").send_keys("till")
    Select(browser.find_element(By.NAME, "environment")).select_by_value("test")
    save(browser)
    wait_for(browser, "shown this once")
    # Its beginning stands on the page, too, as the key's name.
    return str(max(re.findall(r"gsk_test_\w+", text(browser)), key=len))


def send(live_server: LiveServer, tenant: Tenant, api_key: str) -> Message:
    """Send as a customer's program does, and let the sandbox report what it owes."""
    number = tenant.phone_numbers.get(is_sandbox=True)
    answer = requests.post(
        f"{live_server.url}/v1/messages",
        json={
            "phone_number_id": number.phone_number_id,
            "to": "5491140123456",
            "type": "text",
            "text": {"body": "Hola Juan"},
        },
        headers={"X-API-Key": api_key},
        timeout=10,
    )
    assert answer.status_code == 201, answer.text
    PendingCallback.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    while callbacks.post_due():
        pass
    ingest.handle_due()
    return Message.objects.get(pk=answer.json()["id"])


def test_a_message_from_the_first_key_to_the_audit_trail(
    browser: Chrome, live_server: LiveServer, sign_in: SignIn
) -> None:
    console = f"{live_server.url}/console"

    sign_in(roles.OPERATOR)
    browser.get(f"{console}/accounts/tenant/add/")
    browser.find_element(By.NAME, "name").send_keys("Panadería Luna")
    save(browser)
    WebDriverWait(browser, 10).until(lambda _: Tenant.objects.exists())
    tenant = Tenant.objects.get(name="Panadería Luna")
    find(browser, "panadería luna")
    wait_for(browser, "Panadería Luna")
    assert f"/accounts/tenant/{tenant.pk}/change/" in browser.current_url
    message = send(live_server, tenant, make_key(browser, console, tenant))
    browser.get(f"{console}/messaging/message/?tenant={tenant.pk}")
    wait_for(browser, "Read")

    sign_in(roles.SUPPORT, sees=tenant)
    browser.get(f"{console}/")
    find(browser, str(message.wamid))
    wait_for(browser, "What happened")
    story = text(browser)
    for words in ("Queued", "Sent", "Delivered", "Read", "Hola Juan", message.request_id, "till"):
        assert words in story, words
    assert "5491140123456" not in browser.page_source
    assert browser.find_elements(By.CSS_SELECTOR, "[name=_save], .deletelink") == []
    browser.get(f"{console}/accounts/apikey/add/")
    assert "403" in text(browser)

    sign_in(roles.AUDITOR, sees=tenant)
    browser.get(f"{console}/accounts/auditevent/")
    wait_for(browser, "message: viewed")
    trail = text(browser)
    assert "tenant: added" in trail
    assert "operator" in trail
    assert "support" in trail


def test_a_number_is_shown_for_a_reason(browser: Chrome, live_server: LiveServer, sign_in: SignIn) -> None:
    tenant = tenants.open_tenant(name="Acme")
    tenants.add_sandbox(tenant=tenant)
    _, api_key = keys.mint(tenant=tenant, label="till", environment=ApiKey.Environment.TEST)
    message = send(live_server, tenant, api_key)
    sign_in(roles.SUPPORT, sees=tenant)
    browser.get(f"{live_server.url}/console/")

    find(browser, "+54 911 4012-3456")
    wait_for(browser, "Hola Juan")
    assert "5491140123456" not in browser.page_source
    browser.find_element(By.CSS_SELECTOR, ".gs-reveal summary").click()
    browser.find_element(By.ID, "gs-reason").send_keys("Ticket 4711", Keys.ENTER)

    wait_for(browser, "5491140123456")
    assert f"/conversation/{message.conversation_id}/" in browser.current_url
