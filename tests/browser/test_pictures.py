"""The main pages draw; with SCREENSHOTS naming a folder, their pictures are kept there."""

import os
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome
from selenium.webdriver.support.wait import WebDriverWait

from accounts import roles
from tests.browser.conftest import SignIn
from tests.browser.scene import Scene
from tests.browser.test_looks import paths, run

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

_WANTED = ("home", "log", "message", "conversation")
_SIZE_MAX = 400_000


def test_the_main_pages_are_drawn(
    browser: Chrome, live_server: LiveServer, sign_in: SignIn, tmp_path: Path
) -> None:
    scene = Scene()
    sign_in(roles.SUPPORT, sees=scene.tenant)
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    for name in _WANTED:
        browser.get(live_server.url + paths(scene)[name])
        WebDriverWait(browser, 10).until(
            lambda _: run(browser, "return document.querySelector('.gs').checkVisibility()")
        )
        picture = folder / f"console-{name}.png"
        assert browser.save_screenshot(picture)
        assert 10_000 < picture.stat().st_size < _SIZE_MAX
        is_wider = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert run(browser, is_wider) is False, name
