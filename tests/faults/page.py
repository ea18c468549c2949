"""The text around the figures of docs/faults.md."""

PAGE = """\
# Faults

This page is made by `make faults WRITE=1`; do not edit it. Anybody can repeat it with PostgreSQL 15 or newer
and redis-server on one machine.

- when: {day}
- command: `{command}`
- machine: {machine}; {minutes:.0f} minutes in all
- shorter than in production: `{shortened}`; where a scenario has other settings, it says so

Each scenario has a PostgreSQL (fsync on) and a Redis of its own, web processes (granian), workers and beat
(Celery), the sandbox as a Meta of its own over real HTTP behind a proxy that lies on demand, and a webhook
receiver. Kills are real signals. F01 to F34 are the catalogue that the suite was written to; F35 and F36 came
up on the way.

*Accepted*: the client holds a 2xx with an id. *Lost*: neither settled nor reported as in doubt in the end, or
said to be sent although Meta has no such message. *Duplicated*: times that Meta has a message beyond once.
*Unexpected*: at Meta without a promise, or although reported as failed. *Unknown*: ever reported as in doubt
by the API. *Recovered*: of those, settled in the end by Meta's own report. *Owed*: the webhooks that an
endpoint is to get; as a rule one number of four has one, and what never left owes none.

{rows}

`{last}`

## What was checked

{checked}

## Not run

{missing}
"""
