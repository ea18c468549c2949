"""Where the material lies that tests read and the repository does not hold."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# The documented pages and Meta's sample payloads, beside the checkout or where this names them.
SHARED = Path(os.environ.get("GOSEND_MATERIAL") or ROOT.parent / "shared")

needs_material = pytest.mark.skipif(
    not (SHARED / "sources").is_dir(),
    reason="the documented pages are not beside this checkout; GOSEND_MATERIAL names their folder",
)


def page(name: str) -> str:
    return (SHARED / "sources" / f"{name}.txt").read_text()


def meta_samples() -> list[Path]:
    """Every sample of a callback that lies with the material; empty without it."""
    return sorted(p for p in (SHARED / "data/meta/webhooks").glob("*.json") if p.name != "index.json")
