"""One API's OpenAPI document, held against a running server by schemathesis.

GOSEND_FUZZ_SECONDS=600 looks longer, and each time elsewhere.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.journeys.conftest import Client

SECONDS = int(os.environ.get("GOSEND_FUZZ_SECONDS", "0"))
_AT_MOST_SECONDS = 160
# Path or body name → ids that exist: the first to use, the second to spoil.
Ids = Mapping[str, Sequence[str]]
# What no schema says: which cursor was given, which events fit which webhook, that a picture has an id or a
# link, that a template's name is taken. All else is checked as it comes.
_NOT_IN_A_SCHEMA = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "404", "409", "410", "422"]
[[operations]]
include-method = ["POST", "PUT", "PATCH"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "403", "404", "409", "410", "422"]
"""


@dataclass(frozen=True, slots=True)
class Contract:
    """Which document, and what a stranger to the API could not guess."""

    name: str
    # The header that carries the key.
    auth: str
    ids: Ids
    # Operation → the name of the id that it takes away or changes, of which it gets one of its own.
    destructive: Mapping[str, str] = field(default_factory=dict)
    # A file has whatever type it has; the document would have to say */*, which client generators refuse.
    downloads: Sequence[str] = ()
    adapt: Callable[[dict[str, Any]], None] = lambda _document: None
    # Name in the query → a value that is one: a cursor, a message.
    queries: Mapping[str, str] = field(default_factory=dict)
    # Operations with an id in their path that has a form of its own, so that a wrong one is a 400.
    spelled: Sequence[str] = ()
    least_operations: int = 8
    seconds: int = 20


def hold(contract: Contract, client: Client, folder: Path) -> None:
    """Fail with what schemathesis says where the server does something that its document does not say."""
    # Made when it is asked for first: some seconds where much else runs.
    document = requests.get(f"{client.base_url}/openapi/{contract.name}.json", timeout=60).json()
    contract.adapt(document)
    file = folder / f"{contract.name}.json"
    file.write_text(json.dumps(document))
    config = folder / "schemathesis.toml"
    config.write_text(_config(contract))
    if SECONDS:
        _try(contract, client, file, config, [f"--max-time={SECONDS}"])
        return
    # What a core gets done in a time is anybody's guess: until enough has been tried, it is given more.
    seconds = contract.seconds
    bound = [f"--max-time={seconds}", "--seed=1"]
    while _try(contract, client, file, config, bound) < contract.least_operations:
        assert seconds < _AT_MOST_SECONDS, f"too few operations were tried in {seconds} s"
        seconds *= 2
        bound[0] = f"--max-time={seconds}"


def _try(contract: Contract, client: Client, file: Path, config: Path, bound: Sequence[str]) -> int:
    """How many operations were tried."""
    done = subprocess.run(  # noqa: S603
        [
            str(Path(sys.executable).parent / "schemathesis"),
            f"--config-file={config}",
            "run",
            str(file),
            f"--url={client.base_url}",
            f"--header={contract.auth}",
            "--continue-on-failure",
            "--generation-database=none",
            "--request-timeout=10",
            *bound,
        ],
        cwd=file.parent,
        capture_output=True,
        text=True,
        timeout=SECONDS + 300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    operations = re.search(r"Operations:.*\n(?:.*\n)*?.*Tested: +(\d+)", done.stdout)
    assert operations, done.stdout
    return int(operations[1])


def _config(contract: Contract) -> str:
    """Ids that exist, most of the time: then a path does not end at the 404."""
    lines = ["[parameters]"]
    lines += [f'"query.{name}" = "{value}"' for name, value in contract.queries.items()]
    lines += [_known(name, name) for name in contract.ids]
    for name, ids in contract.ids.items():
        lines += [f"[dictionaries.{name}]", f"values = {json.dumps(list(ids[:1]))}"]
    for name in sorted(set(contract.destructive.values())):
        lines += [f"[dictionaries.{name}_to_spoil]", f"values = {json.dumps(list(contract.ids[name][1:]))}"]
    lines.append(_NOT_IN_A_SCHEMA)
    for operation in contract.downloads:
        lines += ["[[operations]]", f'include-name = "{operation}"']
        lines.append("checks.content_type_conformance.enabled = false")
    for operation in contract.spelled:
        lines += ["[[operations]]", f'include-name = "{operation}"']
        lines.append(
            'checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "409", "410", "422"]'
        )
    for operation, name in contract.destructive.items():
        lines += ["[[operations]]", f'include-name = "{operation}"']
        lines.append(f"parameters = {{ {_known(name, f'{name}_to_spoil')} }}")
    return "\n".join(lines)


def _known(name: str, dictionary: str) -> str:
    return f'"path.{name}" = {{ dictionary = "{dictionary}", probability = 0.8 }}'
