"""`manage.py migrate` beside a gateway at work: it gives way, and comes to its end."""

import threading
import time
from io import StringIO

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

_LAST, _BEFORE = "0015_callbacks_tried_and_given_up", "0014_merged_contacts"
_INDEX = "SELECT count(*) FROM pg_indexes WHERE indexname = 'meta_event_given_up'"


def _session() -> "psycopg.Connection[tuple[object, ...]]":
    wanted = ("dbname", "user", "password", "host", "port")
    parameters = connection.get_connection_params()
    return psycopg.connect(**{name: parameters[name] for name in wanted if parameters.get(name)})


@pytest.mark.django_db(transaction=True)
def test_a_table_in_use_is_waited_for_and_nobody_waits_behind_it_for_long() -> None:
    call_command("migrate", "messaging", _BEFORE, verbosity=0)
    said = StringIO()
    migration = threading.Thread(target=_migrate, args=(said,))
    try:
        with _session() as holder, _session() as other:
            # As a long report does: with it what changes the table has to wait, and with that everybody else.
            holder.execute("LOCK TABLE messaging_metaevent IN ROW EXCLUSIVE MODE")
            migration.start()
            waits = [_seconds_of_an_update(other) for _ in range(20)]
            assert migration.is_alive()
            holder.rollback()
        migration.join(30)
    finally:
        migration.join(30)
        call_command("migrate", verbosity=0)

    assert max(waits) < 2
    assert "A table is in use; trying again" in said.getvalue()
    assert ("messaging", _LAST) in MigrationRecorder(connection).applied_migrations()
    with connection.cursor() as cursor:
        cursor.execute(_INDEX)
        assert cursor.fetchone() == (1,)
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)


def _migrate(said: StringIO) -> None:
    try:
        call_command("migrate", "messaging", verbosity=0, stderr=said)
    finally:
        connection.close()


def _seconds_of_an_update(session: "psycopg.Connection[tuple[object, ...]]") -> float:
    """How long another who writes to the table has to wait for it."""
    began = time.monotonic()
    session.execute("UPDATE messaging_metaevent SET errors = errors WHERE id = 0")
    session.commit()
    time.sleep(0.1)
    return time.monotonic() - began
