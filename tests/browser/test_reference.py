"""The API reference in a browser: all three documents, and nothing from another host."""

from functools import partial

import pytest
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome
from selenium.webdriver.support.wait import WebDriverWait

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

# Slug of a document → what its page shows, and what no other one does.
SHOWN = {
    "v1": "learn what became of them",
    "whatomate": "Whatomate's Messages API",
    "sessions": "a session is a phone number",
}


def _shows(words: str, text: str, page: Chrome) -> bool:
    return words in page.execute_script(text)


def test_the_reference_shows_all_three_documents(browser: Chrome, live_server: LiveServer) -> None:
    hosts = "return performance.getEntriesByType('resource').map(one => new URL(one.name).host)"
    text = "return document.body.innerText"
    for slug, words in SHOWN.items():
        browser.get("about:blank")
        browser.get(f"{live_server.url}/docs?api={slug}")

        WebDriverWait(browser, 30).until(partial(_shows, words, text))
        assert [other for other in SHOWN.values() if other in browser.execute_script(text)] == [words]
        assert set(browser.execute_script(hosts)) == {live_server.url.removeprefix("http://")}
