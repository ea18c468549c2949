"""The same message in the words of each of the three APIs."""

from base64 import b64encode
from typing import Any

from tests.messaging.media_host import PNG

PHONE = "919876543210"
_PLACE = {"latitude": -34.6, "longitude": -58.4, "name": "Obelisco", "address": "Corrientes"}
_BUTTONS = [{"id": "yes", "title": "Yes"}, {"id": "no", "title": "No"}]
_LINK = {"display_text": "View", "url": "https://example.com/1"}
_PERSON = {
    "name": {"formatted_name": "Ana", "first_name": "Ana"},
    "phones": [{"phone": "+5491140123456", "type": "CELL", "wa_id": "5491140123456"}],
}
_VCARD = """BEGIN:VCARD
VERSION:3.0
N:Perez;Ana;;Dr.;
FN:Dr. Ana Perez
ORG:Clinic;Cardiology
TITLE:Surgeon
BDAY:1980-02-03
TEL;TYPE=CELL;WAID=5491140123456:+54 9 11 4012-3456
TEL;TYPE=WORK:0800 1234
EMAIL;TYPE=WORK:ana@clinic.example
URL:https://clinic.example
ADR;TYPE=WORK:;;Corrientes 1;Buenos Aires;;1043;Argentina
END:VCARD"""
_DOCTOR = {
    "name": {
        "formatted_name": "Dr. Ana Perez",
        "first_name": "Ana",
        "last_name": "Perez",
        "prefix": "Dr.",
    },
    "phones": [
        {"phone": "+54 9 11 4012-3456", "type": "CELL", "wa_id": "5491140123456"},
        {"phone": "0800 1234", "type": "WORK"},
    ],
    "emails": [{"email": "ana@clinic.example", "type": "WORK"}],
    "urls": [{"url": "https://clinic.example"}],
    "addresses": [
        {
            "street": "Corrientes 1",
            "city": "Buenos Aires",
            "zip": "1043",
            "country": "Argentina",
            "type": "WORK",
        }
    ],
    "org": {"company": "Clinic", "department": "Cardiology", "title": "Surgeon"},
    "birthday": "1980-02-03",
}
_ROWS = [{"id": str(n), "title": f"Row {n}"} for n in range(4)]
_OFFER = {
    "name": "offer",
    "language": {"code": "en_US"},
    "components": [
        {"type": "body", "parameters": [{"type": "text", "text": "John", "parameter_name": "name"}]}
    ],
}
_SHIPPED = {
    "name": "shipped",
    "language": {"code": "en_US"},
    "components": [
        {"type": "header", "parameters": [{"type": "image", "image": {"id": "934567890123456"}}]},
        {
            "type": "body",
            "parameters": [{"type": "text", "text": "John"}, {"type": "text", "text": "12345"}],
        },
        {
            "type": "button",
            "sub_type": "url",
            "index": "0",
            "parameters": [{"type": "text", "text": "12345"}],
        },
    ],
}
TEMPLATES: dict[str, list[dict[str, Any]]] = {
    "offer": [{"type": "BODY", "text": "Hello {{name}}"}],
    "shipped": [
        {"type": "HEADER", "format": "IMAGE"},
        {"type": "BODY", "text": "Hello {{1}}, {{2}} is on its way."},
        {
            "type": "BUTTONS",
            "buttons": [{"type": "URL", "text": "Track", "url": "https://example.com/{{1}}"}],
        },
    ],
}
# A message of the customer's, which some of the others refer to.
ASKED = "wamid.asked"
LINKED = "https://shop.example/a.png"
_FILE = {"id": "934567890123456", "caption": "Look"}
_BARE = {"id": _FILE["id"]}

# Native, Whatomate's, the session gateway's; None where an API has no such type. An emoji goes to the address
# for reactions, a template's name to that for templates, a file in a form to that for files.
SAME: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]] = {
    "text": (
        {"type": "text", "text": {"body": "Hi 👋"}},
        {"type": "text", "text": "Hi 👋"},
        {"type": "text", "text": "Hi 👋"},
    ),
    "location": (
        {"type": "location", "location": _PLACE},
        {"type": "location", "location": _PLACE},
        {"type": "location", **_PLACE},
    ),
    "buttons": (
        {
            "type": "interactive",
            "interactive": {
                "type": "button",
                "body": {"text": "?"},
                "action": {"buttons": [{"type": "reply", "reply": one} for one in _BUTTONS]},
            },
        },
        {"type": "interactive", "interactive": {"type": "button", "body": "?", "buttons": _BUTTONS}},
        None,
    ),
    "cta_url": (
        {
            "type": "interactive",
            "interactive": {
                "type": "cta_url",
                "body": {"text": "?"},
                "action": {"name": "cta_url", "parameters": _LINK},
            },
        },
        {
            "type": "interactive",
            "interactive": {
                "type": "cta_url",
                "body": "?",
                "button_text": _LINK["display_text"],
                "url": _LINK["url"],
            },
        },
        None,
    ),
    "list": (
        {
            "type": "interactive",
            "interactive": {
                "type": "list",
                "body": {"text": "?"},
                "action": {"button": "Select an option", "sections": [{"title": "Options", "rows": _ROWS}]},
            },
        },
        {"type": "interactive", "interactive": {"type": "button", "body": "?", "buttons": _ROWS}},
        None,
    ),
    "contact": (
        {"type": "contacts", "contacts": [_PERSON]},
        {"type": "contacts", "contacts": [_PERSON]},
        {"type": "contact", "contact": {"name": "Ana", "phone": "+5491140123456"}},
    ),
    "vCard": (
        {"type": "contacts", "contacts": [_DOCTOR]},
        {"type": "contacts", "contacts": [_DOCTOR]},
        {"type": "contact", "contact": {"vcard": _VCARD}},
    ),
    "two contacts": (
        {"type": "contacts", "contacts": [_PERSON, _DOCTOR]},
        {"type": "contacts", "contacts": [_PERSON, _DOCTOR]},
        {"type": "contact", "contact": [{"name": "Ana", "phone": "+5491140123456"}, {"vcard": _VCARD}]},
    ),
    "flow": (
        {
            "type": "interactive",
            "interactive": {
                "type": "flow",
                "body": {"text": "?"},
                "action": {
                    "name": "flow",
                    "parameters": {
                        "flow_message_version": "3",
                        "flow_id": "123",
                        "flow_cta": "Book",
                        "flow_token": "t",
                        "flow_action": "navigate",
                        "flow_action_payload": {"screen": "START"},
                    },
                },
            },
        },
        {
            "type": "flow",
            "interactive": {
                "body": "?",
                "flow_id": "123",
                "button_text": "Book",
                "flow_token": "t",
                "first_screen": "START",
            },
        },
        None,
    ),
    "image": (
        {"type": "image", "image": _FILE},
        {"type": "image", "media_id": _FILE["id"], "caption": "Look"},
        {"type": "image", "media": _FILE},
    ),
    "image by link": (
        {"type": "image", "image": {"link": LINKED, "caption": "Look"}},
        {"type": "image", "media_url": LINKED, "caption": "Look"},
        {"type": "image", "media": {"url": LINKED, "caption": "Look"}},
    ),
    "document": (
        {"type": "document", "document": {**_FILE, "filename": "a.pdf"}},
        {"type": "document", "media_id": _FILE["id"], "caption": "Look", "filename": "a.pdf"},
        {"type": "document", "media": {**_FILE, "filename": "a.pdf"}},
    ),
    "video": (
        {"type": "video", "video": _FILE},
        {"type": "video", "media_id": _FILE["id"], "caption": "Look"},
        {"type": "video", "media": _FILE},
    ),
    "audio": (
        {"type": "audio", "audio": _BARE},
        {"type": "audio", "media_id": _FILE["id"]},
        {"type": "audio", "media": _BARE},
    ),
    "sticker": (
        {"type": "sticker", "sticker": _BARE},
        {"type": "sticker", "media_id": _FILE["id"]},
        {"type": "sticker", "media": _BARE},
    ),
    "image from the request itself": (
        {"type": "image", "image": _FILE},
        {"type": "image", "file": PNG, "caption": "Look"},
        {"type": "image", "media": {"data": b64encode(PNG).decode(), "caption": "Look"}},
    ),
    "image that answers": (
        {"type": "image", "image": _FILE, "context": {"message_id": ASKED}},
        {"type": "image", "media_id": _FILE["id"], "caption": "Look", "reply_to_message_id": ASKED},
        {"type": "image", "media": _FILE, "replyTo": ASKED},
    ),
    "template": (
        {"type": "template", "template": _OFFER},
        {"template_name": "offer", "phone_number": PHONE, "template_params": {"name": "John"}},
        {"type": "template", "template": _OFFER},
    ),
    "template with a header, a place by number and a button": (
        {"type": "template", "template": _SHIPPED},
        {
            "template_name": "shipped",
            "phone_number": PHONE,
            "header_media_id": _FILE["id"],
            "template_params": {"1": "John", "2": "12345"},
            "button_params": {"0": "12345"},
        },
        {"type": "template", "template": _SHIPPED},
    ),
    "reply": (
        {"type": "text", "text": {"body": "Yes"}, "context": {"message_id": ASKED}},
        {"type": "text", "text": "Yes", "reply_to_message_id": ASKED},
        {"type": "text", "text": "Yes", "replyTo": ASKED},
    ),
    "reaction": (
        {"type": "reaction", "reaction": {"message_id": ASKED, "emoji": "👍"}},
        {"emoji": "👍"},
        {"emoji": "👍"},
    ),
    "reaction taken back": (
        {"type": "reaction", "reaction": {"message_id": ASKED, "emoji": ""}},
        {"emoji": ""},
        {"emoji": ""},
    ),
}
