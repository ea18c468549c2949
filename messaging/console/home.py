"""The console's first page: what needs somebody, and the last day in figures."""

from typing import Any

from django.http import HttpRequest

from accounts.console import user_of
from messaging.console import attention, charts
from messaging.models import HourlyFigure

_Measure = HourlyFigure.Measure
# Statuses of a message that went out; what is still under way counts as neither.
_ARRIVED = ("delivered", "read")


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the first page shows; to who may not look at messages it is the list of pages only."""
    user = user_of(request)
    if not user.has_perm("messaging.view_message"):
        return context
    messages = charts.by_hour(user, measure=_Measure.STATUS, name="Messages by status")
    webhooks = charts.by_hour(user, measure=_Measure.WEBHOOK, name="Webhook deliveries")
    delays = charts.delays(user)
    return {
        **context,
        "title": "Home",
        "has_figures": True,
        "matters": attention.matters(user),
        "charts": [messages, webhooks],
        "failures": charts.failures(user),
        "delays": delays,
        "cards": _cards(charts.totals(messages), charts.totals(webhooks), delays),
    }


def _cards(
    messages: dict[str, int], webhooks: dict[str, int], delays: list[charts.Row]
) -> list[dict[str, str]]:
    received = messages.get("received", 0)
    ours = sum(messages.values()) - received
    arrived = sum(messages.get(key, 0) for key in _ARRIVED)
    usual, slow = charts.quantile(delays, 0.5), charts.quantile(delays, 0.95)
    told = sum(webhooks.values())
    return [
        _card("Sent", f"{ours:,}", f"{_share(arrived, ours)} on the customer's phone"),
        _card("Received", f"{received:,}", "messages that customers wrote"),
        _card(
            "Failed",
            f"{messages.get('failed', 0):,}",
            f"{_share(messages.get('failed', 0), ours)} of those sent",
        ),
        _card(
            "Time to the phone",
            usual or "no figures",
            f"95 in 100: {slow}" if slow else "nothing was delivered",
        ),
        _card("Webhooks", f"{told:,}", f"{_share(webhooks.get('delivered', 0), told)} delivered"),
    ]


def _card(name: str, figure: str, detail: str) -> dict[str, str]:
    return {"name": name, "figure": figure, "detail": detail}


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"
