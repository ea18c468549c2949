"""The reference page over HTTP: it names the three documents, and each is there and of its own API."""

import html
import json
import re

import pytest
import requests
from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

# Document → where its addresses lie, and one that it must have.
DOCUMENTS = {
    "/openapi/v1.json": ("/v1/", "/v1/messages"),
    "/openapi/whatomate.json": ("/api/", "/api/messages/template"),
    "/openapi/sessions.json": ("/api/v1/", "/api/v1/sessions/{session_id}/messages"),
}


def test_docs_names_every_document_and_each_is_served(live_server: LiveServer) -> None:
    page = requests.get(f"{live_server.url}/docs", timeout=10).text
    written = re.search(r'<script id="documents" type="application/json">(.*?)</script>', page)
    assert written
    named = json.loads(html.unescape(written[1]))

    assert [one["url"] for one in named] == list(DOCUMENTS)
    assert [one["title"] for one in named] == [
        "GoSend · /v1",
        "Whatomate · /api",
        "Session gateway · /api/v1",
    ]
    for address, (prefix, path) in DOCUMENTS.items():
        paths = requests.get(f"{live_server.url}{address}", timeout=30).json()["paths"]
        assert path in paths
        assert [one for one in paths if not one.startswith(prefix)] == []
