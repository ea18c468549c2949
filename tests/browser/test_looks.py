"""Our pages in both themes: readable, reached by keyboard, and never anybody else's script."""

from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from accounts import roles
from tests.browser.conftest import SignIn
from tests.browser.scene import ATTACK, Scene

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

CONTRAST_MIN = 4.5
# Every text of our pages against the ground that it stands on, as WCAG 2 computes it.
_CONTRAST = """
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
function rgba(color) {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
}
function over(top, under) { return [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1); }
function ground(element) {
  const layers = [];
  for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
  return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
}
function light(color) {
  const [r, g, b] = color.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
const poor = []; let seen = 0;
for (const element of document.querySelectorAll('.gs, .gs *, .gs-find *')) {
  const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
  if (!own || !element.checkVisibility() || element.closest('.gs-hidden')) continue;
  const style = getComputedStyle(element), under = ground(element);
  const ink = element.closest('svg') ? style.fill : style.color;
  const pair = [light(over(rgba(ink), under)), light(under)].sort((a, b) => b - a);
  const ratio = (pair[0] + 0.05) / (pair[1] + 0.05); seen += 1;
  const name = `${element.tagName}.${element.getAttribute('class')}`;
  if (ratio < arguments[0]) poor.push(`${name} ${ratio.toFixed(2)}`);
}
return {poor: [...new Set(poor)], seen};
"""


def paths(scene: Scene) -> dict[str, str]:
    return {
        "home": "/console/",
        "log": "/console/messaging/message/",
        "empty log": "/console/messaging/message/?status=unknown",
        "message": f"/console/messaging/message/{scene.failed.pk}/change/",
        "conversation": f"/console/messaging/conversation/{scene.conversation.pk}/change/",
        "contact": f"/console/messaging/contact/{scene.contact.pk}/change/",
        "find": "/console/messaging/message/find/?q=nothing",
    }


def run(browser: Chrome, script: str, *given: Any) -> Any:
    return browser.execute_script(script, *given)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(
    theme: str, browser: Chrome, live_server: LiveServer, sign_in: SignIn
) -> None:
    scene = Scene()
    sign_in(roles.SUPPORT, sees=scene.tenant)
    run(browser, "localStorage.setItem('adminTheme', JSON.stringify(arguments[0]))", theme)

    is_dark = "return document.documentElement.classList.contains('dark')"
    found = {}
    for name, path in paths(scene).items():
        browser.get(live_server.url + path)
        WebDriverWait(browser, 10).until(
            lambda _: run(browser, "return document.querySelector('.gs').checkVisibility()")
        )
        WebDriverWait(browser, 10).until(lambda _: run(browser, is_dark) is (theme == "dark"))
        found[name] = run(browser, _CONTRAST, CONTRAST_MIN)

    assert {name: one["poor"] for name, one in found.items() if one["poor"]} == {}
    assert min(one["seen"] for one in found.values()) >= 3


def test_what_others_write_stays_text(browser: Chrome, live_server: LiveServer, sign_in: SignIn) -> None:
    scene = Scene(words=ATTACK)
    sign_in(roles.OPERATOR, sees=scene.tenant)

    shown = {}
    for name, path in paths(scene).items():
        browser.get(live_server.url + path)
        WebDriverWait(browser, 10).until(
            lambda _: run(browser, "return document.querySelector('.gs').checkVisibility()")
        )
        assert run(browser, "return window.hit === undefined"), name
        shown[name] = "<script>window.hit=1</script>" in browser.find_element(By.CLASS_NAME, "gs").text

    assert {name for name, is_shown in shown.items() if is_shown} >= {"log", "message", "conversation"}


def test_the_log_is_worked_by_keyboard_alone(
    browser: Chrome, live_server: LiveServer, sign_in: SignIn
) -> None:
    scene = Scene()
    sign_in(roles.SUPPORT, sees=scene.tenant)
    browser.get(f"{live_server.url}/console/messaging/message/")
    WebDriverWait(browser, 10).until(
        lambda _: run(browser, "return document.querySelector('.gs').checkVisibility()")
    )
    focused = (
        "const at = document.activeElement;"
        " return [at.id, at.getAttribute('href') || '', at.textContent.trim()]"
    )
    reached = []
    for _ in range(80):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(run(browser, focused))
        if "/messaging/message/" in reached[-1][1] and reached[-1][1].endswith("/change/"):
            break

    assert "gs-find" in [one[0] for one in reached]
    assert {"Show", "Export to CSV"} <= {one[2] for one in reached}
    assert run(browser, "return getComputedStyle(document.activeElement).outlineStyle") != "none"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    WebDriverWait(browser, 10).until(lambda _: browser.find_elements(By.ID, "gs-history"))
