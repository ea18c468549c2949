"""The list of errors: complete, true, and where every doc_url points."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as loaded
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from gosend.api import error_list, errors
from gosend.lib import catalog
from gosend.whatsapp import errors as graph


def test_the_committed_list_is_true() -> None:
    call_command("errors", "--check")


def test_the_check_notices_a_difference(tmp_path: Any, settings: Settings) -> None:
    settings.BASE_DIR = tmp_path

    with pytest.raises(CommandError):
        call_command("errors", "--check")
    call_command("errors", verbosity=0)
    call_command("errors", "--check")
    (tmp_path / "docs/errors.md").write_text(error_list.as_markdown() + "more")
    with pytest.raises(CommandError):
        call_command("errors", "--check")


def test_every_doc_url_leads_to_an_anchor_of_page_and_file() -> None:
    page = Client().get("/docs/errors").content.decode()
    file = (Path(loaded.BASE_DIR) / "docs/errors.md").read_text()
    addresses = [errors.body(errors.Problem(entry, "…"))["doc_url"] for entry in catalog.CATALOG.values()]

    for address in addresses:
        path, _, anchor = address.removeprefix(loaded.PUBLIC_URL).partition("#")
        assert path == "/docs/errors"
        assert page.count(f'<tr id="{anchor}">') == 1
        assert file.count(f'<a id="{anchor}">') == 1


def test_every_code_of_metas_has_its_row_with_its_cure() -> None:
    page = Client().get("/docs/errors").content.decode()
    anchors = [f"meta-{code}" for code in sorted(graph.RULES)]

    assert re.findall(r'<tr id="(meta-\d+)">', page) == anchors
    assert re.findall(r'<a id="(meta-\d+)">', error_list.as_markdown()) == anchors
    assert all(row.cure and row.title for row in error_list.of_meta())


def test_the_documented_codes_are_all_in_the_catalogue() -> None:
    documented = """INVALID_API_KEY EXPIRED_API_KEY MALFORMED_API_KEY INVALID_PHONE_NUMBER
        INVALID_PHONE_NUMBER_ID INVALID_MESSAGE_TYPE MISSING_REQUIRED_FIELD INVALID_E164"""

    assert {code.lower() for code in documented.split()} <= set(catalog.CATALOG)
