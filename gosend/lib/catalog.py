"""Every error a client can get: its code, HTTP status, cause and cure. `docs/errors.md` is made from it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the catalogue; dialects spell `code` their own way."""

    code: str
    status: int
    cause: str
    cure: str


_ROWS = (
    # Who is asking
    (
        "malformed_api_key",
        401,
        "The key is missing, has a wrong prefix or a wrong checksum.",
        "Send a whole key as details.header says: X-API-Key with gsk_… for /v1, X-API-Key with whm_… for"
        " /api, Authorization: Bearer (or X-API-Key) with wa_… for /api/v1.",
    ),
    (
        "api_key_of_another_api",
        401,
        "The key opens one of the other APIs of this server.",
        "Use a key of this API: it starts as details.begins_with says. The console makes one.",
    ),
    (
        "invalid_api_key",
        401,
        "No such key.",
        "Check the key, and that it was made on this server, or make a new one in the console.",
    ),
    ("expired_api_key", 401, "The key was revoked or has expired.", "Make a new key in the console."),
    (
        "insufficient_scope",
        403,
        "The key lacks the scope that this request needs.",
        "Use a key with the scope that details.scope names.",
    ),
    (
        "address_not_allowed",
        403,
        "The key may not be used from this address.",
        "Call from an address on the key's list, or change the list in the console.",
    ),
    (
        "invalid_signature",
        401,
        "A callback's X-Hub-Signature-256 is missing or fits no app secret that is known here.",
        "Enter the app secret of the app at Meta in the console; it counts within seconds.",
    ),
    (
        "invalid_verify_token",
        403,
        "Meta's challenge came with a verify token that is not known here.",
        "Enter the same verify token at Meta and in the console.",
    ),
    ("tenant_suspended", 403, "The project is suspended.", "Ask the operator of this installation."),
    (
        "customer_suspended",
        403,
        "The customer that owns the number is suspended.",
        "Set the customer to active again.",
    ),
    (
        "environment_mismatch",
        403,
        "A test key was used with a live number, or a live key with a sandbox number.",
        "Use the key of the number's environment.",
    ),
    # What was asked
    (
        "unknown_host",
        400,
        "The Host header names no host of this installation.",
        "Call the address that PUBLIC_URL names; its operator adds others to ALLOWED_HOSTS.",
    ),
    ("malformed_json", 400, "The body is not a JSON object.", "Send one JSON object, UTF-8."),
    ("unsupported_media_type", 415, "The Content-Type is not JSON.", "Send Content-Type: application/json."),
    ("not_acceptable", 406, "The client accepts no JSON.", "Send Accept: application/json, or leave it out."),
    (
        "payload_too_large",
        413,
        "The body is over the limit.",
        "Send a smaller body; details.limit is in bytes.",
    ),
    ("not_found", 404, "There is no such object in this project.", "Check the id and the key."),
    ("method_not_allowed", 405, "The address does not answer this method.", "See the Allow header."),
    ("missing_required_field", 400, "A required field is absent.", "Add the field that details.field names."),
    (
        "invalid_field",
        400,
        "A field has a value of the wrong form or outside its limits.",
        "Correct the field that details.field names; the message says what it takes.",
    ),
    (
        "invalid_phone_number",
        400,
        "The recipient is not a phone number in E.164.",
        "Send digits only, country code first: no plus sign, spaces, dashes or parentheses.",
    ),
    ("invalid_e164", 400, "A phone field is not in E.164.", "Digits only, country code first."),
    (
        "invalid_message_type",
        400,
        "The type is not one that can be sent.",
        "Use one of the types that details.allowed lists.",
    ),
    (
        "invalid_content",
        400,
        "The message breaks one of WhatsApp's documented limits.",
        "Each entry of details.errors names the path, the limit and the value.",
    ),
    (
        "invalid_phone_number_id",
        404,
        "There is no such number in this project.",
        "Use Meta's numeric phone_number_id, not the phone number itself.",
    ),
    (
        "contact_not_found",
        404,
        "There is no such contact in this project.",
        "Check the id and the key; a test key sees the contacts of sandbox numbers only.",
    ),
    (
        "contact_exists",
        409,
        "A contact with this phone number exists already.",
        "Use that contact: details.contact_id names it.",
    ),
    (
        "ambiguous_account",
        409,
        "Several numbers of the project have this name.",
        "Name the number by its phone_number_id.",
    ),
    (
        "ambiguous_template_language",
        409,
        "The template is approved in several languages, and the request names none.",
        "Send `language` with one of details.allowed, or name the template by template_id.",
    ),
    (
        "missing_template_parameters",
        400,
        "The template has places that the request does not fill.",
        "Fill every place that details.expected names, by its name or by its number from 1.",
    ),
    (
        "invalid_idempotency_key",
        400,
        "The Idempotency-Key is not 1 to 255 printable ASCII characters.",
        "Send a shorter or plainer key.",
    ),
    (
        "idempotency_key_conflict",
        409,
        "The Idempotency-Key was used for another request.",
        "Use a new key for a new request; repeat a request with the very same body.",
    ),
    (
        "idempotency_in_progress",
        409,
        "The first request with this Idempotency-Key is still running.",
        "Repeat after the seconds in Retry-After.",
    ),
    (
        "invalid_event",
        422,
        "An event name is unknown or does not fit the endpoint's scope.",
        "Use the names that details.allowed lists.",
    ),
    (
        "invalid_url",
        422,
        "The URL cannot be used: wrong scheme, credentials, or an address that is not public.",
        "Use an https URL on a public host.",
    ),
    (
        "webhook_exists",
        409,
        "The number already has a webhook of type meta_raw.",
        "Change that webhook, or delete it first.",
    ),
    (
        "webhook_disabled",
        409,
        "The webhook is disabled, so nothing is posted to it.",
        "Enable it first: PATCH it with enabled set to true.",
    ),
    (
        "delivery_under_way",
        409,
        "An attempt at this delivery is being made right now.",
        "Repeat after the seconds in Retry-After, if it is still wanted.",
    ),
    # What WhatsApp allows
    (
        "outside_24h_window",
        403,
        "The customer has not written within 24 hours, so only templates may be sent.",
        "Send an approved template, or wait until the customer writes.",
    ),
    (
        "template_not_found",
        404,
        "The number's account has no template of this name and language.",
        "Check name and language.code, or sync the templates.",
    ),
    (
        "template_not_approved",
        422,
        "Meta has not approved the template.",
        "Wait for the approval, or send another.",
    ),
    (
        "template_paused",
        422,
        "Meta has paused the template for its quality.",
        "Wait until it is approved again.",
    ),
    (
        "template_param_mismatch",
        422,
        "The parameters do not fit the template.",
        "Send as many parameters, of the kinds, as the template has places.",
    ),
    (
        "media_download_failed",
        422,
        "The file behind a link could not be downloaded.",
        "Give an https link on a public host that answers 200 with the file, or upload it to /v1/media.",
    ),
    (
        "media_too_large",
        422,
        "The file is larger than WhatsApp takes for its kind.",
        "Send a smaller file; details.limit is in bytes.",
    ),
    (
        "unsupported_media",
        422,
        "By its bytes the file is not of a type that WhatsApp takes here.",
        "Convert the file to one of the types that the message names.",
    ),
    (
        "media_not_ready",
        409,
        "The customer's file is still on its way from Meta.",
        "Ask again after the seconds in Retry-After.",
    ),
    (
        "media_gone",
        410,
        "The file is past its retention, or Meta no longer had it.",
        "Fetch files soon after their message; MEDIA_RETENTION_DAYS says how long they are kept.",
    ),
    (
        "invalid_template",
        422,
        "The template breaks one of Meta's rules, so Meta was not asked.",
        "Each entry of details.errors names the path, the limit and the value.",
    ),
    (
        "template_exists",
        409,
        "The account already has a template of this name and language.",
        "Choose another name, or delete that template first.",
    ),
    (
        "waba_not_connected",
        409,
        "There is no access token for the WhatsApp Business Account.",
        "Finish connecting the account, then repeat.",
    ),
    (
        "waba_suspended",
        403,
        "The WhatsApp Business Account cannot send.",
        "See the account's status at Meta.",
    ),
    ("phone_number_not_connected", 403, "The number is not connected.", "Connect the number first."),
    (
        "phone_number_stopped",
        403,
        "The number was stopped by its owner, so nothing is sent.",
        "Start it again: POST /api/v1/sessions/{id}:start.",
    ),
    (
        "unsupported_by_channel",
        409,
        "WhatsApp's Cloud API has nothing that does this.",
        "details.reason says why, details.alternatives what does nearly the same.",
    ),
    (
        "message_not_sent_yet",
        409,
        "The message is not at WhatsApp yet, so nothing can refer to it.",
        "Repeat when its status is sent.",
    ),
    # How much
    (
        "rate_limited_session",
        429,
        "The session's sends of this minute or hour are used up; or its queue is longer than a day.",
        "Wait the seconds in retryAfterSeconds, send with ?async=true, or raise the session's budgets.",
    ),
    (
        "rate_limited_api_key",
        429,
        "The key's requests of this second, or of this day (UTC), are used up.",
        "Wait the seconds in retry_after_seconds: at the end of the day they are many.",
    ),
    (
        "rate_limited_phone_number",
        429,
        "The number's messages per second are used up.",
        "Wait the seconds in retry_after_seconds, or send with ?async=true.",
    ),
    (
        "queue_full",
        429,
        "10,000 messages already wait on this number.",
        "Wait until the queue is shorter; it goes out at the number's messages per second.",
    ),
    # Meta and ourselves
    (
        "meta_error",
        422,
        "Meta refused the message.",
        "details.meta has Meta's code and details; see the cure there.",
    ),
    (
        "meta_unavailable",
        503,
        "Meta could not be reached or is not able to answer now.",
        "Repeat later, with the same Idempotency-Key.",
    ),
    ("service_unavailable", 503, "The database cannot be reached.", "Repeat later; nothing was accepted."),
    (
        "took_too_long",
        503,
        "The database gave the request up, because it took too long.",
        "Ask for less: fewer days, fewer filters. Otherwise repeat later; nothing was accepted.",
    ),
    (
        "internal_error",
        500,
        "A fault of ours.",
        "Repeat with backoff; quote the request_id when you report it.",
    ),
)

CATALOG: dict[str, Entry] = {row[0]: Entry(*row) for row in _ROWS}
