"""Long work in the browser: what failed is replayed and its page shows how far it is, by itself."""

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from accounts import roles
from tests.browser.conftest import SignIn
from tests.browser.scene import Scene
from tests.browser.test_looks import open_page, operators_paths, run
from tests.browser.test_roles import text, wait_for
from tests.webhooks_app import receiver as receivers
from webhooks_app import deliver, replay
from webhooks_app.models import Delivery, Replay, WebhookEndpoint

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


def test_a_replay_shows_its_progress_without_being_asked(
    browser: Chrome, live_server: LiveServer, sign_in: SignIn
) -> None:
    scene = Scene()
    page = operators_paths(scene)["endpoint"]
    Replay.objects.all().delete()
    Delivery.objects.update(status=Delivery.Status.FAILED, delivered_at=None, next_attempt_at=None)
    sign_in(roles.OPERATOR, sees=scene.tenant)

    with receivers.serving() as receiver:
        WebhookEndpoint.objects.update(url=receiver.url())
        open_page(browser, live_server.url + page)
        browser.find_element(By.LINK_TEXT, "Replay what failed").click()
        wait_for(browser, "Since (UTC)")
        since = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M}"
        run(browser, "document.querySelector('[name=since]').value = arguments[0]", since)
        browser.find_element(By.NAME, "reason").send_keys("they were down")
        browser.find_element(By.CSS_SELECTOR, "button.gs-main").click()
        wait_for(browser, "Progress: running")
        assert "0 of 1 made again" in text(browser)
        replay.advance()
        deliver.run()
        wait_for(browser, "Progress: done")

    assert "✓ 1 delivered, ✗ 0 failed, … 0 waiting" in text(browser)
    bar = "const bar = document.querySelector('.gs progress'); return [bar.value, bar.max]"
    assert run(browser, bar) == [1, 1]
    assert len(receiver.received) == 1
