"""Inbound files of the sandbox, and uploads that it refuses."""

import hashlib
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from gosend.sandbox import graph, samples
from gosend.sandbox.world import Line, MemoryWorld
from gosend.whatsapp.client import GraphClient, HttpTransport
from gosend.whatsapp.errors import GraphError
from gosend.whatsapp.wire import GraphRequest, GraphResponse

LINE = Line("102290129340398", "106540352242922", "15550100000")


def ask(path: str, **query: str) -> GraphResponse:
    request = GraphRequest(method="GET", path=path, token="EAAx", query=query)
    response = graph.answer(request, world=MemoryWorld((LINE,))).response
    assert response is not None
    return response


def info(media_id: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(ask(f"/{media_id}", phone_number_id=LINE.phone_number_id).body)
    return told


@pytest.mark.parametrize("kind", samples.KINDS)
def test_a_file_lies_where_its_info_says(kind: str) -> None:
    content = samples.inbound(kind)
    told = info(content["id"])
    parts = urlsplit(told["url"])

    file = ask(parts.path, **dict(parse_qsl(parts.query)))

    assert f"{parts.scheme}://{parts.netloc}" == "https://lookaside.fbsbx.com"
    assert file.status == 200
    assert told["sha256"] == hashlib.sha256(file.body).hexdigest()
    assert told["file_size"] == len(file.body)
    assert file.headers["content-type"] == told["mime_type"] == content["mime_type"]


def test_a_lost_file_is_unknown_to_meta() -> None:
    lost = samples.new_id("image", tail=samples.LOST)

    answer = ask(f"/{lost}")

    assert answer.status == 400
    assert json.loads(answer.body)["error"]["error_subcode"] == 33
    assert ask(graph.FILES_PATH, mid=lost).status == 404


def test_an_altered_file_does_not_fit_its_digest() -> None:
    altered = samples.new_id("image", tail=samples.ALTERED)

    file = ask(graph.FILES_PATH, mid=altered)

    assert hashlib.sha256(file.body).hexdigest() != info(altered)["sha256"]


def test_a_download_needs_a_token() -> None:
    request = GraphRequest(
        method="GET", path=graph.FILES_PATH, token="", query={"mid": samples.new_id("image")}
    )
    response = graph.answer(request, world=MemoryWorld()).response

    assert response is not None
    assert response.status == 401


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/a",
        "http://lookaside.fbsbx.com/a",
        "https://lookaside.fbsbx.com.evil.example/a",
        "https://lookaside.fbsbx.com:444/a",
        "https://lookaside.fbsbx.com@evil.example/a",
        "https://graph.facebook.com.evil.example/",
        "http://127.0.0.1:9@evil.example/",
        "http://[",
        "",
    ],
)
def test_the_token_goes_to_metas_hosts_alone(url: str) -> None:
    client = GraphClient(HttpTransport("http://127.0.0.1:9", "v25.0", 1.0), token="EAAx")

    with pytest.raises(GraphError) as caught:
        client.download(url=url, max_bytes=100)

    # An empty address leads to Graph itself, where nobody listens here.
    assert caught.value.details == {"http://[": "bad_url", "": "refused"}.get(url, "blocked_address")
