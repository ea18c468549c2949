"""Does what a printed curl line would do, against a running server."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import requests

from tests.journeys.conftest import Client

# What stands in print for what every reader has to fill in.
_HOST = re.compile(r"https?://(?:cloud\.gosendapi\.com|127\.0\.0\.1:8000)")
_KEY = re.compile(r"gsk_(?:live|test)_\.\.\.")
_NUMBER = "555123456789"


def curl(text: str, client: Client) -> requests.Response:
    """Do what curl would do with a printed line, default content type included."""
    words = shlex.split(text.replace("\\\n", " "))
    assert words.pop(0) == "curl"
    url, headers, data, method = "", {}, None, ""
    while words:
        word = words.pop(0)
        if word == "-H":
            name, _, value = words.pop(0).partition(":")
            headers[name] = value.strip()
        elif word == "-d":
            data = words.pop(0)
        elif word == "-X":
            method = words.pop(0)
        else:
            url = word
    headers = {name: _KEY.sub(client.key, value) for name, value in headers.items()}
    if data is not None:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        data = data.replace(_NUMBER, client.number.phone_number_id)
    url = _HOST.sub(client.base_url, url)
    method = method or ("GET" if data is None else "POST")
    return requests.request(method, url, headers=headers, data=data and data.encode(), timeout=10)


def bash(script: str, folder: Path, **environment: str) -> tuple[list[Any], list[str]]:
    """Run a script as printed; curl writes each answer and its status on lines of their own."""
    (folder / ".curlrc").write_text('silent\nwrite-out = "\\n%{http_code}\\n"\n')
    done = subprocess.run(  # noqa: S603
        ["bash", "-c", script],  # noqa: S607
        cwd=folder,
        env={"CURL_HOME": str(folder), "PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    lines = done.stdout.split("\n")
    return [json.loads(line) for line in lines[:-1:2]], lines[1::2]


def has_curl() -> bool:
    return bool(shutil.which("curl") and shutil.which("bash"))
