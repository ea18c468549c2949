"""What of the catalogue does not run here, and why."""

from tests.faults.scenario import NOT_RUN

NOT_RUN |= {
    "F26": "six days need a clock that can be moved under PostgreSQL too; the staged warnings, the disabling"
    " and the recovery are tested with aged rows in tests/webhooks_app",
    "F27": "needs libfaketime under single processes, which a bare machine does not have; leases and due"
    " moments are read from the database's clock alone",
    "F28": "a half hour with an open snapshot is a measurement: `make bench` drains a queue under one",
    "F30": "needs two released versions of the code; there is one",
    "F32": "two hours; `make soak` watches the memory of web and workers for ten minutes",
    "F34": "slow, dead and changing hosts of media links are played with real servers in"
    " tests/messaging/test_media.py",
}
