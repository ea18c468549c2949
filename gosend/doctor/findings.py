"""What the doctor says."""

from dataclasses import dataclass

from accounts.checkup import State

__all__ = ["Finding", "State"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `cure` is empty where nothing is wrong."""

    about: str
    state: State
    says: str
    cure: str = ""


def well(about: str, says: str) -> Finding:
    return Finding(about, State.OK, says)


def ill(about: str, says: str, cure: str) -> Finding:
    return Finding(about, State.FAILED, says, cure)


def warned(about: str, says: str, cure: str) -> Finding:
    return Finding(about, State.WARNING, says, cure)


def skipped(about: str, says: str) -> Finding:
    return Finding(about, State.SKIPPED, says)
