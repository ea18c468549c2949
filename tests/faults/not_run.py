"""What of the catalogue does not run here, and why."""

from tests.faults.scenario import NOT_RUN

NOT_RUN |= {
    "F30": "needs two released versions of the code; there is one",
}
