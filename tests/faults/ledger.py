"""A scenario's account in Jepsen's words: accepted, lost, duplicated, unexpected, unknown, recovered."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

# Settled by Meta's answer or report; nothing more is owed.
SETTLED = frozenset({"sent", "delivered", "read", "failed"})
REACHED = frozenset({"sent", "delivered", "read"})
IN_DOUBT = frozenset({"unknown", "unconfirmed"})


@dataclass(frozen=True, slots=True)
class Seen:
    """What the API says of a message in the end."""

    status: str
    wamid: str | None = None


@dataclass(slots=True)
class Counts:
    """What became of the messages that a client holds a 2xx for."""

    accepted: int = 0
    lost: int = 0
    duplicated: int = 0
    unexpected: int = 0
    unknown: int = 0
    recovered: int = 0

    def add(self, other: "Counts") -> None:
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Account:
    """The counts, and the ids behind those that should be nought."""

    counts: Counts
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    unreported: list[str] = field(default_factory=list)


def settle(
    *,
    accepted: Collection[str],
    seen: Mapping[str, Seen],
    at_meta: Mapping[str, Sequence[str]],
    ever_unknown: Collection[str] = (),
    allowed_twice: Collection[str] = (),
) -> Account:
    """Compare what was promised with what the API says and with what Meta really has.

    Lost: no settled state and not in doubt; or said to be sent although Meta has no such message.
    Duplicated: how often Meta has one beyond once; `allowed_twice` is for a tenant that chose to resend.
    Unexpected: at Meta without a promise, or at Meta although the API says that it failed.
    Unknown: ever in doubt. Recovered: of those, settled in the end. `unreported` are at Meta, and neither
    sent, failed nor in doubt for the API.
    """
    doubted = set(ever_unknown) | {one for one in accepted if one in seen and seen[one].status in IN_DOUBT}
    account = Account(Counts(accepted=len(set(accepted)), unknown=len(doubted)))
    for one in sorted(set(accepted)):
        wamids = at_meta.get(one, ())
        state = seen.get(one)
        if state is None or state.status not in SETTLED | IN_DOUBT:
            account.lost.append(one)
            if wamids:
                account.unreported.append(one)
        elif state.status in REACHED and state.wamid not in wamids:
            account.lost.append(one)
        elif state.status == "failed" and wamids:
            account.unexpected.append(one)
        if len(wamids) > 1 and one not in allowed_twice:
            account.duplicated += [one] * (len(wamids) - 1)
        if one in doubted and state is not None and state.status in SETTLED:
            account.counts.recovered += 1
    account.unexpected += sorted(set(at_meta) - set(accepted))
    account.counts.lost = len(account.lost)
    account.counts.duplicated = len(account.duplicated)
    account.counts.unexpected = len(account.unexpected)
    return account
