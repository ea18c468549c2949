"""The Graph API, one method per endpoint we call."""

import json
import secrets
from dataclasses import dataclass
from functools import lru_cache
from mmap import mmap
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import orjson

from gosend.lib import http, storable
from gosend.whatsapp import errors
from gosend.whatsapp.errors import GraphError
from gosend.whatsapp.wire import GraphRequest, GraphResponse, Transport

__all__ = [
    "Accepted",
    "GraphClient",
    "GraphError",
    "GraphRequest",
    "GraphResponse",
    "HttpTransport",
    "MediaInfo",
    "Transport",
]

# Graph's answers to the calls below are a few hundred bytes; more than this is not one of them.
MAX_RESPONSE_BYTES = 1024 * 1024

# More characters of a wamid than these are not kept; Meta's have about 60.
MAX_WAMID_CHARACTERS = 255

# Where Meta keeps files; our token is shown to no other host that an answer may name.
MEDIA_ORIGINS = frozenset({("https", "lookaside.fbsbx.com"), ("https", "graph.facebook.com")})

# `GET /{PNID}` returns only a few of these unless they are asked for.
PHONE_NUMBER_FIELDS = (
    "display_phone_number",
    "verified_name",
    "quality_rating",
    "status",
    "code_verification_status",
    "name_status",
    "platform_type",
    "throughput",
    "health_status",
    "whatsapp_business_manager_messaging_limit",
)

# `GET /{WABA}` and the list of its templates, likewise.
ACCOUNT_FIELDS = (
    "id",
    "name",
    "currency",
    "timezone_id",
    "account_review_status",
    "business_verification_status",
    "ownership_type",
)
TEMPLATE_FIELDS = (
    "id",
    "name",
    "language",
    "category",
    "status",
    "components",
    "parameter_format",
    "rejected_reason",
    "quality_score",
)
# Templates on one page: so many large ones still fit into MAX_RESPONSE_BYTES.
TEMPLATES_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class TemplatePage:
    """Some of an account's templates; `after` leads to the next page and is empty on the last."""

    rows: list[dict[str, Any]]
    after: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """Meta has taken a message; whether it arrives comes later. `wa_id` may differ from what was asked.

    A wamid that could not be stored is cut and cleaned, as in Meta's reports, so that it still finds them:
    the message was taken, whatever it is called.
    """

    wamid: str
    wa_id: str = ""
    user_id: str = ""
    message_status: str = ""
    usage: errors.Usage = errors.NO_USAGE


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """A file at Meta. `url` lives five minutes; `size` is 0 when Meta does not say."""

    url: str
    mime_type: str
    sha256: str
    size: int


class HttpTransport:
    """Carries requests to Graph over HTTP."""

    def __init__(self, base_url: str, version: str, timeout_seconds: float) -> None:
        self._root = f"{base_url.rstrip('/')}/{version.strip('/')}"
        self._timeout_seconds = timeout_seconds

    def __call__(self, request: GraphRequest) -> GraphResponse:
        headers = {"Authorization": f"Bearer {request.token}", "Accept": "application/json"}
        if request.content_type:
            headers["Content-Type"] = request.content_type
        response = http.fetch(
            method=request.method,
            url=self._address(request),
            headers=headers,
            body=request.stream or request.body,
            timeout_seconds=self._timeout_seconds,
            max_bytes=request.max_bytes or MAX_RESPONSE_BYTES,
            guard=None,
        )
        if response.truncated and request.max_bytes:
            raise http.Failed("too_large", http.Outcome.UNKNOWN)
        return GraphResponse(status=response.status, body=response.body, headers=response.headers)

    def _address(self, request: GraphRequest) -> str:
        if not request.url:
            query = f"?{urlencode(request.query)}" if request.query else ""
            return f"{self._root}{request.path}{query}"
        parts, own = urlsplit(request.url), urlsplit(self._root)
        is_own = (parts.scheme, parts.netloc) == (own.scheme, own.netloc)
        if not is_own and (parts.scheme, parts.netloc) not in MEDIA_ORIGINS:
            raise http.Failed("blocked_address", http.Outcome.NOT_SENT)
        return request.url


class GraphClient:
    """Speaks for one account. Every method raises GraphError when Meta does not confirm."""

    def __init__(self, transport: Transport, token: str) -> None:
        self._transport = transport
        self._token = token
        # Whether calls are answered without a network, so that making them side by side gains nothing.
        self.is_in_process: bool = getattr(transport, "is_in_process", False)

    def send_message(self, *, phone_number_id: str, body: dict[str, Any]) -> Accepted:
        """Send a message; `body` is what `content.graph_body` made."""
        # What comes from the database as JSON holds no NaN, which orjson would write as null.
        response = self._call(
            "POST",
            _path(phone_number_id, "messages"),
            body=orjson.dumps(body),
            content_type="application/json",
        )
        answer = _object(response)
        message, contact = _first(answer.get("messages")), _first(answer.get("contacts"))
        wamid = _text(message.get("id"))[:MAX_WAMID_CHARACTERS]
        if not wamid:
            raise errors.from_response(response)
        return Accepted(
            wamid=wamid,
            wa_id=_text(contact.get("wa_id")),
            user_id=_text(contact.get("user_id")),
            message_status=_text(message.get("message_status")),
            usage=errors.usage_of(response),
        )

    def mark_read(self, *, phone_number_id: str, wamid: str, typing: bool = False) -> None:
        """Mark a customer's message, and those before it, as read; show that an answer is being typed."""
        body: dict[str, Any] = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
        if typing:
            body["typing_indicator"] = {"type": "text"}
        response = self._post_json(_path(phone_number_id, "messages"), body)
        if _object(response).get("success") is not True:
            raise errors.from_response(response)

    def upload_media(self, *, phone_number_id: str, data: bytes | mmap, mime_type: str, filename: str) -> str:
        """Upload a file, piece by piece; return the media id, which lives 30 days."""
        content_type, stream = _multipart(data=data, mime_type=mime_type, filename=filename)
        path = _path(phone_number_id, "media")
        response = self._call("POST", path, stream=stream, content_type=content_type)
        media_id = _object(response).get("id")
        if not isinstance(media_id, str) or not media_id:
            raise errors.from_response(response)
        return media_id

    def get_media_url(self, *, media_id: str, phone_number_id: str) -> MediaInfo:
        """Ask where a file lies now; only the number that it was sent to, or uploaded on, may."""
        response = self._call("GET", _path(media_id), query={"phone_number_id": phone_number_id})
        answer = _object(response)
        url, size = _text(answer.get("url")), answer.get("file_size")
        if not url:
            raise errors.from_response(response)
        return MediaInfo(
            url=url,
            mime_type=_text(answer.get("mime_type")),
            sha256=_text(answer.get("sha256")),
            size=int(size) if isinstance(size, int | str) and str(size).isdecimal() else 0,
        )

    def download(self, *, url: str, max_bytes: int) -> bytes:
        """Fetch a file from the address that `get_media_url` gave."""
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise errors.from_failed(http.Failed("bad_url", http.Outcome.NOT_SENT)) from error
        request = GraphRequest(
            method="GET",
            path=parts.path,
            query=dict(parse_qsl(parts.query)),
            token=self._token,
            url=url,
            max_bytes=max_bytes,
        )
        return self._carry(request).body

    def get_phone_number(self, *, phone_number_id: str) -> dict[str, Any]:
        """Return what Meta knows of a number."""
        query = {"fields": ",".join(PHONE_NUMBER_FIELDS)}
        response = self._call("GET", _path(phone_number_id), query=query)
        answer = _object(response)
        if "id" not in answer:
            raise errors.from_response(response)
        return answer

    def get_waba(self, *, waba_id: str) -> dict[str, Any]:
        """Return what Meta knows of a business account."""
        response = self._call("GET", _path(waba_id), query={"fields": ",".join(ACCOUNT_FIELDS)})
        answer = _object(response)
        if "id" not in answer:
            raise errors.from_response(response)
        return answer

    def debug_token(self) -> dict[str, Any]:
        """Return what Meta says of this client's own token: `is_valid`, `scopes`, `expires_at` (0: never)."""
        response = self._call("GET", "/debug_token", query={"input_token": self._token})
        data = _object(response).get("data")
        if not isinstance(data, dict):
            raise errors.from_response(response)
        return data

    def list_phone_numbers(self, *, waba_id: str) -> list[dict[str, Any]]:
        """Return an account's numbers; Meta allows 20, so that they fit one page."""
        return self._rows(_path(waba_id, "phone_numbers"), {"limit": "100"})

    def subscribed_apps(self, *, waba_id: str) -> list[str]:
        """Return the ids of the apps to which Meta posts the account's callbacks."""
        rows = self._rows(_path(waba_id, "subscribed_apps"), {})
        return [_text(_object_of(row.get("whatsapp_business_api_data")).get("id")) for row in rows]

    def subscribe(self, *, waba_id: str) -> None:
        """Have the account's callbacks posted to the app that the token belongs to."""
        response = self._call("POST", _path(waba_id, "subscribed_apps"))
        if _object(response).get("success") is not True:
            raise errors.from_response(response)

    def register(self, *, phone_number_id: str, pin: str) -> None:
        """Register a number with the Cloud API; `pin` is its two-step verification's, or becomes it."""
        response = self._post_json(
            _path(phone_number_id, "register"), {"messaging_product": "whatsapp", "pin": pin}
        )
        if _object(response).get("success") is not True:
            raise errors.from_response(response)

    def list_templates(
        self, *, waba_id: str, after: str = "", name: str = "", language: str = ""
    ) -> TemplatePage:
        """Return one page of an account's templates. Meta's filter by name also finds longer names."""
        query = {"fields": ",".join(TEMPLATE_FIELDS), "limit": str(TEMPLATES_PER_PAGE)}
        query |= {
            key: value for key, value in (("after", after), ("name", name), ("language", language)) if value
        }
        response = self._call("GET", _path(waba_id, "message_templates"), query=query)
        answer = _object(response)
        rows, paging = answer.get("data"), answer.get("paging")
        if not isinstance(rows, list):
            raise errors.from_response(response)
        return TemplatePage([row for row in rows if isinstance(row, dict)], _next_cursor(paging))

    def create_template(self, *, waba_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Submit a template for review; the answer has its `id`, `status` and `category`."""
        response = self._post_json(_path(waba_id, "message_templates"), body)
        answer = _object(response)
        if not answer.get("id"):
            raise errors.from_response(response)
        return answer

    def delete_template(self, *, waba_id: str, name: str, template_id: str = "") -> None:
        """Delete one language of a template, or without its id every language of the name."""
        query = {"name": name} | ({"hsm_id": template_id} if template_id else {})
        response = self._call("DELETE", _path(waba_id, "message_templates"), query=query)
        if _object(response).get("success") is not True:
            raise errors.from_response(response)

    def _rows(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        response = self._call("GET", path, query=query)
        rows = _object(response).get("data")
        if not isinstance(rows, list):
            raise errors.from_response(response)
        return [row for row in rows if isinstance(row, dict)]

    def _post_json(self, path: str, body: dict[str, Any]) -> GraphResponse:
        encoded = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        return self._call("POST", path, body=encoded, content_type="application/json")

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: bytes | None = None,
        stream: http.Pieces | None = None,
        content_type: str | None = None,
    ) -> GraphResponse:
        request = GraphRequest(
            method=method,
            path=path,
            token=self._token,
            query=query or {},
            body=body,
            stream=stream,
            content_type=content_type,
        )
        return self._carry(request)

    def _carry(self, request: GraphRequest) -> GraphResponse:
        try:
            response = self._transport(request)
        except http.Failed as failed:
            raise errors.from_failed(failed) from failed
        if not 200 <= response.status < 300:
            raise errors.from_response(response)
        return response


@lru_cache(maxsize=1024)
def _path(*parts: str) -> str:
    return "".join("/" + quote(part, safe="") for part in parts)


def _object(response: GraphResponse) -> dict[str, Any]:
    """The JSON object of an answer; empty when it is none, so that what is looked for is absent."""
    try:
        return _object_of(orjson.loads(response.body))
    except orjson.JSONDecodeError:
        # It reads a few things more, such as half an emoji.
        return errors.object_in(response.body)


def _object_of(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _next_cursor(paging: object) -> str:
    """The cursor to go on with; Meta gives one on the last page too, but no `next` beside it."""
    if not isinstance(paging, dict) or not paging.get("next"):
        return ""
    cursors = paging.get("cursors")
    return _text(cursors.get("after")) if isinstance(cursors, dict) else ""


def _first(items: object) -> dict[str, Any]:
    if isinstance(items, list) and items and isinstance(items[0], dict):
        return items[0]
    return {}


def _text(value: object) -> str:
    return storable.text(value) if isinstance(value, str) else ""


def _multipart(*, data: bytes | mmap, mime_type: str, filename: str) -> tuple[str, http.Pieces]:
    boundary = secrets.token_hex(16)
    file_head = (
        f'Content-Disposition: form-data; name="file"; filename="{_quoted(filename)}"\r\n'
        f"Content-Type: {_quoted(mime_type)}"
    )
    parts = (
        (b'Content-Disposition: form-data; name="messaging_product"', b"whatsapp"),
        (b'Content-Disposition: form-data; name="type"', _quoted(mime_type).encode()),
        (file_head.encode(), b""),
    )
    opening = f"--{boundary}\r\n".encode()
    head = b"\r\n".join(b"%b%b\r\n\r\n%b" % (opening, head, value) for head, value in parts)
    tail = f"\r\n--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", http.Pieces(head, data, tail)


def _quoted(value: str) -> str:
    """A header value within quotes, as browsers escape it, so that a file name cannot end it."""
    return value.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
