"""Meta's JSON of a template, and the row that is our copy of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from accounts.models import BusinessAccount
from gosend.whatsapp import violations
from templates_app.models import Template

_COMPARED = (
    "meta_template_id",
    "category",
    "status",
    "components",
    "parameter_format",
    "rejection_reason",
    "quality_score",
)


def read(row: Mapping[str, Any]) -> Template | None:
    """Make an unsaved copy of what Meta lists; None for a row that is none, or that cannot be stored."""
    name, language = _text(row.get("name")), _text(row.get("language"))
    if not name or len(name) > 512 or not language or len(language) > 16:
        return None
    if any(violations.unstorable(dict(row), path="")):
        return None
    components = row.get("components")
    quality = row.get("quality_score")
    score = quality.get("score") if isinstance(quality, dict) else quality
    reason = _text(row.get("rejected_reason"))
    return Template(
        name=name,
        language=language,
        meta_template_id=_text(row.get("id"))[:64],
        category=_text(row.get("category")).upper()[:20],
        status=_text(row.get("status")).upper()[:20] or Template.Status.PENDING,
        components=components if isinstance(components, list) else [],
        parameter_format=_text(row.get("parameter_format")).upper()[:10]
        or Template.ParameterFormat.POSITIONAL,
        rejection_reason="" if reason == "NONE" else reason[:200],
        quality_score=_text(score).upper()[:10],
    )


def take_over(template: Template, fresh: Template) -> bool:
    """Make a row say what Meta says, without saving it; False when it did so already."""
    changed = [name for name in _COMPARED if getattr(template, name) != getattr(fresh, name)]
    for name in changed:
        setattr(template, name, getattr(fresh, name))
    return bool(changed)


def belong(fresh: Template, *, account: BusinessAccount, synced_at: datetime | None) -> Template:
    """Put an unsaved copy under its account."""
    fresh.tenant_id = account.tenant_id
    fresh.business_account = account
    fresh.last_synced_at = synced_at
    return fresh


def _text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""
