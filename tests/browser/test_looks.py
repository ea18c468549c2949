"""Our pages in both themes: readable, reached by keyboard, and never anybody else's script."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.urls import reverse
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from accounts import roles
from templates_app.models import Template
from tests import factories
from tests.browser.conftest import SignIn
from tests.browser.scene import ATTACK, Scene
from webhooks_app.models import Delivery, WebhookEndpoint

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


_IS_DARK = "return document.documentElement.classList.contains('dark')"
# A status is a sign and a word, whatever its colour; a chart has its figures in a table beside it.
_BY_SIGN = """
const statuses = [...document.querySelectorAll('.gs-status')].filter(one => one.checkVisibility());
const charts = [...document.querySelectorAll('.gs-chart')];
return {
  statuses: statuses.length,
  colour_alone: statuses.map(one => one.innerText.trim()).filter(text => !/^\\S{1,2}\\s+\\S+/.test(text)),
  charts: charts.length,
  bare_charts: charts.filter(one => !one.closest('section').querySelector('table tbody tr')).length,
};
"""


def open_page(browser: Chrome, url: str) -> None:
    browser.get(url)
    WebDriverWait(browser, 10).until(
        lambda _: run(browser, "return document.querySelector('.gs')?.checkVisibility()")
    )


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


def operators_paths(scene: Scene) -> dict[str, str]:
    """The pages of ours on which something is changed, or looked at by operators."""
    endpoint, delivery = WebhookEndpoint.objects.get(), Delivery.objects.get()
    template, replay = Template.objects.get(), factories.ReplayFactory.create(endpoint=endpoint, total=10)
    scene.number.held_until, scene.number.held_for = timezone.now() + timedelta(minutes=5), "token"
    scene.number.slowed_at, scene.number.slowed_to = timezone.now(), 0.1
    scene.number.save()
    tenant, number, message = scene.tenant.pk, scene.number.pk, scene.unconfirmed.pk
    named = {
        "home": ("index", []),
        "tenant": ("accounts_tenant_change", [tenant]),
        "suspend": ("accounts_tenant_act_suspend", [tenant]),
        "number": ("accounts_phonenumber_change", [number]),
        "connect": ("accounts_phonenumber_act_connect", []),
        "resume": ("accounts_phonenumber_act_resume", [number]),
        "no account of Meta's": ("accounts_metaapp_changelist", []),
        "endpoint": ("webhooks_app_webhookendpoint_change", [endpoint.pk]),
        "delivery": ("webhooks_app_delivery_change", [delivery.pk]),
        "replay": ("webhooks_app_replay_change", [replay.pk]),
        "template": ("templates_app_template_change", [template.pk]),
        "submit": ("templates_app_template_act_submit", []),
        "unconfirmed": ("messaging_message_change", [message]),
        "send again": ("messaging_message_act_resend", [message]),
    }
    return {name: reverse(f"admin:{page}", args=args) for name, (page, args) in named.items()}


def run(browser: Chrome, script: str, *given: Any) -> Any:
    return browser.execute_script(script, *given)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(
    theme: str, browser: Chrome, live_server: LiveServer, sign_in: SignIn
) -> None:
    scene = Scene()
    found = {}
    for role, pages in ((roles.SUPPORT, paths(scene)), (roles.OPERATOR, operators_paths(scene))):
        sign_in(role, sees=scene.tenant if role == roles.SUPPORT else None)
        run(browser, "localStorage.setItem('adminTheme', JSON.stringify(arguments[0]))", theme)
        for name, path in pages.items():
            open_page(browser, live_server.url + path)
            WebDriverWait(browser, 10).until(lambda _: run(browser, _IS_DARK) is (theme == "dark"))
            found[role, name] = run(browser, _CONTRAST, CONTRAST_MIN) | run(browser, _BY_SIGN)

    assert {name: one["poor"] for name, one in found.items() if one["poor"]} == {}
    assert min(one["seen"] for one in found.values()) >= 3
    assert {name: one["colour_alone"] for name, one in found.items() if one["colour_alone"]} == {}
    assert sum(one["statuses"] for one in found.values()) > 20
    assert {name for name, one in found.items() if one["bare_charts"]} == set()
    assert found[roles.SUPPORT, "home"]["charts"] == 2


def test_what_others_write_stays_text(browser: Chrome, live_server: LiveServer, sign_in: SignIn) -> None:
    """In messages, contacts' names, template parameters, receivers' answers, Meta's words, and reasons."""
    scene = Scene(words=ATTACK)
    sign_in(roles.OPERATOR, sees=scene.tenant)
    suspend = live_server.url + reverse("admin:accounts_tenant_act_suspend", args=[scene.tenant.pk])
    open_page(browser, suspend)
    browser.find_element(By.NAME, "reason").send_keys(ATTACK, Keys.ENTER)
    WebDriverWait(browser, 10).until(lambda _: browser.find_elements(By.LINK_TEXT, "Resume"))
    pages = paths(scene) | operators_paths(scene)
    del pages["suspend"]  # it is done
    pages["template"] += f"?{urlencode({'body.1': ATTACK, 'header.1': ATTACK})}"
    pages["find"] = f"/console/messaging/message/find/?{urlencode({'q': ATTACK})}"

    shown = {}
    for name, path in pages.items():
        open_page(browser, live_server.url + path)
        run(browser, "document.querySelectorAll('.gs details').forEach(one => one.open = true)")
        assert run(browser, "return window.hit === undefined"), name
        shown[name] = "<script>window.hit=1</script>" in browser.find_element(By.TAG_NAME, "body").text
    browser.get(live_server.url + reverse("admin:accounts_auditevent_changelist"))
    assert run(browser, "return window.hit === undefined")
    assert "<script>window.hit=1</script>" in browser.find_element(By.TAG_NAME, "body").text

    expected = {"log", "message", "conversation", "contact", "delivery", "template", "tenant", "find"}
    assert {name for name, is_shown in shown.items() if is_shown} >= expected


def tab(browser: Chrome) -> list[str]:
    """Go on to the next thing by the keyboard: its id, where it leads, what it says."""
    browser.switch_to.active_element.send_keys(Keys.TAB)
    focused = (
        "const at = document.activeElement;"
        " return [at.id, at.getAttribute('href') || '', at.textContent.trim()]"
    )
    where: list[str] = run(browser, focused)
    return where


def tab_to(browser: Chrome, words: str) -> None:
    for _ in range(120):
        if tab(browser)[2] == words:
            assert run(browser, "return getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    raise AssertionError(f"{words} is not reached by the keyboard")


def test_a_button_is_pressed_by_keyboard_alone(
    browser: Chrome, live_server: LiveServer, sign_in: SignIn
) -> None:
    scene = Scene()
    sign_in(roles.OPERATOR, sees=scene.tenant)
    page = reverse("admin:accounts_phonenumber_change", args=[scene.number.pk])
    open_page(browser, live_server.url + page)

    tab_to(browser, "Stop sending")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    WebDriverWait(browser, 10).until(lambda _: browser.find_elements(By.NAME, "reason"))
    while run(browser, "return document.activeElement.name") != "reason":
        tab(browser)
    browser.switch_to.active_element.send_keys("complaints", Keys.ENTER)

    # The page is being left while it is looked at.
    left = [StaleElementReferenceException]
    WebDriverWait(browser, 10, ignored_exceptions=left).until(
        lambda _: "Start sending" in browser.find_element(By.TAG_NAME, "body").text
    )
    assert "stopped by its owner" in browser.find_element(By.CLASS_NAME, "gs-trouble").text
    scene.number.refresh_from_db()
    assert scene.number.stopped_at is not None


def test_the_log_is_worked_by_keyboard_alone(
    browser: Chrome, live_server: LiveServer, sign_in: SignIn
) -> None:
    scene = Scene()
    sign_in(roles.SUPPORT, sees=scene.tenant)
    open_page(browser, f"{live_server.url}/console/messaging/message/")
    reached = []
    for _ in range(80):
        reached.append(tab(browser))
        if "/messaging/message/" in reached[-1][1] and reached[-1][1].endswith("/change/"):
            break

    assert "gs-find" in [one[0] for one in reached]
    assert {"Show", "Export to CSV"} <= {one[2] for one in reached}
    assert run(browser, "return getComputedStyle(document.activeElement).outlineStyle") != "none"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    WebDriverWait(browser, 10).until(lambda _: browser.find_elements(By.ID, "gs-history"))
