"""Answers Graph requests: one function, request in, response out."""

import hashlib
import json
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any

from gosend.sandbox import callbacks, management, outcomes, refusals, samples, templates
from gosend.sandbox.callbacks import Callback, Person
from gosend.sandbox.refusals import Refusal
from gosend.sandbox.shelf import Shelf
from gosend.sandbox.world import Line, World
from gosend.whatsapp.wire import GraphRequest, GraphResponse

# Where Meta serves files: addresses of five minutes.
FILES_AT = "https://lookaside.fbsbx.com"
FILES_PATH = "/whatsapp_business/attachments/"
_FILE_SECONDS = 300

_PATH = re.compile(r"/([^/]+)(?:/([a-z_]+))?/?\Z")
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_PART_FIELD = re.compile(rb'[;\s]name="?([^";]+)"?', re.IGNORECASE)
_PART_TYPE = re.compile(rb"^content-type:\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)

_NUMBER_EDGES = frozenset({("POST", "messages"), ("POST", "media"), ("POST", "register"), ("GET", "")})
_ACCOUNT_EDGES = frozenset({"message_templates", "subscribed_apps", "phone_numbers"})
# What is known of every business account, besides its id.
_ACCOUNT: dict[str, Any] = {
    "id": "",
    "name": "Sandbox",
    "currency": "USD",
    "timezone_id": "1",
    "message_template_namespace": "sandbox",
    "account_review_status": "APPROVED",
    "business_verification_status": "verified",
    "ownership_type": "SELF",
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that Meta has taken, whether or not its sender hears of it."""

    wamid: str
    phone_number_id: str
    to: str
    type: str
    opaque: str | None
    content: Any = None


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file that Meta has taken."""

    media_id: str
    phone_number_id: str
    mime_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Reply:
    """`response` is None when the request is acted on but the connection dies before the answer."""

    response: GraphResponse | None
    callbacks: tuple[Callback, ...] = ()
    accepted: Accepted | None = None
    uploaded: Uploaded | None = None


def answer(request: GraphRequest, *, world: World, files_at: str = FILES_AT) -> Reply:
    """Act as the Graph API would. Never raises, whatever the request.

    `files_at` is where the addresses of files lead.
    """
    try:
        management.check_token(request.token)
        if (request.method, request.path) == ("GET", "/debug_token"):
            return _ok(management.debug_token(request.query))
        if request.method == "GET" and request.path == FILES_PATH:
            return _file(request.query.get("mid", ""))
        if request.method == "GET" and samples.is_id(request.path.strip("/")):
            return _ok(_file_info(request.path.strip("/"), files_at))
        if account := _account_asked(request, world):
            waba_id, edge, shelf = account
            return _of_account(request, edge, waba_id=waba_id, shelf=shelf, world=world)
        line, edge = _target(request, world)
        return _of_number(request, edge, line=line, world=world)
    except Refusal as refusal:
        return Reply(error_response(refusal))


def error_response(refusal: Refusal) -> GraphResponse:
    """An error in Graph's shape, with an id that support would ask for."""
    trace = "A" + secrets.token_urlsafe(16)
    title = refusals.TITLES.get(refusal.code) if refusal.subcode is None else None
    error: dict[str, Any] = {
        "message": f"(#{refusal.code}) {title}" if title else refusal.details,
        "type": "GraphMethodException" if refusal.subcode == 33 else "OAuthException",
        "code": refusal.code,
    }
    if title:
        error["error_data"] = {"messaging_product": "whatsapp", "details": refusal.details}
    if refusal.subcode is not None:
        error["error_subcode"] = refusal.subcode
    error["fbtrace_id"] = trace
    response = _json_response({"error": error}, status=refusal.http_status)
    response.headers["x-fb-trace-id"] = trace
    return response


def _target(request: GraphRequest, world: World) -> tuple[Line, str]:
    """Return the number and the edge asked for; anything else Graph calls unsupported, with code 100/33."""
    match = _PATH.match(request.path)
    line = world.line(match[1]) if match else None
    edge = (match[2] or "") if match else ""
    if line is None or (request.method, edge) not in _NUMBER_EDGES:
        what = f"{request.method[:10]} {request.path[:100]}"
        raise Refusal(
            100, f"Unsupported request: {what}. No such object here, or no such action.", subcode=33
        )
    return line, edge


def _account_asked(request: GraphRequest, world: World) -> tuple[str, str, Shelf] | None:
    """The business account that is asked for, which edge of it, and its templates.

    Ids do not tell an account from a number. An edge does; without one the fields that are asked for do.
    """
    match = _PATH.match(request.path)
    if match is None:
        return None
    edge = match[2] or ""
    fields = {field.strip() for field in request.query.get("fields", "").split(",")}
    is_account = edge in _ACCOUNT_EDGES or (
        (request.method, edge) == ("GET", "") and fields <= _ACCOUNT.keys() and fields != {"id"}
    )
    shelf = world.shelf(match[1]) if is_account else None
    return None if shelf is None else (match[1], edge, shelf)


def _of_number(request: GraphRequest, edge: str, *, line: Line, world: World) -> Reply:
    match edge:
        case "messages":
            return _messages(_json_object(request.body), line=line, world=world)
        case "media":
            return _media(request, line)
        case "register":
            return _ok(management.register(_json_object(request.body), line=line, world=world))
    status = management.status_of(request.token, line=line, world=world)
    return _ok(_number(line, status=status, fields=request.query.get("fields")))


def _of_account(request: GraphRequest, edge: str, *, waba_id: str, shelf: Shelf, world: World) -> Reply:
    match request.method, edge:
        case _, "message_templates":
            return _templates(request, waba_id, shelf)
        case "GET" | "POST", "subscribed_apps":
            return _ok(management.subscriptions(request.method, waba_id=waba_id, world=world))
        case "GET", "phone_numbers":
            return _ok(management.numbers(world.lines_of(waba_id)))
        case "GET", "":
            return _ok(_account(waba_id, request.query))
    raise Refusal(100, f"Unsupported request: {request.method[:10]} {edge}.", subcode=33)


def _templates(request: GraphRequest, waba_id: str, shelf: Shelf) -> Reply:
    match request.method:
        case "GET":
            return _ok(templates.listed(request.query, shelf=shelf, link=request.path))
        case "DELETE":
            templates.delete(request.query, shelf=shelf)
            return _ok({"success": True})
        case "POST":
            held, coming = templates.create(_json_object(request.body), shelf=shelf, waba_id=waba_id)
            answer = {"id": held.template_id, "status": "PENDING", "category": held.category}
            cut_off = templates.is_cut_off(held)
            return Reply(response=None if cut_off else _json_response(answer), callbacks=coming)
    raise Refusal(100, f"Unsupported request: {request.method[:10]} of templates.", subcode=33)


def _account(waba_id: str, query: dict[str, str]) -> dict[str, Any]:
    asked = [field.strip() for field in query["fields"].split(",")]
    return {field: _ACCOUNT[field] for field in asked} | {"id": waba_id}


def _messages(body: dict[str, Any], *, line: Line, world: World) -> Reply:
    refusals.check_product(body)
    if "status" in body:
        return _ok(_mark_read(body))
    digits, user_id = refusals.recipient_of(body)
    message_type = refusals.check_message(body)
    opaque = refusals.opaque_of(body)
    if digits and digits == "".join(filter(str.isdigit, line.display_phone_number)):
        raise Refusal(131021, "the business number cannot write to itself")
    recipient = digits or user_id
    outcome = outcomes.of(recipient)
    if outcome.is_throttled_once and world.first_time(f"throttled:{line.phone_number_id}:{recipient}"[:200]):
        raise Refusal(130429, "Cloud API message throughput has been reached (sandbox, once)")
    wamid = callbacks.new_wamid(recipient)
    is_group = body.get("recipient_type") == "group"
    to = Person("", user_id, is_group=is_group) if user_id else callbacks.person(phone=digits)
    response = _accepted_response(body, to, wamid, message_type)
    if outcome.used_percent:
        response.headers["x-business-use-case-usage"] = _usage(line, outcome.used_percent)
    return Reply(
        response=None if outcome.is_cut_off else response,
        callbacks=outcomes.reports(
            outcome, line=line, to=to, wamid=wamid, message_type=message_type, opaque=opaque
        ),
        accepted=Accepted(wamid, line.phone_number_id, recipient, message_type, opaque, body[message_type]),
    )


def _accepted_response(body: dict[str, Any], to: Person, wamid: str, message_type: str) -> GraphResponse:
    contact = {"user_id": to.user_id}
    if not body.get("recipient"):
        contact = {"input": body["to"], "wa_id": to.wa_id or to.user_id}
    message = {"id": wamid}
    if message_type == "template":
        message["message_status"] = "accepted"
    return _json_response({"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]})


def _usage(line: Line, percent: int) -> str:
    """What Meta's header says of an account's calls, in its own form."""
    figures = {"call_count": percent, "total_cputime": 25, "total_time": 25}
    return json.dumps({line.waba_id: [{"type": "whatsapp", **figures, "estimated_time_to_regain_access": 0}]})


def _mark_read(body: dict[str, Any]) -> dict[str, Any]:
    if body["status"] != "read":
        raise Refusal(100, "status must be read")
    wamid = body.get("message_id")
    if wamid is None:
        raise refusals.missing("message_id")
    if not isinstance(wamid, str) or not wamid.startswith("wamid."):
        raise refusals.invalid("message_id", "must be the id of a message")
    indicator = body.get("typing_indicator")
    if indicator is not None and indicator != {"type": "text"}:
        raise refusals.invalid("typing_indicator", "must have the type text")
    return {"success": True}


def _media(request: GraphRequest, line: Line) -> Reply:
    """Check an upload as Meta does. The bytes are not kept."""
    boundary = _BOUNDARY.search(request.content_type or "")
    if boundary is None or "multipart/form-data" not in (request.content_type or "").lower():
        raise Refusal(100, "an upload must be multipart/form-data")
    parts = _parts(request.whole(), boundary[1].encode())
    if parts.get("messaging_product", ("", b""))[1] != b"whatsapp":
        raise Refusal(100, "messaging_product is required and must be whatsapp")
    if "file" not in parts:
        raise Refusal(100, "file is required")
    mime_type, data = parts["file"]
    declared = parts.get("type", ("", b""))[1].decode(errors="replace")
    refusals.check_media(mime_type=declared or mime_type, data=data)
    media_id = str(10**15 + secrets.randbelow(9 * 10**15))
    uploaded = Uploaded(
        media_id,
        line.phone_number_id,
        declared or mime_type,
        len(data),
        hashlib.sha256(data).hexdigest(),
    )
    return Reply(_json_response({"id": media_id}), uploaded=uploaded)


def _file_info(media_id: str, files_at: str) -> dict[str, Any]:
    sample = samples.of(media_id)
    if sample is None:
        raise Refusal(100, f"Unsupported get request. Object with ID '{media_id}' does not exist", subcode=33)
    expires = int(time.time()) + _FILE_SECONDS
    return {
        "url": f"{files_at}{FILES_PATH}?mid={media_id}&ext={expires}&hash={secrets.token_urlsafe(24)}",
        "mime_type": sample.mime_type,
        "sha256": sample.digest.hex(),
        "file_size": len(sample.data),
        "id": media_id,
        "messaging_product": "whatsapp",
    }


def _file(media_id: str) -> Reply:
    sample = samples.of(media_id)
    if sample is None:
        return Reply(GraphResponse(status=404, body=b""))
    data = samples.served(media_id)
    return Reply(GraphResponse(status=200, body=data, headers={"content-type": sample.mime_type}))


def _parts(body: bytes, boundary: bytes) -> dict[str, tuple[str, bytes]]:
    """Read a multipart body: the MIME type and the bytes of each named part."""
    parts: dict[str, tuple[str, bytes]] = {}
    for piece in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        head, separator, data = piece.partition(b"\r\n\r\n")
        field = _PART_FIELD.search(head)
        if separator and field:
            mime_type = _PART_TYPE.search(head)
            parts[field[1].decode(errors="replace")] = (
                mime_type[1].decode(errors="replace") if mime_type else "",
                data,
            )
    return parts


def _number(line: Line, *, status: str, fields: str | None) -> dict[str, Any]:
    """The fields of a number; only those asked for, when any are."""
    known: dict[str, Any] = {
        "display_phone_number": line.display_phone_number,
        "verified_name": "Sandbox",
        "code_verification_status": "VERIFIED",
        "quality_rating": "GREEN",
        "platform_type": "CLOUD_API",
        "throughput": {"level": "STANDARD"},
        "status": status,
        "name_status": "APPROVED",
        "account_mode": "SANDBOX",
        "is_official_business_account": False,
        "is_on_biz_app": False,
        "whatsapp_business_manager_messaging_limit": "TIER_250",
        "health_status": {
            "can_send_message": "AVAILABLE",
            "entities": [
                {"entity_type": "PHONE_NUMBER", "id": line.phone_number_id, "can_send_message": "AVAILABLE"}
            ],
        },
    }
    default = tuple(known)[:6]
    asked = [field.strip() for field in fields.split(",") if field.strip()] if fields else default
    for field in asked:
        if field not in known and field != "id":
            raise Refusal(100, f"no such field of a phone number: {field[:50]}")
    return {field: known[field] for field in asked if field != "id"} | {"id": line.phone_number_id}


def _json_object(body: bytes | None) -> dict[str, Any]:
    try:
        value = json.loads(body or b"")
    except (ValueError, RecursionError):
        raise Refusal(100, "the body must be a JSON object") from None
    if not isinstance(value, dict):
        raise Refusal(100, "the body must be a JSON object")
    return value


def _ok(value: dict[str, Any]) -> Reply:
    return Reply(_json_response(value))


def _json_response(value: dict[str, Any], *, status: int = 200) -> GraphResponse:
    headers = {"content-type": "application/json; charset=UTF-8", "x-fb-request-id": secrets.token_hex(8)}
    return GraphResponse(status=status, body=json.dumps(value).encode(), headers=headers)
