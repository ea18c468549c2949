"""What keeps a number from sending as far as it is known here, each with its cure."""

from dataclasses import dataclass

from accounts import numbers, pace
from accounts.models import PhoneNumber
from gosend.lib import moments

_CURES: dict[type[Exception], str] = {
    numbers.TenantSuspended: "Resume the tenant on its page in the console.",
    numbers.AccountSuspended: "Set the business account active on its page in the console.",
    numbers.CustomerSuspended: "Set the customer active on its page in the console.",
    numbers.NumberNotConnected: "Connect the number again in the console.",
    numbers.NumberStopped: "Press Start sending on its page in the console.",
}


@dataclass(frozen=True, slots=True)
class Stop:
    says: str
    cure: str


def of(number: PhoneNumber) -> list[Stop]:
    """Everything at once, so that mending one does not first uncover the next; empty when it may send."""
    found = []
    refusal = numbers.why_not_sendable(number)
    if refusal is not None:
        found.append(Stop(f"{refusal}.", _CURES[type(refusal)]))
    if pace.held_seconds(number):
        why, _, cure = pace.REASONS[number.held_for].partition(": ")
        until = moments.written(number.held_until)
        says = f"It is paused until {until}, then it tries again by itself. {why}."
        found.append(Stop(says, f"{cure[0].upper()}{cure[1:]} Then press Try again now, or wait."))
    return found
