"""How PostgreSQL would go about a statement, whatever tests before this one have left behind."""

from django.db import connection


def write_anew(table: str) -> None:
    """Write the table and its indexes without what other tests rolled back, and count it.

    An index full of dead rows is dear, whichever it is; and a table that was vacuumed while it was empty is
    planned for no row at all.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else triggers that are still to come forbid it
        cursor.execute(f"CLUSTER {table} USING {table}_pkey; ANALYZE {table}")
