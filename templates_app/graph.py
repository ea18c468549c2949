"""Meta's refusals about templates, as errors of ours."""

from gosend.lib.errors import DomainError
from gosend.whatsapp.client import GraphError
from gosend.whatsapp.errors import Outcome

# Seconds to wait where Meta names none.
_RETRY_AFTER = 5


class MetaRefused(DomainError):
    code = "meta_error"


class MetaUnavailable(DomainError):
    code = "meta_unavailable"


def as_domain_error(error: GraphError) -> DomainError:
    """Tell a refusal for good from a trouble that passes."""
    details = {"meta": {**error.as_dict(), "subcode": error.subcode}}
    if error.outcome is Outcome.FINAL:
        return MetaRefused(f"Meta refused: {error.title}", details=details)
    return MetaUnavailable(
        f"Meta did not do it now: {error.title}",
        details=details,
        retry_after=max(1, round(error.retry_after or _RETRY_AFTER)),
    )
