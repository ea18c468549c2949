"""The console with nothing but the embedded default: `make demo`, and the password that it prints."""

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser.test_roles import text, wait_for
from tests.journeys.running_demo import Running, demo

__all__ = ["demo"]
pytestmark = pytest.mark.journey

# What a page has fetched from elsewhere than its own server.
_STRANGE = """
return performance.getEntriesByType('resource').map(one => one.name)
    .filter(name => !name.startsWith(location.origin) && !name.startsWith('data:'));
"""


@pytest.fixture
def fresh(chrome: Chrome) -> Iterator[Chrome]:
    chrome.execute_cdp_cmd("Network.clearBrowserCookies", {})
    yield chrome
    chrome.get("about:blank")


def sign_in(browser: Chrome, password: str) -> None:
    name = browser.find_element(By.NAME, "username")
    name.clear()  # after a refusal the form still holds it
    name.send_keys("operator")
    browser.find_element(By.NAME, "password").send_keys(password, Keys.ENTER)


def test_the_console_opens_with_the_password_that_the_demo_prints(demo: Running, fresh: Chrome) -> None:
    browser, told = fresh, demo.told
    assert f"user operator, password {told['console_password']}" in demo.output.read_text()
    browser.get(told["console_url"])
    wait_for(browser, "Log in")
    sign_in(browser, "a wrong one")
    wait_for(browser, "Please enter the correct")
    sign_in(browser, told["console_password"])

    wait_for(browser, "Needs attention")
    strange = browser.execute_script(_STRANGE)
    browser.get(f"{told['console_url']}messaging/message/")
    wait_for(browser, "Read")
    browser.find_element(By.CSS_SELECTOR, "a[href*='/messaging/message/'][href$='/change/']").click()
    wait_for(browser, "What happened")
    assert "whatsapp.message" in text(browser) or "Webhooks" in text(browser)
    browser.get(f"{told['console_url']}accounts/phonenumber/")
    browser.find_element(By.CSS_SELECTOR, "#result_list a[href*='/change/']").click()
    wait_for(browser, "How it stands")
    browser.find_element(By.LINK_TEXT, "Check its health").click()
    WebDriverWait(browser, 10).until(lambda _: browser.find_elements(By.CSS_SELECTOR, "button.gs-main"))
    browser.find_element(By.CSS_SELECTOR, "button.gs-main").click()
    wait_for(browser, "Nothing is wrong.")
    assert [*strange, *browser.execute_script(_STRANGE)] == []
