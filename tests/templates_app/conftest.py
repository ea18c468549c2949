"""A pretend Meta over real HTTP, and a live account that speaks to it."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import BusinessAccount
from gosend.sandbox.server import SandboxServer
from gosend.sandbox.shelf import Held
from gosend.whatsapp.wire import GraphRequest, GraphResponse
from tests import factories
from webhooks_app.models import Event

# Where no server listens.
NOBODY = "http://127.0.0.1:1"
BODY: dict[str, Any] = {
    "type": "BODY",
    "text": "Hello {{1}}, your order is here.",
    "example": {"body_text": [["Ana"]]},
}


class Meta(SandboxServer):
    """Counts requests; `before` may do something to the world before one is answered."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), secret="s")
        self.requests: list[str] = []
        self.before: Callable[[GraphRequest], None] = lambda request: None

    def answer(self, request: GraphRequest, **options: Any) -> GraphResponse | None:
        self.requests.append(f"{request.method} {request.path}")
        self.before(request)
        return super().answer(request, **options)

    def put(self, waba_id: str, name: str, *, age: float = 60.0, language: str = "en_US") -> Held:
        """Have a template that was submitted so many seconds ago."""
        held = Held(name, language, "UTILITY", "POSITIONAL", [BODY])
        held = Held(name, language, "UTILITY", "POSITIONAL", [BODY], held.template_id, held.created_at - age)
        shelf = self.world.shelf(waba_id)
        assert shelf is not None
        shelf.put(held)
        return held

    def remove(self, waba_id: str, name: str) -> None:
        shelf = self.world.shelf(waba_id)
        assert shelf is not None
        for held in shelf.all():
            if held.name == name:
                shelf.remove(held)


@pytest.fixture
def meta(settings: Settings) -> Iterator[Meta]:
    server = Meta()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    settings.META_GRAPH_URL = f"http://127.0.0.1:{server.port}"
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def account(db: None) -> BusinessAccount:
    made: BusinessAccount = factories.BusinessAccountFactory.create()
    return made


@pytest.fixture
def told(account: BusinessAccount) -> Callable[[], list[str]]:
    """The types of the events that the account's project was told, in order."""
    factories.WebhookEndpointFactory.create(tenant=account.tenant, phone_number=None, events=["*"])
    return lambda: list(Event.objects.order_by("pk").values_list("type", flat=True))
