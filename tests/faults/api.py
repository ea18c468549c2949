"""A client of the REST API that does not give up: the same key again until the answer is definite."""

import itertools
import random
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.faults.ledger import Seen

PATIENCE_SECONDS = 90.0


class GaveUp(Exception):
    """No definite answer within the client's patience."""


@dataclass(slots=True)
class Answer:
    """The definite answer, and how many tries it took."""

    status: int
    body: Any
    seconds: float
    tries: int
    headers: dict[str, str]
    statuses: list[int] = field(default_factory=list)


@dataclass
class Api:
    """One key's view of the API; safe to share between threads."""

    base_urls: Callable[[], Sequence[str]]
    key: str
    accepted: list[str] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._local = threading.local()
        self._turn = itertools.count()
        self._lock = threading.Lock()

    def call(
        self, method: str, path: str, *, body: Any = None, headers: dict[str, str] | None = None,
        timeout: float = 15.0,
    ) -> requests.Response:  # fmt: skip
        """Ask once. Raises requests.RequestException."""
        urls = self.base_urls()
        url = urls[next(self._turn) % len(urls)]
        sent = {"X-API-Key": self.key, **(headers or {})}
        return self._session().request(method, url + path, json=body, headers=sent, timeout=timeout)

    def insist(
        self,
        path: str,
        body: Any,
        *,
        key: str = "",
        timeout: float = 15.0,
        patience: float = PATIENCE_SECONDS,
    ) -> Answer:
        """POST with an idempotency key until the answer is neither a timeout, 5xx, 429 nor 'in progress'."""
        key = key or uuid.uuid4().hex
        deadline = time.monotonic() + patience
        statuses: list[int] = []
        while time.monotonic() < deadline:
            started = time.monotonic()
            wait = 0.2
            try:
                told = self.call("POST", path, body=body, headers={"Idempotency-Key": key}, timeout=timeout)
            except requests.RequestException:
                statuses.append(0)
                self._local.session = None
            else:
                statuses.append(told.status_code)
                if not _is_open(told):
                    seconds = time.monotonic() - started
                    answer = Answer(
                        told.status_code, told.json(), seconds, len(statuses), dict(told.headers), statuses
                    )
                    self.answers.append(answer)
                    return answer
                wait = min(float(told.headers.get("Retry-After", 0.2)), 1.0)
            time.sleep(wait * random.uniform(0.5, 1.0))
        raise GaveUp(f"{path}: {statuses[-5:]} after {patience:.0f} s")

    def send(
        self, number: str, to: str, *, is_async: bool = True, text: str = "Hola", key: str = "",
        timeout: float = 15.0,
    ) -> Answer:  # fmt: skip
        """Send one text; its id counts as accepted when the answer is a 2xx."""
        path = "/v1/messages?async=true" if is_async else "/v1/messages"
        answer = self.insist(path, text_body(number, to, text), key=key, timeout=timeout)
        if answer.status in (201, 202):
            self.keep([answer.body["id"]])
        return answer

    def batch(self, bodies: Sequence[dict[str, Any]]) -> list[str]:
        """Send many; the ids that were accepted."""
        answer = self.insist("/v1/messages/batch", {"messages": list(bodies)}, timeout=30)
        ids = [one["id"] for one in answer.body.get("messages", []) if one["status"] == "accepted"]
        self.keep(ids)
        return ids

    def repeats(self) -> int:
        """How often a request had to be made again."""
        return sum(one.tries - 1 for one in self.answers)

    def keep(self, ids: Sequence[str]) -> None:
        with self._lock:
            self.accepted += ids

    def get(self, path: str) -> Any:
        return self._read(path)[0]

    def listed(self, **filters: str) -> dict[str, Seen]:
        """Every outbound message that the list shows, page by page."""
        found: dict[str, Seen] = {}
        query = "&".join(f"{name}={value}" for name, value in {"direction": "outbound", **filters}.items())
        cursor = ""
        while True:
            path = f"/v1/messages?per_page=100&{query}" + (f"&cursor={cursor}" if cursor else "")
            rows, headers = self._read(path)
            found |= {row["id"]: Seen(row["status"], row["wa_message_id"]) for row in rows}
            cursor = headers.get("X-Next-Cursor", "")
            if not cursor:
                return found

    def _read(self, path: str) -> tuple[Any, Any]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                told = self.call("GET", path)
                if told.status_code == 200:
                    return told.json(), told.headers
                problem = f"{told.status_code} {told.text[:200]}"
            except requests.RequestException as error:
                self._local.session = None
                problem = type(error).__name__
            if time.monotonic() > deadline:
                raise GaveUp(f"GET {path}: {problem}")
            time.sleep(0.2)

    def _session(self) -> requests.Session:
        session = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
        found: requests.Session = session
        return found


def text_body(number: str, to: str, text: str = "Hola") -> dict[str, Any]:
    return {"phone_number_id": number, "to": to, "type": "text", "text": {"body": text}}


def _is_open(answer: requests.Response) -> bool:
    if answer.status_code >= 500 or answer.status_code == 429:
        return True
    return answer.status_code == 409 and answer.json().get("code") == "IDEMPOTENCY_IN_PROGRESS"
