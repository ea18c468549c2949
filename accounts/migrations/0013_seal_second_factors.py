"""Seal the second factors that were readable until now, and drop the tables that they were readable in."""

from typing import Any

from django.db import connection, migrations

from gosend.lib import encryption

_APPS = "SELECT user_id, key, last_t, drift FROM otp_totp_totpdevice WHERE confirmed ORDER BY id DESC"
_CODES = """
SELECT token FROM otp_static_statictoken WHERE device_id IN (
    SELECT id FROM otp_static_staticdevice WHERE user_id = %s)
"""
_KEEP = """
INSERT INTO accounts_authenticator (user_id, name, confirmed, throttling_failure_count, created_at,
                                    sealed_key, sealed_codes, last_step, drift)
VALUES (%s, 'app', true, 0, now(), %s, %s, %s, %s) ON CONFLICT (user_id) DO NOTHING
"""
_DROP = "DROP TABLE IF EXISTS otp_static_statictoken, otp_static_staticdevice, otp_totp_totpdevice"


def move(apps: Any, schema_editor: Any) -> None:
    """By SQL: the app that owned these tables is not installed any more."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('otp_totp_totpdevice') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return
        cursor.execute(_APPS)
        for user_id, key, last_t, drift in cursor.fetchall():
            cursor.execute(_CODES, [user_id])
            codes = "\n".join(token for (token,) in cursor.fetchall())
            sealed = [
                encryption.seal(text, context=f"accounts.Authenticator.{what}:{user_id}") if text else ""
                for what, text in (("key", key), ("codes", codes))
            ]
            cursor.execute(_KEEP, [user_id, *sealed, last_t, drift])
        cursor.execute(_DROP)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0012_authenticator")]

    operations = [migrations.RunPython(move, migrations.RunPython.noop, elidable=False)]
