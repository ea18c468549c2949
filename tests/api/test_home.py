"""The pages for people."""

import hashlib
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from gosend.api import home


@transaction.atomic
def _slow(_: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 50")
        cursor.execute("SELECT pg_sleep(5)")
    return HttpResponse()


def _broken(_: HttpRequest) -> HttpResponse:
    raise RuntimeError("a secret detail")


urlpatterns = [path("", home.home, name="home"), path("slow", _slow), path("broken", _broken)]
handler500 = home.server_error


def test_the_home_page_tells_where_everything_is() -> None:
    page = Client().get("/").content.decode()

    for address in ("/console/", "/docs", "/openapi/v1.json", "/docs/errors", "/readyz", "/healthz"):
        assert f'href="{address}"' in page
    assert "/v1/messages" in page


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/errors", "/nothing"])
def test_no_page_names_another_host_and_the_browser_would_refuse_it(path: str) -> None:
    response = Client().get(path)

    assert not re.findall(r'(?:src|href)="(?:https?:)?//', response.content.decode())
    assert response["Content-Security-Policy"].startswith("default-src 'self';")


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/errors"])
def test_every_file_that_a_page_asks_for_is_there(path: str) -> None:
    page = Client().get(path).content.decode()

    files = re.findall(r'(?:src|href)="/static/([^"]+)"', page)
    assert files
    assert [name for name in files if finders.find(name) is None] == []


@pytest.mark.parametrize(
    ("path", "leads_to"), [("/docs/", "/docs"), ("/favicon.ico", "/static/gosend/icon.svg")]
)
def test_what_people_and_browsers_ask_for_by_habit_leads_on(path: str, leads_to: str) -> None:
    answer = Client().get(path)

    assert (answer.status_code, answer["Location"]) == (302, leads_to)
    found = leads_to.removeprefix("/static/")
    assert Client().get(leads_to).status_code == 200 if found == leads_to else finders.find(found)


def test_the_vendored_script_is_the_one_that_was_written_down() -> None:

    folder = Path(finders.find("vendor/README.md") or "").parent
    listed = re.findall(r"`(\S+\.js)`.*`([0-9a-f]{64})`", (folder / "README.md").read_text())

    assert [
        (path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in folder.glob("*.js")
    ] == listed


@pytest.mark.django_db
@pytest.mark.urls(__name__)
@pytest.mark.parametrize(
    ("path", "status", "says"),
    [("/slow", 503, "it took too long"), ("/broken", 500, "A fault of ours")],
)
def test_a_page_that_takes_too_long_says_so(path: str, status: int, says: str) -> None:
    response = Client(raise_request_exception=False).get(path)

    page = response.content.decode()
    assert (response.status_code, says in page, "secret" in page) == (status, True, False)
    assert ("Ask for less" in page) is (status == 503)
