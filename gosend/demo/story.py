"""A first message goes all the way round, and each step is shown as it is seen."""

import json
import time
from collections.abc import Callable
from typing import Any

import requests

from gosend.demo.processes import DemoFailed, Family
from gosend.demo.seed import CUSTOMER, Demo
from gosend.lib import signing

EVENTS = [f"whatsapp.message.{name}" for name in ("sent", "delivered", "read", "failed", "received")]
_GREETING = "Hola Juan, llegamos al lugar 👋"
_ANSWER = "¡Genial, ya salgo!"
_TIMEOUT_SECONDS = 5
# The demo's own address: other webhooks may post to the same receiver, with secrets of their own.
_PATH = "/demo"


class Story:
    """Tells the story through the public API and the receiver, as a customer would live it."""

    def __init__(self, demo: Demo, *, family: Family, say: Callable[[str], object], deadline: float) -> None:
        self.demo = demo
        self.family = family
        self.say = say
        self.deadline = deadline
        self.started_at = time.monotonic()
        self.api = requests.Session()
        self.api.headers["X-API-Key"] = demo.api_key

    def subscribe(self) -> None:
        """Point a webhook of the demo number at the receiver; a kept one is pointed at it again."""
        body = {"url": f"{self.demo.receiver_url}{_PATH}", "events": EVENTS}
        if self.demo.webhook_id:
            url = f"{self.demo.base_url}/v1/webhooks/{self.demo.webhook_id}"
            if self.api.patch(url, json={**body, "enabled": True}, timeout=_TIMEOUT_SECONDS).ok:
                return
        body |= {"phone_number_id": self.demo.phone_number_id, "type": "gosendapi_events"}
        made = self._post("/v1/webhooks", body)
        self.demo.webhook_id, self.demo.webhook_secret = made["id"], made["secret"]

    def send(self) -> dict[str, Any]:
        """Send the first message; it is accepted, and Meta's side has it, when this returns."""
        body = {
            "phone_number_id": self.demo.phone_number_id,
            "to": CUSTOMER,
            "type": "text",
            "text": {"body": _GREETING},
        }
        message = self._post("/v1/messages", body)
        self._tell("POST /v1/messages", f"accepted as {message['id']}, status {message['status']}")
        return message

    def follow(self, message: dict[str, Any]) -> None:
        """Show each status webhook of the message until it was read."""
        for name in ("sent", "delivered", "read"):
            self._webhook(f"whatsapp.message.{name}", wamid=message["wa_message_id"])
        final = self.api.get(
            f"{self.demo.base_url}/v1/messages/{message['id']}", timeout=_TIMEOUT_SECONDS
        ).json()
        if final["status"] != "read":
            raise DemoFailed(f"GET /v1/messages says {final['status']} after the webhook said read")
        self._tell("GET /v1/messages/…", "status read")

    def hear(self, *, wamid: str) -> None:
        """Show the webhook of the customer's answer."""
        self._webhook("whatsapp.message.received", wamid=wamid)

    def customer_writes(self, write: Callable[..., str]) -> str:
        """Let the pretend customer answer through Meta's door; return the answer's wamid."""
        wamid = write(from_phone=CUSTOMER, text=_ANSWER, name="Juan")
        self._tell("the customer answers", f"“{_ANSWER}”")
        return wamid

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.api.post(self.demo.base_url + path, json=body, timeout=_TIMEOUT_SECONDS)
        if not answer.ok:
            raise DemoFailed(f"POST {path} was answered {answer.status_code}: {answer.text[:500]}")
        made: dict[str, Any] = answer.json()
        return made

    def _webhook(self, event: str, *, wamid: str) -> None:
        while time.monotonic() < self.deadline:
            for note in self.family.revive():
                self.say(f"  ! {note}")
            for entry in self._received():
                body = json.loads(entry["body"])
                if body["event"] == event and body["message"]["id"] == wamid:
                    self._verify(entry, event)
                    return
            time.sleep(0.1)
        raise DemoFailed(f"the webhook {event} did not arrive in time; see var/log/worker.log")

    def _received(self) -> list[dict[str, Any]]:
        url = f"{self.demo.receiver_url}/received"
        found: list[dict[str, Any]] = requests.get(url, timeout=_TIMEOUT_SECONDS).json()
        return [entry for entry in found if entry["path"] == _PATH]

    def _verify(self, entry: dict[str, Any], event: str) -> None:
        body, headers, secret = entry["body"].encode(), entry["headers"], self.demo.webhook_secret
        is_signed = signing.verify_gosend(
            secret, body, headers.get("x-gosendapi-signature")
        ) and signing.verify_standard(secret, headers, body, now=int(time.time()))
        if not is_signed:
            raise DemoFailed(f"the webhook {event} carries a wrong signature")
        self._tell(f"webhook {event}", "received, signature verified")

    def _tell(self, what: str, outcome: str) -> None:
        self.say(f"  {time.monotonic() - self.started_at:6.2f} s  {what:<35} {outcome}")
