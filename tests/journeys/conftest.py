"""A running server, and a tenant who talks to it over real HTTP."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from pytest_django.fixtures import Settings as SettingsWrapper
from pytest_django.live_server_helper import LiveServer

from accounts import keys, tenants
from accounts.models import PhoneNumber
from gosend.demo.receiver import Receiver


@dataclass(frozen=True, slots=True)
class Client:
    """A customer's program: it knows an address, a key and a number, nothing else."""

    base_url: str
    key: str
    number: PhoneNumber
    session: requests.Session


@pytest.fixture
def client_of(live_server: LiveServer, settings: SettingsWrapper) -> Iterator[Client]:
    settings.PUBLIC_URL = live_server.url
    settings.SANDBOX_CALLBACK_URL = f"{live_server.url}/meta/webhook"
    tenant = tenants.open_tenant(name="Acme")
    number = tenants.add_sandbox(tenant=tenant)
    _, key = keys.mint(tenant=tenant, label="journey", environment="test")
    with requests.Session() as session:
        session.headers["X-API-Key"] = key
        yield Client(live_server.url, key, number, session)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """The customer's own server, which keeps what it is told."""
    server = Receiver(port=0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[str]:
    """The server whose pictures the pages link to."""
    for name in ("path/to/image.jpg", "clinic-logo.jpg", "image.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(jpeg())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def jpeg() -> bytes:
    """The smallest picture that begins and ends as a JPEG does."""
    return bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")
