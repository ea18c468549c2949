"""Code samples of the main operations, in cURL, Node, PHP and Python; the reference shows them."""

import json
from dataclasses import dataclass
from typing import Any

_NUMBER = "555123456789"


@dataclass(frozen=True, slots=True)
class Sample:
    """A request that a reader can paste, once address and key are theirs."""

    method: str
    path: str
    body: dict[str, Any] | None = None


_SAMPLES = {
    "v1.messages.send": Sample(
        "POST",
        "/v1/messages",
        {
            "phone_number_id": _NUMBER,
            "to": "5491140123456",
            "type": "text",
            "text": {"body": "Hola Juan"},
        },
    ),
    "v1.messages.get": Sample("GET", "/v1/messages/1234567890"),
    "v1.messages.list": Sample("GET", f"/v1/messages?phone_number_id={_NUMBER}&direction=outbound"),
    "v1.webhooks.create": Sample(
        "POST",
        "/v1/webhooks",
        {
            "url": "https://example.com/whatsapp",
            "events": ["whatsapp.message.received", "whatsapp.message.delivered"],
            "phone_number_id": _NUMBER,
        },
    ),
    "v1.webhooks.list": Sample("GET", "/v1/webhooks"),
    "v1.me.get": Sample("GET", "/v1/me"),
}
NAMES = frozenset(_SAMPLES)


def of(operation_id: str) -> list[dict[str, str]]:
    """The samples of an operation as `x-codeSamples` has them; empty for an operation without."""
    sample = _SAMPLES.get(operation_id)
    if sample is None:
        return []
    written = (
        ("Shell", "cURL", _curl(sample)),
        ("JavaScript", "Node.js", _node(sample)),
        ("PHP", "PHP", _php(sample)),
        ("Python", "Python", _python(sample)),
    )
    return [{"lang": lang, "label": label, "source": source} for lang, label, source in written]


def _json(sample: Sample) -> str:
    return json.dumps(sample.body, indent=2, ensure_ascii=False)


def _curl(sample: Sample) -> str:
    lines = [f'curl "$GOSEND_URL{sample.path}"', '  -H "X-API-Key: $GOSEND_KEY"']
    if sample.body is not None:
        lines += ['  -H "Content-Type: application/json"', f"  -d '{_json(sample)}'"]
    return " \\\n".join(lines)


def _node(sample: Sample) -> str:
    options = [f"method: '{sample.method}'", "headers: { 'X-API-Key': process.env.GOSEND_KEY }"]
    if sample.body is not None:
        options[1] = "headers: { 'X-API-Key': process.env.GOSEND_KEY, 'Content-Type': 'application/json' }"
        options.append(f"body: JSON.stringify({_json(sample)})")
    written = "".join(f"  {option},\n" for option in options)
    return (
        f"const answer = await fetch(process.env.GOSEND_URL + '{sample.path}', {{\n{written}}});\n"
        "console.log(answer.status, await answer.json());"
    )


def _php(sample: Sample) -> str:
    headers = "'X-API-Key: ' . getenv('GOSEND_KEY')"
    fields = ""
    if sample.body is not None:
        headers += ", 'Content-Type: application/json'"
        fields = f"curl_setopt($curl, CURLOPT_POSTFIELDS, <<<'JSON'\n{_json(sample)}\nJSON);\n"
    return (
        f"<?php\n$curl = curl_init(getenv('GOSEND_URL') . '{sample.path}');\n"
        f"curl_setopt($curl, CURLOPT_HTTPHEADER, [{headers}]);\n{fields}"
        "curl_setopt($curl, CURLOPT_RETURNTRANSFER, true);\necho curl_exec($curl);"
    )


def _python(sample: Sample) -> str:
    body = "" if sample.body is None else f"\n    json={_json(sample).replace(chr(10), chr(10) + '    ')},"
    return (
        "import os\n\nimport requests\n\n"
        f"answer = requests.{sample.method.lower()}(\n"
        f'    os.environ["GOSEND_URL"] + "{sample.path}",\n'
        f'    headers={{"X-API-Key": os.environ["GOSEND_KEY"]}},{body}\n'
        "    timeout=30,\n)\nprint(answer.status_code, answer.json())"
    )
