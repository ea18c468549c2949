"""schemathesis against a running server: what a document promises is so, whatever is sent.

GOSEND_FUZZ_SECONDS=600 looks longer, and each time elsewhere.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson
import requests
from pytest_django import Settings

SECONDS = int(os.environ.get("GOSEND_FUZZ_SECONDS", "0"))

# What no schema says: which cursor was given, which events fit which webhook, that a picture has an id or a
# link, that a template's name is taken. All else is checked as it comes.
NOT_IN_A_SCHEMA = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "404", "409", "422"]
[[operations]]
include-method = ["POST", "PATCH", "PUT", "DELETE"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "403", "404", "409", "422"]
"""


def config(
    folder: Path,
    *,
    ids: Mapping[str, list[str]],
    spoiled_by: Mapping[str, Iterable[str]],
    files: Iterable[str] = (),
) -> Path:
    """Paths with ids that exist, most of the time: then they do not end at the 404.

    `ids` has two of a kind where operations spoil one: these, `spoiled_by`, get the second. `files` are
    operations that answer with a file: it has whatever type it has, for which the document would have to say
    */*, and client generators refuse that.
    """
    sure = [f'"path.{name}" = {{ dictionary = "{name}", probability = 0.8 }}' for name in ids]
    known = [f'[dictionaries.{name}]\nvalues = ["{values[0]}"]' for name, values in ids.items()]
    known += [f'[dictionaries.{name}_to_spoil]\nvalues = ["{ids[name][1]}"]' for name in spoiled_by]
    apart = [
        f'[[operations]]\ninclude-name = "{operation}"\n'
        f'parameters = {{ "path.{name}" = {{ dictionary = "{name}_to_spoil", probability = 0.8 }} }}'
        for name, operations in spoiled_by.items()
        for operation in operations
    ]
    apart += [
        f'[[operations]]\ninclude-name = "{name}"\nchecks.content_type_conformance.enabled = false'
        for name in files
    ]
    file = folder / "schemathesis.toml"
    file.write_text("\n".join(["[parameters]", *sure, *known, NOT_IN_A_SCHEMA, *apart]))
    return file


def served(base_url: str, dialect: str, **known: str) -> Any:
    """The document, with the values that these parameters can have: only their words say so there."""
    document = requests.get(f"{base_url}/openapi/{dialect}.json", timeout=10).json()
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] in known:
                    parameter["schema"] = {"type": "string", "enum": [known[parameter["name"]]]}
    return document


def unhurried(settings: Settings) -> None:
    settings.API_RATE_LIMITS = dict.fromkeys(settings.API_RATE_LIMITS, 100_000)
    settings.API_DAILY_LIMITS = dict.fromkeys(settings.API_DAILY_LIMITS, 100_000_000)


def require_kept(document: Any, folder: Path, *, config: Path, base_url: str, header: str, most: int) -> None:
    """Let schemathesis look for `most` seconds, or as long as it is told; it must find nothing."""
    file = folder / "document.json"
    file.write_bytes(orjson.dumps(document))
    bound = [f"--max-time={SECONDS}"] if SECONDS else [f"--max-time={most}", "--seed=1"]
    done = subprocess.run(  # noqa: S603
        [
            str(Path(sys.executable).parent / "schemathesis"),
            f"--config-file={config}",
            "run",
            str(file),
            f"--url={base_url}",
            f"--header={header}",
            "--continue-on-failure",
            "--generation-database=none",
            "--request-timeout=10",
            *bound,
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS + 300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    operations = re.search(r"Operations:.*\n(?:.*\n)*?.*Tested: +(\d+)", done.stdout)
    assert operations is None or int(operations[1]) >= 8
